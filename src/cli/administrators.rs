//! `vestibule administrator`: who administers, and how they get in again.

use serde_json::{Value, json};

use super::args::AdministratorCommand;
use crate::app::App;
use crate::base::secret::Secret;
use crate::base::{Caller, Error, Result};
use crate::db::Tx;
use crate::model::administrator;
use crate::model::administrator::link::{self, Kind, Link};

pub(super) async fn run(app: &App, command: AdministratorCommand) -> Result<Value> {
    let caller = Caller { actor_id: "command line".to_owned(), ..Caller::anonymous() };
    match command {
        AdministratorCommand::Link => {
            let made = app.db.write(&caller, async |tx| link::create_first_run(tx).await).await?;
            let token = made.ok_or_else(|| {
                let message = "There is an administrator already: invite others, or recover one.";
                Error::conflict("administrator_exists", message)
            })?;
            Ok(json!({ "url": app.link_url(Kind::FirstRun, &token) }))
        }
        AdministratorCommand::List => app.db.read(&caller, async |tx| list(tx).await).await,
        AdministratorCommand::Invite { email, role } => {
            let invite = async move |tx: &mut Tx| link::invite(tx, &email, role).await;
            let (link, token) = app.db.write(&caller, invite).await?;
            Ok(printed(app, &link, &token))
        }
        AdministratorCommand::Recover { email } => {
            let recover = async move |tx: &mut Tx| link::recover(tx, &email).await;
            let (link, token) = app.db.write(&caller, recover).await?;
            Ok(printed(app, &link, &token))
        }
        AdministratorCommand::Remove { email } => {
            let remove = async move |tx: &mut Tx| {
                let email = email.to_lowercase();
                if let Some(found) = administrator::find_by_email(tx, &email).await? {
                    return administrator::remove(tx, &found.id).await.map(drop);
                }
                // Or they are invited and have not come yet.
                let invitations = link::list_invitations(tx).await?;
                let invited = |it: &&Link| it.email.as_deref() == Some(&*email);
                let invitation = invitations.iter().find(invited);
                let invitation =
                    invitation.ok_or_else(|| Error::not_found("Administrator", &*email))?;
                link::revoke_invitation(tx, &invitation.id.to_string()).await
            };
            app.db.write(&caller, remove).await?;
            Ok(json!({ "done": true }))
        }
    }
}

async fn list(tx: &mut Tx) -> Result<Value> {
    let invitations = link::list_invitations(tx).await?.into_iter().map(|link| {
        let role = link.role.map(administrator::Role::as_str);
        json!({ "email": link.email, "role": role, "expires_at": link.expires_at })
    });
    let invitations: Vec<Value> = invitations.collect();
    Ok(json!({ "administrators": administrator::list(tx).await?, "invitations": invitations }))
}

fn printed(app: &App, link: &Link, token: &Secret) -> Value {
    json!({
        "email": link.email,
        "url": app.link_url(link.kind, token),
        "expires_at": link.expires_at,
    })
}
