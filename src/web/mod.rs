//! What the faces share: the name of a request, and for those in a browser pages and their
//! headers, cookies, forms, who the browser is.

pub mod around;
pub mod assets;
pub mod body;
pub mod brand;
pub mod browser;
pub mod cookies;
pub mod csrf;
pub mod departure;
pub mod form;
pub mod guard;
#[cfg(test)]
mod inspection;
pub mod limit;
pub mod page;
pub mod pager;
pub mod refusal;
pub mod request_id;
