//! `vestibule demo`: the service, a simulated Okta tenant and a sample application on loopback, with
//! everything set up between them. The tests stand on it as well.

mod browser;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use http::HeaderValue;
use http::header::AUTHORIZATION;
use serde::Serialize;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use url::Url;

use crate::app::App;
use crate::base::id::{ConnectionId, EnvironmentId, OrganizationId};
use crate::base::secret::Secret;
use crate::base::time::Clock;
use crate::base::{Caller, Error, Result};
use crate::config::{Config, Database, Limits, Outbound};
use crate::db::Tx;
use crate::model::administrator::link;
use crate::model::connection::{self, Connection, ConnectionState, ConnectionType, NewConnection};
use crate::model::organization::{self, DomainData, DomainDataState, NewOrganization};
use crate::model::{api_key, connection_group, environment, redirect_uri, role};
use crate::outbound::Request;
use crate::sandbox::application::{Application, ApplicationRequest, Configuration, Exchange};
use crate::sandbox::okta::{Credentials, GroupsClaim, NewApp, NewUser, Server, Tenant};
use crate::{server, setup};

/// The domain of the demo's organization.
pub const DOMAIN: &str = "acme.example";
/// The ports that are tried first, so that addresses stay the same from day to day.
const PORTS: [u16; 3] = [4400, 4401, 4402];
/// The people: address, given name, family name, groups.
const PEOPLE: &[(&str, &str, &str, &[&str])] = &[
    ("ada@acme.example", "Ada", "Lovelace", &["Administrators", "Engineering"]),
    ("grace@acme.example", "Grace", "Hopper", &["Engineering"]),
    ("alan@acme.example", "Alan", "Turing", &["Research"]),
];
/// The groups of the connection: name in Okta, slug of the role.
const GROUPS: &[(&str, &str)] = &[("Administrators", "admin"), ("Engineering", "engineer")];

/// How a demo is to run.
#[derive(Debug)]
pub struct Options {
    /// Where its state goes.
    pub data: PathBuf,
    /// Its database; `None`: a file in `data`.
    pub database: Option<Database>,
    /// Its clock.
    pub clock: Clock,
    /// Whether the usual ports are tried first.
    pub usual_ports: bool,
    /// The host in the service's base URL, which has to lead here; `None`: the address that it
    /// listens at. Passkeys need a name.
    pub host: Option<&'static str>,
    /// Whom it asks for TXT records; none: the system's servers.
    pub dns_resolver: Vec<SocketAddr>,
}

/// A person who can sign in.
#[derive(Clone, Debug, Serialize)]
pub struct Person {
    /// The user name.
    pub email: String,
    /// The password, which is no secret here.
    pub password: String,
    /// The groups in Okta.
    pub groups: Vec<String>,
}

/// A demo that runs.
pub struct Demo {
    /// The service.
    pub app: App,
    /// Its own ids and addresses.
    pub seeded: Seeded,
    /// The simulated Okta tenant.
    pub tenant: Tenant,
    /// The tenant's app integration that stands for Vestibule.
    pub credentials: Credentials,
    /// Where the sample application is.
    pub application_url: Url,
    /// Where it is answered.
    pub redirect_uri: String,
    /// Who can sign in.
    pub people: Vec<Person>,
    /// Who can use the tenant's admin console.
    pub admin: Person,
    /// Where the dashboard begins: with the link for the first administrator, while there is none.
    pub dashboard_url: String,
    stop: watch::Sender<bool>,
    servers: JoinSet<()>,
}

/// What the service was set up with.
#[derive(Clone, Debug)]
pub struct Seeded {
    /// The environment.
    pub environment_id: EnvironmentId,
    /// Its client id.
    pub client_id: String,
    /// An API key.
    pub api_key: Secret,
    /// The organization.
    pub organization_id: OrganizationId,
    /// The connection.
    pub connection_id: ConnectionId,
}

/// Starts everything and sets it up.
///
/// # Errors
///
/// [`Error::Internal`] if a port cannot be had or something does not start.
pub async fn start(options: Options) -> Result<Demo> {
    let [ours, okta, sample] = listeners(options.usual_ports).await?;
    let url = |listener: &TcpListener| -> Result<Url> {
        let address = listener.local_addr().map_err(Error::internal)?;
        Url::parse(&format!("http://{address}/")).map_err(Error::internal)
    };
    let (mut base_url, okta_url, application_url) = (url(&ours)?, url(&okta)?, url(&sample)?);
    if let Some(host) = options.host {
        base_url.set_host(Some(host)).map_err(Error::internal)?;
    }
    let listen = ours.local_addr().map_err(Error::internal)?;
    let clock = options.clock.clone();
    let app = App::open(config(options, base_url.clone(), listen), clock.clone()).await?;

    let (stop, stopped) = watch::channel(false);
    let mut servers = JoinSet::new();
    let until = |mut stopped: watch::Receiver<bool>| async move {
        let _ = stopped.wait_for(|stop| *stop).await;
    };
    let okta_origin = okta_url.as_str().trim_end_matches('/').to_owned();
    let tenant = Tenant::new(&okta_origin, clock.clone(), "vestibule demo");
    servers.spawn(server::serve(okta, tenant.router(), until(stopped.clone())));

    let redirect_uri = format!("{application_url}callback");
    let (people, credentials) = fill(&tenant)?;
    let admin = administrator(&tenant)?;
    let addresses =
        Addresses { redirect_uri: redirect_uri.clone(), logout_uri: application_url.to_string() };
    let (seeded, connection) = seed(&app, (&tenant, &credentials), addresses).await?;
    let nobody = Caller::anonymous();
    let token = app.db.write(&nobody, async |tx| link::create_first_run(tx).await);
    let dashboard_url = match token.await? {
        Some(token) => app.link_url(link::Kind::FirstRun, &token),
        None => app.url("/dashboard"),
    };
    register(&app, &tenant, (&credentials.client_id, &connection))?;
    let sample_app = Application::new(
        Configuration {
            vestibule_url: base_url,
            client_id: seeded.client_id.clone(),
            api_key: seeded.api_key.clone(),
            organization_id: seeded.organization_id.to_string(),
            base_url: application_url.clone(),
        },
        exchange(&app),
        clock,
    );
    servers.spawn(server::serve(ours, server::router(app.clone()), until(stopped.clone())));
    servers.spawn(server::serve(sample, sample_app.router(), until(stopped)));
    Ok(Demo {
        app,
        seeded,
        tenant,
        credentials,
        application_url,
        redirect_uri,
        people,
        admin,
        dashboard_url,
        stop,
        servers,
    })
}

impl Demo {
    /// Makes one whole login by HTTP, through every hop, as this person; returns the profile that
    /// the sample application got.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`], saying at which hop it ended and with what.
    pub async fn login(&self, email: &str) -> Result<Value> {
        let person = self.people.iter().find(|person| person.email == email);
        let person = person.ok_or_else(|| {
            let known: Vec<&str> = self.people.iter().map(|person| &*person.email).collect();
            Error::internal(format!("nobody is called {email}; there are {}", known.join(", ")))
        })?;
        browser::login(self.app.upstream.outbound(), &self.application_url, person).await
    }

    /// Its addresses and credentials as one line of JSON.
    pub fn to_json(&self) -> Value {
        serde_json::json!({
            "base_url": self.app.url(""),
            "client_id": self.seeded.client_id,
            "api_key": self.seeded.api_key.expose(),
            "environment_id": self.seeded.environment_id,
            "organization_id": self.seeded.organization_id,
            "connection_id": self.seeded.connection_id,
            "redirect_uri": self.redirect_uri,
            "application_url": self.application_url.as_str(),
            "dashboard_url": self.dashboard_url,
            "sandbox": {
                "issuer": self.tenant.issuer(Server::Org),
                "discovery_endpoint": self.tenant.discovery_endpoint(Server::Org),
                "users": self.people,
                "admin_url": self.tenant.admin_url(),
                "admin": { "email": self.admin.email, "password": self.admin.password },
            },
        })
    }

    /// Its addresses and credentials for a person.
    pub fn to_text(&self) -> String {
        let mut text = format!(
            "Vestibule is running, with a simulated Okta tenant and a sample application.\n\n  \
             Sign in at   {application}\n  \
             as           {first} with the password {password}\n  \
             or as        {others}\n\n  \
             Dashboard    {dashboard}\n  \
             Service      {base}\n  \
             API          {base}/openapi.json\n  \
             Okta         {okta}\n  \
             its console  {console} as {admin} with the password {admin_password}\n  \
             client_id    {client_id}\n  \
             API key      {api_key}\n  \
             organization {organization}\n  \
             connection   {connection}\n",
            application = self.application_url,
            first = self.people[0].email,
            password = self.people[0].password,
            others = self.people[1..].iter().map(|p| &*p.email).collect::<Vec<_>>().join(", "),
            dashboard = self.dashboard_url,
            base = self.app.url(""),
            okta = self.tenant.base_url(),
            console = self.tenant.admin_url(),
            admin = self.admin.email,
            admin_password = self.admin.password,
            client_id = self.seeded.client_id,
            api_key = self.seeded.api_key.expose(),
            organization = self.seeded.organization_id,
            connection = self.seeded.connection_id,
        );
        text.push_str("\nAll of it is on this machine only. Stop it with Ctrl-C.\n");
        text
    }

    /// Stops the servers, letting requests that have begun end.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        while self.servers.join_next().await.is_some() {}
    }
}

/// Three listeners on loopback, on the usual ports if all are free.
async fn listeners(usual: bool) -> Result<[TcpListener; 3]> {
    async fn bind(ports: [u16; 3]) -> std::io::Result<[TcpListener; 3]> {
        let [a, b, c] = ports.map(|port| TcpListener::bind(("127.0.0.1", port)));
        Ok([a.await?, b.await?, c.await?])
    }
    if usual && let Ok(bound) = bind(PORTS).await {
        return Ok(bound);
    }
    bind([0; 3]).await.map_err(Error::internal)
}

fn config(options: Options, base_url: Url, listen: SocketAddr) -> Config {
    let file = options.data.join("vestibule.db");
    Config {
        base_url,
        listen,
        database: options.database.unwrap_or(Database::Sqlite(file)),
        data: options.data,
        keys: None,
        keys_command: None,
        log_level: tracing::Level::WARN,
        log_json: false,
        log_requests: false,
        metrics_listen: None,
        traces_endpoint: None,
        tls: None,
        shutdown_delay_s: 0,
        // The simulated tenant and the sample application are on loopback.
        outbound: Outbound { allow: vec!["127.0.0.1".to_owned()], extra_ca_file: None },
        dns_resolver: options.dns_resolver,
        trusted_proxies: Vec::new(),
        limits: Limits::default(),
        max_connections: server::MAX_CONNECTIONS,
        request_timeout_s: server::PATIENCE.as_secs(),
        sso_session_retention_days: 90,
        event_retention_days: 90,
        audit_retention_days: 365,
    }
}

/// Fills the tenant with people, groups and an app integration for Vestibule.
fn fill(tenant: &Tenant) -> Result<(Vec<Person>, Credentials)> {
    let mut people = Vec::new();
    let mut group_ids = std::collections::BTreeMap::new();
    for (email, given_name, family_name, groups) in PEOPLE {
        let password = format!("{}-in-the-sandbox", given_name.to_lowercase());
        let new = NewUser { email, password: &password, given_name, family_name };
        let user_id = tenant.create_user(new);
        for name in *groups {
            let id = group_ids.entry(*name).or_insert_with(|| tenant.create_group(name));
            tenant.add_member(id, &user_id).map_err(Error::internal)?;
        }
        people.push(Person {
            email: (*email).to_owned(),
            password,
            groups: groups.iter().map(|name| (*name).to_owned()).collect(),
        });
    }
    let credentials = tenant.create_app(NewApp {
        name: "Vestibule".to_owned(),
        groups: group_ids.into_values().collect(),
        ..NewApp::default()
    });
    tenant
        .set_groups_claim(&credentials.client_id, Some(GroupsClaim::all()))
        .map_err(Error::internal)?;
    Ok((people, credentials))
}

/// Where the sample application takes its people back.
struct Addresses {
    /// After they signed in.
    redirect_uri: String,
    /// After they signed out.
    logout_uri: String,
}

/// Tells the tenant the addresses of the connection, and lets it speak.
fn register(
    app: &App,
    tenant: &Tenant,
    (client_id, connection): (&str, &Connection),
) -> Result<()> {
    let url = |path: String| app.url(&path);
    let (sign_out, told) = (url(connection.post_logout_path()), url(connection.idp_logout_path()));
    tenant
        .add_redirect_uri(client_id, &app.callback_uri(connection))
        .and_then(|()| tenant.add_sign_out_uri(client_id, &sign_out))
        .and_then(|()| tenant.set_logout_request_url(client_id, &told))
        .map_err(Error::internal)?;
    tenant.speak_through(app.upstream.outbound().clone());
    Ok(())
}

/// Who administers the tenant. No app integration is assigned to them.
fn administrator(tenant: &Tenant) -> Result<Person> {
    let (email, password) = ("admin@acme.example", "admin-in-the-sandbox");
    let new = NewUser { email, password, given_name: "Okta", family_name: "Administrator" };
    tenant.make_admin(&tenant.create_user(new)).map_err(Error::internal)?;
    Ok(Person { email: email.to_owned(), password: password.to_owned(), groups: Vec::new() })
}

/// Sets the service up for the tenant; what an earlier run left is brought up to date.
async fn seed(
    app: &App,
    (tenant, credentials): (&Tenant, &Credentials),
    wanted: Addresses,
) -> Result<(Seeded, Connection)> {
    let (environment, api_key, organization_id) =
        app.db.write(&Caller::anonymous(), async move |tx| base(tx, &wanted).await).await?;
    let caller = Caller::system(environment.id.clone());
    let oidc = setup::Oidc {
        client_id: Some(credentials.client_id.clone()),
        client_secret: Some(credentials.client_secret.clone()),
        discovery_endpoint: Some(tenant.discovery_endpoint(Server::Org)),
        ..setup::Oidc::default()
    };
    let change = setup::Change {
        oidc: Some(oidc),
        state: Some(ConnectionState::Active),
        ..setup::Change::default()
    };
    let id = organization_id.clone();
    let known =
        app.db.read(&caller, async move |tx| connection::of_organization(tx, &id).await).await?;
    let saved = match known.first() {
        Some(connection) => setup::update(app, &caller, connection.id.as_str(), change).await?,
        None => {
            let connection_type = ConnectionType::parse("OktaOIDC");
            let new = NewConnection {
                organization_id: organization_id.clone(),
                connection_type: connection_type.ok_or_else(|| Error::internal("no OktaOIDC"))?,
                name: "Acme Okta".to_owned(),
                policy: connection::Policy::default(),
            };
            setup::create(app, &caller, new, change).await?
        }
    };
    let id = saved.connection.id.to_string();
    app.db.write(&caller, async move |tx| map_groups(tx, &id).await).await?;
    let seeded = Seeded {
        client_id: environment.client_id,
        environment_id: environment.id,
        api_key,
        organization_id,
        connection_id: saved.connection.id.clone(),
    };
    Ok((seeded, saved.connection))
}

/// The environment, a key of it, the organization: everything that needs no network.
async fn base(
    tx: &mut Tx,
    wanted: &Addresses,
) -> Result<(environment::Environment, Secret, OrganizationId)> {
    let environment = match environment::list_all(tx).await?.into_iter().next() {
        Some(known) => known,
        None => {
            let kind = environment::Kind::Sandbox;
            let new = environment::NewEnvironment { name: "Demo".to_owned(), kind };
            environment::create(tx, &new).await?
        }
    };
    tx.enter(&environment.id);
    let new = api_key::NewApiKey::named("Demo");
    let (_, api_key) = api_key::create(tx, &new).await?;
    if redirect_uri::find_match(tx, &wanted.redirect_uri).await?.is_none() {
        redirect_uri::create(tx, &wanted.redirect_uri).await?;
    }
    if !environment.settings.logout_uris.contains(&wanted.logout_uri) {
        let logout_uris = Some(vec![wanted.logout_uri.clone()]);
        let settings = environment::SettingsChange { logout_uris, ..Default::default() };
        let change = environment::Change { settings: Some(settings), ..Default::default() };
        environment::update(tx, &change).await?;
    }
    let known = organization::list(tx, &Default::default(), &Default::default()).await?;
    let organization_id = match known.data.into_iter().next() {
        Some(known) => known.id,
        None => {
            let slug = role::NewRole {
                slug: "engineer".to_owned(),
                name: "Engineer".to_owned(),
                description: None,
                resource_type_slug: None,
            };
            role::create(tx, None, &slug).await?;
            role::reorder(tx, None, &["admin", "engineer", "member"].map(str::to_owned)).await?;
            let domain = DomainData { domain: DOMAIN.to_owned(), state: DomainDataState::Verified };
            let new = NewOrganization {
                name: "Acme".to_owned(),
                domain_data: Some(vec![domain]),
                domains: None,
                metadata: None,
                external_id: None,
                allow_profiles_outside_organization: None,
            };
            organization::create(tx, &new).await?.id
        }
    };
    Ok((environment, api_key, organization_id))
}

async fn map_groups(tx: &mut Tx, connection_id: &str) -> Result<()> {
    let known = connection_group::list(tx, connection_id, &Default::default()).await?;
    for (idp_id, slug) in GROUPS {
        if known.data.iter().all(|group| group.idp_id != *idp_id) {
            let (idp_id, role) = ((*idp_id).to_owned(), (*slug).to_owned());
            let new = connection_group::NewGroup { idp_id, name: None, role };
            connection_group::create(tx, connection_id, &new).await?;
        }
    }
    Ok(())
}

/// How the sample application redeems its codes: by the only HTTP client of the house.
fn exchange(app: &App) -> Exchange {
    let outbound = app.upstream.outbound().clone();
    Arc::new(move |request: ApplicationRequest| {
        let outbound = outbound.clone();
        Box::pin(async move {
            let form = request.form.expose().to_owned();
            let mut post = Request::post_form(request.url, form, 1 << 20);
            if let Some(key) = &request.bearer {
                let value = HeaderValue::from_str(&format!("Bearer {}", key.expose()));
                post.headers.insert(AUTHORIZATION, value.map_err(|error| error.to_string())?);
            }
            let sent = outbound.send(post).await;
            let response = sent.map_err(|error| error.to_string())?;
            serde_json::from_slice(&response.body).map_err(|error| error.to_string())
        })
    })
}
