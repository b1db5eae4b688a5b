//! Logins, from the application's request to its profile.

mod expect;

mod authorize;
mod callback;
mod consent;
mod initiate;
mod login;
mod redirect_uri;
mod upstream;
