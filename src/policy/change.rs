//! Changes of a rulebook's text, and the one body that may make them.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::source::FLOOR_PATH;
use crate::agency::officer::Holder;
use crate::message::bundle::Bundle;
use crate::message::id::AgencyId;

/// The path of an agency's file.
pub fn agency_file(agency: impl Display) -> String {
    format!("agencies/{agency}/agency.toml")
}

/// Files that are written or removed, by path: what a proposal carries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes(BTreeMap<String, Option<Vec<u8>>>);

/// One file of [`Changes`]: its path, and its new content; none where it is removed.
pub type Change<'c> = (&'c str, Option<&'c [u8]>);

impl Changes {
    /// Those that make `base` into `next`.
    pub fn between(base: &Bundle, next: &Bundle) -> Self {
        let paths = base.differences(next).into_iter();
        Self(
            paths
                .map(|path| (path.to_owned(), next.get(path).map(<[u8]>::to_vec)))
                .collect(),
        )
    }

    /// The changes of the files that `is_kept`.
    #[must_use]
    pub fn only(&self, is_kept: impl Fn(&str) -> bool) -> Self {
        let kept = self.0.iter().filter(|(path, _)| is_kept(path));
        Self(
            kept.map(|(path, new)| (path.clone(), new.clone()))
                .collect(),
        )
    }

    /// Adds the change of a file; `None` removes it.
    pub fn insert(&mut self, path: impl Into<String>, content: Option<Vec<u8>>) {
        self.0.insert(path.into(), content);
    }

    /// Each file, by path.
    pub fn files(&self) -> impl Iterator<Item = Change<'_>> {
        self.0
            .iter()
            .map(|(path, content)| (path.as_str(), content.as_deref()))
    }

    /// The paths that change, in order.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `base` with these changes made.
    #[must_use]
    pub fn applied(&self, base: &Bundle) -> Bundle {
        let kept = base.files().filter(|(path, _)| !self.0.contains_key(*path));
        let written = self.files().filter_map(|(path, new)| Some((path, new?)));
        let mut next = Bundle::default();
        for (path, content) in kept.chain(written) {
            next.insert(path, content);
        }
        next
    }

    /// Those that make `self.applied(base)` into `base` again.
    #[must_use]
    pub fn inverse(&self, base: &Bundle) -> Self {
        let before = |path: &String| base.get(path).map(<[u8]>::to_vec);
        Self(
            self.0
                .keys()
                .map(|path| (path.clone(), before(path)))
                .collect(),
        )
    }
}

/// The body whose officers may change the file at `path`, by the path alone. An agency that is not in
/// the rulebook yet, by `takes_part`, is the board's to let in.
pub fn owner_of(path: &str, takes_part: impl Fn(&str) -> bool) -> Holder {
    let in_folder = |folder| {
        let rest = path.strip_prefix(folder)?;
        rest.split_once('/').map(|(agency, _)| agency)
    };
    let named = |folder, ending| path.strip_prefix(folder)?.strip_suffix(ending);
    let agency = in_folder("agencies/")
        .or_else(|| named("policies/tables/", ".csv"))
        .or_else(|| named("policies/", ".cedar"));
    // What an agency is called gives it no file of the board's.
    let agency = agency.filter(|agency| path != FLOOR_PATH && takes_part(agency));
    match agency.and_then(|agency| agency.parse::<AgencyId>().ok()) {
        Some(agency) => Holder::Agency(agency),
        None => Holder::Board,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(files: &[(&str, &str)]) -> Bundle {
        let mut bundle = Bundle::default();
        for (path, content) in files {
            bundle.insert(*path, *content);
        }
        bundle
    }

    #[test]
    fn changes_lead_to_the_next_text_and_their_inverse_back() {
        let base = bundle(&[("a", "1"), ("b", "2"), ("c", "3")]);
        let next = bundle(&[("a", "1"), ("b", "9"), ("d", "4")]);
        let changes = Changes::between(&base, &next);
        assert_eq!(changes.paths().collect::<Vec<_>>(), ["b", "c", "d"]);
        assert_eq!(changes.applied(&base), next);
        assert_eq!(changes.inverse(&base).applied(&next), base);
        assert!(Changes::between(&base, &base).is_empty());
    }

    #[test]
    fn an_agency_owns_its_folder_its_rules_and_its_table_and_the_board_all_else() {
        let owner = |path| owner_of(path, |agency| ["post", "floor"].contains(&agency)).to_string();
        for path in [
            "agencies/post/agency.toml",
            "agencies/post/post-ca.pem",
            "policies/post.cedar",
            "policies/tables/post.csv",
        ] {
            assert_eq!(owner(path), "post", "{path}");
        }
        for path in [
            "agencies/vet/agency.toml",
            "agencies/post",
            "policies/vet.cedar",
            "policies/floor.cedar",
            "policies/board.toml",
            "policies/tables/post.csv.bak",
            "policies/sub/post.cedar",
            "messages/postal.item/message.toml",
        ] {
            assert_eq!(owner(path), "board", "{path}");
        }
    }
}
