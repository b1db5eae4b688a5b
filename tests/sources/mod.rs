//! What holds of every file of the repository, and of everything that the program is made of.

mod debug;
mod known_keys;
mod supply;

use std::path::{Path, PathBuf};

/// The repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below a folder, but for what is built, fetched or hidden.
fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap().map(|entry| entry.unwrap()) {
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_str().unwrap();
            let is_hidden = name.starts_with('.') && name != ".ci";
            match entry.file_type().unwrap() {
                _ if is_hidden || ["target", "node_modules"].contains(&name) => {}
                kind if kind.is_dir() => folders.push(path),
                kind if kind.is_file() => found.push(path),
                _ => {}
            }
        }
    }
    found.sort();
    found
}
