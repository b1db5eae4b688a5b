//! The packages of `e2e/package.json`, and programs of ours that use them.

use std::path::{Path, PathBuf};
use std::process::Command;

use tokio::sync::OnceCell;

use super::process::{program, run};

/// The folder of the packages.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e")
}

/// Node.js in the folder of the packages, which are installed first.
pub async fn node() -> Command {
    static INSTALLED: OnceCell<()> = OnceCell::const_new();
    INSTALLED.get_or_init(install).await;
    program("node", &folder())
}

/// Installs the packages of the lock file, unless they are.
async fn install() {
    let lock = std::fs::read(folder().join("package-lock.json")).expect("a lock file");
    let mark = folder().join("node_modules/.installed-from");
    if std::fs::read(&mark).is_ok_and(|from| from == lock) {
        return;
    }
    let mut npm = program("npm", &folder());
    // None of the packages has anything to do at its installation.
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]);
    let ended = run(npm).await;
    assert!(
        ended.status.success(),
        "The tests with Node.js need npm and a registry that it reaches, to install the packages \
         of e2e/package.json: {}",
        ended.stderr.trim()
    );
    std::fs::write(&mark, lock).expect("a mark of what is installed");
}
