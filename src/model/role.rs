//! Roles: of the whole environment, or of one organization.

use crate::base::Result;
use crate::base::id::RoleId;
use crate::db::Tx;

/// Creates the two roles that every environment begins with: `admin`, and `member`, the default.
///
/// # Errors
///
/// As [`Tx::execute`].
pub(super) async fn create_first(tx: &mut Tx) -> Result<()> {
    for (priority, slug, name) in [(0, "admin", "Admin"), (1, "member", "Member")] {
        let id: RoleId = tx.new_id();
        tx.execute(
            "INSERT INTO roles
             (id, environment_id, slug, name, priority, is_default, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $7)",
            &[
                (&id).into(),
                (&tx.environment_id()).into(),
                slug.into(),
                name.into(),
                i64::from(priority).into(),
                (slug == "member").into(),
                tx.now().into(),
            ],
        )
        .await?;
    }
    Ok(())
}
