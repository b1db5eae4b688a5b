//! The dashboard, page by page, as a browser without scripts uses it.

mod face;
mod organizations;
