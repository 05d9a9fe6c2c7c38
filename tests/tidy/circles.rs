//! Import circles: files of one module of which each uses, by way of others, itself.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::layers::{module_of, product_files};
use crate::source::{Source, paths};
use crate::tree::{Finding, Tree};

/// What each file uses of its own module: the other files, each with the line that first names it.
type Uses<'a> = BTreeMap<&'a str, BTreeMap<&'a str, usize>>;

/// A file that uses itself by way of others, shown once for each circle that it is the first of.
pub(crate) fn circles(tree: &Tree) -> Vec<Finding> {
    let uses = uses(tree);
    let mut found = Vec::new();
    let mut told = BTreeSet::new();
    for &file in uses.keys() {
        let Some(way) = way_back(&uses, file) else {
            continue;
        };
        if !way.iter().any(|step| told.contains(step)) {
            let line = uses[file][way[1 % way.len()]];
            let says = format!("an import circle: {} -> {file}", way.join(" -> "));
            found.push(Finding::new(file, line, says));
        }
        told.extend(way);
    }
    found
}

/// The shortest way from `file` to itself, without its end.
fn way_back<'a>(uses: &Uses<'a>, file: &'a str) -> Option<Vec<&'a str>> {
    let mut ways = VecDeque::from([vec![file]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        for &next in uses.get(way.last()?)?.keys() {
            if next == file {
                return Some(way);
            }
            if seen.insert(next) {
                let further = way.iter().copied().chain([next]).collect();
                ways.push_back(further);
            }
        }
    }
    None
}

fn uses(tree: &Tree) -> Uses<'_> {
    let files: BTreeMap<String, &str> = product_files(tree)
        .map(|(path, _)| (module_path(path), path))
        .collect();
    let mut uses = Uses::new();
    for (path, text) in product_files(tree).filter(|(path, _)| module_of(path).is_some()) {
        let own = uses.entry(path).or_default();
        let module = module_path(path);
        // How far an item is seen is no use of what sees it.
        let code = Source::of(text)
            .product_code()
            .replace("(in crate::", "(in ");
        for (line, named) in paths(&code) {
            let target = file_named(&files, &module, &named);
            if let Some(used) = target.filter(|&target| target != path)
                && module_of(used) == module_of(path)
            {
                own.entry(used).or_insert(line);
            }
        }
    }
    uses
}

/// `src/policy/possible/mod.rs` to `policy::possible`.
fn module_path(path: &str) -> String {
    let stem = path.trim_start_matches("src/").trim_end_matches(".rs");
    stem.trim_end_matches("/mod").replace('/', "::")
}

/// The file whose module a path goes into, or whose item it names.
fn file_named<'a>(files: &BTreeMap<String, &'a str>, own: &str, named: &str) -> Option<&'a str> {
    let absolute = match named.strip_prefix("crate::") {
        Some(rest) => rest.to_owned(),
        None => from_inside(files, own, named)?,
    };
    let ends = absolute.match_indices("::").map(|(at, _)| at);
    let mut ends: Vec<usize> = ends.chain([absolute.len()]).collect();
    ends.reverse();
    ends.into_iter()
        .find_map(|end| files.get(&absolute[..end]).copied())
}

/// A path that begins at the module itself, above it, or at a file below it.
fn from_inside(files: &BTreeMap<String, &str>, own: &str, named: &str) -> Option<String> {
    let named = named.strip_prefix("self::").unwrap_or(named);
    let rest = named.trim_start_matches("super::");
    let mut base = own;
    for _ in 0..(named.len() - rest.len()) / "super::".len() {
        base = base.rsplit_once("::").map_or("", |(above, _)| above);
    }
    let whole = format!("{base}::{rest}");
    let child = format!("{own}::{}", rest.split("::").next()?);
    let a_path = rest.len() < named.len() || rest.contains("::");
    (a_path && (base != own || files.contains_key(&child))).then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::places;

    #[test]
    fn a_circle_is_found_however_its_uses_are_written() {
        let tree = Tree::of(&[
            ("src/policy/mod.rs", "mod a; mod b; mod c;"),
            ("src/policy/a.rs", "use super::b::B;"),
            ("src/policy/b.rs", "\nfn f() { crate::policy::c::C::new() }"),
            ("src/policy/c.rs", "use crate::policy::{b::B, d};"),
            ("src/policy/d/mod.rs", "mod e;\nuse e::E;"),
            ("src/policy/d/e.rs", "use super::D;"),
        ]);
        let found = circles(&tree);
        assert_eq!(
            places(&found),
            [("src/policy/b.rs", 2), ("src/policy/d/e.rs", 1)]
        );
        assert_eq!(
            found[0].says,
            "an import circle: src/policy/b.rs -> src/policy/c.rs -> src/policy/b.rs"
        );
    }

    #[test]
    fn declaring_a_file_and_a_unit_test_make_no_circle() {
        let tree = Tree::of(&[
            ("src/policy/a.rs", "mod b;\npub struct A;"),
            ("src/policy/a/b.rs", "use super::A;\nuse crate::message::M;"),
            (
                "src/policy/c.rs",
                "#[cfg(test)]\nmod tests { use crate::policy::d::D; }",
            ),
            ("src/policy/d.rs", "use super::c::C; // and super::d\n"),
            ("src/policy/e.rs", "use f::F;\npub(super) struct E;"),
            ("src/policy/e/f.rs", "pub(in crate::policy::e) struct F;"),
            ("src/message/mod.rs", "use crate::policy::a::A;"),
        ]);
        assert_eq!(circles(&tree), []);
    }
}
