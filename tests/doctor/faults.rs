//! Every fault that can be injected by HTTP, each named rightly and given to the right owner.

use vestibule::base::failure::Owner::{self, CustomerIt, Developer, Operator};
use vestibule::sandbox::okta::{AppIntegration, Fault, Server, TenantFault};
use vestibule::upstream::oidc::{ClientAuthentication, GroupsScope, Settings};

use super::complaints;
use crate::support::{World, both_engines};

/// How something is made to go wrong.
enum Break {
    /// A fault of the app integration.
    App(Fault),
    /// A fault of the tenant.
    Tenant(TenantFault),
    /// The customer's administrator has set the app integration up wrongly.
    Okta(fn(&mut AppIntegration)),
    /// Our side is set up wrongly.
    Ours(fn(&mut Settings)),
    /// The secrets are not those of the app integration: present, next.
    Secrets(&'static str, Option<&'static str>),
}

use Break::{App, Okta, Ours, Secrets, Tenant};

/// A fault, how it is injected, and the problems and owners that must be told.
type Row = (&'static str, Break, &'static [(&'static str, Owner)]);

/// Stands for the right secret.
const RIGHT: &str = "(right)";

/// What is broken, and what the doctor must say: all of it, and nothing else.
fn table() -> Vec<Row> {
    const SLOW_MS: u64 = 2_000;
    vec![
        // The customer's administrator, in Okta's console.
        (
            "redirect URI not registered",
            Okta(|app| app.redirect_uris.clear()),
            &[("redirect_uri_not_registered", CustomerIt)],
        ),
        (
            "redirect URI registered with a slash at its end",
            Okta(|app| app.redirect_uris.iter_mut().for_each(|uri| uri.push('/'))),
            &[("redirect_uri_not_registered", CustomerIt)],
        ),
        ("DPoP required", Okta(|app| app.require_dpop = true), &[("dpop_required", CustomerIt)]),
        (
            "all secrets deactivated",
            Okta(|app| app.secrets.clear()),
            &[("client_secret_wrong", CustomerIt)],
        ),
        // What was entered here.
        ("wrong secret", Secrets("wrong", None), &[("client_secret_wrong", CustomerIt)]),
        (
            "secret with a space",
            Secrets("wrong ", Some(" also wrong")),
            &[("client_secret_wrong", CustomerIt), ("next_client_secret_wrong", CustomerIt)],
        ),
        (
            "present secret replaced",
            Secrets("old", Some(RIGHT)),
            &[("client_secret_replaced", CustomerIt)],
        ),
        (
            "next secret wrong",
            Secrets(RIGHT, Some("wrong")),
            &[("next_client_secret_wrong", CustomerIt)],
        ),
        (
            "wrong client id",
            Ours(|it| it.client_id = "0oaunknown".to_owned()),
            &[("client_id_unknown", CustomerIt)],
        ),
        ("PKCE switched off", Ours(|it| it.pkce = false), &[("pkce_off", Developer)]),
        (
            "a scope that is not offered",
            Ours(|it| it.scopes.push("payroll".to_owned())),
            &[("scope_refused", CustomerIt)],
        ),
        (
            "groups scope at a custom server",
            Ours(to_custom_server),
            &[("scope_refused", CustomerIt), ("groups_not_advertised", CustomerIt)],
        ),
        (
            "another algorithm pinned",
            Ours(pin_es256),
            &[("algorithm_not_offered", Developer), ("keys_unusable", CustomerIt)],
        ),
        (
            "secret about to expire",
            Ours(|it| it.client_secret_expires_at = soon()),
            &[("client_secret_expires_soon", CustomerIt)],
        ),
        (
            "secret expired",
            Ours(|it| it.client_secret_expires_at = past()),
            &[("client_secret_expired", CustomerIt)],
        ),
        (
            "issuer of another tenant",
            Ours(|it| it.issuer.push_str(".example")),
            &[("issuer_mismatch", CustomerIt)],
        ),
        (
            "discovery endpoint of a page",
            Ours(|it| it.discovery_endpoint = root(it)),
            &[("discovery_not_json", CustomerIt)],
        ),
        (
            "discovery endpoint of nothing",
            Ours(|it| it.discovery_endpoint.push_str("-x")),
            &[("discovery_not_found", CustomerIt)],
        ),
        (
            "discovery endpoint is no URL",
            Ours(|it| it.discovery_endpoint = "acme".to_owned()),
            &[("discovery_not_found", CustomerIt)],
        ),
        // Discovery.
        (
            "discovery 500",
            Tenant(TenantFault::DiscoveryServerError),
            &[("discovery_server_error", CustomerIt)],
        ),
        (
            "discovery 404",
            Tenant(TenantFault::DiscoveryNotFound),
            &[("discovery_not_found", CustomerIt)],
        ),
        (
            "discovery 403",
            Tenant(TenantFault::DiscoveryForbidden),
            &[("discovery_status", CustomerIt)],
        ),
        (
            "discovery HTML",
            Tenant(TenantFault::DiscoveryGarbage),
            &[("discovery_not_json", CustomerIt)],
        ),
        (
            "discovery redirects",
            Tenant(TenantFault::DiscoveryRedirect),
            &[("discovery_redirect", CustomerIt)],
        ),
        (
            "discovery too large",
            Tenant(TenantFault::DiscoveryOversize),
            &[("discovery_too_large", CustomerIt)],
        ),
        (
            "discovery slow",
            Tenant(TenantFault::DiscoverySlow { ms: SLOW_MS }),
            &[("discovery_timeout", CustomerIt)],
        ),
        (
            "no token endpoint",
            Tenant(TenantFault::DiscoveryWithoutTokenEndpoint),
            &[("discovery_invalid", CustomerIt)],
        ),
        (
            "token endpoint inside",
            Tenant(TenantFault::DiscoveryPrivateEndpoint),
            &[("endpoint_invalid", CustomerIt)],
        ),
        (
            "another issuer",
            Tenant(TenantFault::DiscoveryIssuerMismatch),
            &[("issuer_mismatch", CustomerIt)],
        ),
        (
            "userinfo elsewhere",
            Tenant(TenantFault::DiscoveryForeignUserinfo),
            &[("endpoint_foreign", CustomerIt), ("userinfo_unreachable", CustomerIt)],
        ),
        (
            "no userinfo",
            Tenant(TenantFault::DiscoveryWithoutUserinfo),
            &[("userinfo_missing", CustomerIt)],
        ),
        (
            "userinfo 404",
            Tenant(TenantFault::UserinfoNotFound),
            &[("userinfo_unreachable", CustomerIt)],
        ),
        (
            "groups not offered",
            Tenant(TenantFault::DiscoveryWithoutGroups),
            &[("groups_not_advertised", CustomerIt)],
        ),
        (
            "email not offered",
            Tenant(TenantFault::DiscoveryWithoutEmail),
            &[("scope_not_offered", Developer)],
        ),
        (
            "HS256 only",
            Tenant(TenantFault::DiscoveryOnlyHs256),
            &[("algorithm_unsupported", CustomerIt)],
        ),
        (
            "ES256 only",
            Tenant(TenantFault::DiscoveryOnlyEs256),
            &[("algorithm_not_offered", Developer)],
        ),
        (
            "private_key_jwt only",
            Tenant(TenantFault::DiscoveryOnlyPrivateKeyJwt),
            &[("no_secret_method", CustomerIt)],
        ),
        (
            "plain PKCE only",
            Tenant(TenantFault::DiscoveryOnlyPlainPkce),
            &[("pkce_method", CustomerIt)],
        ),
        // In between.
        (
            "proxy wants a password",
            Tenant(TenantFault::DiscoveryProxyAuthentication),
            &[("proxy_authentication", Operator)],
        ),
        (
            "captive portal",
            Tenant(TenantFault::DiscoveryCaptivePortal),
            &[("captive_portal", Operator)],
        ),
        ("proxy refuses", Tenant(TenantFault::DiscoveryProxyPage), &[("proxy_page", Operator)]),
        (
            "clock far off",
            Tenant(TenantFault::ClockAhead { ms: 600_000 }),
            &[("clock_off", Operator)],
        ),
        (
            "clock somewhat off",
            Tenant(TenantFault::ClockAhead { ms: 45_000 }),
            &[("clock_drifting", Operator)],
        ),
        // Keys.
        ("keys 500", Tenant(TenantFault::KeysServerError), &[("keys_unreachable", CustomerIt)]),
        ("keys HTML", Tenant(TenantFault::KeysGarbage), &[("keys_invalid", CustomerIt)]),
        (
            "keys slow",
            Tenant(TenantFault::KeysSlow { ms: SLOW_MS }),
            &[("keys_timeout", CustomerIt)],
        ),
        ("no keys", Tenant(TenantFault::KeysEmpty), &[("keys_empty", CustomerIt)]),
        ("EC keys only", Tenant(TenantFault::KeysOnlyEc), &[("keys_unusable", CustomerIt)]),
        ("keys twice", Tenant(TenantFault::KeysTwice), &[("keys_ambiguous", CustomerIt)]),
        ("private keys", Tenant(TenantFault::KeysPrivate), &[("key_private", CustomerIt)]),
        ("keys too large", Tenant(TenantFault::KeysOversize), &[("keys_too_large", CustomerIt)]),
        // Sign-in page.
        (
            "sign-in page 500",
            App(Fault::AuthorizeServerError),
            &[("authorization_endpoint_failed", CustomerIt)],
        ),
        (
            "code flow not allowed",
            App(Fault::AuthorizeGrantNotAllowed),
            &[("authorization_refused", CustomerIt)],
        ),
        // Token endpoint.
        ("token 500", App(Fault::TokenServerError), &[("token_endpoint_error", CustomerIt)]),
        ("token 429", App(Fault::TokenRateLimited), &[("token_endpoint_rate_limited", CustomerIt)]),
        ("token HTML", App(Fault::TokenGarbage), &[("token_endpoint_not_json", CustomerIt)]),
        ("token too large", App(Fault::TokenOversize), &[("token_endpoint_too_large", CustomerIt)]),
        ("token redirects", App(Fault::TokenRedirect), &[("token_endpoint_redirect", CustomerIt)]),
        (
            "token slow",
            App(Fault::TokenSlow { ms: SLOW_MS }),
            &[("token_endpoint_timeout", CustomerIt)],
        ),
        (
            "grant not allowed",
            App(Fault::TokenGrantNotAllowed),
            &[("grant_not_allowed", CustomerIt)],
        ),
    ]
}

fn to_custom_server(settings: &mut Settings) {
    settings.issuer.push_str("/oauth2/default");
    settings.discovery_endpoint = format!("{}/.well-known/openid-configuration", settings.issuer);
    settings.groups_scope = GroupsScope::Always;
}

fn pin_es256(settings: &mut Settings) {
    settings.signing_algorithm = serde_json::from_str("\"ES256\"").unwrap();
}

fn root(settings: &Settings) -> String {
    format!("{}/", settings.issuer)
}

fn in_days(days: i64) -> Option<vestibule::base::time::Timestamp> {
    Some(vestibule::base::time::Clock::system().now().plus_ms(days * 86_400_000))
}

fn soon() -> Option<vestibule::base::time::Timestamp> {
    in_days(10)
}

fn past() -> Option<vestibule::base::time::Timestamp> {
    in_days(-1)
}

async fn inject(world: &World, how: &Break) {
    let right = world.demo.credentials.client_secret.expose().to_owned();
    let real = |text: &'static str| if text == RIGHT { right.clone() } else { text.to_owned() };
    match how {
        App(fault) => world.faults(&[*fault]),
        Tenant(fault) => world.demo.tenant.set_tenant_faults(&[*fault]),
        Okta(edit) => {
            let client_id = &world.demo.credentials.client_id;
            world.demo.tenant.edit_app(client_id, edit).unwrap();
        }
        Ours(edit) => world.spoil_settings(edit).await,
        Secrets(present, next) => {
            world.spoil_secrets(&real(present), next.map(real).as_deref()).await;
        }
    }
}

both_engines! {
    async fn the_doctor_names_every_fault_and_its_owner(world: World) {
        let client_id = world.demo.credentials.client_id.clone();
        let Some(vestibule::upstream::Settings::Oidc(healthy)) = world.patient().await.settings
        else { panic!("not configured") };
        let app = world.demo.tenant.apps().into_iter().find(|it| it.client_id == client_id);
        let app = app.unwrap();
        let secret = world.demo.credentials.client_secret.expose().to_owned();
        let table = table();
        assert!(table.len() >= 50, "{}", table.len());
        for (what, how, expected) in table {
            inject(&world, &how).await;
            let report = world.examine().await;
            assert_eq!(complaints(&report), expected, "{what}: {report:#?}");
            for finding in report.problems() {
                assert!(finding.remedy.is_some_and(|remedy| !remedy.is_empty()), "{what}");
            }
            world.demo.tenant.set_tenant_faults(&[]);
            world.demo.tenant.edit_app(&client_id, |it| *it = app.clone()).unwrap();
            if let Ours(_) | Secrets(..) = how {
                world.spoil_settings(|it| *it = healthy.clone()).await;
                world.spoil_secrets(&secret, None).await;
            }
        }
        let report = world.examine().await;
        assert!(report.healthy, "{report:#?}");
    }

    async fn settings_that_only_together_are_wrong_are_told_as_one(world: World) {
        let client_id = world.demo.credentials.client_id.clone();
        world.demo.tenant.edit_app(&client_id, |app| app.require_pkce = true).unwrap();
        let report = world.examine().await;
        assert!(report.healthy, "PKCE is used: {report:#?}");
        world.spoil_settings(|it| it.pkce = false).await;
        assert_eq!(complaints(&world.examine().await), [("pkce_required", Developer)]);
        world.spoil_settings(|it| {
            it.pkce = true;
            it.client_authentication = ClientAuthentication::ClientSecretPost;
        }).await;
        let report = world.examine().await;
        assert!(report.healthy, "the secret may go in the body: {report:#?}");
        let custom = world.demo.tenant.discovery_endpoint(Server::Default);
        let issuer = world.demo.tenant.issuer(Server::Default);
        world.spoil_settings(|it| {
            it.discovery_endpoint = custom;
            it.issuer = issuer;
        }).await;
        let report = world.examine().await;
        assert_eq!(complaints(&report), [("groups_not_advertised", CustomerIt)]);
    }
}
