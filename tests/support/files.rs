//! Files of the repository, of a broker and of the kernel.

use std::path::Path;

use tempfile::TempDir;

/// A file of the repository or of the broker, as text.
#[expect(
    clippy::disallowed_methods,
    reason = "a client reads its certificates and its messages"
)]
pub(crate) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// An example of a message type, such as `postal.item/valid/orchids`.
pub(crate) fn example(name: &str) -> String {
    let (kind, rest) = name.split_once('/').expect("type/valid/name");
    let path = format!("messages/{kind}/examples/{rest}.json");
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
}

/// The repository's agencies with other limits for one of them.
pub(crate) fn agencies(agency: &str, limits: &str) -> TempDir {
    agencies_but(agency, |text| {
        let (before, rest) = text.split_once("[limits]").expect("a section");
        let (_, after) = rest.split_once("\n[").expect("a section behind it");
        format!("{before}[limits]\n{limits}\n\n[{after}")
    })
}

/// The repository's agencies with another file for one of them.
#[expect(
    clippy::disallowed_methods,
    reason = "an administrator writes an agency's file"
)]
pub(crate) fn agencies_but(agency: &str, change: impl Fn(&str) -> String) -> TempDir {
    let changed = TempDir::new().expect("a temporary folder");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("agencies");
    for name in ["customs", "customs-xa", "environment", "police", "post"] {
        let mut text = read(&folder.join(name).join("agency.toml"));
        if name == agency {
            text = change(&text);
        }
        let to = changed.path().join(name);
        std::fs::create_dir(&to).expect("a folder");
        std::fs::write(to.join("agency.toml"), text).expect("a file");
    }
    changed
}

/// What the kernel says of a process's memory under a name such as `VmRSS:`, in KiB.
pub(crate) fn memory_kib(process: u32, name: &str) -> usize {
    let status = read(Path::new(&format!("/proc/{process}/status")));
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.expect("a number")
}
