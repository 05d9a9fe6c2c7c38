//! The text of a rulebook: the files of `agencies/`, `messages/` and `policies/` as one value.
//!
//! A bundle is what record 0 of the log holds and what a proposal carries. It is read from folders
//! by `config` alone; everything that is built from it (registry, catalogue, policies) is a pure
//! function of it, so the same bundle gives the same rulebook everywhere and for ever.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use super::id::Digest;

/// Files by their path, such as `messages/postal.item/schema.json`; `/` separates, whatever the
/// system.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Bundle {
    files: BTreeMap<String, Vec<u8>>,
}

impl Bundle {
    /// Adds or replaces a file.
    pub fn insert(&mut self, path: impl Into<String>, content: impl Into<Vec<u8>>) {
        self.files.insert(path.into(), content.into());
    }

    /// A file's content.
    pub fn get(&self, path: &str) -> Option<&[u8]> {
        self.files.get(path).map(Vec::as_slice)
    }

    /// A file's content as text; a fault where it is missing or not UTF-8.
    pub fn text(&self, path: &str) -> Result<&str, Fault> {
        let content = self
            .get(path)
            .ok_or_else(|| Fault::new(path, "is missing", "add the file"))?;
        std::str::from_utf8(content)
            .map_err(|_| Fault::new(path, "is not UTF-8 text", "save it as UTF-8"))
    }

    /// All files with their paths, in the order of the paths.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files
            .iter()
            .map(|(path, content)| (path.as_str(), content.as_slice()))
    }

    /// The files below `folder`, with their paths relative to it.
    pub fn below<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        self.files().filter_map(move |(path, content)| {
            let rest = path.strip_prefix(folder)?.strip_prefix('/')?;
            Some((rest, content))
        })
    }

    /// The names of the folders directly below `folder`, each once, in order.
    pub fn folders<'a>(&'a self, folder: &'a str) -> Vec<&'a str> {
        let names = self
            .below(folder)
            .filter_map(|(path, _)| path.split_once('/'));
        let mut names: Vec<&str> = names.map(|(name, _)| name).collect();
        names.dedup();
        names
    }

    /// The paths of files that are in one of the two alone, or that differ; in order.
    pub fn differences<'a>(&'a self, other: &'a Self) -> Vec<&'a str> {
        let here = self.files.iter();
        let changed = here.filter(|(path, content)| other.files.get(*path) != Some(content));
        let there = other.files.keys();
        let added = there.filter(|path| !self.files.contains_key(*path));
        let mut paths: Vec<&str> = changed
            .map(|(path, _)| path)
            .chain(added)
            .map(String::as_str)
            .collect();
        paths.sort_unstable();
        paths
    }

    /// SHA-256 over every path and content, each with its length before it.
    pub fn digest(&self) -> Digest {
        let mut text = Vec::new();
        for (path, content) in &self.files {
            for part in [path.as_bytes(), content] {
                text.extend_from_slice(
                    &u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes(),
                );
                text.extend_from_slice(part);
            }
        }
        Digest::of(&text)
    }
}

/// What spreadsheets do to a table and the reader would misread: what is wrong, and the cure.
pub fn spreadsheet_slip(content: &[u8]) -> Option<(&'static str, &'static str)> {
    if content.starts_with(b"\xef\xbb\xbf") {
        let says = "begins with a byte order mark, so its first column has another name";
        return Some((says, "save it as UTF-8 without one"));
    }
    let first = content
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let is_parted = first.contains(&b';') && !first.contains(&b',');
    is_parted.then_some(("is parted by semicolons", "save it with commas"))
}

impl fmt::Debug for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bundle({} files, {})", self.files.len(), self.digest())
    }
}

/// Something wrong in a bundle or configuration, for the person who can mend it.
///
/// Sorted as its reader goes through a file: line 9 before line 10.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {says}; {cure}")]
pub struct Fault {
    /// Where: a path of the bundle, with line, JSON pointer or key behind it.
    pub place: String,
    /// What is wrong there.
    pub says: String,
    /// What to do about it.
    pub cure: String,
}

impl Fault {
    /// A fault at `place`.
    pub fn new(place: impl Into<String>, says: impl Into<String>, cure: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            says: says.into(),
            cure: cure.into(),
        }
    }

    fn order(&self) -> (&str, Option<u64>, [&str; 3]) {
        let lined = self.place.rsplit_once(':');
        let lined = lined.and_then(|(path, line)| Some((path, line.parse().ok()?)));
        let (path, line) = lined.map_or((self.place.as_str(), None), |(p, l)| (p, Some(l)));
        (path, line, [&self.says, &self.cure, &self.place])
    }
}

impl Ord for Fault {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}

impl PartialOrd for Fault {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_of_one_file_are_sorted_by_line() {
        let places = ["p/a.cedar:10", "p/b.cedar:1", "p/a.cedar:9", "p/a.cedar"];
        let mut faults = places.map(|place| Fault::new(place, "", ""));
        faults.sort();
        let sorted = faults.map(|fault| fault.place);
        assert_eq!(
            sorted,
            ["p/a.cedar", "p/a.cedar:9", "p/a.cedar:10", "p/b.cedar:1"]
        );
    }

    #[test]
    fn folders_and_files_are_found_below_a_folder_only() {
        let mut bundle = Bundle::default();
        bundle.insert("messages/a/message.toml", "x");
        bundle.insert("messages/a/schema.json", "y");
        bundle.insert("messages-old/b/schema.json", "z");
        assert_eq!(bundle.folders("messages"), ["a"]);
        assert_eq!(bundle.below("messages").count(), 2);
        assert!(bundle.text("messages/b").is_err());
    }

    #[test]
    fn the_digest_tells_where_a_path_ends() {
        let (mut one, mut other) = (Bundle::default(), Bundle::default());
        one.insert("ab", "c");
        other.insert("a", "bc");
        assert_ne!(one.digest(), other.digest());
    }

    #[test]
    fn files_that_were_added_changed_or_removed_are_differences_either_way() {
        let (mut one, mut other) = (Bundle::default(), Bundle::default());
        for (path, text) in [("c", "same"), ("b", "old"), ("a", "removed")] {
            one.insert(path, text);
        }
        for (path, text) in [("c", "same"), ("b", "new"), ("d", "added")] {
            other.insert(path, text);
        }
        assert_eq!(one.differences(&other), ["a", "b", "d"]);
        assert_eq!(other.differences(&one), ["a", "b", "d"]);
        assert!(one.differences(&one.clone()).is_empty());
    }
}
