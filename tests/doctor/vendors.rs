//! Answers as vendors word them, and what the doctor makes of them.

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use vestibule::doctor::{Check, Outcome};
use vestibule::server;
use vestibule::upstream::oidc::{ClientAuthentication, Kind};

use crate::support::{World, both_engines};

const SECRET: &str = "the-right-secret";

/// What a vendor answers: to a sign-in, to the right secret, to a wrong one.
#[derive(Clone, Copy)]
struct Vendor {
    authorize: (u16, &'static str, &'static str),
    right: (u16, &'static str, &'static str),
    wrong: (u16, &'static str, &'static str),
    /// What is different about the metadata.
    metadata: fn(&mut Value),
}

/// A vendor with whom all is well: nobody is signed in, and the code is unknown.
const FINE: Vendor = Vendor {
    authorize: (302, "(callback)?error=login_required", ""),
    right: (400, "invalid_grant", "The code is unknown."),
    wrong: (401, "invalid_client", "The secret is wrong."),
    metadata: |_| {},
};

impl Vendor {
    /// Serves it; returns its base URL.
    async fn serve(self, callback: String) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let mut metadata = json!({
            "issuer": base,
            "authorization_endpoint": format!("{base}/authorize"),
            "token_endpoint": format!("{base}/token"),
            "jwks_uri": format!("{base}/keys"),
        });
        (self.metadata)(&mut metadata);
        let (status, location, page) = self.authorize;
        let location = location.replace("(callback)", &callback);
        let authorize = move || async move {
            let mut headers = HeaderMap::new();
            if !location.is_empty() {
                headers.insert(header::LOCATION, location.parse().unwrap());
            }
            (StatusCode::from_u16(status).unwrap(), headers, page)
        };
        let token = move |form: String| async move {
            let is_right = form.contains(&format!("client_secret={SECRET}"));
            let (status, error, description) = if is_right { self.right } else { self.wrong };
            let body = json!({ "error": error, "error_description": description });
            (StatusCode::from_u16(status).unwrap(), axum::Json(body))
        };
        let router = Router::new()
            .route(
                "/.well-known/openid-configuration",
                get(move || async move { axum::Json::<Value>(metadata) }),
            )
            .route("/authorize", get(authorize))
            .route("/token", post(token));
        tokio::spawn(server::serve(listener, router, std::future::pending()));
        base
    }
}

/// How a check ended: the problem, or the outcome where there is none.
async fn found(world: &World, kind: Kind, vendor: Vendor, check: Check) -> &'static str {
    let callback = world.app().callback_uri(&world.patient().await);
    let base = vendor.serve(callback).await;
    world.spoil_secrets(SECRET, None).await;
    world
        .spoil_settings(|it| {
            it.kind = kind;
            it.discovery_endpoint = format!("{base}/.well-known/openid-configuration");
            it.issuer = base;
            it.client_authentication = ClientAuthentication::ClientSecretPost;
        })
        .await;
    let checks = [Check::Issuer, Check::ClientId, Check::RedirectUri, Check::ClientSecret, check];
    let report = world.examine_with(&world.clinic(), &checks).await;
    let finding = report.of(check).unwrap_or_else(|| panic!("{report:#?}"));
    finding.problem.unwrap_or(finding.outcome.as_str())
}

both_engines! {
    async fn the_words_of_each_vendor_are_understood(world: World) {
        use Check::{
            AuthenticationMethods, ClientId, ClientSecret, Issuer, RedirectUri, SecretExpiry,
            TokenEndpoint,
        };
        use Kind::{EntraIdOidc, GenericOidc, GoogleOidc, OktaOidc};
        let authorize = |status, location, page| Vendor { authorize: (status, location, page), ..FINE };
        let right = |status, error, text| Vendor { right: (status, error, text), ..FINE };
        let malformed = "AADSTS9002313: Invalid request. Request is malformed or invalid.";
        let code_first = Vendor { wrong: (400, "invalid_grant", malformed), ..FINE };
        let with = |metadata| Vendor { metadata, ..FINE };
        let common = with(|it| {
            it["issuer"] = json!("https://login.microsoftonline.com/{tenantid}/v2.0");
        });
        let only_basic = with(|it| {
            it["token_endpoint_auth_methods_supported"] = json!(["client_secret_basic"]);
        });
        let dead = with(|it| it["token_endpoint"] = json!("http://127.0.0.1:1/token"));
        let cases = [
            (GenericOidc, FINE, ClientSecret, "ok"),
            (GenericOidc, FINE, RedirectUri, "ok"),
            (OktaOidc, Vendor { wrong: FINE.right, ..FINE }, ClientSecret, "ok"),
            (EntraIdOidc, code_first, ClientSecret, "cannot_tell"),
            (GenericOidc, right(200, "", ""), ClientSecret, "cannot_tell"),
            (GenericOidc, right(400, "slow_down", ""), ClientSecret, "cannot_tell"),
            (GenericOidc, only_basic, AuthenticationMethods, "authentication_method_not_offered"),
            (GenericOidc, dead, TokenEndpoint, "token_endpoint_unreachable"),
            (GenericOidc, FINE, SecretExpiry, "cannot_tell"),
            (EntraIdOidc, common, Issuer, "issuer_template"),
            (EntraIdOidc, right(401, "invalid_client", "AADSTS7000215: Invalid client secret."),
                ClientSecret, "client_secret_wrong"),
            (EntraIdOidc, right(401, "invalid_client", "AADSTS7000222: The keys are expired."),
                SecretExpiry, "client_secret_expired"),
            (EntraIdOidc, right(400, "unauthorized_client", "AADSTS700016: Not found."),
                ClientId, "client_id_unknown"),
            (GoogleOidc, right(401, "invalid_client", "The OAuth client was not found."),
                ClientId, "client_id_unknown"),
            (EntraIdOidc, authorize(200, "", "AADSTS50011: The redirect URI does not match."),
                RedirectUri, "redirect_uri_not_registered"),
            (GoogleOidc, authorize(302, "/error?e=redirect_uri_mismatch", ""),
                RedirectUri, "redirect_uri_not_registered"),
            (GenericOidc, authorize(400, "", "Invalid parameter: redirect_uri"),
                RedirectUri, "redirect_uri_not_registered"),
            (GenericOidc, authorize(400, "", "Client not found."), ClientId, "client_id_unknown"),
            (GenericOidc, authorize(400, "", "We are sorry."), RedirectUri, "cannot_tell"),
            (GenericOidc, authorize(200, "", "Sign in"), RedirectUri, "cannot_tell"),
            (GenericOidc, authorize(302, "https://elsewhere.example/", ""), RedirectUri,
                "cannot_tell"),
            (GenericOidc, authorize(302, "https://elsewhere.example/?to=(callback)", ""),
                RedirectUri, "cannot_tell"),
            (GenericOidc, authorize(200, "", "Sign in"), ClientId, "ok"),
            (OktaOidc, authorize(200, "", "Sign in"), RedirectUri, "ok"),
            (OktaOidc, authorize(302, "https://acme.example/login", ""), RedirectUri, "ok"),
        ];
        for (index, (kind, vendor, check, expected)) in cases.into_iter().enumerate() {
            let found = found(&world, kind, vendor, check).await;
            assert_eq!(found, expected, "case {index}: {kind:?} {check:?}");
        }
    }

    async fn a_secret_that_cannot_be_proved_is_no_problem(world: World) {
        let vendor = Vendor { wrong: FINE.right, ..FINE };
        let outcome = found(&world, Kind::GenericOidc, vendor, Check::ClientSecret).await;
        assert_eq!(outcome, Outcome::CannotTell.as_str());
        let checks = [Check::ClientSecret];
        assert!(world.examine_with(&world.clinic(), &checks).await.healthy);
    }
}
