//! What the faces share: the name of a request, and for those in a browser pages and their
//! headers, cookies, who the browser is.

pub mod browser;
pub mod cookies;
pub mod departure;
pub mod page;
pub mod request_id;
