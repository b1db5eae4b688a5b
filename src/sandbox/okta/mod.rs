//! A simulated Okta tenant: to a relying party it behaves like Okta, down to Okta's sentences.
//!
//! It is for `demo` and for tests. Its state is in memory, it logs whole requests, and whoever
//! reaches its `/sandbox/…` endpoints may change it: serve it on loopback only.
//!
//! ```no_run
//! # async fn demo() -> Result<(), Box<dyn std::error::Error>> {
//! use vestibule::base::time::Clock;
//! use vestibule::sandbox::okta::{GroupsClaim, NewApp, NewUser, Tenant};
//!
//! let tenant = Tenant::new("http://127.0.0.1:9001", Clock::system(), "a seed");
//! let ada = tenant.create_user(NewUser {
//!     email: "ada@example.com",
//!     password: "correct horse",
//!     given_name: "Ada",
//!     family_name: "Lovelace",
//! });
//! let engineering = tenant.create_group("Engineering");
//! tenant.add_member(&engineering, &ada)?;
//! let app = tenant.create_app(NewApp {
//!     name: "Vestibule".to_owned(),
//!     redirect_uris: vec!["http://127.0.0.1:8080/sso/oidc/key/callback".to_owned()],
//!     groups: vec![engineering],
//!     ..NewApp::default()
//! });
//! tenant.set_groups_claim(&app.client_id, Some(GroupsClaim::all()))?;
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:9001").await?;
//! axum::serve(listener, tenant.router()).await?;
//! # Ok(())
//! # }
//! ```

mod admin;
mod authorize;
mod browser;
mod client;
mod control;
mod directory;
mod fault;
mod groups_claim;
mod id_token;
mod keys;
mod logout;
mod metadata;
mod pages;
mod request_log;
mod secrets;
mod server;
mod sign_in;
mod tenant;
#[cfg(test)]
mod tests;
mod token;
mod userinfo;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

pub use directory::{AppIntegration, Credentials, Group, NewApp, NewUser, User};
pub use fault::{Fault, TenantFault};
pub use groups_claim::{GROUPS_LIMIT, GroupsClaim, GroupsFilter, TooManyGroups};
pub use request_log::LoggedRequest;
pub use server::Server;
pub use tenant::{Refused, Tenant};

/// What an endpoint of an authorization server works with.
#[derive(Clone)]
struct Desk {
    tenant: Tenant,
    server: Server,
}

impl Tenant {
    /// Everything that the tenant answers, to be served at the root of its base URL.
    pub fn router(&self) -> Router {
        Router::new()
            .merge(self.server_routes(Server::Org, ""))
            .merge(self.server_routes(Server::Default, Server::Default.path()))
            .merge(pages::routes())
            .merge(sign_in::routes())
            .merge(control::routes())
            .merge(admin::routes())
            .with_state(self.clone())
            .layer(from_fn_with_state(self.clone(), request_log::observe))
    }

    /// `issuer_path`: what the path of the issuer is.
    fn server_routes(&self, server: Server, issuer_path: &str) -> Router<Tenant> {
        let at = |endpoint: &str| format!("{}/v1/{endpoint}", server.path());
        Router::new()
            .route(
                &format!("{issuer_path}/.well-known/openid-configuration"),
                get(metadata::discovery),
            )
            .route(&at("keys"), get(metadata::keys))
            .route(&at("authorize"), get(authorize::by_query).post(authorize::by_form))
            .route(&at("token"), post(token::token))
            .route(&at("userinfo"), get(userinfo::userinfo).post(userinfo::userinfo))
            .route(&at("introspect"), post(token::introspect))
            .route(&at("revoke"), post(token::revoke))
            .route(&at("logout"), get(logout::logout))
            .with_state(Desk { tenant: self.clone(), server })
    }
}
