//! What a source file names: every path, made absolute, and every text that looks like SQL.
//!
//! Comments, documentation and whatever is compiled for tests only do not count.

use proc_macro2::{Spacing, Span, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// Something that a file names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention {
    /// The line in the file, from 1.
    pub line: usize,
    /// What it is.
    pub what: What,
}

/// What is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A path that begins with `crate` or with another crate's name. A last segment `*` means
    /// everything in it, and `as` that it goes by another name from there on.
    Path(Vec<String>),
    /// A text that looks like SQL.
    Sql(String),
}

/// Reads a file; `module` is its place in the crate, such as `["model", "role"]`.
///
/// Returns what it names, and the modules it declares for tests only.
///
/// # Errors
///
/// What is no Rust.
pub fn read(module: &[String], text: &str) -> Result<(Vec<Mention>, Vec<Vec<String>>), String> {
    let file = syn::parse_file(text).map_err(|error| error.to_string())?;
    let mut reader = Reader { module: module.to_vec(), found: Vec::new(), test_only: Vec::new() };
    reader.visit_file(&file);
    Ok((reader.found, reader.test_only))
}

struct Reader {
    module: Vec<String>,
    found: Vec<Mention>,
    test_only: Vec<Vec<String>>,
}

impl Reader {
    fn mention(&mut self, span: Span, path: Vec<String>) {
        if let Some(path) = self.absolute(path) {
            self.found.push(Mention { line: span.start().line, what: What::Path(path) });
        }
    }

    /// Resolves `self` and `super`; a path of one name says nothing.
    fn absolute(&self, path: Vec<String>) -> Option<Vec<String>> {
        let first = path.first()?;
        let absolute = match first.as_str() {
            "self" | "super" => {
                let path = &path[usize::from(first == "self")..];
                let ups = path.iter().take_while(|name| *name == "super").count();
                let base = &self.module[..self.module.len().saturating_sub(ups)];
                let own = ["crate".to_owned()];
                own.iter().chain(base).chain(&path[ups..]).cloned().collect()
            }
            // The program sees the library from outside.
            "vestibule" => [&["crate".to_owned()], &path[1..]].concat(),
            _ => path,
        };
        (absolute.len() > 1).then_some(absolute)
    }

    fn use_tree(&mut self, prefix: &[String], tree: &syn::UseTree) {
        let with = |name: String| [prefix, &[name]].concat();
        match tree {
            syn::UseTree::Path(path) => self.use_tree(&with(path.ident.to_string()), &path.tree),
            syn::UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.use_tree(prefix, tree));
            }
            syn::UseTree::Glob(glob) => self.mention(glob.span(), with("*".to_owned())),
            syn::UseTree::Name(name) if name.ident == "self" => {
                self.mention(name.span(), prefix.to_vec());
            }
            syn::UseTree::Name(name) => self.mention(name.span(), with(name.ident.to_string())),
            syn::UseTree::Rename(rename) => {
                let mut path = prefix.to_vec();
                if rename.ident != "self" || prefix.is_empty() {
                    path.push(rename.ident.to_string());
                }
                path.push("as".to_owned());
                self.mention(rename.span(), path);
            }
        }
    }

    fn text(&mut self, span: Span, text: &str) {
        if looks_like_sql(text) {
            let what = What::Sql(text.chars().take(40).collect());
            self.found.push(Mention { line: span.start().line, what });
        }
    }

    /// Looks through tokens that nobody has parsed: the insides of macros and attributes.
    fn tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Literal(literal) => {
                    if let syn::Lit::Str(text) = syn::Lit::new(literal.clone()) {
                        self.text(literal.span(), &text.value());
                    }
                }
                TokenTree::Ident(first) => {
                    let mut path = vec![first.to_string()];
                    while let Some(next) = segment_after(&tokens, at) {
                        path.push(next);
                        at += 3;
                    }
                    self.mention(first.span(), path);
                }
                TokenTree::Punct(_) => {}
            }
            at += 1;
        }
    }
}

/// The name after the `::` that follows the token at this place.
fn segment_after(tokens: &[TokenTree], at: usize) -> Option<String> {
    let colon = |token: &TokenTree, spacing: Option<Spacing>| {
        matches!(token, TokenTree::Punct(p)
            if p.as_char() == ':' && spacing.is_none_or(|spacing| p.spacing() == spacing))
    };
    match tokens.get(at + 1..at + 4)? {
        [first, second, TokenTree::Ident(name)]
            if colon(first, Some(Spacing::Joint)) && colon(second, None) =>
        {
            Some(name.to_string())
        }
        _ => None,
    }
}

/// Whether an item exists in tests only.
fn is_test_only(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).any(|attribute| {
        attribute.meta.require_list().is_ok_and(|list| {
            let condition = list.tokens.to_string();
            condition == "test" || condition.starts_with("all (test")
        })
    })
}

/// Whether a text begins as a statement, or has a placeholder in a condition.
fn looks_like_sql(text: &str) -> bool {
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let has = |word: &str| words.contains(&word);
    match words.as_slice() {
        ["select", ..] => has("from") || words.len() < 4,
        ["insert", "into", ..] | ["delete", "from", ..] => true,
        ["update", ..] => has("set"),
        ["create" | "alter" | "drop", "table" | "index" | "unique" | "view" | "database", ..] => {
            true
        }
        ["with", ..] => has("as") && has("select"),
        ["pragma" | "savepoint", _, ..] | ["begin", "immediate" | "transaction", ..] => true,
        _ => has("where") && text.contains("$1"),
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let attributes = match item {
            syn::Item::Const(item) => &item.attrs,
            syn::Item::Enum(item) => &item.attrs,
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Impl(item) => &item.attrs,
            syn::Item::Macro(item) => &item.attrs,
            syn::Item::Mod(item) => &item.attrs,
            syn::Item::Static(item) => &item.attrs,
            syn::Item::Struct(item) => &item.attrs,
            syn::Item::Trait(item) => &item.attrs,
            syn::Item::Type(item) => &item.attrs,
            syn::Item::Use(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        if !is_test_only(attributes) {
            visit::visit_item(self, item);
        } else if let syn::Item::Mod(item) = item {
            self.test_only.push([&self.module[..], &[item.ident.to_string()]].concat());
        }
    }

    fn visit_impl_item(&mut self, item: &'ast syn::ImplItem) {
        let test_only = match item {
            syn::ImplItem::Fn(item) => is_test_only(&item.attrs),
            syn::ImplItem::Const(item) => is_test_only(&item.attrs),
            _ => false,
        };
        if !test_only {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.use_tree(&[], &item.tree);
    }

    fn visit_item_extern_crate(&mut self, item: &'ast syn::ItemExternCrate) {
        self.mention(item.span(), vec![item.ident.to_string(), "as".to_owned()]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.mention(path.span(), names);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        self.visit_path(&item.path);
        self.tokens(item.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if !attribute.path().is_ident("doc")
            && let syn::Meta::List(list) = &attribute.meta
        {
            self.tokens(list.tokens.clone());
        }
    }

    fn visit_lit_str(&mut self, text: &'ast syn::LitStr) {
        self.text(text.span(), &text.value());
    }

    /// `pub(in crate::x)` gives; it takes nothing.
    fn visit_vis_restricted(&mut self, _: &'ast syn::VisRestricted) {}
}
