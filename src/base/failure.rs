//! Why a login failed: one table of stable codes, each with its owner and its texts.
//!
//! The precise reason goes into the trace; the application gets WorkOS's error word and one fixed
//! sentence; the person who signs in gets a sentence that says what to do.

use serde::{Deserialize, Serialize};

use super::rate::Wait;

/// Who has to mend a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// The IT department of the customer, who runs the identity provider.
    CustomerIt,
    /// The developer of the application.
    Developer,
    /// Who runs Vestibule.
    Operator,
    /// The person who signs in, by trying again.
    Person,
}

impl Owner {
    /// What people call them.
    pub const fn label(self) -> &'static str {
        match self {
            Self::CustomerIt => "Customer's IT",
            Self::Developer => "Developer",
            Self::Operator => "Operator",
            Self::Person => "Person",
        }
    }
}

/// How a failure is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Our own page with this HTTP status: sending the browser on would be unsafe.
    Page(u16),
    /// A redirect to the application with this `error` (WorkOS's words, and RFC 6749's).
    Redirect(&'static str),
}

/// One failure of one login.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", .code.as_str())]
pub struct Failure {
    /// Which failure.
    pub code: FailureCode,
    /// What had to come. Never a secret.
    pub expected: Option<String>,
    /// What came. Never a secret, code or token.
    pub received: Option<String>,
    /// What else helps: the class of a network error, the IdP's own description.
    pub detail: Option<String>,
    /// How long to wait before another try, where that is known.
    pub wait: Option<Wait>,
}

impl Failure {
    /// A check that did not hold.
    #[cold]
    pub fn mismatch(
        code: FailureCode,
        expected: impl Into<String>,
        received: impl Into<String>,
    ) -> Self {
        Self { expected: Some(expected.into()), received: Some(received.into()), ..code.into() }
    }

    /// A failure with what else helps to understand it.
    #[cold]
    pub fn with_detail(code: FailureCode, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..code.into() }
    }
}

impl From<FailureCode> for Failure {
    fn from(code: FailureCode) -> Self {
        Self { code, expected: None, received: None, detail: None, wait: None }
    }
}

impl From<Wait> for Failure {
    /// The limit on logins was reached.
    fn from(wait: Wait) -> Self {
        Self { wait: Some(wait), ..FailureCode::RateLimited.into() }
    }
}

/// Declares the table: variant, code, step of the trace, owner, channel, and the three texts.
macro_rules! failures {
    ($($name:ident: $code:literal, $step:literal, $owner:ident, $channel:expr,
        person: $person:literal,
        it: $it:literal,
        developer: $developer:literal;)+) => {
        /// Every way in which a login can fail.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum FailureCode {
            $(#[doc = $developer] $name,)+
        }

        impl FailureCode {
            /// All of them, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The stable word, as it stands in traces and logs.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// Reads the word.
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| known.as_str() == word)
            }

            /// The step of the trace at which it happens.
            pub const fn step(self) -> &'static str {
                match self { $(Self::$name => $step,)+ }
            }

            /// Who has to mend it.
            pub const fn owner(self) -> Owner {
                match self { $(Self::$name => Owner::$owner,)+ }
            }

            /// How it is told.
            pub const fn channel(self) -> Channel {
                match self { $(Self::$name => $channel,)+ }
            }

            /// One sentence for the person who signs in.
            pub const fn for_person(self) -> &'static str {
                match self { $(Self::$name => $person,)+ }
            }

            /// What the customer's IT administrator is told.
            pub const fn for_it(self) -> &'static str {
                match self { $(Self::$name => $it,)+ }
            }

            /// What the developer of the application is told (`error_description`).
            pub const fn for_developer(self) -> &'static str {
                match self { $(Self::$name => $developer,)+ }
            }
        }
    };
}

const REDIRECT_SERVER_ERROR: Channel = Channel::Redirect("server_error");

failures! {
    // The request of the application.
    ClientIdInvalid: "client_id_invalid", "authorize.client_id", Developer, Channel::Page(400),
        person: "The application sent you here with a wrong client ID. Please tell the people who run the application.",
        it: "Nothing to do: the application is set up wrongly.",
        developer: "No environment has this client_id.";
    RedirectUriInvalid: "redirect_uri_invalid", "authorize.redirect_uri", Developer, Channel::Page(400),
        person: "The application asked to send you to an address that is not registered. Please tell the people who run the application.",
        it: "Nothing to do: the application is set up wrongly.",
        developer: "The redirect_uri is not registered in this environment, byte for byte.";
    DuplicateParam: "duplicate_param", "authorize.parameters", Developer, Channel::Page(400),
        person: "The sign-in request was malformed. Please go back to the application and try again.",
        it: "Nothing to do: the request was malformed.",
        developer: "A parameter was given more than once.";
    StateTooLong: "state_too_long", "authorize.state", Developer, Channel::Page(400),
        person: "The sign-in request was too long. Please tell the people who run the application.",
        it: "Nothing to do: the application is set up wrongly.",
        developer: "The state parameter is longer than 8192 bytes.";
    RateLimited: "rate_limited", "authorize.rate", Operator, Channel::Page(429),
        person: "Too many people are signing in at this moment. Please wait a minute and try again.",
        it: "Nothing to do: wait a minute.",
        developer: "More sign-ins began on this connection in a minute than limits.authorize_per_minute allows.";
    InvalidRequest: "invalid_request", "authorize.parameters", Developer, Channel::Redirect("invalid_request"),
        person: "The application sent a malformed sign-in request. Please tell the people who run it.",
        it: "Nothing to do: the application is set up wrongly.",
        developer: "A parameter is missing or malformed.";
    PkceMethodInvalid: "pkce_method_invalid", "authorize.code_challenge", Developer, Channel::Redirect("invalid_request"),
        person: "The application sent a malformed sign-in request. Please tell the people who run it.",
        it: "Nothing to do: the application is set up wrongly.",
        developer: "code_challenge must be 43 characters of base64url with code_challenge_method S256.";
    ReservedParam: "reserved_param", "authorize.provider_query_params", Developer, Channel::Redirect("invalid_request"),
        person: "The application sent a malformed sign-in request. Please tell the people who run it.",
        it: "Nothing to do: the application is set up wrongly.",
        developer: "provider_query_params or provider_scopes may not set a parameter of the protocol.";
    UnsupportedResponseType: "unsupported_response_type", "authorize.response_type", Developer, Channel::Redirect("unsupported_response_type"),
        person: "The application sent a malformed sign-in request. Please tell the people who run it.",
        it: "Nothing to do: the application is set up wrongly.",
        developer: "response_type must be code.";
    InvalidConnectionSelector: "invalid_connection_selector", "authorize.selector", Developer, Channel::Redirect("invalid_connection_selector"),
        person: "The application did not say which company you sign in with. Please tell the people who run it.",
        it: "Nothing to do: the application is set up wrongly.",
        developer: "Exactly one of connection, organization and provider is required.";
    DomainSelectorNotAllowed: "domain_connection_selector_not_allowed", "authorize.selector", Developer, Channel::Redirect("domain_connection_selector_not_allowed"),
        person: "The application used an outdated way to start the sign-in. Please tell the people who run it.",
        it: "Nothing to do: the application is set up wrongly.",
        developer: "The domain selector is not supported; use connection or organization.";
    ConnectionDomainInvalid: "connection_domain_invalid", "authorize.selector", Developer, Channel::Redirect("connection_domain_invalid"),
        person: "No company sign-in is set up for this domain.",
        it: "No connection is set up for this domain.",
        developer: "No connection for the domain.";
    ConnectionInvalid: "connection_invalid", "authorize.connection", Developer, Channel::Redirect("connection_invalid"),
        person: "The company sign-in that the application asked for does not exist. Please tell the people who run it.",
        it: "The connection that the application asks for does not exist.",
        developer: "No connection with this id is usable in this environment.";
    ConnectionStrategyInvalid: "connection_strategy_invalid", "authorize.selector", Developer, Channel::Redirect("connection_strategy_invalid"),
        person: "The application asked for a sign-in that is not set up. Please tell the people who run it.",
        it: "Nothing to do: the application is set up wrongly.",
        developer: "This provider is not set up in the environment.";
    ConnectionUnlinked: "connection_unlinked", "authorize.connection", CustomerIt, Channel::Redirect("connection_unlinked"),
        person: "Your company's sign-in is not finished yet or was switched off. Please ask your IT department.",
        it: "The connection is not active: finish its setup, or activate it again.",
        developer: "The connection is not linked to an identity provider, or is inactive.";
    OrganizationInvalid: "organization_invalid", "authorize.organization", Developer, Channel::Redirect("organization_invalid"),
        person: "No company sign-in is set up for this organization.",
        it: "The organization has no usable connection yet.",
        developer: "The organization does not exist, or has no connection.";
    AmbiguousConnectionSelector: "ambiguous_connection_selector", "authorize.organization", Developer, Channel::Redirect("ambiguous_connection_selector"),
        person: "The application could not tell which sign-in to use. Please tell the people who run it.",
        it: "The organization has several active connections; only one can be chosen by organization.",
        developer: "The organization has several connections; use the connection selector.";
    IdpInitiatedSsoDisabled: "idp_initiated_sso_disabled", "authorize.initiate", CustomerIt, Channel::Redirect("idp_initiated_sso_disabled"),
        person: "Please start the sign-in from the application.",
        it: "Sign-ins that begin at the identity provider are switched off for this connection.",
        developer: "Sign-ins that begin at the identity provider are switched off.";

    // The return from the identity provider.
    StateInvalid: "state_invalid", "callback.state", Person, Channel::Page(400),
        person: "This sign-in is not known here. Please go back to the application and sign in again.",
        it: "The identity provider's answer belongs to no sign-in that was started here.",
        developer: "The state of the identity provider's answer is unknown.";
    BrowserBindingFailed: "browser_binding_failed", "callback.browser", Person, Channel::Page(400),
        person: "This sign-in was started in another browser. Please sign in again from the application.",
        it: "The sign-in came back in another browser than it was started in; cookies may be blocked.",
        developer: "The browser that came back is not the one that started the sign-in.";
    FlowConsumed: "flow_consumed", "callback.state", Person, Channel::Page(400),
        person: "This sign-in was already used. Please go back to the application and sign in again.",
        it: "The same answer of the identity provider came twice.",
        developer: "The answer of the identity provider was already used.";
    FlowExpired: "flow_expired", "callback.state", Person, Channel::Page(400),
        person: "The sign-in took too long. Please go back to the application and sign in again.",
        it: "The person took longer than ten minutes at the identity provider.",
        developer: "The sign-in took longer than ten minutes.";
    CallbackDuplicateParam: "callback_duplicate_param", "callback.parameters", CustomerIt, Channel::Page(400),
        person: "Your company's sign-in sent a malformed answer. Please try again from the application.",
        it: "The identity provider sent a parameter twice, or both code and error.",
        developer: "The identity provider's answer was malformed.";
    ConnectionStateMismatch: "connection_state_mismatch", "callback.connection", Operator, Channel::Page(400),
        person: "This sign-in belongs to another company's sign-in. Please start again from the application.",
        it: "An answer came to the redirect URI of another connection than the one that was asked.",
        developer: "The answer came to another connection's callback.";
    IssMismatch: "iss_mismatch", "callback.iss", CustomerIt, Channel::Page(400),
        person: "The answer came from another identity provider than expected. Please start again from the application.",
        it: "The iss parameter of the identity provider's answer is not the issuer of this connection (RFC 9207).",
        developer: "The iss parameter of the answer is not the connection's issuer.";
    IssMissing: "iss_missing", "callback.iss", CustomerIt, Channel::Page(400),
        person: "Your company's sign-in sent an incomplete answer. Please start again from the application.",
        it: "The identity provider promises an iss parameter in its answers, but this one has none (RFC 9207).",
        developer: "The answer lacks the iss parameter that the identity provider promises.";
    RedirectRevoked: "redirect_revoked", "callback.redirect_uri", Developer, Channel::Page(400),
        person: "The application's address was removed while you were signing in. Please tell the people who run it.",
        it: "Nothing to do: the application was changed.",
        developer: "The redirect URI was removed while the sign-in was in progress.";
    InitiateInvalid: "initiate_invalid", "authorize.initiate", CustomerIt, Channel::Page(400),
        person: "This sign-in link is malformed. Please start from the application.",
        it: "The initiate login URI needs the iss parameter of this connection's issuer, byte for byte.",
        developer: "A sign-in that began at the identity provider named another issuer, or none.";
    CallbackWithoutCode: "callback_without_code", "callback.parameters", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in sent an incomplete answer.",
        it: "The identity provider sent neither code nor error.",
        developer: "The identity provider's answer was incomplete.";
    AccessDenied: "access_denied", "callback.error", CustomerIt, Channel::Redirect("access_denied"),
        person: "Your company does not let you use this application. Please ask your IT department.",
        it: "The identity provider refused: assign the person or a group of theirs to the application.",
        developer: "The identity provider refused the user access to the application.";
    IdpError: "idp_error", "callback.error", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in reported an error. Please ask your IT department.",
        it: "The identity provider reported an error instead of a code.",
        developer: "The identity provider reported an error.";
    ConnectionChanged: "connection_changed", "callback.connection", Person, Channel::Redirect("connection_invalid"),
        person: "Your company's sign-in was changed meanwhile. Please sign in again.",
        it: "The connection was edited while this person was signing in.",
        developer: "The connection was changed during the sign-in.";

    // The identity provider: discovery, keys, tokens and userinfo.
    SsrfBlocked: "ssrf_blocked", "network.address", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in is set up wrongly. Please ask your IT department.",
        it: "The identity provider's address is not allowed: it must be https on port 443 at a public address. Who runs this service can allow others.",
        developer: "The identity provider's address is not allowed by the operator.";
    TlsFailed: "tls", "network.tls", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in cannot be reached at this moment. Please try again in a minute.",
        it: "The identity provider's certificate was refused: look at its end date, its host names and who issued it.",
        developer: "The TLS connection to the identity provider failed.";
    IdpBusy: "idp_busy", "network.in_flight", CustomerIt, Channel::Page(503),
        person: "Your company's sign-in is slow at this moment. Please try again in a minute.",
        it: "Too many sign-ins are waiting for the identity provider already: it answers too slowly.",
        developer: "The identity provider answers too slowly.";
    DiscoveryEndpointInvalid: "discovery_endpoint_invalid", "discovery.input", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in is set up wrongly. Please ask your IT department.",
        it: "The discovery endpoint is not a URL. It looks like https://example.okta.com/.well-known/openid-configuration.",
        developer: "The discovery endpoint is not a URL.";
    DiscoveryUnreachable: "discovery_unreachable", "discovery.fetch", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in cannot be reached at this moment. Please try again in a minute.",
        it: "The discovery endpoint does not answer with OpenID Connect metadata: open it in a browser to compare.",
        developer: "The identity provider's metadata cannot be fetched.";
    MetadataInvalid: "metadata_invalid", "discovery.metadata", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in is set up wrongly. Please ask your IT department.",
        it: "What the discovery endpoint answers is not valid OpenID Connect metadata.",
        developer: "The identity provider's metadata is invalid.";
    EndpointInvalid: "endpoint_invalid", "discovery.endpoints", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in is set up wrongly. Please ask your IT department.",
        it: "An endpoint in the identity provider's metadata cannot be used.",
        developer: "An endpoint in the identity provider's metadata cannot be used.";
    IssuerMismatch: "issuer_mismatch", "discovery.issuer", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in is set up wrongly. Please ask your IT department.",
        it: "The issuer in the metadata is not the one of this connection. With Okta, use the address without -admin, and the custom domain only where the issuer has it too.",
        developer: "The issuer in the identity provider's metadata is not the connection's.";
    IssuerTemplate: "issuer_template", "discovery.issuer", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in is set up wrongly. Please ask your IT department.",
        it: "This is Entra's address for all tenants. Use the one with your tenant ID in the place of common or organizations.",
        developer: "The identity provider's metadata is a template for all tenants.";
    AlgorithmUnsupported: "alg_unsupported", "discovery.algorithms", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in is set up wrongly. Please ask your IT department.",
        it: "The identity provider does not sign ID tokens with an algorithm that is accepted here (RS, PS or ES 256 to 512, EdDSA).",
        developer: "The identity provider offers no acceptable signing algorithm.";
    ClientAuthenticationUnsupported: "client_authentication_unsupported", "token_endpoint.authentication", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in is set up wrongly. Please ask your IT department.",
        it: "The identity provider accepts neither client_secret_basic nor client_secret_post: choose one of them for this application.",
        developer: "The identity provider accepts no client authentication that is supported here.";
    IdpInvalidScope: "idp_invalid_scope", "callback.error", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in is set up wrongly. Please ask your IT department.",
        it: "The identity provider refused a scope. If it is groups, switch the groups scope off on this connection, or allow it at the identity provider.",
        developer: "The identity provider refused a scope.";
    TokenEndpointUnreachable: "token_endpoint_unreachable", "token_endpoint.fetch", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in cannot be reached at this moment. Please try again in a minute.",
        it: "The identity provider's token endpoint did not answer in time.",
        developer: "The identity provider's token endpoint did not answer.";
    TokenEndpointRateLimited: "token_endpoint_rate_limited", "token_endpoint.status", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in cannot be reached at this moment. Please try again in a minute.",
        it: "The identity provider refused for too many requests: raise its rate limit for this application.",
        developer: "The identity provider is limiting our requests.";
    TokenEndpointInvalidClient: "token_endpoint_invalid_client", "token_endpoint.client", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in is set up wrongly. Please ask your IT department.",
        it: "The identity provider refused our client ID or secret: the secret may have expired or been replaced. Copy both again.",
        developer: "The identity provider refused our client credentials.";
    TokenEndpointInvalidGrant: "token_endpoint_invalid_grant", "token_endpoint.grant", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "The sign-in took too long or was used twice. Please sign in again from the application.",
        it: "The identity provider refused the code: it was too old, was used before, or the redirect URI differs.",
        developer: "The identity provider refused its own authorization code.";
    TokenEndpointDpop: "token_endpoint_dpop", "token_endpoint.dpop", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in is set up wrongly. Please ask your IT department.",
        it: "The identity provider requires DPoP. With Okta: switch off \"Require Demonstrating Proof of Possession\" in the application's General tab.",
        developer: "The identity provider requires DPoP, which is not supported.";
    TokenEndpointError: "token_endpoint_error", "token_endpoint.status", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in is set up wrongly. Please ask your IT department.",
        it: "The identity provider's token endpoint reported an error.",
        developer: "The identity provider's token endpoint reported an error.";
    TokenResponseInvalid: "token_endpoint_format", "token_endpoint.format", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in sent an answer that cannot be trusted. Please ask your IT department.",
        it: "The answer of the token endpoint is not what RFC 6749 asks for.",
        developer: "The identity provider's token response is malformed.";
    TokenTypeInvalid: "token_type", "token_endpoint.token_type", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in is set up wrongly. Please ask your IT department.",
        it: "The identity provider issued a token that is no bearer token. With Okta: switch off DPoP for the application.",
        developer: "The identity provider issued a token that is no bearer token.";
    AccessTokenInvalid: "access_token", "token_endpoint.access_token", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in sent an answer that cannot be trusted. Please ask your IT department.",
        it: "The access token has characters or a size that no token may have.",
        developer: "The identity provider's access token is malformed.";
    IdTokenMissing: "id_token_missing", "token_endpoint.id_token", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in is set up wrongly. Please ask your IT department.",
        it: "The answer of the token endpoint has no ID token: the application must be an OpenID Connect one with the scope openid.",
        developer: "The identity provider sent no ID token.";
    JwksUnreachable: "jwks_unreachable", "jwks.fetch", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in cannot be reached at this moment. Please try again in a minute.",
        it: "The identity provider's keys cannot be fetched from its jwks_uri.",
        developer: "The identity provider's keys cannot be fetched.";
    JwksTimeout: "jwks_timeout", "jwks.fetch", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in cannot be reached at this moment. Please try again in a minute.",
        it: "The identity provider's jwks_uri did not answer in time.",
        developer: "The identity provider's keys could not be fetched in time.";
    JwksInvalid: "jwks_invalid", "jwks.format", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in sent an answer that cannot be trusted. Please ask your IT department.",
        it: "What the jwks_uri answers is not a JSON Web Key Set.",
        developer: "The identity provider's key set is malformed.";
    JwksThrottled: "jwks_throttled", "jwks.throttle", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in cannot be reached at this moment. Please try again in a minute.",
        it: "The ID token names a key that the identity provider does not publish, and its keys were fetched too often already.",
        developer: "The identity provider's keys were fetched too often.";
    IdTokenFormat: "id_token_format", "id_token.format", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in sent an answer that cannot be trusted. Please ask your IT department.",
        it: "The ID token is not a signed JWT in compact form (encrypted ones are not supported).",
        developer: "The ID token is not a signed JWT in compact form.";
    IdTokenJson: "id_token_json", "id_token.json", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in sent an answer that cannot be trusted. Please ask your IT department.",
        it: "The ID token is not strict JSON: a member may be there twice.",
        developer: "The ID token is not strict JSON.";
    IdTokenTyp: "id_token_typ", "id_token.typ", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in sent an answer that cannot be trusted. Please ask your IT department.",
        it: "The JWT is of another kind than an ID token.",
        developer: "The JWT is of another kind than an ID token.";
    IdTokenCrit: "id_token_crit", "id_token.crit", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in sent an answer that cannot be trusted. Please ask your IT department.",
        it: "The ID token uses an extension (crit, b64 or zip) that is not supported.",
        developer: "The ID token uses an extension that is not supported.";
    IdTokenAlg: "id_token_alg", "id_token.alg", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in sent an answer that cannot be trusted. Please ask your IT department.",
        it: "The ID token is signed with another algorithm than the one of this connection (RS256 unless chosen otherwise).",
        developer: "The ID token is signed with another algorithm than expected.";
    IdTokenKid: "id_token_kid", "id_token.kid", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in sent an answer that cannot be trusted. Please ask your IT department.",
        it: "The identity provider publishes no usable key for the ID token's kid.",
        developer: "The identity provider publishes no key for the ID token.";
    IdTokenKidAmbiguous: "id_token_kid_ambiguous", "id_token.kid", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in sent an answer that cannot be trusted. Please ask your IT department.",
        it: "The ID token names no key and too many keys fit.",
        developer: "The ID token names no key and too many keys fit.";
    IdTokenSig: "id_token_sig", "id_token.signature", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in sent an answer that cannot be trusted. Please ask your IT department.",
        it: "The signature of the ID token is wrong.",
        developer: "The signature of the ID token is wrong.";
    IdTokenType: "id_token_type", "id_token.type", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in sent an answer that cannot be trusted. Please ask your IT department.",
        it: "A date in the ID token is not a number of seconds.",
        developer: "A claim of the ID token has the wrong type.";
    IdTokenIss: "id_token_iss", "id_token.iss", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in sent an answer that cannot be trusted. Please ask your IT department.",
        it: "The iss of the ID token is not the issuer of this connection.",
        developer: "The issuer of the ID token is not the connection's.";
    IdTokenAud: "id_token_aud", "id_token.aud", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in sent an answer that cannot be trusted. Please ask your IT department.",
        it: "The ID token was issued for another application: compare the client ID.",
        developer: "The ID token was issued for another client.";
    IdTokenAudExtra: "id_token_aud_extra", "id_token.aud", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in sent an answer that cannot be trusted. Please ask your IT department.",
        it: "The ID token is also meant for an audience that this connection does not trust.",
        developer: "The ID token has an audience that is not trusted.";
    IdTokenAzp: "id_token_azp", "id_token.azp", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in sent an answer that cannot be trusted. Please ask your IT department.",
        it: "The authorized party (azp) of the ID token is not this application.",
        developer: "The authorized party of the ID token is another client.";
    IdTokenExp: "id_token_exp", "id_token.exp", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in sent an answer that cannot be trusted. Please sign in again from the application.",
        it: "The ID token has expired: the clocks of the identity provider and of this service may differ.",
        developer: "The ID token has expired.";
    IdTokenNbf: "id_token_nbf", "id_token.nbf", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in sent an answer that cannot be trusted. Please sign in again from the application.",
        it: "The ID token is not valid yet: the clocks of the identity provider and of this service may differ.",
        developer: "The ID token is not valid yet.";
    IdTokenIat: "id_token_iat", "id_token.iat", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in sent an answer that cannot be trusted. Please sign in again from the application.",
        it: "The ID token says that it was issued in the future, or not when: the clocks may differ.",
        developer: "The time of issue of the ID token is missing or in the future.";
    IdTokenIatStale: "id_token_iat_stale", "id_token.iat", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in sent an answer that cannot be trusted. Please sign in again from the application.",
        it: "The ID token was issued long before this sign-in began.",
        developer: "The ID token was issued before the sign-in began.";
    IdTokenNonce: "id_token_nonce", "id_token.nonce", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in sent an answer that cannot be trusted. Please sign in again from the application.",
        it: "The ID token belongs to another sign-in (nonce).",
        developer: "The ID token belongs to another sign-in.";
    IdTokenAtHash: "id_token_at_hash", "id_token.at_hash", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in sent an answer that cannot be trusted. Please ask your IT department.",
        it: "The ID token belongs to another access token (at_hash).",
        developer: "The ID token belongs to another access token.";
    IdTokenAcr: "id_token_acr", "id_token.acr", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in was not as strong as required. Please sign in again, or ask your IT department.",
        it: "The identity provider did not sign the person in as strongly as this connection requires (acr).",
        developer: "The required authentication context was not reached.";
    IdTokenAuthTime: "id_token_auth_time", "id_token.auth_time", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "A fresh sign-in was asked for. Please sign out at your company and sign in again.",
        it: "A fresh sign-in was asked for, but the identity provider did not say that there was one (auth_time).",
        developer: "The identity provider did not sign the user in afresh.";
    IdTokenSub: "id_token_sub", "id_token.sub", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in sent an answer that cannot be trusted. Please ask your IT department.",
        it: "The sub of the ID token is missing or not 1 to 255 printable ASCII characters.",
        developer: "The subject of the ID token is missing or malformed.";
    UserinfoUnreachable: "userinfo_unreachable", "userinfo.fetch", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in cannot be reached at this moment. Please try again in a minute.",
        it: "The identity provider's userinfo endpoint did not answer in time.",
        developer: "The identity provider's userinfo endpoint did not answer.";
    UserinfoRefused: "userinfo_refused", "userinfo.status", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in is set up wrongly. Please ask your IT department.",
        it: "The identity provider's userinfo endpoint refused the access token it had just issued.",
        developer: "The identity provider's userinfo endpoint refused our request.";
    UserinfoFormat: "userinfo_format", "userinfo.format", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in sent an answer that cannot be trusted. Please ask your IT department.",
        it: "What the userinfo endpoint answers is neither a JSON object nor a signed JWT.",
        developer: "The identity provider's userinfo response is malformed.";
    UserinfoSignature: "userinfo_sig", "userinfo.signature", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in sent an answer that cannot be trusted. Please ask your IT department.",
        it: "The signed answer of the userinfo endpoint was refused.",
        developer: "The signature, issuer or audience of the userinfo response is wrong.";
    UserinfoSub: "userinfo_sub", "userinfo.sub", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company's sign-in sent an answer that cannot be trusted. Please ask your IT department.",
        it: "The userinfo endpoint answered about another person than the ID token.",
        developer: "The userinfo response is about another subject than the ID token.";

    // Our own side, and the profile.
    EmailMissing: "email_missing", "profile.email", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company did not tell us your e-mail address. Please ask your IT department.",
        it: "No email claim came: add it to the ID token or userinfo, or map another claim to it.",
        developer: "The identity provider sent no e-mail address.";
    EmailInvalid: "email_invalid", "profile.email", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company sent an e-mail address that is none. Please ask your IT department.",
        it: "The email claim is not an e-mail address.",
        developer: "The identity provider sent a malformed e-mail address.";
    EmailUnverified: "email_unverified", "profile.email_verified", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your e-mail address is not verified at your company's sign-in. Please ask your IT department.",
        it: "This connection requires email_verified, and the identity provider did not send true.",
        developer: "The e-mail address is not verified by the identity provider.";
    HostedDomain: "hosted_domain", "profile.hosted_domain", CustomerIt, Channel::Redirect("profile_not_allowed_outside_organization"),
        person: "Your Google account does not belong to this organization. Please sign in with your work account.",
        it: "Google's hosted domain (hd) is not one of the organization's verified domains: verify it.",
        developer: "The Google account is not of a verified domain of the organization.";
    ClaimInvalid: "claim_invalid", "profile.claims", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company sent data that cannot be used. Please ask your IT department.",
        it: "A claim has characters or a size that cannot be stored.",
        developer: "The identity provider sent a claim that cannot be stored.";
    ProfileNotAllowedOutsideOrganization: "profile_not_allowed_outside_organization", "profile.domain_policy", CustomerIt, Channel::Redirect("profile_not_allowed_outside_organization"),
        person: "Your e-mail address does not belong to this organization. Please sign in with your work address.",
        it: "The e-mail domain is not one of the organization's verified domains: verify it, or change the policy.",
        developer: "The profile's e-mail domain is not a verified domain of the organization.";
    GroupsUnavailable: "groups_unavailable", "profile.groups", CustomerIt, REDIRECT_SERVER_ERROR,
        person: "Your company did not tell us your groups. Please ask your IT department.",
        it: "No complete groups claim came, and this connection requires one.",
        developer: "The identity provider sent no complete groups claim.";
    ConsentInvalid: "consent_invalid", "consent", Person, Channel::Page(403),
        person: "This page is no longer valid. Please go back to the application and sign in again.",
        it: "The consent page was sent twice, too late, or from another browser.",
        developer: "The consent form was not valid.";
    SigninConsentDenied: "signin_consent_denied", "consent", Person, Channel::Redirect("signin_consent_denied"),
        person: "You cancelled the sign-in.",
        it: "The person declined to continue.",
        developer: "The user cancelled the request.";
    TimedOut: "timed_out", "session.timeout", Person, REDIRECT_SERVER_ERROR,
        person: "The sign-in took too long. Please try again.",
        it: "The person did not come back from the identity provider, or the application did not redeem its code.",
        developer: "The sign-in was not finished in time.";
    LoggedOut: "logged_out", "session.logout", Person, Channel::Page(400),
        person: "You signed out while this sign-in was under way. Please go back to the application and sign in again.",
        it: "The person signed out in the same browser before this sign-in was finished.",
        developer: "The user logged out before the sign-in was finished.";
    LogoutTokenInvalid: "logout_token_invalid", "logout_token", CustomerIt, Channel::Page(400),
        person: "Your company's sign-out sent a message that cannot be trusted. Please ask your IT department.",
        it: "The identity provider's logout token was refused (OpenID Connect Back-Channel Logout 1.0 section 2.6).",
        developer: "The identity provider's logout token was refused.";
    OauthFailed: "oauth_failed", "oauth", CustomerIt, Channel::Redirect("oauth_failed"),
        person: "The exchange with the provider failed. Please try again.",
        it: "The OAuth exchange with the provider failed.",
        developer: "The OAuth exchange with the provider failed.";
    Internal: "server_error", "internal", Operator, REDIRECT_SERVER_ERROR,
        person: "Something went wrong on our side. Please try again.",
        it: "Nothing to do: the service itself had a fault.",
        developer: "An internal error; the operator finds it by its session id.";
    Unavailable: "unavailable", "internal", Operator, Channel::Page(503),
        person: "The sign-in service is not available at this moment. Please try again in a minute.",
        it: "Nothing to do: the service itself is not available.",
        developer: "The service is not available at this moment.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_texts_obey_rfc_6749() {
        let mut seen = std::collections::HashSet::new();
        for code in FailureCode::ALL {
            assert!(seen.insert(code.as_str()), "{} twice", code.as_str());
            // RFC 6749 section 4.1.2.1: printable ASCII without " and \.
            let text = code.for_developer();
            assert!(
                text.bytes().all(|b| matches!(b, 0x20..=0x7e) && b != b'"' && b != b'\\'),
                "{text}"
            );
        }
    }
}
