//! The query of a request: pages and filters.

use std::borrow::Cow;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use url::form_urlencoded;
use utoipa::IntoParams;

use super::error::ApiError;
use super::path::Named;
use crate::app::App;
use crate::base::page::{Order, PageRequest};
use crate::base::time::Timestamp;

/// How many values a filter may have.
const MAX_VALUES: usize = 200;

/// The names and values of a query, in their order. Unknown names are ignored.
pub struct Query(Vec<(String, String)>);

impl std::fmt::Debug for Query {
    /// The names: somebody may have put a key among the values.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// Which part of a list is wanted, as the document describes it; [`Query::page`] reads it.
#[derive(Debug, IntoParams)]
#[expect(dead_code, reason = "only described, never made")]
#[into_params(parameter_in = Query)]
pub struct PageParams {
    /// How many items at the most.
    #[param(minimum = 1, maximum = 100, default = 10)]
    pub limit: Option<i32>,
    /// The order of the items.
    pub order: Option<Order>,
    /// Items before this id, in the order of the list.
    pub before: Option<String>,
    /// Items after this id, in the order of the list.
    pub after: Option<String>,
}

impl FromRequestParts<App> for Query {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        let query = parts.uri.query().unwrap_or_default().as_bytes();
        let pairs: Vec<_> = form_urlencoded::parse(query)
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        match pairs.iter().find(|(_, value)| value.contains('\0')) {
            Some((name, _)) => {
                Err(ApiError::field("invalid_value", name, "A value contains a NUL character."))
            }
            None => Ok(Self(pairs)),
        }
    }
}

impl Query {
    /// The value with this name; an empty one counts as none.
    ///
    /// # Errors
    ///
    /// 422 if there are several.
    pub fn one(&self, name: &str) -> Result<Option<&str>, ApiError> {
        let mut values = self.0.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str());
        let value = values.next();
        if values.next().is_some() {
            return Err(invalid(name, "is given more than once."));
        }
        Ok(value.filter(|value| !value.is_empty()))
    }

    /// The values with this name, in any of the encodings in the wild: `a=1,2`, `a=1&a=2`,
    /// `a[]=1&a[]=2` and `a[0]=1&a[1]=2`.
    ///
    /// # Errors
    ///
    /// 422 if there are too many.
    pub fn many(&self, name: &str) -> Result<Vec<String>, ApiError> {
        let values: Vec<String> = self
            .0
            .iter()
            .filter(|(n, _)| is_list_name(n, name))
            .flat_map(|(_, value)| value.split(','))
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
            .collect();
        if values.len() > MAX_VALUES {
            return Err(invalid(name, "has too many values."));
        }
        Ok(values)
    }

    /// An id with this name.
    ///
    /// # Errors
    ///
    /// 422 if it is no id of that kind.
    pub fn id<T: Named>(&self, name: &str) -> Result<Option<T>, ApiError> {
        self.one(name)?
            .map(|text| T::parse(text).ok_or_else(|| invalid(name, "is no id of that kind.")))
            .transpose()
    }

    /// A moment with this name.
    ///
    /// # Errors
    ///
    /// 422 if it is none.
    pub fn moment(&self, name: &str) -> Result<Option<Timestamp>, ApiError> {
        self.one(name)?
            .map(|text| moment(text).ok_or_else(|| invalid(name, "is no ISO 8601 date and time.")))
            .transpose()
    }

    /// Which part of a list is wanted. Its cursors are ids of the kind `T`.
    ///
    /// # Errors
    ///
    /// 422 if a value breaks its rule.
    pub fn page<T: Named>(&self) -> Result<PageRequest, ApiError> {
        let mut request = PageRequest::default();
        if let Some(limit) = self.one("limit")? {
            request.limit = limit
                .parse()
                .ok()
                .filter(|limit| (1..=PageRequest::MAX_LIMIT).contains(limit))
                .ok_or_else(|| invalid("limit", "must be a number from 1 to 100."))?;
        }
        request.order = match self.one("order")? {
            None | Some("desc") => Order::Desc,
            Some("asc") => Order::Asc,
            Some("normal") => Order::Normal,
            Some(_) => return Err(invalid("order", "must be asc, desc or normal.")),
        };
        let cursor = |name: &str| -> Result<Option<String>, ApiError> {
            match self.one(name)? {
                Some(text) if T::parse(text).is_none() => {
                    Err(invalid(name, "is no cursor of this list."))
                }
                text => Ok(text.map(str::to_owned)),
            }
        };
        request.before = cursor("before")?;
        request.after = cursor("after")?;
        if request.before.is_some() && request.after.is_some() {
            return Err(invalid("before", "and after exclude each other."));
        }
        Ok(request)
    }
}

/// A rule of the query is broken.
pub fn invalid(name: &str, what: &str) -> ApiError {
    ApiError::field("invalid_value", name, format!("{name} {what}"))
}

/// Whether a name is that of the list, with or without an index.
fn is_list_name(text: &str, name: &str) -> bool {
    match text.strip_prefix(name) {
        Some("") => true,
        Some(rest) => rest
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .is_some_and(|index| index.bytes().all(|b| b.is_ascii_digit())),
        None => false,
    }
}

/// A moment, or a day, which means its beginning in UTC. A `+` that was not encoded has become a
/// space by now.
fn moment(text: &str) -> Option<Timestamp> {
    let text: Cow<'_, str> =
        if text.len() == 10 { format!("{text}T00:00:00Z").into() } else { text.into() };
    Timestamp::parse(&text).or_else(|| Timestamp::parse(&text.replacen(' ', "+", 1)))
}
