//! The REST API, driven in-process.

mod organizations;
mod redirect_uris;
mod world;
