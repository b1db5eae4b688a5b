//! Events of roles.

use serde_json::{Value, json};

use super::Role;
use crate::base::Result;
use crate::db::Tx;
use crate::model::event;

/// What happened to a role.
#[derive(Clone, Copy)]
pub(super) enum Happening {
    Created,
    Updated,
    Deleted,
}

/// Records the event in its own shape: that of an environment's role has neither id nor name.
pub(super) async fn record(
    tx: &mut Tx,
    what: Happening,
    role: &Role,
    previous: Option<Value>,
) -> Result<()> {
    let mut data = json!({
        "object": "role",
        "slug": role.slug,
        "resource_type_slug": role.resource_type_slug,
        "permissions": role.permissions,
        "created_at": role.created_at,
        "updated_at": role.updated_at,
    });
    let organization_id = role.organization_id.as_ref();
    if let Some(organization_id) = organization_id {
        data["object"] = json!("organization_role");
        data["organization_id"] = json!(organization_id);
        data["name"] = json!(role.name);
        data["description"] = json!(role.description);
    }
    let name = match (organization_id.is_some(), what) {
        (false, Happening::Created) => "role.created",
        (false, Happening::Updated) => "role.updated",
        (false, Happening::Deleted) => "role.deleted",
        (true, Happening::Created) => "organization_role.created",
        (true, Happening::Updated) => "organization_role.updated",
        (true, Happening::Deleted) => "organization_role.deleted",
    };
    event::record_change(tx, name, organization_id, &data, previous).await
}
