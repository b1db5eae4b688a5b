//! The secrets of an app integration: generated, deactivated, activated again, deleted.

use crate::base::secret::Secret;

use super::tenant::{Refused, Tenant};

/// How many secrets an app integration may have, active or not, as at Okta.
const MAX_SECRETS: usize = 2;

impl Tenant {
    /// "Generate new secret": the others keep working.
    ///
    /// # Errors
    ///
    /// If there are two already, active or not.
    pub fn add_secret(&self, client_id: &str) -> Result<Secret, Refused> {
        let secret = self.new_secret();
        self.edit_app(client_id, |app| {
            if app.secrets.len() + app.inactive_secrets.len() >= MAX_SECRETS {
                return Err(Refused("You've reached the maximum number of secrets.".to_owned()));
            }
            app.secrets.push(secret.clone());
            Ok(secret)
        })?
    }

    /// Deactivates a secret: it no longer works, and can be activated again or deleted.
    ///
    /// # Errors
    ///
    /// If the app integration does not have it.
    pub fn deactivate_secret(&self, client_id: &str, secret: &str) -> Result<(), Refused> {
        self.edit_app(client_id, |app| {
            let index = app.secrets.iter().position(|active| active.matches(secret));
            let index = index.ok_or_else(no_secret)?;
            app.inactive_secrets.push(app.secrets.remove(index));
            Ok(())
        })?
    }

    /// Activates a secret that was deactivated.
    ///
    /// # Errors
    ///
    /// If the app integration does not have it.
    pub fn activate_secret(&self, client_id: &str, secret: &str) -> Result<(), Refused> {
        self.edit_app(client_id, |app| {
            let index = app.inactive_secrets.iter().position(|inactive| inactive.matches(secret));
            let index = index.ok_or_else(no_secret)?;
            app.secrets.push(app.inactive_secrets.remove(index));
            Ok(())
        })?
    }

    /// Deletes a secret that was deactivated.
    ///
    /// # Errors
    ///
    /// If the app integration does not have it.
    pub fn delete_secret(&self, client_id: &str, secret: &str) -> Result<(), Refused> {
        self.edit_app(client_id, |app| {
            let index = app.inactive_secrets.iter().position(|inactive| inactive.matches(secret));
            app.inactive_secrets.remove(index.ok_or_else(no_secret)?);
            Ok(())
        })?
    }
}

fn no_secret() -> Refused {
    Refused("The app integration has no such secret.".to_owned())
}
