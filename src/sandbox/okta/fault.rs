//! What can be made to go wrong.
//!
//! To add a fault: a variant here, among those that take effect at the same place, and one `match`
//! arm at that place, which the heading names.

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

    // Token endpoint, in a good answer: `token::answer`.
    /// No `id_token`.
    TokenWithoutIdToken,

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
}

/// The issuer and the host that a fault puts in place of the real ones.
pub(super) const OTHER_ISSUER: &str = "https://other-tenant.okta.example";
/// The client that a fault puts in place of the real one.
pub(super) const OTHER_CLIENT: &str = "0oaotherclient0000000";
/// The person that a fault puts in place of the real one.
pub(super) const OTHER_SUB: &str = "00uotherperson0000000";
