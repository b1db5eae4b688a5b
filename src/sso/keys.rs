//! The keys that an environment signs with. Making one takes a while, so it is made outside of any unit
//! of work, and not where requests are answered.

use serde_json::Value;

use super::system;
use crate::app::App;
use crate::base::id::EnvironmentId;
use crate::base::secret::random_alphanumeric;
use crate::base::signing::{self, NewKey};
use crate::base::{Caller, Error, Result};
use crate::db::Tx;
use crate::model::environment;
use crate::model::signing_key::{self, SigningKey};

/// The published keys of the environment with this client id (RFC 7517), the oldest first; `None` if there
/// is no such environment. There are none while nothing was signed.
///
/// # Errors
///
/// [`Error::Unavailable`] if the database does not answer.
pub async fn published(app: &App, client_id: &str) -> Result<Option<Vec<Value>>> {
    if client_id.len() > 128 || client_id.contains('\0') {
        return Ok(None);
    }
    let client_id = client_id.to_owned();
    let read = async move |tx: &mut Tx| {
        let Some(found) = environment::find_by_client_id(tx, &client_id).await? else {
            return Ok(None);
        };
        tx.enter(&found.id);
        let keys = signing_key::published(tx).await?;
        Ok(Some(keys.into_iter().map(|key| key.jwk).collect()))
    };
    app.db.read(&Caller::anonymous(), read).await
}

/// The key that signs now; the first one is made when it is first needed.
///
/// # Errors
///
/// [`Error::Unavailable`] if the database does not answer.
pub(super) async fn current(app: &App, environment_id: &EnvironmentId) -> Result<SigningKey> {
    let caller = system(environment_id);
    let known = app.db.read(&caller, async |tx| signing_key::current(tx).await).await?;
    if let Some(key) = known {
        return Ok(key);
    }
    let (new, sealer) = (make().await?, app.sealer.clone());
    let write = async move |tx: &mut _| signing_key::add_first(tx, &sealer, &new).await;
    app.db.write(&caller, write).await
}

/// Makes the next key, to be published now and to sign in an hour.
///
/// # Errors
///
/// [`Error::Conflict`] if a next key waits already.
pub async fn rotate(app: &App, caller: &Caller) -> Result<SigningKey> {
    let (new, sealer) = (make().await?, app.sealer.clone());
    let write = async move |tx: &mut _| signing_key::rotate(tx, &sealer, &new).await;
    app.db.write(caller, write).await
}

async fn make() -> Result<NewKey> {
    let kid = format!("sso_key_{}", random_alphanumeric(25));
    let made = tokio::task::spawn_blocking(move || signing::generate(&kid)).await;
    made.map_err(Error::internal)?
}
