//! Every route of the dashboard, read from its source: which role it asks for, and that it keeps
//! everybody else out. A route that is added later is in this test without being named here.

use std::collections::BTreeSet;

use vestibule::model::administrator::Role;

use crate::support::http::Request;
use crate::support::pages::csrf;
use crate::support::routes::{self, Handler};
use crate::support::{World, both_engines};

/// What nobody has to be signed in for.
const OPEN: &[&str] = &[
    "GET /sign-in",
    "POST /sign-in",
    "POST /sign-in/passkey",
    "GET /passkey-challenge",
    "GET /first-run",
    "POST /first-run",
    "GET /invitation",
    "POST /invitation",
    "GET /recovery",
    "POST /recovery",
];
/// What whoever is signed in changes of their own.
const OWN: &[&str] = &["POST /sign-out", "POST /account"];
/// What looks at a connection by asking its provider, and changes nothing.
const EXAMINES: &[&str] = &[
    "POST /{environment_id}/connections/{connection_id}/doctor",
    "POST /{environment_id}/connections/{connection_id}/test",
];

/// One handler of one route.
#[derive(Debug)]
struct Route {
    method: &'static str,
    path: String,
    /// `Read`, `Write` or `Govern`; `None` for open pages.
    level: Option<String>,
    takes_form: bool,
}

impl Route {
    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    fn least_role(&self) -> Role {
        match self.level.as_deref() {
            Some("Govern") => Role::Admin,
            Some("Write") => Role::Developer,
            _ => Role::Support,
        }
    }
}

fn routes() -> Vec<Route> {
    let all = routes::of("dashboard").into_iter();
    let route = |handler: Handler| {
        let level = handler.parameters.iter().find_map(|written| {
            let inner = written.strip_prefix("Visit < ").or(written.strip_prefix("Place < "));
            inner.map(|level| level.trim_end_matches([' ', '>']).to_owned())
        });
        let is_form = |written: &String| written.ends_with("Form") || written == "Upload";
        let takes_form = handler.parameters.iter().any(is_form);
        Route { method: handler.method, path: handler.path, level, takes_form }
    };
    all.map(route).collect()
}

#[test]
fn dsh_14_every_route_asks_for_a_role_and_every_change_for_the_right_one() {
    let routes = routes();
    assert!(routes.len() > 60, "{}", routes.len());
    let open: BTreeSet<String> =
        routes.iter().filter(|route| route.level.is_none()).map(Route::name).collect();
    assert_eq!(open, OPEN.iter().map(|name| (*name).to_owned()).collect());
    for route in routes.iter().filter(|route| route.method == "POST") {
        let name = route.name();
        assert!(route.takes_form, "{name} takes no form, so nobody checks that it is ours");
        let is_own =
            OWN.iter().any(|own| name.starts_with(own)) || EXAMINES.contains(&name.as_str());
        let level = route.level.as_deref();
        assert!(level.is_none() || level != Some("Read") || is_own, "{name} changes as a reader");
    }
    let governing = routes.iter().filter(|route| route.path.starts_with("/team/"));
    assert!(governing.into_iter().all(|route| route.level.as_deref() == Some("Govern")));
}

both_engines! {
    async fn dsh_14_every_route_keeps_out_who_may_not(world: World) {
        let routes = routes();
        let mut desks = Vec::new();
        for role in [Role::Support, Role::Developer] {
            desks.push((role, world.desk(role).await));
        }
        let mut refused = 0;
        for route in routes.iter().filter(|route| route.level.is_some()) {
            let environment = world.demo.seeded.environment_id.as_str();
            let mut path = route.path.replace("{environment_id}", environment);
            while let Some((before, rest)) = path.split_once('{') {
                path = format!("{before}unknown{}", rest.split_once('}').unwrap().1);
            }
            let url = world.url(&format!("/dashboard{}", path.trim_end_matches('/')));
            let nobody = Request::new(route.method, &url);
            let answer = world.browser().send(nobody).await;
            assert!(answer.location().starts_with("/dashboard/sign-in"), "{}", route.name());
            for (role, desk) in &mut desks {
                if *role >= route.least_role() {
                    continue;
                }
                let page = desk.get("/dashboard/account").await.text();
                let token = csrf(&page).unwrap();
                let request = match route.method {
                    "POST" => Request::post_form(&url, &[("csrf", token.as_str())]),
                    _ => Request::get(&url),
                };
                let answer = desk.browser.send(request).await;
                assert_eq!(answer.status, 403, "{role:?} {}", route.name());
                refused += 1;
            }
        }
        assert!(refused > 20, "{refused}");
    }
}
