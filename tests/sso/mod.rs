//! Logins, from the application's request to its profile.

mod login;
