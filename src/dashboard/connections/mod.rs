//! `/dashboard/{environment_id}/connections/{connection_id}`: the pages of one connection, and
//! creating one for an organization.

mod advanced;
mod attributes;
mod doctor;
mod groups;
mod head;
mod new;
mod secrets;
mod show;
mod state;
mod test;

use axum::Router;

use crate::app::App;
use crate::model::connection::{ConnectionState, ConnectionType};

pub(super) use head::{Head, Tab, load};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .merge(new::routes())
        .merge(show::routes())
        .merge(secrets::routes())
        .merge(groups::routes())
        .merge(attributes::routes())
        .merge(advanced::routes())
        .merge(state::routes())
        .merge(test::routes())
        .merge(doctor::routes())
}

/// A state as it is shown.
#[derive(Clone, Copy)]
pub(super) struct StateBadge {
    pub(super) class: &'static str,
    pub(super) word: &'static str,
    /// What it means for those who want to sign in.
    pub(super) meaning: &'static str,
}

/// The badge of a state.
pub(super) const fn badge(state: ConnectionState) -> StateBadge {
    let (class, word, meaning) = match state {
        ConnectionState::Draft => {
            ("", "Draft", "It is not configured yet, so nobody can sign in by it.")
        }
        ConnectionState::Validating => {
            ("accent", "Validating", "People can sign in; the first who does makes it active.")
        }
        ConnectionState::Active => ("good", "Active", "People sign in by it."),
        ConnectionState::Inactive => ("bad", "Inactive", "It is switched off: nobody signs in."),
    };
    StateBadge { class, word, meaning }
}

/// The types that can be created, as the dropdown calls them.
const TYPES: &[(&str, &str)] = &[
    ("OktaOIDC", "Okta OIDC"),
    ("GenericOIDC", "Generic OIDC"),
    ("EntraIdOIDC", "Entra ID OIDC"),
    ("GoogleOIDC", "Google OIDC"),
];

/// What a type is called.
pub(super) fn type_label(connection_type: ConnectionType) -> &'static str {
    let word = connection_type.as_str();
    TYPES.iter().find(|(known, _)| *known == word).map_or(word, |(_, label)| label)
}
