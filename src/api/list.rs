//! WorkOS's envelope of lists.

use serde::Serialize;
use utoipa::ToSchema;

use crate::base::page::Page;

/// A part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct List<T> {
    /// Always `list`.
    object: &'static str,
    /// The items, in the order asked for.
    data: Vec<T>,
    /// Where to go on.
    list_metadata: ListMetadata,
}

/// Where to go on from a part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListMetadata {
    /// The cursor of the part before this one; `null` on the first.
    #[schema(required)]
    before: Option<String>,
    /// The cursor of the part after this one; `null` on the last.
    #[schema(required)]
    after: Option<String>,
}

impl<T> From<Page<T>> for List<T> {
    fn from(page: Page<T>) -> Self {
        let list_metadata = ListMetadata { before: page.before, after: page.after };
        Self { object: "list", data: page.data, list_metadata }
    }
}

impl<T> From<Vec<T>> for List<T> {
    /// A list that always comes whole.
    fn from(data: Vec<T>) -> Self {
        Self { object: "list", data, list_metadata: ListMetadata { before: None, after: None } }
    }
}
