//! Where the file lies: not where locks and syncs are promises of somebody else.

use std::path::{Path, PathBuf};

use crate::base::{Error, Result};

/// What the kernel knows of mounted file systems (proc(5)); only Linux has it.
const MOUNTS: &str = "/proc/self/mountinfo";
/// File systems of which several machines have a part. SQLite's log is shared by memory and its locks
/// are the kernel's: neither reaches another machine, and what a server says is synced may not be.
const NETWORK: [&str; 15] = [
    "afs",
    "ceph",
    "cifs",
    "coda",
    "fuse.ceph-fuse",
    "fuse.gcsfuse",
    "fuse.glusterfs",
    "fuse.rclone",
    "fuse.s3fs",
    "fuse.sshfs",
    "lustre",
    "nfs",
    "nfs4",
    "smb3",
    "smbfs",
];

/// Refuses a place on a network file system.
pub(super) fn check(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).canonicalize();
    let (Ok(folder), Ok(mounts)) = (folder, std::fs::read_to_string(MOUNTS)) else {
        return Ok(());
    };
    let Some(kind) = kind_of(&mounts, &folder).filter(|kind| NETWORK.contains(kind)) else {
        return Ok(());
    };
    let message = format!(
        "The database {} would lie on a network file system ({kind}), whose locks and synced writes \
         SQLite cannot rely on. Put it on a local disk; for several machines, use PostgreSQL.",
        path.display()
    );
    Err(Error::invalid("network_file_system", "database", message))
}

/// The type of the file system that a folder is in: that of the mount point next above it, and of
/// several there the last one, which hides the others.
fn kind_of<'a>(mounts: &'a str, folder: &Path) -> Option<&'a str> {
    let mut found: Option<(usize, &str)> = None;
    for line in mounts.lines() {
        let Some((before, after)) = line.split_once(" - ") else { continue };
        let (Some(point), Some(kind)) = (before.split(' ').nth(4), after.split(' ').next()) else {
            continue;
        };
        let point = unescaped(point);
        let depth = point.components().count();
        if folder.starts_with(&point) && found.is_none_or(|(deepest, _)| depth >= deepest) {
            found = Some((depth, kind));
        }
    }
    found.map(|(_, kind)| kind)
}

/// A path as the kernel writes it there: blanks and the like as three octal digits.
fn unescaped(text: &str) -> PathBuf {
    let mut path = String::new();
    let mut rest = text;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        path.push_str(plain);
        let code = escaped.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code {
            Some(code) => {
                path.push(char::from(code));
                rest = &escaped[3..];
            }
            None => {
                path.push('\\');
                rest = escaped;
            }
        }
    }
    path.push_str(rest);
    path.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sto_14_the_file_system_of_a_folder_is_found() {
        let mounts = "\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
40 22 0:35 / /srv rw - nfs4 files:/srv rw,vers=4.2
41 40 0:36 / /srv/local rw - xfs /dev/vdb rw
42 22 0:37 / /mnt/two\\040words rw - cifs //files/share rw
43 22 0:38 / /twice rw - ext4 /dev/vdc rw
44 22 0:39 / /twice rw master:3 - fuse.sshfs me@files: rw
";
        let kind = |folder: &str| kind_of(mounts, Path::new(folder)).unwrap();
        assert_eq!(kind("/var/lib/vestibule"), "ext4");
        assert_eq!(kind("/srv/vestibule"), "nfs4");
        assert_eq!(kind("/srv"), "nfs4");
        assert_eq!(kind("/srvother"), "ext4");
        assert_eq!(kind("/srv/local/data"), "xfs");
        assert_eq!(kind("/mnt/two words/data"), "cifs");
        assert_eq!(kind("/twice"), "fuse.sshfs");
        assert!(NETWORK.contains(&"nfs4") && NETWORK.is_sorted());
    }

    #[test]
    fn a_local_folder_is_taken() {
        assert!(check(Path::new("vestibule.db")).is_ok());
        assert!(check(Path::new("/nowhere/vestibule.db")).is_ok(), "others say that");
    }
}
