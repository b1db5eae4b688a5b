//! An installation in which there is something of everything.

use serde_json::{Map, Value, json};

use vestibule::base::Caller;
use vestibule::base::secret::Secret;
use vestibule::db::Tx;
use vestibule::model::connection::{
    ConnectionState, ConnectionType, EmailDomains, IncompleteGroups, NewConnection, Policy,
};
use vestibule::model::organization::{Change, DomainData, DomainDataState, NewOrganization};
use vestibule::model::permission::NewPermission;
use vestibule::model::role::NewRole;
use vestibule::model::webhook_endpoint::{NewWebhookEndpoint, Status};
use vestibule::model::{
    connection_group, environment, organization, permission, redirect_uri, role, webhook_endpoint,
};
use vestibule::sandbox::okta::Server;
use vestibule::setup;

use crate::support::World;

/// Secrets that must not be seen anywhere.
pub const CANARIES: [&str; 3] = ["canary-of-the-secret", "canary-of-the-next", "canary-of-acme"];

fn new_role(slug: &str, description: Option<&str>) -> NewRole {
    NewRole {
        slug: slug.to_owned(),
        name: format!("The {slug}"),
        description: description.map(str::to_owned),
        resource_type_slug: None,
    }
}

/// Adds something of everything to the demo.
pub async fn fill(world: &World) {
    let app = world.app();
    let caller = world.caller();
    let sealer = app.sealer.clone();
    let acme = world.demo.seeded.organization_id.clone();
    let write = async move |tx: &mut Tx| {
        of_environment(tx).await?;
        for (url, status) in [("one", Status::Enabled), ("two", Status::Disabled)] {
            let new = NewWebhookEndpoint {
                endpoint_url: format!("http://127.0.0.1:9/{url}"),
                events: vec!["connection.activated".to_owned(), "role.created".to_owned()],
            };
            let made = webhook_endpoint::create(tx, &sealer, &new).await?;
            let change = webhook_endpoint::Change { status: Some(status), ..Default::default() };
            webhook_endpoint::update(tx, &made.id, &change).await?;
        }
        let change = Change {
            external_id: Some(Some("acme-1".to_owned())),
            stripe_customer_id: Some(Some("cus_1".to_owned())),
            ..Change::default()
        };
        organization::update(tx, &acme, &change).await?;
        for slug in ["org-second", "org-first"] {
            role::create(tx, Some(&acme), &new_role(slug, None)).await?;
        }
        let order = ["org-first", "org-second"].map(str::to_owned);
        role::reorder(tx, Some(&acme), &order).await?;
        role::set_permissions(tx, Some(&acme), "org-first", &["a:read".to_owned()]).await?;
        role::make_organization_default(tx, &acme, Some("org-second")).await?;
        other_organization(tx).await
    };
    let other = app.db.write(&caller, write).await.unwrap();
    unusual_connection(world, &caller, other).await;
}

async fn of_environment(tx: &mut Tx) -> vestibule::base::Result<()> {
    let settings = json!({
        "role_mode": "multiple", "public_client": true, "signin_consent": "never",
        "portal_group_mapping": false,
    });
    let settings = Some(serde_json::from_value(settings).unwrap());
    let change = environment::Change { name: Some("Everything".to_owned()), settings };
    environment::update(tx, &change).await?;
    for (slug, description) in [("a:read", Some("Reads: all")), ("b:write", None)] {
        let new = NewPermission {
            slug: slug.to_owned(),
            name: format!("Permission {slug}"),
            description: description.map(str::to_owned),
            resource_type_slug: None,
        };
        permission::create(tx, &new).await?;
    }
    role::create(tx, None, &new_role("owner", Some("Is in charge"))).await?;
    let both = ["b:write", "a:read"].map(str::to_owned);
    role::set_permissions(tx, None, "owner", &both).await?;
    let order = ["owner", "admin", "engineer", "member"].map(str::to_owned);
    role::reorder(tx, None, &order).await?;
    role::make_default(tx, "engineer").await?;
    redirect_uri::create(tx, "https://*.preview.example.com/callback").await?;
    let made = redirect_uri::create(tx, "https://app.example.com/callback").await?;
    redirect_uri::make_default(tx, &made.id).await?;
    let settings = json!({
        "portal_return_url": "https://app.example.com/settings",
        "portal_success_url": "https://app.example.com/done",
    });
    let settings = Some(serde_json::from_value(settings).unwrap());
    let change = environment::Change { name: None, settings };
    environment::update(tx, &change).await.map(drop)
}

async fn other_organization(tx: &mut Tx) -> vestibule::base::Result<organization::Organization> {
    let domain = |domain: &str, state| DomainData { domain: domain.to_owned(), state };
    let new = NewOrganization {
        name: "Other: \"quoted\" & # odd".to_owned(),
        domain_data: Some(vec![
            domain("other.example", DomainDataState::Verified),
            domain("waiting.example", DomainDataState::Pending),
        ]),
        metadata: Some(
            [("plan", "yes"), ("seats", "0012")]
                .map(|(name, value)| (name.to_owned(), Some(value.to_owned())))
                .into(),
        ),
        external_id: Some("007".to_owned()),
        allow_profiles_outside_organization: Some(true),
        ..NewOrganization::default()
    };
    organization::create(tx, &new).await
}

/// A connection in which nothing is usual, switched off, and one that nobody has configured.
async fn unusual_connection(
    world: &World,
    caller: &Caller,
    organization: organization::Organization,
) {
    let app = world.app();
    let more = json!({
        "scopes": ["openid", "email", "profile", "groups"], "groups_scope": "never",
        "client_authentication": "client_secret_post", "pkce": false, "leeway_s": 5,
        "max_iat_age_s": 300, "userinfo": "optional",
        "attributes": { "email": "mail", "first_name": "a.b", "last_name": "c", "name": "d" },
        "custom_attributes": { "department": "dept", "cost_center": "x.y" },
        "groups_claim": "realm_access.roles", "groups_delimiter": ";",
        "trusted_audiences": ["other"], "required_acr": ["mfa"], "auth_time_optional": true,
        "client_secret_expires_at": "2031-01-01T00:00:00.000Z",
    });
    let Value::Object(more) = more else { unreachable!() };
    let oidc = setup::Oidc {
        client_id: Some("0123".to_owned()),
        client_secret: Some(Secret::new(CANARIES[0])),
        next_client_secret: Some(Some(Secret::new(CANARIES[1]))),
        discovery_endpoint: Some(world.demo.tenant.discovery_endpoint(Server::Org)),
        more,
    };
    let new = |name: &str| NewConnection {
        organization_id: organization.id.clone(),
        connection_type: ConnectionType::parse("GenericOIDC").unwrap(),
        name: name.to_owned(),
        policy: Policy {
            incomplete_groups: IncompleteGroups::Refuse,
            email_domains: EmailDomains::Any,
            require_email_verified: true,
            force_reauthentication: true,
            idp_initiated: true,
            raw_attributes: false,
        },
    };
    let change = setup::Change {
        oidc: Some(oidc),
        state: Some(ConnectionState::Inactive),
        policy: Map::new(),
        name: None,
    };
    let saved = setup::create(app, caller, new("Unusual"), change).await.unwrap();
    let id = saved.connection.id.to_string();
    let write = async move |tx: &mut Tx| {
        for (idp_id, name) in [("b", Some("Group b")), ("a", None)] {
            let group = connection_group::NewGroup {
                idp_id: idp_id.to_owned(),
                name: name.map(str::to_owned),
                role: "owner".to_owned(),
            };
            connection_group::create(tx, &id, &group).await?;
        }
        Ok(())
    };
    app.db.write(caller, write).await.unwrap();
    let nothing = setup::Change::default();
    setup::create(app, caller, new("Draft"), nothing).await.unwrap();
}
