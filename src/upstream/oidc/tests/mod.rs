//! Tests against a small identity provider on this machine, and against hand-made tokens.

mod claims;
mod discovery;
mod flow;
mod id_token;
mod idp;
mod jwks;
mod keys;
mod login;
mod network;
mod settings;
mod userinfo;
