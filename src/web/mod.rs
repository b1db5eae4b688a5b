//! What the faces in a browser share: pages and their headers, cookies, who the browser is.

pub mod browser;
pub mod cookies;
pub mod page;
pub mod request_id;
