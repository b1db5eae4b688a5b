//! Logins, from the application's request to its profile.

mod expect;

mod again;
mod authorize;
mod back_channel;
mod callback;
mod claims;
mod clocks;
mod consent;
mod groups;
mod initiate;
mod jwks;
mod login;
mod logout;
mod mix_up;
mod newer;
mod outside;
mod profile;
mod redirect_uri;
mod replay;
mod secrets;
mod session_filters;
mod sweep;
mod tenants;
mod test_sign_in;
mod token;
mod upstream;
