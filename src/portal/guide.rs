//! Guides: how an identity provider is set up, step by step. Each is a file of data; this renders
//! them all.

use std::sync::LazyLock;

use serde::Deserialize;

use super::drawing::Drawing;
use crate::model::connection::ConnectionType;

/// The files.
const FILES: [&str; 4] = [
    include_str!("guides/okta_oidc.toml"),
    include_str!("guides/generic_oidc.toml"),
    include_str!("guides/entra_id_oidc.toml"),
    include_str!("guides/google_oidc.toml"),
];

/// All guides. A test reads them, so that none is malformed.
static GUIDES: LazyLock<Vec<Guide>> =
    LazyLock::new(|| FILES.iter().filter_map(|file| toml::from_str(file).ok()).collect());

/// How one identity provider is set up.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Guide {
    /// The type of connection that it sets up, such as `OktaOIDC`.
    pub(super) connection_type: String,
    /// What the identity provider is called.
    pub(super) name: String,
    /// Raised with every change that matters to who follows it.
    pub(super) version: i64,
    /// The day on which somebody last held it against the identity provider's own pages,
    /// `YYYY-MM-DD`; without it, it follows the documentation alone.
    #[serde(default)]
    pub(super) verified: Option<String>,
    #[serde(rename = "step")]
    pub(super) steps: Vec<Step>,
}

/// One step.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    /// Its name in addresses.
    pub(super) id: String,
    /// Its heading.
    pub(super) title: String,
    /// What is done in it.
    pub(super) kind: Kind,
    /// Whether it can be left out.
    #[serde(default)]
    pub(super) optional: bool,
    /// What is looked at when it is done, besides what its kind looks at.
    #[serde(default)]
    pub(super) check: Option<Check>,
    #[serde(rename = "part")]
    pub(super) parts: Vec<Part>,
}

/// What is done in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// Something at the identity provider.
    Instructions,
    /// Client id, client secret and discovery endpoint are entered.
    Values,
    /// A test sign-in.
    Test,
    /// Groups are seen in a test sign-in.
    Groups,
    /// Groups get roles.
    Roles,
}

/// What can be looked at when instructions were followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Check {
    /// Whether the redirect URI is registered at the identity provider.
    RedirectUri,
}

/// A sentence or two, with what belongs to them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    /// With `**words of the identity provider**` and `` `values` ``.
    text: String,
    /// A value of ours to copy.
    #[serde(default)]
    pub(super) copy: Option<Copy>,
    /// What the page of the identity provider looks like.
    #[serde(default, deserialize_with = "Drawing::read")]
    pub(super) drawing: Option<Drawing>,
}

/// A value of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Copy {
    /// The redirect URI of the connection.
    RedirectUri,
}

/// A piece of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Span<'a> {
    Plain(&'a str),
    Strong(&'a str),
    Code(&'a str),
}

impl Part {
    /// The text in pieces.
    pub(super) fn spans(&self) -> Vec<Span<'_>> {
        let mut spans = Vec::new();
        for (index, part) in self.text.split("**").enumerate() {
            if index % 2 == 1 {
                spans.push(Span::Strong(part));
                continue;
            }
            for (index, part) in part.split('`').enumerate().filter(|(_, part)| !part.is_empty()) {
                spans.push(if index % 2 == 1 { Span::Code(part) } else { Span::Plain(part) });
            }
        }
        spans
    }
}

impl Guide {
    /// The guide for a type of connection.
    pub(super) fn of(connection_type: ConnectionType) -> Option<&'static Self> {
        GUIDES.iter().find(|guide| guide.connection_type == connection_type.as_str())
    }

    /// All of them.
    pub(super) fn all() -> &'static [Self] {
        &GUIDES
    }

    /// The step of this name.
    pub(super) fn step(&self, id: &str) -> Option<&Step> {
        self.steps.iter().find(|step| step.id == id)
    }

    /// The first step of this kind.
    pub(super) fn first(&self, kind: Kind) -> Option<&Step> {
        self.steps.iter().find(|step| step.kind == kind)
    }

    /// The step behind another.
    pub(super) fn behind(&self, id: &str) -> Option<&Step> {
        let at = self.steps.iter().position(|step| step.id == id)?;
        self.steps.get(at + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_guide_is_whole() {
        for file in FILES {
            let guide: Guide = toml::from_str(file).unwrap_or_else(|error| panic!("{error}"));
            let kind = ConnectionType::parse(&guide.connection_type).unwrap();
            assert!(kind.oidc_kind().is_some() && guide.version > 0);
            let day = guide.verified.as_deref().map(str::parse::<jiff::civil::Date>);
            assert!(day.is_none_or(|day| day.is_ok()));
            for kind in [Kind::Instructions, Kind::Values, Kind::Test] {
                assert!(guide.first(kind).is_some(), "{} {kind:?}", guide.name);
            }
            let mut ids: Vec<&str> = guide.steps.iter().map(|step| step.id.as_str()).collect();
            assert!(ids.iter().all(|id| id.bytes().all(|b| b.is_ascii_lowercase())));
            ids.sort_unstable();
            ids.dedup();
            assert_eq!(ids.len(), guide.steps.len());
            let parts = || guide.steps.iter().flat_map(|step| &step.parts);
            assert!(parts().any(|part| part.copy == Some(Copy::RedirectUri)));
            assert!(parts().all(|part| part.text.matches("**").count() % 2 == 0));
            assert!(parts().all(|part| part.text.matches('`').count() % 2 == 0));
        }
        assert_eq!(Guide::all().len(), FILES.len());
    }

    #[test]
    fn words_of_the_identity_provider_and_values_stand_out() {
        let part = Part { text: "Click **Save** in `x`.".to_owned(), copy: None, drawing: None };
        let spans = part.spans();
        assert_eq!(spans[1], Span::Strong("Save"));
        assert_eq!(spans[3], Span::Code("x"));
    }
}
