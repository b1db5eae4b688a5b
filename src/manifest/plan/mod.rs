//! What has to be done so that an installation is as a manifest says. Making a plan changes nothing
//! and asks nobody but the database.

mod connection;
mod environment;
mod organization;
mod roles;
mod step;

use std::collections::BTreeSet;
use std::path::Path;

use super::document::{self, Manifest};
use super::known::{self, KnownEnvironment};
use super::parse::read_secrets;
use super::secret::{Fingerprint, Secrets};
use crate::app::App;
use crate::base::id::Id;
use crate::base::secret::Secret;
use crate::base::{Error, Result};

pub(super) use environment::find as find_environment;
pub(super) use organization::find as find_organization;
use step::Differences;
pub use step::{Action, ConnectionChange, Difference, Operation, Scope, Step, Unit};

/// How a plan is made.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// Where the manifest stands: files of secrets are found from there.
    pub folder: &'a Path,
    /// Whether what is not in a list of the file is deleted.
    pub prune: bool,
    /// The one environment of the file that is meant, by id, client id or name; `None`: all of them.
    pub only: Option<&'a str>,
}

/// What has to be done.
#[derive(Debug)]
pub struct Plan {
    /// What is done together, in this order.
    pub units: Vec<Unit>,
    /// What is there and not in the file, and stays.
    pub left_alone: Vec<String>,
    /// Secrets that could not be read, so that they were not compared: path and reason.
    pub unread: Vec<(String, String)>,
}

impl Plan {
    /// Whether everything is as the file says.
    pub fn is_empty(&self) -> bool {
        self.units.iter().all(|unit| unit.steps.is_empty())
    }

    /// All steps in their order.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.units.iter().flat_map(|unit| &unit.steps)
    }
}

/// Compares a manifest with the installation.
///
/// # Errors
///
/// [`Error::Invalid`] with everything in the file that cannot be, each with its path;
/// [`Error::Unavailable`] if the database does not answer.
pub async fn plan(app: &App, manifest: &Manifest, options: Options<'_>) -> Result<Plan> {
    let secrets = read_secrets(manifest, options.folder);
    let existing = known::environments(app).await?;
    let mut planner = Planner {
        app,
        secrets: &secrets,
        prune: options.prune,
        plan: Plan { units: Vec::new(), left_alone: Vec::new(), unread: Vec::new() },
        problems: Vec::new(),
    };
    let meant = |wanted: &document::Environment| options.only.is_none_or(|only| wanted.is(only));
    if let Some(only) = options.only
        && !manifest.environments.iter().any(meant)
    {
        let message = format!("There is no environment '{only}' in it.");
        return Err(Error::invalid("unknown_environment", "environment", message));
    }
    for (i, wanted) in manifest.environments.iter().enumerate() {
        if !meant(wanted) {
            continue;
        }
        let path = format!("environments[{i}]");
        match environment::find(&existing, wanted) {
            Err(problem) => planner.problems.push(format!("{path}: {problem}")),
            Ok(Some(found)) => {
                let known = known::read(app, found).await?;
                planner.environment(&path, wanted, (&known, false))?;
            }
            Ok(None) => {
                let known = environment::made_new(app, wanted);
                planner.environment(&path, wanted, (&known, true))?;
            }
        }
    }
    let environments = manifest.environments.iter().enumerate();
    let left_out: Vec<String> = environments
        .filter(|(_, wanted)| !meant(wanted))
        .map(|(i, _)| format!("environments[{i}]."))
        .collect();
    let unread =
        secrets.missing().filter(|(path, _)| !left_out.iter().any(|it| path.starts_with(it)));
    planner.plan.unread = unread.map(|(path, why)| (path.to_owned(), why.to_owned())).collect();
    if !planner.problems.is_empty() {
        let message = planner.problems.join("\n");
        return Err(Error::invalid("invalid_manifest", "manifest", message));
    }
    let mut plan = planner.plan;
    connection::drop_known_profiles(app, &mut plan).await?;
    plan.units.retain(|unit| !unit.steps.is_empty());
    Ok(plan)
}

/// Makes a plan.
struct Planner<'a> {
    app: &'a App,
    secrets: &'a Secrets,
    prune: bool,
    plan: Plan,
    /// What in the file cannot be.
    problems: Vec<String>,
}

/// Which role slugs there will be.
type Slugs = BTreeSet<String>;

impl Planner<'_> {
    /// A new id, so that later steps can name what an earlier one creates.
    fn new_id<T: Id>(&self) -> T {
        T::from_ulid(self.app.clock.ulid(self.app.clock.now()))
    }

    fn fingerprint(&self, secret: &Secret) -> Fingerprint {
        Fingerprint::of(&self.app.sealer, secret)
    }

    fn problem(&mut self, path: &str, problem: &str) {
        self.problems.push(format!("{path}: {problem}"));
    }

    /// Something that is there and not in the file: deletes it, or says that it stays.
    fn not_in_file(&mut self, steps: &mut Vec<Step>, step: Step) {
        if self.prune {
            steps.push(step);
        } else {
            let what = format!("{} ({}) is not in the file", step.resource, step.path);
            self.plan.left_alone.push(what);
        }
    }

    /// Plans one environment; `is_new` if it has to be created.
    fn environment(
        &mut self,
        path: &str,
        wanted: &document::Environment,
        (known, is_new): (&KnownEnvironment, bool),
    ) -> Result<()> {
        let id = &known.environment.id;
        let unit = |scope: Scope, title: &str, steps: Vec<Step>| {
            let (environment_id, title) = (id.clone(), title.to_owned());
            Unit { environment_id, scope, title, steps }
        };
        let mut first = Vec::new();
        let mut last = Vec::new();
        self.environment_itself(path, wanted, (known, is_new), &mut first);
        self.permissions(path, wanted, known, (&mut first, &mut last));
        let lists = (wanted.roles.as_deref(), known.roles.as_slice());
        self.roles((path, None), lists, is_new, (&mut first, &mut last));
        self.redirect_uris(path, wanted, known, (&mut first, &mut last));
        self.settings(path, wanted, known, &mut first)?;
        self.webhook_endpoints(path, wanted, known, (&mut first, &mut last))?;
        self.check_permissions(path, wanted, known);
        self.plan.units.push(unit(Scope::Environment, path, first));

        let mut early = Vec::new();
        let mut organizations = Vec::new();
        let lists = (wanted.organizations.as_deref(), known.organizations.as_slice());
        if let (Some(wanted_list), all) = lists {
            let roles = role_slugs(wanted.roles.as_deref(), &known.roles);
            let mut named = BTreeSet::new();
            for (i, item) in wanted_list.iter().enumerate() {
                let here = format!("{path}.organizations[{i}]");
                match organization::find(all, item) {
                    Err(problem) => self.problem(&here, &problem),
                    Ok(found) => {
                        named.extend(found.map(|found| found.organization.id.clone()));
                        let mut steps = Vec::new();
                        let context = (known, &roles);
                        self.organization(&here, (item, found), context, (&mut early, &mut steps))?;
                        organizations.push(unit(Scope::Organization, &here, steps));
                    }
                }
            }
            for extra in all.iter().filter(|it| !named.contains(&it.organization.id)) {
                let step = organization::deletion(&format!("{path}.organizations"), extra);
                self.not_in_file(&mut early, step);
            }
        }
        // Before the organizations: a domain has to be free before another one gets it.
        self.plan.units.push(unit(Scope::Environment, path, early));
        self.plan.units.extend(organizations);
        // After them: a role has to be given to nobody before it goes.
        self.plan.units.push(unit(Scope::Environment, path, last));
        Ok(())
    }
}

/// The slugs of the roles that there will be before anything is deleted.
fn role_slugs(wanted: Option<&[document::Role]>, known: &[crate::model::role::Role]) -> Slugs {
    let wanted = wanted.unwrap_or_default().iter().map(|role| role.slug.clone());
    wanted.chain(known.iter().map(|role| role.slug.clone())).collect()
}
