//! A service with all that a login needs, and the tenant of its one organization.

use std::path::Path;

use serde_json::json;

use super::service::{Okta, REDIRECT_URI, Service};

/// How many people the organization has.
pub const PEOPLE: usize = 8;

/// A service with an organization whose people sign in at a tenant.
pub struct Set {
    pub service: Service,
    pub okta: Okta,
    pub connection: String,
}

/// Their addresses.
pub fn email(n: usize) -> String {
    format!("p{n}@acme.example")
}

/// Starts it with these flags and values.
pub async fn set_up(folder: &Path, settings: &[(&'static str, String)]) -> Set {
    set_up_for(PEOPLE, folder, settings).await
}

/// The same with so many people.
pub async fn set_up_for(people: usize, folder: &Path, settings: &[(&'static str, String)]) -> Set {
    let service = Service::first_start(folder, settings).await;
    let okta = Okta::start(&(0..people).map(email).collect::<Vec<_>>()).await;
    let application = &service.application;
    let uri = json!({ "uri": REDIRECT_URI });
    application.api("POST", "/user_management/redirect_uris", &uri).await;
    let domains = json!([{ "domain": "acme.example", "state": "verified" }]);
    let organization = json!({ "name": "Acme", "domain_data": domains });
    let organization = application.api("POST", "/organizations", &organization).await;
    let connection = json!({
        "organization_id": organization["id"],
        "connection_type": "OktaOIDC",
        "name": "Acme",
        "state": "active",
        "oidc": {
            "client_id": okta.credentials.client_id,
            "client_secret": okta.credentials.client_secret.expose(),
            "discovery_endpoint": okta.tenant.base_url(),
        },
    });
    let connection = application.api("POST", "/connections", &connection).await;
    okta.allow(connection["redirect_uri"].as_str().unwrap());
    let connection = connection["id"].as_str().unwrap().to_owned();
    Set { service, okta, connection }
}
