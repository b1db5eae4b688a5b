//! The tenant itself, and what its administrator and the tests can do with it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::base::secret::{Secret, hmac_sha256};
use crate::base::time::{Clock, Timestamp};
use crate::outbound::Outbound;
use crate::sandbox::expiring::Expiring;

use super::admin::AdminSession;
use super::authorize::{AuthorizationRequest, Grant};
use super::directory::{AppIntegration, Credentials, Directory, Group, NewApp, NewUser, User};
use super::fault::{Fault, TenantFault};
use super::groups_claim::GroupsClaim;
use super::keys::KeyRing;
use super::request_log::{LoggedRequest, RequestLog};
use super::server::Server;
use super::sign_in::Session;

/// How long an authorization code may wait: 60 seconds, in milliseconds, as at Okta.
const CODE_LIFETIME_MS: i64 = 60 * 1000;
/// How long an access token works: one hour, in milliseconds.
pub(super) const ACCESS_TOKEN_LIFETIME_MS: i64 = 60 * 60 * 1000;
/// How long a sign-in page may stay open: one hour, in milliseconds.
const PENDING_LIFETIME_MS: i64 = 60 * 60 * 1000;
/// How long a session of the tenant lasts: two hours, in milliseconds.
const SESSION_LIFETIME_MS: i64 = 2 * 60 * 60 * 1000;
/// The group that everybody is in.
const EVERYONE: &str = "Everyone";

/// What the tenant's administrator could not do, in one sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

impl Refused {
    pub(super) fn unknown(what: &str, id: &str) -> Self {
        Self(format!("The tenant has no {what} '{id}'."))
    }
}

/// A simulated Okta tenant. A clone is the same tenant.
#[derive(Clone)]
pub struct Tenant(Arc<Inner>);

struct Inner {
    base_url: String,
    clock: Clock,
    seed: String,
    /// How many ids were made, so that no two are the same.
    ids: AtomicU64,
    state: Mutex<State>,
    log: Mutex<RequestLog>,
    /// The way out, for what the tenant says of its own accord.
    outbound: OnceLock<Outbound>,
}

/// What changes.
pub(super) struct State {
    pub(super) directory: Directory,
    pub(super) faults: Vec<TenantFault>,
    pub(super) sessions: Expiring<Session>,
    /// Sessions of the admin console.
    pub(super) admin_sessions: Expiring<AdminSession>,
    /// Requests whose person is looking at the sign-in or consent page.
    pub(super) pending: Expiring<AuthorizationRequest>,
    pub(super) codes: Expiring<Grant>,
    pub(super) access_tokens: Expiring<Grant>,
    org_keys: KeyRing,
    default_keys: KeyRing,
}

impl State {
    /// The keys of one authorization server.
    pub(super) fn keys(&mut self, server: Server) -> &mut KeyRing {
        match server {
            Server::Org => &mut self.org_keys,
            Server::Default => &mut self.default_keys,
        }
    }
}

impl Tenant {
    /// An empty tenant, to be served at `base_url`.
    ///
    /// Ids and client secrets follow from `seed` and the order of creation: a demonstration that
    /// restarts finds the same client and the same people. Everything else is random.
    pub fn new(base_url: &str, clock: Clock, seed: &str) -> Self {
        let state = State {
            directory: Directory::default(),
            faults: Vec::new(),
            sessions: Expiring::new(SESSION_LIFETIME_MS),
            admin_sessions: Expiring::new(SESSION_LIFETIME_MS),
            pending: Expiring::new(PENDING_LIFETIME_MS),
            codes: Expiring::new(CODE_LIFETIME_MS),
            access_tokens: Expiring::new(ACCESS_TOKEN_LIFETIME_MS),
            org_keys: KeyRing::default(),
            default_keys: KeyRing::default(),
        };
        Self(Arc::new(Inner {
            base_url: base_url.trim_end_matches('/').to_owned(),
            clock,
            seed: seed.to_owned(),
            ids: AtomicU64::new(0),
            state: Mutex::new(state),
            log: Mutex::new(RequestLog::default()),
            outbound: OnceLock::new(),
        }))
    }

    /// Lets the tenant speak of its own accord: it says where sessions end, and to whom it has been told
    /// to (`logout_request_url`). Without this it says nothing.
    pub fn speak_through(&self, outbound: Outbound) {
        let _ = self.0.outbound.set(outbound);
    }

    pub(super) fn outbound(&self) -> Option<&Outbound> {
        self.0.outbound.get()
    }

    /// Where the tenant is served, without a slash at the end.
    pub fn base_url(&self) -> &str {
        &self.0.base_url
    }

    /// The issuer of an authorization server.
    pub fn issuer(&self, server: Server) -> String {
        server.issuer(self.base_url())
    }

    /// The discovery endpoint of an authorization server.
    pub fn discovery_endpoint(&self, server: Server) -> String {
        format!("{}/.well-known/openid-configuration", self.issuer(server))
    }

    // People and groups.

    /// Creates a person, and says which id they have.
    pub fn create_user(&self, new: NewUser<'_>) -> String {
        let id = self.id("00u", 17);
        let mut state = self.state();
        for group in state.directory.groups.iter_mut().filter(|group| group.is_everyone) {
            group.members.insert(id.clone());
        }
        state.directory.users.push(User {
            id: id.clone(),
            email: new.email.to_owned(),
            password: Secret::new(new.password),
            given_name: new.given_name.to_owned(),
            family_name: new.family_name.to_owned(),
            email_verified: true,
            suspended: false,
            is_admin: false,
        });
        id
    }

    /// Changes a person in any way.
    ///
    /// # Errors
    ///
    /// If there is no such person; the same holds for groups and app integrations below.
    pub fn edit_user<R>(&self, id: &str, edit: impl FnOnce(&mut User) -> R) -> Result<R, Refused> {
        let mut state = self.state();
        let user = state.directory.users.iter_mut().find(|user| user.id == id);
        user.map(edit).ok_or_else(|| Refused::unknown("user", id))
    }

    /// Lets a person use the admin console.
    ///
    /// # Errors
    ///
    /// If there is no such person.
    pub fn make_admin(&self, id: &str) -> Result<(), Refused> {
        self.edit_user(id, |user| user.is_admin = true)
    }

    /// Where the admin console is.
    pub fn admin_url(&self) -> String {
        format!("{}/admin", self.base_url())
    }

    /// Everybody.
    pub fn users(&self) -> Vec<User> {
        self.state().directory.users.clone()
    }

    /// Creates a group, and says which id it has.
    pub fn create_group(&self, name: &str) -> String {
        let group = Group {
            id: self.id("00g", 17),
            name: name.to_owned(),
            members: std::collections::BTreeSet::new(),
            is_everyone: false,
        };
        let id = group.id.clone();
        self.state().directory.groups.push(group);
        id
    }

    /// The id of the group "Everyone", which has everybody from now on.
    ///
    /// At Okta it is there from the beginning. Here it is made when an app integration is first
    /// assigned to it, so that a test's groups are its own.
    pub fn everyone(&self) -> String {
        let known = self
            .state()
            .directory
            .groups
            .iter()
            .find(|group| group.name == EVERYONE)
            .map(|group| group.id.clone());
        let id = known.unwrap_or_else(|| self.create_group(EVERYONE));
        let mut state = self.state();
        let everybody = state.directory.users.iter().map(|user| user.id.clone()).collect();
        if let Some(group) = state.directory.groups.iter_mut().find(|group| group.id == id) {
            group.members = everybody;
            group.is_everyone = true;
        }
        id
    }

    /// Changes a group in any way.
    ///
    /// # Errors
    ///
    /// If there is no such group.
    pub fn edit_group<R>(
        &self,
        id: &str,
        edit: impl FnOnce(&mut Group) -> R,
    ) -> Result<R, Refused> {
        let mut state = self.state();
        let group = state.directory.groups.iter_mut().find(|group| group.id == id);
        group.map(edit).ok_or_else(|| Refused::unknown("group", id))
    }

    /// Puts a person into a group.
    ///
    /// # Errors
    ///
    /// If there is no such group.
    pub fn add_member(&self, group_id: &str, user_id: &str) -> Result<(), Refused> {
        self.edit_group(group_id, |group| {
            group.members.insert(user_id.to_owned());
        })
    }

    /// Takes a person out of a group.
    ///
    /// # Errors
    ///
    /// If there is no such group.
    pub fn remove_member(&self, group_id: &str, user_id: &str) -> Result<(), Refused> {
        self.edit_group(group_id, |group| {
            group.members.remove(user_id);
        })
    }

    /// Every group.
    pub fn groups(&self) -> Vec<Group> {
        self.state().directory.groups.clone()
    }

    // App integrations.

    /// "Create App Integration": OpenID Connect, web application.
    pub fn create_app(&self, new: NewApp) -> Credentials {
        let credentials =
            Credentials { client_id: self.id("0oa", 17), client_secret: self.new_secret() };
        self.state().directory.apps.push(AppIntegration {
            client_id: credentials.client_id.clone(),
            name: new.name,
            secrets: vec![credentials.client_secret.clone()],
            inactive_secrets: Vec::new(),
            redirect_uris: new.redirect_uris,
            post_logout_redirect_uris: new.post_logout_redirect_uris,
            logout_request_url: None,
            users: new.users.into_iter().collect(),
            groups: new.groups.into_iter().collect(),
            require_pkce: false,
            require_dpop: false,
            groups_claim: None,
            faults: Vec::new(),
        });
        credentials
    }

    /// Changes an app integration in any way: assignments, switches, addresses, faults.
    ///
    /// # Errors
    ///
    /// If there is no such app integration; the same holds for the shorthands below.
    pub fn edit_app<R>(
        &self,
        client_id: &str,
        edit: impl FnOnce(&mut AppIntegration) -> R,
    ) -> Result<R, Refused> {
        let mut state = self.state();
        let app = state.directory.apps.iter_mut().find(|app| app.client_id == client_id);
        app.map(edit).ok_or_else(|| Refused::unknown("app integration", client_id))
    }

    /// Every app integration.
    pub fn apps(&self) -> Vec<AppIntegration> {
        self.state().directory.apps.clone()
    }

    /// Deletes an app integration; what it was issued stays unknown afterwards.
    ///
    /// # Errors
    ///
    /// If there is no such app integration.
    pub fn delete_app(&self, client_id: &str) -> Result<(), Refused> {
        let mut state = self.state();
        let index = state.directory.apps.iter().position(|app| app.client_id == client_id);
        let index = index.ok_or_else(|| Refused::unknown("app integration", client_id))?;
        state.directory.apps.remove(index);
        Ok(())
    }

    /// Registers another sign-in redirect URI.
    ///
    /// # Errors
    ///
    /// If there is no such app integration.
    pub fn add_redirect_uri(&self, client_id: &str, uri: &str) -> Result<(), Refused> {
        self.edit_app(client_id, |app| app.redirect_uris.push(uri.to_owned()))
    }

    /// Registers another sign-out redirect URI, unless it is there.
    ///
    /// # Errors
    ///
    /// If there is no such app integration.
    pub fn add_sign_out_uri(&self, client_id: &str, uri: &str) -> Result<(), Refused> {
        self.edit_app(client_id, |app| {
            if !app.post_logout_redirect_uris.iter().any(|known| known == uri) {
                app.post_logout_redirect_uris.push(uri.to_owned());
            }
        })
    }

    /// Sets where the end of sessions is told.
    ///
    /// # Errors
    ///
    /// If there is no such app integration.
    pub fn set_logout_request_url(&self, client_id: &str, url: &str) -> Result<(), Refused> {
        self.edit_app(client_id, |app| app.logout_request_url = Some(url.to_owned()))
    }

    /// Sets or removes the groups claim filter.
    ///
    /// # Errors
    ///
    /// If there is no such app integration.
    pub fn set_groups_claim(
        &self,
        client_id: &str,
        claim: Option<GroupsClaim>,
    ) -> Result<(), Refused> {
        self.edit_app(client_id, |app| app.groups_claim = claim)
    }

    /// Switches these faults on and all others of the app integration off.
    ///
    /// # Errors
    ///
    /// If there is no such app integration.
    pub fn set_faults(&self, client_id: &str, faults: &[Fault]) -> Result<(), Refused> {
        self.edit_app(client_id, |app| app.faults = faults.to_vec())
    }

    /// Switches these faults on and all others of the whole tenant off.
    pub fn set_tenant_faults(&self, faults: &[TenantFault]) {
        self.state().faults = faults.to_vec();
    }

    // Keys.

    /// Publishes the key that will sign after the next rotation. The key set then says `no-cache`.
    ///
    /// # Errors
    ///
    /// If the key cannot be generated.
    pub fn publish_next_key(&self, server: Server) -> Result<(), Refused> {
        self.state().keys(server).publish_next().map_err(no_key)
    }

    /// Signs with the next key (or a new one) from now on; the one before stays published.
    ///
    /// # Errors
    ///
    /// If the key cannot be generated.
    pub fn rotate_keys(&self, server: Server) -> Result<(), Refused> {
        self.state().keys(server).rotate().map_err(no_key)
    }

    /// Publishes the keys that no longer sign no longer.
    pub fn drop_old_keys(&self, server: Server) {
        self.state().keys(server).drop_old();
    }

    // What was asked.

    /// How many requests came for a path, such as `/oauth2/v1/token`.
    pub fn count(&self, path: &str) -> usize {
        self.log().count(path)
    }

    /// The last requests for a path, oldest first.
    pub fn requests(&self, path: &str) -> Vec<LoggedRequest> {
        self.log().of(path)
    }

    pub(super) fn log(&self) -> MutexGuard<'_, RequestLog> {
        self.0.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    pub(super) fn has_fault(&self, fault: TenantFault) -> bool {
        self.state().faults.contains(&fault)
    }

    /// The name of the session cookie: several tenants may run on one host, and cookies do not
    /// know ports.
    pub(super) fn cookie_name(&self) -> String {
        let port = self.base_url().rsplit(':').next().filter(|port| port.parse::<u16>().is_ok());
        format!("okta_sandbox_{}", port.unwrap_or("sid"))
    }

    pub(super) fn new_secret(&self) -> Secret {
        Secret::new(self.id("", 64))
    }

    /// A prefix and `length` characters that follow from the seed.
    fn id(&self, prefix: &str, length: usize) -> String {
        const ALPHABET: &[u8; 62] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let number = self.0.ids.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let blocks = (0_u8..).flat_map(|block| {
            hmac_sha256(self.0.seed.as_bytes(), &[prefix.as_bytes(), &number, &[block]])
        });
        let characters = blocks.map(|byte| char::from(ALPHABET[usize::from(byte % 62)]));
        prefix.chars().chain(characters.take(length)).collect()
    }
}

fn no_key(_: aws_lc_rs::error::Unspecified) -> Refused {
    Refused("The key could not be generated.".to_owned())
}
