//! Every route of the dashboard, read from its source: which role it asks for, and that it keeps
//! everybody else out. A route that is added later is in this test without being named here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use quote::ToTokens;
use syn::visit::{self, Visit};
use vestibule::model::administrator::Role;

use crate::support::http::Request;
use crate::support::pages::csrf;
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

/// The parameters of the functions of a file: name, types as they are written.
type Functions = BTreeMap<String, Vec<String>>;

#[derive(Default)]
struct Reader {
    functions: Functions,
    /// Texts that have a name where they are used.
    texts: BTreeMap<String, String>,
    /// Path, method, handler.
    routes: Vec<(String, &'static str, String)>,
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        let types = item.sig.inputs.iter().filter_map(|input| match input {
            syn::FnArg::Typed(typed) => Some(typed.ty.to_token_stream().to_string()),
            syn::FnArg::Receiver(_) => None,
        });
        self.functions.insert(item.sig.ident.to_string(), types.collect());
        visit::visit_item_fn(self, item);
    }

    fn visit_local(&mut self, local: &'ast syn::Local) {
        if let (syn::Pat::Ident(name), Some(init)) = (&local.pat, &local.init)
            && let Some(text) = text(&init.expr)
        {
            self.texts.insert(name.ident.to_string(), text);
        }
        visit::visit_local(self, local);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        if call.method == "route" && call.args.len() == 2 {
            let path = self.path(&call.args[0]).expect("a route whose path is written out");
            methods(&call.args[1], &path, &mut self.routes);
        }
        visit::visit_expr_method_call(self, call);
    }
}

impl Reader {
    /// A path: a text, the name of one, or a text that begins with one.
    fn path(&self, expression: &syn::Expr) -> Option<String> {
        if let syn::Expr::Reference(reference) = expression {
            let syn::Expr::Macro(made) = &*reference.expr else { return None };
            let format: syn::LitStr = made.mac.parse_body().ok()?;
            let mut path = format.value();
            for (name, text) in &self.texts {
                path = path.replace(&format!("{{{name}}}/"), &format!("{text}/"));
            }
            return Some(path.replace("{{", "{").replace("}}", "}"));
        }
        let name = expression.to_token_stream().to_string();
        text(expression).or_else(|| self.texts.get(&name).cloned())
    }
}

/// The text that is written here.
fn text(expression: &syn::Expr) -> Option<String> {
    match expression {
        syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(text.value()),
        _ => None,
    }
}

/// `get(a).post(b)`.
fn methods(expression: &syn::Expr, path: &str, routes: &mut Vec<(String, &'static str, String)>) {
    let (method, handler) = match expression {
        syn::Expr::MethodCall(call) => {
            methods(&call.receiver, path, routes);
            (call.method.to_string(), call.args.first())
        }
        syn::Expr::Call(call) => (call.func.to_token_stream().to_string(), call.args.first()),
        other => panic!("{path}: {}", other.to_token_stream()),
    };
    let method = match method.as_str() {
        "get" => "GET",
        "post" => "POST",
        "layer" => return,
        other => panic!("{path}: the method {other} is not known here"),
    };
    let handler = handler.expect("a handler").to_token_stream().to_string().replace(' ', "");
    routes.push((path.to_owned(), method, handler));
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// The functions of the file in which the handler `a::b` of `file` is.
fn functions_of<'a>(
    all: &'a BTreeMap<PathBuf, Reader>,
    file: &Path,
    handler: &str,
) -> Option<&'a Vec<String>> {
    let (modules, name) = handler.rsplit_once("::").unwrap_or(("", handler));
    let folder = file.parent().unwrap();
    let candidates = if modules.is_empty() {
        vec![file.to_owned()]
    } else {
        let below = folder.join(modules.replace("::", "/"));
        vec![below.with_extension("rs"), below.join("mod.rs")]
    };
    candidates.iter().find_map(|path| all.get(path)?.functions.get(name))
}

fn routes() -> Vec<Route> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/dashboard");
    let mut found = Vec::new();
    files(&root, &mut found);
    let mut all = BTreeMap::new();
    for path in found {
        let mut reader = Reader::default();
        reader.visit_file(&syn::parse_file(&std::fs::read_to_string(&path).unwrap()).unwrap());
        all.insert(path, reader);
    }
    let mut routes = Vec::new();
    for (file, reader) in &all {
        for (path, method, handler) in &reader.routes {
            let types = functions_of(&all, file, handler)
                .unwrap_or_else(|| panic!("{path}: the handler {handler} is not found"));
            let level = types.iter().find_map(|written| {
                let inner = written.strip_prefix("Visit < ").or(written.strip_prefix("Place < "));
                inner.map(|level| level.trim_end_matches([' ', '>']).to_owned())
            });
            routes.push(Route {
                method,
                path: path.clone(),
                level,
                takes_form: types
                    .iter()
                    .any(|written| written.ends_with("Form") || written == "Upload"),
            });
        }
    }
    routes
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
