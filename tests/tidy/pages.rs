//! Documentation that is checked like code: the README's promises, and every link.

use crate::tree::{Finding, Tree, extension, folder};

const README: &str = "README.md";
/// What a newcomer types first.
const COMMANDS: [&str; 2] = ["cargo run --release -- demo", "tests/run.sh"];
/// The first connection is shown as it is tested, to the letter.
const EXAMPLE: &str = "tests/interop/first_connection.py";

/// A README without its commands, or with an example that no test runs; CI that runs something else.
pub(crate) fn readme(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(text) = tree.text(README) {
        let missing = COMMANDS.iter().filter(|command| !text.contains(**command));
        found.extend(missing.map(|command| {
            Finding::new(README, 0, format!("does not name the command `{command}`"))
        }));
        if tree
            .text(EXAMPLE)
            .is_some_and(|example| !text.contains(example.trim_end()))
        {
            found.push(Finding::new(
                README,
                0,
                format!("does not show {EXAMPLE} as it is tested"),
            ));
        }
    }
    if !tree
        .text(".ci/run")
        .is_some_and(|text| text.contains("tests/run.sh"))
    {
        found.push(Finding::new(".ci/run", 0, "does not run tests/run.sh"));
    }
    found
}

/// Links in Markdown to files, folders or headings that are not there. The web is not asked.
pub(crate) fn dead_links(tree: &Tree) -> Vec<Finding> {
    let pages = tree.files().filter(|(path, _)| extension(path) == "md");
    let mut found = Vec::new();
    for (page, text) in pages {
        for (line, target) in links(text) {
            if let Some(says) = dead(tree, page, &target) {
                found.push(Finding::new(page, line, says));
            }
        }
    }
    found
}

fn dead(tree: &Tree, page: &str, target: &str) -> Option<String> {
    let elsewhere = ["http://", "https://", "mailto:"]
        .iter()
        .any(|scheme| target.starts_with(scheme));
    if elsewhere {
        return None;
    }
    let (path, heading) = target
        .split_once('#')
        .map_or((target, None), |(p, h)| (p, Some(h)));
    let file = if path.is_empty() {
        page.to_owned()
    } else {
        resolved(folder(page), path)?
    };
    if !tree.has_file_or_folder(&file) {
        return Some(format!("`{target}` leads nowhere: there is no {file}"));
    }
    let heading = heading?;
    let known = tree
        .text(&file)
        .is_some_and(|text| headings(text).iter().any(|h| h == heading));
    (!known).then(|| format!("`{target}` leads nowhere: {file} has no heading #{heading}"))
}

/// A relative path from `folder`, climbed; nothing when it is absolute, which only a site resolves.
fn resolved(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    if path.starts_with('/') {
        return Some(path.to_owned());
    }
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// Line and target of each link outside code.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (line, at) in prose(text) {
        let inline = line
            .match_indices("](")
            .map(|(start, _)| &line[start + 2..]);
        let defined = line
            .starts_with('[')
            .then(|| line.split_once("]: "))
            .flatten();
        for rest in inline.chain(defined.map(|(_, rest)| rest)) {
            let target = rest.trim_start_matches('<');
            let end = target.find([')', ' ', '>']).unwrap_or(target.len());
            found.push((at, target[..end].to_owned()));
        }
    }
    found
}

/// The lines outside fenced blocks, code spans taken out, numbered from 1.
fn prose(text: &str) -> Vec<(String, usize)> {
    let mut fenced = false;
    let mut found = Vec::new();
    for (line, at) in text.lines().zip(1..) {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            found.push((line.split('`').step_by(2).collect(), at));
        }
    }
    found
}

/// The anchors of a page's headings, as forges make them.
fn headings(text: &str) -> Vec<String> {
    let mut fenced = false;
    let mut anchors: Vec<String> = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced || !line.starts_with('#') {
            continue;
        }
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        let again = anchors.iter().filter(|known| **known == anchor).count();
        anchors.push(if again == 0 {
            anchor
        } else {
            format!("{anchor}-{again}")
        });
    }
    anchors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::places;

    const CI: (&str, &str) = (".ci/run", "exec tests/run.sh");

    #[test]
    fn a_readme_without_a_command_or_with_an_untested_example_is_found() {
        let whole = "cargo run --release -- demo\ntests/run.sh\nimport pika\n";
        let example = (EXAMPLE, "import pika\n");
        assert_eq!(readme(&Tree::of(&[CI, (README, whole), example])), []);
        assert_eq!(
            readme(&Tree::of(&[CI, (README, "tests/run.sh"), example])).len(),
            2
        );
        assert_eq!(
            readme(&Tree::of(&[
                CI,
                (README, whole),
                (EXAMPLE, "import aio_pika")
            ]))
            .len(),
            1
        );
        assert_eq!(readme(&Tree::of(&[CI, example])), []);
        assert_eq!(
            places(&readme(&Tree::of(&[(".ci/run", "true")]))),
            [(".ci/run", 0)]
        );
    }

    #[test]
    fn a_link_that_leads_nowhere_is_found() {
        let page = concat!(
            "# Start\n",
            "[gone](gone.md) and [no heading](log.md#absent)\n",
            "![picture](../pictures/map.png)\n",
            "[defined]: elsewhere/\n",
            "[own](#nothing)\n",
            "[above](../../outside.md)\n",
        );
        let tree = Tree::of(&[("docs/start.md", page), ("docs/log.md", "# The log\n")]);
        let lines: Vec<usize> = dead_links(&tree)
            .iter()
            .map(|finding| finding.line)
            .collect();
        assert_eq!(lines, [2, 2, 3, 4, 5]);
    }

    #[test]
    fn links_that_lead_somewhere_and_code_are_left_alone() {
        let page = concat!(
            "# Start here, again\n",
            "[log](log.md#the-log-and-its-keys) [same](#start-here-again) [map](../src)\n",
            "[web](https://example.org/x) `[code](nowhere.md)`\n",
            "```\n[fenced](nowhere.md)\n```\n",
        );
        let tree = Tree::of(&[
            ("docs/start.md", page),
            ("docs/log.md", "# A\n## The log, and its `keys`\n"),
            ("src/lib.rs", ""),
        ]);
        assert_eq!(dead_links(&tree), []);
    }
}
