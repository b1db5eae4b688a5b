//! The installation as a file: what is exported, applied, compared and refused.

mod apply;
mod filled;
mod profiles;
mod refusals;
mod round_trip;

use std::path::Path;

use vestibule::app::App;
use vestibule::base::Result;
use vestibule::base::secret::Secret;
use vestibule::base::time::Clock;
use vestibule::config::{Config, Database};
use vestibule::db::Location;
use vestibule::manifest::secret::SecretFrom;
use vestibule::manifest::{self, Manifest, Options, Outcome, Plan, export, known};

use crate::support::{Folder, TestDb, World};

/// The service on a second database of the same engine.
pub struct Second {
    pub app: App,
    _db: TestDb,
    _data: Folder,
}

/// An empty installation beside a world, at this address.
pub async fn empty(world: &World, base_url: &str) -> Second {
    let db = match world.db.url() {
        Some(_) => TestDb::postgres().await,
        None => TestDb::sqlite(),
    };
    let data = Folder::new();
    let database = match db.location() {
        Location::Sqlite(path) => Database::Sqlite(path.clone()),
        Location::Postgres(url) => Database::Postgres(Secret::new(url.clone())),
    };
    let config = Config {
        base_url: url::Url::parse(base_url).unwrap(),
        data: data.path().to_owned(),
        database,
        ..(*world.app().config).clone()
    };
    Second { app: App::open(config, Clock::system()).await.unwrap(), _db: db, _data: data }
}

/// The installation as a file.
pub async fn exported(app: &App) -> String {
    let mut all = Vec::new();
    for environment in known::environments(app).await.unwrap() {
        all.push(known::read(app, &environment).await.unwrap());
    }
    export::text(&export::manifest(&all, true).unwrap()).unwrap()
}

/// What would be done.
pub async fn planned(app: &App, manifest: &Manifest, prune: bool) -> Result<Plan> {
    manifest::plan(app, manifest, Options { folder: Path::new(""), prune, only: None }).await
}

/// Does it.
pub async fn applied(app: &App, manifest: &Manifest, prune: bool) -> Outcome {
    let plan = planned(app, manifest, prune).await.unwrap_or_else(|e| panic!("{}", e.chain()));
    let outcome = manifest::apply(app, "test", plan).await;
    outcome.unwrap_or_else(|e| panic!("{}", e.chain()))
}

/// The steps of a plan in short.
pub fn steps(plan: &Plan) -> Vec<String> {
    let shown = |step: &manifest::plan::Step| {
        let members: Vec<&str> = step.differences.iter().map(|it| it.member.as_str()).collect();
        let members = members.join(", ");
        format!("{:?} {} {members}", step.operation, step.resource).trim_end().to_owned()
    };
    plan.steps().map(shown).collect()
}

/// A file whose secrets are in it, as they are in the installation that it was made of.
pub async fn with_secrets(app: &App, text: &str) -> Manifest {
    let mut manifest = manifest::parse(text).unwrap();
    let stored = known::environments(app).await.unwrap();
    for environment in &mut manifest.environments {
        let found = stored.iter().find(|it| Some(&it.id) == environment.id.as_ref()).unwrap();
        let known = known::read(app, found).await.unwrap();
        for endpoint in environment.webhook_endpoints.iter_mut().flatten() {
            let id = endpoint.id.as_ref();
            let it = known.webhook_endpoints.iter().find(|it| Some(&it.id) == id).unwrap();
            endpoint.secret = Some(SecretFrom::Literal(it.secret(&app.sealer).unwrap()));
        }
        let connections = known.organizations.iter().flat_map(|it| &it.connections);
        let organizations = environment.organizations.iter_mut().flatten();
        for wanted in organizations.flat_map(|it| it.connections.iter_mut().flatten()) {
            let Some(oidc) = &mut wanted.oidc else { continue };
            let id = wanted.id.as_ref();
            let it = connections.clone().find(|it| Some(&it.connection.id) == id).unwrap();
            let [present, next] = it.connection.secret_slots(&app.sealer).unwrap();
            oidc.client_secret = present.map(SecretFrom::Literal);
            oidc.next_client_secret = next.map(|next| Some(SecretFrom::Literal(next)));
        }
    }
    manifest
}
