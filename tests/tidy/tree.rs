//! The files that are, or are about to be, in the repository; and what a rule says about them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::process::Command;

/// Paths from the top of the repository, with `/`, and the text of each file. A file that is not
/// UTF-8 is listed with replacement characters: no rule reads pictures.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    files: BTreeMap<String, String>,
}

impl Tree {
    /// What git tracks, and what it would add: ignored files (keys, build output) are not of it.
    pub(crate) fn of_the_repository() -> Self {
        let top = Path::new(env!("CARGO_MANIFEST_DIR"));
        let listed = Command::new("git")
            .args([
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
            ])
            .current_dir(top)
            .output()
            .expect("git is needed to know which files are the repository's");
        assert!(
            listed.status.success(),
            "{}",
            String::from_utf8_lossy(&listed.stderr)
        );
        let names = String::from_utf8(listed.stdout).expect("git lists UTF-8 names");
        let files = names
            .split_terminator('\0')
            .filter_map(|name| Some((name.to_owned(), read(&top.join(name))?)));
        Self {
            files: files.collect(),
        }
    }

    /// A planted tree.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let owned = files
            .iter()
            .map(|&(path, text)| (path.to_owned(), text.to_owned()));
        Self {
            files: owned.collect(),
        }
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    /// Whether a file stands at `path`, or any below it.
    pub(crate) fn has_file_or_folder(&self, path: &str) -> bool {
        let below = format!("{path}/");
        path.is_empty() || self.has(path) || self.files.keys().any(|file| file.starts_with(&below))
    }

    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// All Rust files.
    pub(crate) fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files().filter(|(path, _)| extension(path) == "rs")
    }
}

#[expect(clippy::disallowed_methods, reason = "a rule over files reads files")]
fn read(path: &Path) -> Option<String> {
    // A file that git still lists but that is deleted in the work tree is gone.
    let bytes = std::fs::read(path).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// What follows the last dot of the file's own name; empty if nothing does.
pub(crate) fn extension(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').map_or("", |(_, extension)| extension)
}

/// The folder a file is in, without a trailing `/`; empty at the top.
pub(crate) fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// One violation: where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) path: String,
    /// From 1; 0 when the file as a whole is meant.
    pub(crate) line: usize,
    pub(crate) says: String,
}

impl Finding {
    pub(crate) fn new(path: &str, line: usize, says: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            says: says.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.says),
            line => write!(f, "{}:{line}: {}", self.path, self.says),
        }
    }
}

/// Path and line of each finding: what a test on a planted tree compares.
pub(crate) fn places(found: &[Finding]) -> Vec<(&str, usize)> {
    found
        .iter()
        .map(|finding| (finding.path.as_str(), finding.line))
        .collect()
}

#[test]
fn a_file_counts_for_each_folder_above_it() {
    let tree = Tree::of(&[("docs/joining/start.md", "")]);
    assert!(tree.has_file_or_folder("docs/joining"));
    assert!(!tree.has_file_or_folder("docs/join"));
    assert_eq!((folder("docs/a.md"), folder("README.md")), ("docs", ""));
    assert_eq!((extension("a.b/run"), extension("x/y.tar.gz")), ("", "gz"));
}
