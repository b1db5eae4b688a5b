//! The routes of a face, read from its source: whoever adds one is in the tests of all of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use quote::ToTokens;
use syn::visit::{self, Visit};

/// One handler of one route.
#[derive(Debug)]
pub struct Handler {
    pub method: &'static str,
    /// Without where the face is nested, such as `/team/{id}/role`.
    pub path: String,
    /// The types of its parameters, as tokens are written: `Visit < Read >`.
    pub parameters: Vec<String>,
}

/// All routes of the face in this folder of `src/`.
pub fn of(face: &str) -> Vec<Handler> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(face);
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
            let parameters = functions_of(&all, file, handler)
                .unwrap_or_else(|| panic!("{path}: the handler {handler} is not found"));
            let (path, parameters) = (path.clone(), parameters.clone());
            routes.push(Handler { method, path, parameters });
        }
    }
    routes
}

/// The whole paths of a face's pages, sorted: what answers to GET below `prefix`.
pub fn pages(face: &str, prefix: &str) -> Vec<String> {
    let gets = of(face).into_iter().filter(|handler| handler.method == "GET");
    let mut paths: Vec<String> =
        gets.map(|handler| format!("{prefix}{}", handler.path.trim_end_matches('/'))).collect();
    paths.sort();
    paths
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
