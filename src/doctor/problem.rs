//! What can be wrong with a connection: one table of stable words, each with its check, its owner and
//! what to do about it, where it helps in the words of the identity provider's own console.

use super::{Check, Outcome};
use crate::base::failure::Owner;
use crate::upstream::oidc::Kind;

/// Declares the table: variant, word, check, outcome, owner, remedy, and the remedies of vendors.
macro_rules! problems {
    ($($name:ident: $word:literal, $check:ident, $outcome:ident, $owner:ident,
        $remedy:literal
        $(, okta: $okta:literal)? $(, entra: $entra:literal)? $(, google: $google:literal)?;)+) => {
        /// Something that is wrong with a connection.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Problem {
            $(#[doc = $remedy] $name,)+
        }

        impl Problem {
            /// All of them, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The stable word.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }

            /// The check that finds it.
            pub const fn check(self) -> Check {
                match self { $(Self::$name => Check::$check,)+ }
            }

            /// How bad it is.
            pub const fn outcome(self) -> Outcome {
                match self { $(Self::$name => Outcome::$outcome,)+ }
            }

            /// Who has to mend it.
            pub const fn owner(self) -> Owner {
                match self { $(Self::$name => Owner::$owner,)+ }
            }

            /// What to do, in the words of the identity provider.
            pub const fn remedy(self, kind: Kind) -> &'static str {
                match self {
                    $(Self::$name => match kind {
                        $(Kind::OktaOidc => $okta,)?
                        $(Kind::EntraIdOidc => $entra,)?
                        $(Kind::GoogleOidc => $google,)?
                        _ => $remedy,
                    },)+
                }
            }
        }
    };
}

problems! {
    NotConfigured: "not_configured", Configuration, Failed, CustomerIt,
        "Enter client ID, client secret and discovery endpoint, and save the configuration.",
        okta: "In Okta, copy Client ID and Client secret from the app's General tab, and enter them here with the discovery endpoint https://YOUR-OKTA-DOMAIN/.well-known/openid-configuration.",
        entra: "In Microsoft Entra, copy the Application (client) ID from the app registration's Overview, create a secret under Certificates & secrets, and take the OpenID Connect metadata document from Overview > Endpoints.",
        google: "In the Google Cloud console, create an OAuth client ID of the type Web application under APIs & Services > Credentials, and enter its client ID and secret here.";

    AddressNotAllowed: "address_not_allowed", Address, Failed, CustomerIt,
        "The identity provider must be reached by https on port 443 at a public address. Correct the discovery endpoint; if the provider is on an internal network, whoever runs this service can allow its address (outbound.allow).";

    DnsNoAddress: "dns_no_address", Dns, Failed, CustomerIt,
        "The host name of the discovery endpoint does not exist: look for a typing error.",
        okta: "The host name of the discovery endpoint does not exist. In Okta's Admin Console, open the menu under your name at the top right: it shows the Okta domain.";
    DnsTimeout: "dns_timeout", Dns, Failed, Operator,
        "The name server did not answer: check the DNS settings of the machine that runs this service.";

    ConnectionRefused: "connection_refused", Tcp, Failed, CustomerIt,
        "Nothing listens at the identity provider's address and port, or a firewall refuses: check the port in the discovery endpoint, and whether the provider is running.";
    ConnectionTimeout: "connection_timeout", Tcp, Failed, CustomerIt,
        "The identity provider's address does not answer: a firewall may drop the packets. Allow connections from this service to it on port 443.";

    CertificateExpired: "certificate_expired", Tls, Failed, CustomerIt,
        "Renew the certificate of the identity provider's server.";
    CertificateUnknownIssuer: "certificate_unknown_issuer", Tls, Failed, CustomerIt,
        "Nobody known here issued the identity provider's certificate, or the server does not send the intermediate certificates. Let it send the whole chain; for a certification authority of your own, add its certificate in the connection's advanced settings.";
    TlsIntercepted: "tls_intercepted", Tls, Failed, Operator,
        "A proxy on the way out opens the connection and shows a certificate of its own. Exempt the identity provider's host from inspection, or add the proxy's certification authority to outbound.extra_ca_file.";
    CertificateWrongName: "certificate_wrong_name", Tls, Failed, CustomerIt,
        "The certificate is for other host names: use the name that the certificate has, or have it reissued with this one.",
        okta: "The certificate is for other host names. Use the Okta domain that the Admin Console shows, or finish the certificate of the custom domain under Customizations > Brands > Domains.";
    CertificateRevoked: "certificate_revoked", Tls, Failed, CustomerIt,
        "The certificate of the identity provider's server was revoked: install another one.";
    TlsProtocol: "tls_protocol", Tls, Failed, CustomerIt,
        "The server speaks no TLS 1.2 or 1.3, or no TLS at all: enable it, and check the port in the discovery endpoint.";
    ExtraCaInvalid: "extra_ca_invalid", Tls, Failed, Developer,
        "The extra certification authority in the connection's advanced settings is not a PEM certificate: paste it again, or remove it.";
    TlsFailed: "tls_failed", Tls, Failed, CustomerIt,
        "The TLS handshake broke off. Check that the address and port of the discovery endpoint are those of an https server.";

    CertificateExpiresSoon: "certificate_expires_soon", CertificateExpiry, Warning, CustomerIt,
        "Renew the certificate of the identity provider's server before it ends: from then on nobody can sign in.";

    ProxyAuthentication: "proxy_authentication", Proxy, Failed, Operator,
        "A proxy on the way out asks this service for a password. Let its address pass without one.";
    CaptivePortal: "captive_portal", Proxy, Failed, Operator,
        "The network asks for a sign-in of its own before it lets anything out. Connect this service to a network that does not.";
    ProxyPage: "proxy_page", Proxy, Failed, Operator,
        "A proxy or web filter on the way out answers instead of the identity provider. Allow the provider's host there.";

    DiscoveryNotFound: "discovery_not_found", Discovery, Failed, CustomerIt,
        "There is nothing at the discovery endpoint: open it in a browser and compare it with the provider's documentation. It ends in /.well-known/openid-configuration.",
        okta: "There is nothing at the discovery endpoint. For the org authorization server it is https://YOUR-OKTA-DOMAIN/.well-known/openid-configuration; for a custom one, take the Metadata URI from Security > API > Authorization Servers, and end it in openid-configuration.",
        entra: "There is nothing at the discovery endpoint. Copy it again from the app registration: Overview > Endpoints > OpenID Connect metadata document.";
    DiscoveryServerError: "discovery_server_error", Discovery, Failed, CustomerIt,
        "The identity provider answers with an error of its own. Try again in some minutes, and look at its status page and log.",
        okta: "Okta answers with an error of its own. Try again in some minutes, and look at status.okta.com.";
    DiscoveryStatus: "discovery_status", Discovery, Failed, CustomerIt,
        "The discovery endpoint must answer with 200 to everybody: check whether an access rule or a network zone keeps this service out.",
        okta: "The discovery endpoint must answer with 200. In Okta's Admin Console, look at Security > Networks: a blocked zone may hold the address of this service.";
    DiscoveryRedirect: "discovery_redirect", Discovery, Failed, CustomerIt,
        "The discovery endpoint sends us elsewhere. Enter the address at which the metadata are, without the detour.";
    DiscoveryNotJson: "discovery_not_json", Discovery, Failed, CustomerIt,
        "What answers at the discovery endpoint is a web page, not metadata. Enter the address that ends in /.well-known/openid-configuration.",
        okta: "What answers at the discovery endpoint is a web page. Enter https://YOUR-OKTA-DOMAIN/.well-known/openid-configuration, with the Okta domain and not the address of the console.";
    DiscoveryTooLarge: "discovery_too_large", Discovery, Failed, CustomerIt,
        "The answer of the discovery endpoint is far larger than metadata are: check the address.";
    DiscoveryTimeout: "discovery_timeout", Discovery, Failed, CustomerIt,
        "The discovery endpoint answers too slowly: look at the load of the identity provider and at what lies between.";
    DiscoveryBroken: "discovery_broken", Discovery, Failed, CustomerIt,
        "The connection broke off before the discovery endpoint had answered: look at what lies between this service and the identity provider.";
    DiscoveryInvalid: "discovery_invalid", Discovery, Failed, CustomerIt,
        "What the discovery endpoint answers is not valid OpenID Connect metadata: open it in a browser and compare it with the provider's documentation.";
    EndpointForeign: "endpoint_foreign", Discovery, Warning, CustomerIt,
        "An endpoint in the metadata is at another domain than the issuer. Unless that is meant so, correct the external URL in the identity provider's settings.";
    EndpointInvalid: "endpoint_invalid", Discovery, Failed, CustomerIt,
        "An endpoint in the metadata cannot be used: correct the external URL in the identity provider's settings.";

    IssuerMismatch: "issuer_mismatch", Issuer, Failed, CustomerIt,
        "The metadata are those of another issuer than this connection's. If the provider was moved, save the discovery endpoint again; otherwise enter the one of this connection's issuer.",
        okta: "The metadata are those of another issuer. With a custom domain, choose in the app (Sign On > OpenID Connect ID Token > Issuer) whether the issuer is the Okta URL or the custom one, and enter the discovery endpoint of the same address here.",
        entra: "The metadata are those of another issuer. Use the OpenID Connect metadata document of your own tenant, version 2.0: https://login.microsoftonline.com/TENANT-ID/v2.0/.well-known/openid-configuration.";
    OktaAdminHost: "okta_admin_host", Issuer, Failed, CustomerIt,
        "This is the address of Okta's admin console. Enter the Okta domain without -admin.";
    IssuerTemplate: "issuer_template", Issuer, Failed, CustomerIt,
        "This is the address for all tenants. Put your tenant ID in the place of common or organizations.",
        entra: "This is Microsoft Entra's address for all tenants. Put the Directory (tenant) ID from the app registration's Overview in the place of common or organizations.";

    ClockOff: "clock_off", Clock, Failed, Operator,
        "The clock of the machine that runs this service and the identity provider's differ by more than is forgiven, so ID tokens look expired or not yet valid. Let the machine set its clock by NTP.";
    ClockDrifting: "clock_drifting", Clock, Warning, Operator,
        "The clocks differ by almost as much as is forgiven. Let the machine that runs this service set its clock by NTP.";

    AlgorithmUnsupported: "algorithm_unsupported", Algorithms, Failed, CustomerIt,
        "The provider signs ID tokens only in ways that are not accepted here. Switch to RS256.",
        okta: "The provider signs ID tokens only in ways that are not accepted here. Okta signs with RS256: check that the discovery endpoint is your Okta domain's.";
    AlgorithmNotOffered: "algorithm_not_offered", Algorithms, Failed, Developer,
        "The provider does not offer the algorithm that this connection expects. Save the discovery endpoint again, or choose an offered algorithm in the connection's advanced settings.";

    KeysUnreachable: "keys_unreachable", Keys, Failed, CustomerIt,
        "The identity provider's keys cannot be fetched from its jwks_uri: look at its log and at what lies between.";
    KeysTimeout: "keys_timeout", Keys, Failed, CustomerIt,
        "The identity provider's jwks_uri answers too slowly.";
    KeysInvalid: "keys_invalid", Keys, Failed, CustomerIt,
        "What the jwks_uri answers is not a JSON Web Key Set: look at the identity provider and at what lies between.";
    KeysTooLarge: "keys_too_large", Keys, Failed, CustomerIt,
        "The key set is far larger than key sets are: remove keys that are no longer used.";
    KeysEmpty: "keys_empty", Keys, Failed, CustomerIt,
        "The identity provider publishes no key, so no ID token can be verified. Generate a signing key.",
        okta: "Okta publishes no key. Look at Security > API > Authorization Servers > Settings > Signing Key Rotation.";
    KeysUnusable: "keys_unusable", Keys, Failed, CustomerIt,
        "The identity provider publishes no key for the algorithm of this connection. Publish one, or choose another algorithm in the connection's advanced settings.";
    KeyPrivate: "key_private", Keys, Failed, CustomerIt,
        "The identity provider publishes a private key: whoever reads it can sign in as anybody. Replace the key at once.";
    KeysAmbiguous: "keys_ambiguous", Keys, Warning, CustomerIt,
        "Two keys have the same kid: remove the one that is no longer used.";

    PkceRequired: "pkce_required", Pkce, Failed, Developer,
        "The identity provider requires PKCE, and this connection has it switched off. Switch it on in the connection's advanced settings.";
    PkceOff: "pkce_off", Pkce, Warning, Developer,
        "PKCE is switched off for this connection. Switch it on in the connection's advanced settings, unless the provider refuses it.";
    PkceMethod: "pkce_method", Pkce, Warning, CustomerIt,
        "The provider does not offer PKCE with S256, the only method that protects. Allow S256 there.";

    MethodNotOffered: "authentication_method_not_offered", AuthenticationMethods, Failed, Developer,
        "The provider does not offer the client authentication that this connection is set to. Set it to automatic in the connection's advanced settings.";
    NoSecretMethod: "no_secret_method", AuthenticationMethods, Failed, CustomerIt,
        "The provider accepts no client secret at its token endpoint. Allow client_secret_basic or client_secret_post for this application.",
        okta: "The provider accepts no client secret. In Okta, open the app's General tab > Client Credentials > Edit, and choose Client secret as Client authentication.";

    ScopeNotOffered: "scope_not_offered", Scopes, Warning, Developer,
        "The provider does not list a scope that this connection asks for. Remove it in the connection's advanced settings, or allow it at the provider.";
    ScopeRefused: "scope_refused", Scopes, Failed, CustomerIt,
        "The provider refuses a scope that this connection asks for. Allow it there, or remove it in the connection's advanced settings.",
        okta: "Okta refuses a scope. Custom authorization servers know no groups scope: allow it under Security > API > Authorization Servers > Scopes, use the discovery endpoint of the Okta domain itself, or switch the groups scope off in the connection's advanced settings.";

    GroupsNotAdvertised: "groups_not_advertised", GroupsClaim, Warning, CustomerIt,
        "Roles are mapped to groups, but the provider advertises no groups claim. Add one for this application; a test sign-in shows whether it comes.",
        okta: "Roles are mapped to groups, but this authorization server advertises no groups. In Okta, open the app's Sign On tab > OpenID Connect ID Token > Edit, set Groups claim type to Filter, groups, Matches regex, .* — and use the discovery endpoint of the Okta domain itself. A test sign-in shows whether groups come.",
        entra: "Roles are mapped to groups. In Microsoft Entra, open the app registration > Token configuration > Add groups claim, and choose the groups assigned to the application. A test sign-in shows whether they come.",
        google: "Roles are mapped to groups, but Google sends no groups: everybody gets the default role.";

    UserinfoMissing: "userinfo_missing", Userinfo, Warning, CustomerIt,
        "The provider has no userinfo endpoint, so every claim must be in the ID token. Add them there; a test sign-in shows what comes.";
    UserinfoUnreachable: "userinfo_unreachable", Userinfo, Warning, CustomerIt,
        "The provider's userinfo endpoint does not work. Names and groups that are only there will be missing.";

    AuthorizationFailed: "authorization_endpoint_failed", AuthorizationEndpoint, Failed, CustomerIt,
        "The provider's authorization endpoint, where people are sent to sign in, does not work: open it in a browser, and look at the provider's log.";
    AuthorizationRefused: "authorization_refused", AuthorizationEndpoint, Failed, CustomerIt,
        "The provider refuses sign-ins of this application: allow it the authorization code flow.",
        okta: "Okta refuses sign-ins of this app. In its General tab > General Settings > Edit, check Authorization Code under Grant type, and see that the app is active.";

    ClientIdUnknown: "client_id_unknown", ClientId, Failed, CustomerIt,
        "The provider does not know this client ID: copy it again, from the provider that the discovery endpoint belongs to.",
        okta: "Okta does not know this client ID. Copy it again from Applications > Applications > your app > General > Client Credentials, and see that the app is active and in the same Okta organization as the discovery endpoint.",
        entra: "Microsoft Entra does not know this client ID. Copy the Application (client) ID again from the app registration's Overview, and see that the discovery endpoint has the tenant ID of the same page.",
        google: "Google does not know this client ID. Copy it again from APIs & Services > Credentials > OAuth 2.0 Client IDs.";

    RedirectUriNotRegistered: "redirect_uri_not_registered", RedirectUri, Failed, CustomerIt,
        "Register the redirect URI of this connection at the provider, to the last character.",
        okta: "In Okta, open Applications > Applications > your app > General > General Settings > Edit, and add the redirect URI to the Sign-in redirect URIs, to the last character.",
        entra: "In Microsoft Entra, open the app registration > Authentication > Add a platform > Web, and add the redirect URI to the last character.",
        google: "In the Google Cloud console, open APIs & Services > Credentials > your OAuth client ID, and add the redirect URI to the Authorized redirect URIs.";

    TokenEndpointUnreachable: "token_endpoint_unreachable", TokenEndpoint, Failed, CustomerIt,
        "The provider's token endpoint cannot be reached: look at what lies between this service and it.";
    TokenEndpointTimeout: "token_endpoint_timeout", TokenEndpoint, Failed, CustomerIt,
        "The provider's token endpoint answers too slowly.";
    TokenEndpointError: "token_endpoint_error", TokenEndpoint, Failed, CustomerIt,
        "The provider's token endpoint answers with an error of its own: try again in some minutes, and look at the provider's log.",
        okta: "Okta's token endpoint answers with an error of its own. Look at Reports > System Log and at status.okta.com.";
    TokenEndpointRateLimited: "token_endpoint_rate_limited", TokenEndpoint, Warning, CustomerIt,
        "The provider limits our requests: raise the rate limit of this application, or try again in a minute.",
        okta: "Okta limits our requests. Look at Reports > Rate Limits; raise the app's share under Applications > Applications > your app > Application rate limits.";
    TokenEndpointNotJson: "token_endpoint_not_json", TokenEndpoint, Failed, CustomerIt,
        "What the token endpoint answers is not what RFC 6749 asks for: look at what lies between this service and the provider.";
    TokenEndpointTooLarge: "token_endpoint_too_large", TokenEndpoint, Failed, CustomerIt,
        "The answer of the token endpoint is far larger than token responses are.";
    TokenEndpointRedirect: "token_endpoint_redirect", TokenEndpoint, Failed, CustomerIt,
        "The token endpoint sends us elsewhere, where no secret is sent. Correct the external URL in the identity provider's settings.";
    DpopRequired: "dpop_required", TokenEndpoint, Failed, CustomerIt,
        "The provider requires DPoP, which is not supported here. Switch it off for this application.",
        okta: "In Okta, open the app's General tab > General Settings > Edit, and clear Require Demonstrating Proof of Possession (DPoP) header in token requests.";
    GrantNotAllowed: "grant_not_allowed", TokenEndpoint, Failed, CustomerIt,
        "The provider does not allow this application to redeem authorization codes: allow it the authorization code flow.",
        okta: "In Okta, open the app's General tab > General Settings > Edit, and check Authorization Code under Grant type.";

    SecretMissing: "client_secret_missing", ClientSecret, Failed, CustomerIt,
        "Enter the client secret, and save the configuration.",
        okta: "Copy the client secret from the app's General tab > Client Secrets, and enter it here.";
    SecretWrong: "client_secret_wrong", ClientSecret, Failed, CustomerIt,
        "The provider refuses the client secret: copy it again. Spaces at its ends, and the secret's id instead of its value, are common mistakes.",
        okta: "Okta refuses the client secret. In the app's General tab > Client Secrets, copy an active one again, or generate a new one, and enter it here.",
        entra: "Microsoft Entra refuses the client secret. Under Certificates & secrets, create a new one and copy its Value (not its Secret ID).",
        google: "Google refuses the client secret. Under APIs & Services > Credentials > your OAuth client ID, copy it again or add a new one.";
    SecretReplaced: "client_secret_replaced", ClientSecret, Warning, CustomerIt,
        "The provider refuses the present client secret, but accepts the next one, by which people sign in. Make the next secret the present one.";
    NextSecretWrong: "next_client_secret_wrong", NextClientSecret, Warning, CustomerIt,
        "The provider refuses the next client secret: copy it again before the present one is switched off.",
        okta: "Okta refuses the next client secret. In the app's General tab > Client Secrets, see that it is active, and copy it again.";

    SecretExpired: "client_secret_expired", SecretExpiry, Failed, CustomerIt,
        "The client secret has expired: create a new one at the provider, and enter it here.",
        entra: "The client secret has expired. Under Certificates & secrets, create a new one, and enter its Value here.";
    SecretExpiresSoon: "client_secret_expires_soon", SecretExpiry, Warning, CustomerIt,
        "The client secret is about to expire: create a new one at the provider, and enter it here as the next secret.",
        entra: "The client secret is about to expire. Under Certificates & secrets, create a new one, and enter its Value here as the next secret.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_has_a_word_of_its_own_an_owner_who_can_act_and_a_remedy() {
        let mut words = std::collections::HashSet::new();
        for problem in Problem::ALL {
            assert!(words.insert(problem.as_str()), "{problem:?}");
            assert_ne!(problem.owner(), Owner::Person, "{problem:?}");
            assert!(matches!(problem.outcome(), Outcome::Failed | Outcome::Warning));
            for kind in [Kind::OktaOidc, Kind::EntraIdOidc, Kind::GoogleOidc, Kind::GenericOidc] {
                assert!(problem.remedy(kind).ends_with('.'), "{problem:?}");
            }
        }
    }

    #[test]
    fn every_check_can_find_something() {
        for check in Check::ALL {
            assert!(Problem::ALL.iter().any(|problem| problem.check() == check), "{check:?}");
        }
    }
}
