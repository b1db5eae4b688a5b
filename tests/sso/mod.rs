//! Logins, from the application's request to its profile.

mod expect;

mod authorize;
mod callback;
mod claims;
mod consent;
mod groups;
mod initiate;
mod login;
mod profile;
mod redirect_uri;
mod replay;
mod secrets;
mod tenants;
mod token;
mod upstream;
