//! What can be made to go wrong.
//!
//! To add a fault: a variant here, among those that take effect at the same place, one `match` arm at
//! that place, which the heading names, and a line in `all!`, which the admin console shows.

use serde::{Deserialize, Serialize};

/// A fault of one app integration: only its sign-ins see it. In JSON `"wrong_nonce"` or
/// `{"token_slow": {"ms": 500}}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    // Claims of the ID token: `id_token::spoil_claims`.
    /// `nonce` is not the one of the request.
    WrongNonce,
    /// There is no `nonce`.
    MissingNonce,
    /// `iss` is another tenant.
    WrongIssuer,
    /// `aud` is another client.
    WrongAudience,
    /// `aud` is a list: this client and another one.
    ExtraAudience,
    /// `azp` is another client.
    WrongAzp,
    /// `exp` was an hour ago.
    Expired,
    /// `iat` (and `auth_time`) is an hour ahead.
    IssuedInTheFuture,
    /// There is no `sub`.
    MissingSub,
    /// `at_hash` belongs to another access token.
    WrongAtHash,
    /// `sub` and `nonce` come twice, with different values.
    DuplicatedClaims,

    // Signature of the ID token: `id_token::sign`.
    /// The signature is not one of this token.
    BadSignature,
    /// `alg` is `none` and the signature is empty.
    AlgNone,
    /// HS256, with the client secret as the key.
    Hs256WithSecret,
    /// The keys rotate just before the token is signed, so no relying party has seen the key yet.
    KeyRotatedBeforeSigning,
    /// `kid` is one that the key set never had and never will.
    UnknownKid,

    // Userinfo: `userinfo::answer` and `userinfo::spoil_claims`.
    /// `sub` is somebody else.
    UserinfoOtherSub,
    /// 500.
    UserinfoServerError,
    /// 401, although the access token is good.
    UserinfoUnauthorized,
    /// Nothing but `sub`.
    UserinfoOnlySub,
    /// `email_verified` is the text `"true"`.
    EmailVerifiedAsText,
    /// Instead of the groups, a reference to somewhere else (`_claim_names`, as Entra does it).
    GroupsByReference,
    /// Instead of the groups, `hasgroups` (as Entra does it in an implicit flow).
    GroupsOnlyAnnounced,

    // Token endpoint, before anything else: `token::instead`.
    /// The answer comes `ms` milliseconds late.
    TokenSlow {
        /// How late.
        ms: u64,
    },
    /// 500.
    TokenServerError,
    /// 429 with `Retry-After: 30`.
    TokenRateLimited,
    /// 200 with an HTML page.
    TokenGarbage,
    /// 200 with a JSON text of 8 MB, of unannounced length.
    TokenOversize,
    /// 307 to `/sandbox/elsewhere` of the same host.
    TokenRedirect,

    /// The code is looked at before the client is: an unknown one is `invalid_grant` to everybody.
    TokenCodeFirst,
    /// 400 `unauthorized_client`: the app may not use the authorization code grant.
    TokenGrantNotAllowed,
    /// 400 with the client secret in every form in the description.
    TokenEchoesSecret,

    // Token endpoint, in a good answer: `token::answer`.
    /// No `id_token`.
    TokenWithoutIdToken,

    // Authorization endpoint, once the redirect URI is known: `authorize::judge`.
    /// 500.
    AuthorizeServerError,
    /// `unauthorized_client`: the app may not use the authorization code grant.
    AuthorizeGrantNotAllowed,

    // Authorization response: `authorize::redirect_to`.
    /// `iss` comes with the response (RFC 9207).
    IssParameter,
    /// `iss` comes with the response and is another tenant.
    WrongIssParameter,
}

/// A fault of the whole tenant. In JSON like [`Fault`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TenantFault {
    // Discovery: `metadata::discovery`.
    /// 500.
    DiscoveryServerError,
    /// 200 with an HTML page.
    DiscoveryGarbage,
    /// `issuer` is another tenant.
    DiscoveryIssuerMismatch,
    /// The answer comes `ms` milliseconds late.
    DiscoverySlow {
        /// How late.
        ms: u64,
    },
    /// 404.
    DiscoveryNotFound,
    /// 403.
    DiscoveryForbidden,
    /// 302 to a page of the tenant.
    DiscoveryRedirect,
    /// 200 with a JSON text of 8 MB, of unannounced length.
    DiscoveryOversize,
    /// 407, from a proxy that wants a password.
    DiscoveryProxyAuthentication,
    /// 511, from a network that wants a sign-in.
    DiscoveryCaptivePortal,
    /// 403 with the page of a proxy that does not let us through.
    DiscoveryProxyPage,
    /// No `token_endpoint`.
    DiscoveryWithoutTokenEndpoint,
    /// A `token_endpoint` at a private address.
    DiscoveryPrivateEndpoint,
    /// The `userinfo_endpoint` is at another domain.
    DiscoveryForeignUserinfo,
    /// No `userinfo_endpoint`.
    DiscoveryWithoutUserinfo,
    /// The scope `groups` is not offered.
    DiscoveryWithoutGroups,
    /// The scope `email` is not offered.
    DiscoveryWithoutEmail,
    /// No `end_session_endpoint`.
    DiscoveryWithoutLogout,
    /// An `end_session_endpoint` that is a script.
    DiscoveryScriptLogout,
    /// An `end_session_endpoint` at an address of the cloud's own.
    DiscoveryPrivateLogout,
    /// ID tokens are said to be signed with HS256 only.
    DiscoveryOnlyHs256,
    /// ID tokens are said to be signed with ES256 only.
    DiscoveryOnlyEs256,
    /// Clients are said to authenticate with `private_key_jwt` only.
    DiscoveryOnlyPrivateKeyJwt,
    /// PKCE is said to be `plain` only.
    DiscoveryOnlyPlainPkce,
    /// `authorization_response_iss_parameter_supported` is true (what is sent is up to
    /// [`Fault::IssParameter`]).
    AdvertisesIssParameter,

    // Key set: `metadata::keys`.
    /// 500.
    KeysServerError,
    /// 200 with an HTML page.
    KeysGarbage,
    /// The answer comes `ms` milliseconds late.
    KeysSlow {
        /// How late.
        ms: u64,
    },
    /// A key set without keys.
    KeysEmpty,
    /// A key set with a key of the wrong kind only.
    KeysOnlyEc,
    /// A key set with every key twice.
    KeysTwice,
    /// A key set that publishes what must stay secret.
    KeysPrivate,
    /// 200 with a JSON text of 8 MB, of unannounced length.
    KeysOversize,

    // Everything: `request_log::observe`.
    /// The tenant's clock, as its `Date` headers tell it, is `ms` milliseconds ahead.
    ClockAhead {
        /// How far.
        ms: u64,
    },

    // Userinfo: `userinfo::userinfo`.
    /// 404.
    UserinfoNotFound,
}

/// Makes `ALL` and `sentence` of a kind of fault from one list: by place, with a sentence each.
macro_rules! all {
    ($kind:ident { $($place:literal: {
        $($fault:ident $({ $field:ident: $usual:literal })? => $sentence:literal,)+
    })+ }) => {
        impl $kind {
            /// Every fault, with its usual measure, by the place where it takes effect.
            pub const ALL: &[(&str, &[Self])] =
                &[$(($place, &[$(Self::$fault $({ $field: $usual })?),+])),+];

            /// What it does, in one sentence.
            pub const fn sentence(self) -> &'static str {
                match self {
                    $($(Self::$fault $({ $field: _ })? => $sentence,)+)+
                }
            }

            /// Whether both are the same fault, whatever their measure.
            pub fn is_like(self, other: Self) -> bool {
                std::mem::discriminant(&self) == std::mem::discriminant(&other)
            }
        }
    };
}

all!(Fault {
    "Claims of the ID token": {
        WrongNonce => "The nonce is not the one of the request.",
        MissingNonce => "There is no nonce.",
        WrongIssuer => "The issuer is another tenant.",
        WrongAudience => "The audience is another client.",
        ExtraAudience => "The audience is a list: this client and another one.",
        WrongAzp => "The authorized party (azp) is another client.",
        Expired => "It expired an hour ago.",
        IssuedInTheFuture => "It was issued an hour ahead of now.",
        MissingSub => "There is no subject.",
        WrongAtHash => "at_hash belongs to another access token.",
        DuplicatedClaims => "sub and nonce come twice, with different values.",
    }
    "Signature of the ID token": {
        BadSignature => "The signature is not one of this token.",
        AlgNone => "The algorithm is none, and there is no signature.",
        Hs256WithSecret => "It is signed with the client secret (HS256).",
        KeyRotatedBeforeSigning => "The keys rotate just before the token is signed.",
        UnknownKid => "It names a key that the key set does not have.",
    }
    "Userinfo": {
        UserinfoOtherSub => "The subject is somebody else.",
        UserinfoServerError => "It answers 500.",
        UserinfoUnauthorized => "It answers 401, although the access token is good.",
        UserinfoOnlySub => "It has nothing but the subject.",
        EmailVerifiedAsText => "email_verified is a text instead of true.",
        GroupsByReference => "Instead of the groups comes a reference, as Entra does it.",
        GroupsOnlyAnnounced => "Instead of the groups comes hasgroups, as Entra does it.",
    }
    "Token endpoint": {
        TokenSlow { ms: 3000 } => "The answer comes late.",
        TokenServerError => "It answers 500.",
        TokenRateLimited => "It answers 429, with Retry-After: 30.",
        TokenGarbage => "It answers 200 with an HTML page.",
        TokenOversize => "It answers 200 with 8 MB of JSON.",
        TokenRedirect => "It redirects to another path.",
        TokenCodeFirst => "It looks at the code before it looks at the client.",
        TokenGrantNotAllowed => "The app may not use the authorization code grant.",
        TokenEchoesSecret => "It answers 400, with the client secret in the description.",
        TokenWithoutIdToken => "The answer has no ID token.",
    }
    "Authorization endpoint": {
        AuthorizeServerError => "It answers 500.",
        AuthorizeGrantNotAllowed => "The app may not use the authorization code grant.",
    }
    "Authorization response": {
        IssParameter => "iss comes with the response.",
        WrongIssParameter => "iss comes with the response and is another tenant.",
    }
});

all!(TenantFault {
    "Discovery": {
        DiscoveryServerError => "It answers 500.",
        DiscoveryGarbage => "It answers 200 with an HTML page.",
        DiscoveryIssuerMismatch => "The issuer is another tenant.",
        DiscoverySlow { ms: 3000 } => "The answer comes late.",
        DiscoveryNotFound => "It answers 404.",
        DiscoveryForbidden => "It answers 403.",
        DiscoveryRedirect => "It redirects to a page.",
        DiscoveryOversize => "It answers 200 with 8 MB of JSON.",
        DiscoveryProxyAuthentication => "A proxy answers 407.",
        DiscoveryCaptivePortal => "A captive portal answers 511.",
        DiscoveryProxyPage => "A proxy answers 403 with a page of its own.",
        DiscoveryWithoutTokenEndpoint => "There is no token endpoint.",
        DiscoveryPrivateEndpoint => "The token endpoint is at a private address.",
        DiscoveryForeignUserinfo => "The userinfo endpoint is at another domain.",
        DiscoveryWithoutUserinfo => "There is no userinfo endpoint.",
        DiscoveryWithoutGroups => "The scope groups is not offered.",
        DiscoveryWithoutEmail => "The scope email is not offered.",
        DiscoveryWithoutLogout => "There is no end session endpoint.",
        DiscoveryScriptLogout => "The end session endpoint is a script.",
        DiscoveryPrivateLogout => "The end session endpoint is at a private address.",
        DiscoveryOnlyHs256 => "ID tokens are signed with HS256 only.",
        DiscoveryOnlyEs256 => "ID tokens are signed with ES256 only.",
        DiscoveryOnlyPrivateKeyJwt => "Clients authenticate with private_key_jwt only.",
        DiscoveryOnlyPlainPkce => "PKCE is plain only.",
        AdvertisesIssParameter => "It says that iss comes with every authorization response.",
    }
    "Key set": {
        KeysServerError => "It answers 500.",
        KeysGarbage => "It answers 200 with an HTML page.",
        KeysSlow { ms: 3000 } => "The answer comes late.",
        KeysEmpty => "It has no keys.",
        KeysOnlyEc => "It has a key of the wrong kind only.",
        KeysTwice => "It has every key twice.",
        KeysPrivate => "It publishes what must stay secret.",
        KeysOversize => "It answers 200 with 8 MB of JSON.",
    }
    "Everywhere": {
        ClockAhead { ms: 600000 } => "The clock is ahead.",
        UserinfoNotFound => "The userinfo endpoint answers 404.",
    }
});

/// The issuer and the host that a fault puts in place of the real ones.
pub(super) const OTHER_ISSUER: &str = "https://other-tenant.okta.example";
/// The client that a fault puts in place of the real one.
pub(super) const OTHER_CLIENT: &str = "0oaotherclient0000000";
/// The person that a fault puts in place of the real one.
pub(super) const OTHER_SUB: &str = "00uotherperson0000000";
