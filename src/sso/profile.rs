//! `GET /sso/profile`: the profile of an access token.

use crate::app::App;
use crate::base::secret::Secret;
use crate::base::{Caller, Result};
use crate::model::access_token;
use crate::model::profile::Profile;

/// The profile that the token gives; `None` if it is not good now.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if the database does not answer.
pub async fn read(app: &App, token: &Secret) -> Result<Option<Profile>> {
    let hash = token.dated_hash();
    app.db
        .read(&Caller::anonymous(), async move |tx| access_token::find_profile(tx, &hash).await)
        .await
}
