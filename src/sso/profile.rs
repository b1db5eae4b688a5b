//! `GET /sso/profile`: the profile of an access token.

use super::access_token;
use crate::app::App;
use crate::base::secret::Secret;
use crate::base::{Caller, Result};
use crate::model::profile::Profile;
use crate::model::sso_session;
use crate::telemetry::request;

/// The profile that the token gives; `None` if it is not good now.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if the database does not answer.
pub async fn read(app: &App, token: &Secret) -> Result<Option<Profile>> {
    let Some(id) = access_token::login_of(token) else { return Ok(None) };
    let (hash, wanted) = (token.hash(), id.clone());
    let find = async move |tx: &mut _| sso_session::find_profile(tx, &wanted, &hash).await;
    let found = app.db.read_briefly(&Caller::anonymous(), find).await?;
    if found.is_some() {
        request::belongs_to(&id);
    }
    Ok(found)
}
