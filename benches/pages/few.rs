//! What an installation has some dozens or hundreds of, made by the operations.

use vestibule::base::Result;
use vestibule::base::id::OrganizationId;
use vestibule::db::Tx;
use vestibule::model::administrator::{self, NewAdministrator, Role, link};
use vestibule::model::api_key::{self, NewApiKey};
use vestibule::model::permission::{self, NewPermission};
use vestibule::model::role::{self, NewRole};
use vestibule::model::setup_link::{self, Feature, NewSetupLink, Origin, Recipient};
use vestibule::model::webhook_endpoint::{self, NewWebhookEndpoint};
use vestibule::model::{organization, redirect_uri};

use crate::support::World;

/// As many roles as an environment may have, with the three that it begins with.
const ROLES: usize = 197;
const PERMISSIONS: usize = 150;
const REDIRECT_URIS: usize = 300;
const API_KEYS: usize = 300;
/// As many as an environment may have.
const WEBHOOK_ENDPOINTS: usize = 50;
const ADMINISTRATORS: usize = 40;
const INVITATIONS: usize = 10;
/// How many roles the huge organization has of its own.
const OWN_ROLES: usize = 50;
/// As many as may be open.
const OPEN_LINKS: usize = 100;

/// Everything that belongs to no organization.
pub async fn fill(world: &World) {
    let (app, caller) = (world.app(), world.caller());
    let sealer = app.sealer.clone();
    let unit = async move |tx: &mut Tx| {
        for n in 0..PERMISSIONS {
            permission::create(tx, &new_permission(n)).await?;
        }
        for n in 0..ROLES {
            role::create(tx, None, &new_role(format!("team-{n}"), n)).await?;
            let some: Vec<String> = (0..n % 5).map(|i| permission_slug(n * 7 + i)).collect();
            role::set_permissions(tx, None, &format!("team-{n}"), &some).await?;
        }
        for n in 0..REDIRECT_URIS {
            let uri = format!("https://app-{n}.example.com/sso/callback");
            redirect_uri::create(tx, &uri).await?;
        }
        for n in 0..API_KEYS {
            let new = NewApiKey::named(format!("Key of deployment {n}"));
            api_key::create(tx, &new).await?;
        }
        for n in 0..WEBHOOK_ENDPOINTS {
            let endpoint_url = format!("https://app-{n}.example.com/webhooks");
            let events = vec!["authentication.sso_failed".to_owned()];
            let new = NewWebhookEndpoint { endpoint_url, events };
            webhook_endpoint::create(tx, &sealer, &new).await?;
        }
        team(tx).await
    };
    app.db.write(&caller, unit).await.unwrap_or_else(|error| panic!("{}", error.chain()));
}

async fn team(tx: &mut Tx) -> Result<()> {
    for n in 0..ADMINISTRATORS {
        let email = format!("administrator-{n}@staff.example");
        let new = NewAdministrator { email, name: format!("Staff {n}"), role: Role::Developer };
        administrator::create(tx, &new).await?;
    }
    for n in 0..INVITATIONS {
        link::invite(tx, &format!("invited-{n}@staff.example"), Role::Support).await?;
    }
    Ok(())
}

fn permission_slug(n: usize) -> String {
    format!("documents-{}:read", n % PERMISSIONS)
}

fn new_permission(n: usize) -> NewPermission {
    NewPermission {
        slug: permission_slug(n),
        name: format!("Read documents {n}"),
        description: Some("See the documents of one department".to_owned()),
        resource_type_slug: None,
    }
}

fn new_role(slug: String, n: usize) -> NewRole {
    NewRole { slug, name: format!("Team {n}"), description: None, resource_type_slug: None }
}

/// What the huge organization has besides.
pub async fn fill_huge(world: &World, id: &str) {
    let id = OrganizationId::parse(id).expect("an id");
    let unit = async move |tx: &mut Tx| {
        for n in 0..OWN_ROLES {
            role::create(tx, Some(&id), &new_role(format!("org-team-{n}"), n)).await?;
        }
        for n in 0..OPEN_LINKS {
            let email = Some(format!("it-{n}@huge-holdings.example"));
            let new = NewSetupLink {
                organization_id: id.clone(),
                origin: Origin::Dashboard,
                features: vec![Feature::Sso],
                lifetime_ms: None,
                connection_type: None,
                recipients: vec![Recipient { name: None, email }],
                return_url: None,
                success_url: None,
            };
            setup_link::create(tx, &new).await?;
        }
        let keys = (0..48).map(|n| (format!("key-{n}"), Some("a value of some length".repeat(4))));
        let metadata = Some(Some(keys.collect()));
        let change = organization::Change { metadata, ..organization::Change::default() };
        organization::update(tx, &id, &change).await
    };
    let done = world.app().db.write(&world.caller(), unit).await;
    done.unwrap_or_else(|error| panic!("{}", error.chain()));
}
