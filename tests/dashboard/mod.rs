//! The dashboard, page by page, as a browser without scripts uses it.

mod application;
mod branding;
mod changes;
mod connections;
mod entrance;
mod face;
mod matrix;
mod organizations;
mod overview;
mod paging;
mod passkeys;
mod roles;
mod team;
mod webhooks;
