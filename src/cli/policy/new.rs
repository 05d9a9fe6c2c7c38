//! A new rule, begun from one that there is.

use cedar_policy::PolicySet;

use crate::cli::failed::Failed;
use crate::cli::output;
use crate::config::{Config, read_bundle};
use crate::message::bundle::Bundle;
use crate::policy::words::PolicyId;

/// Print a rule of the folders under another id, to be changed and put beside it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  carnet policy new post-vet --from post-environment-regulated >> policies/post.cedar"
)]
pub(in crate::cli) struct New {
    /// The new rule's id
    id: PolicyId,
    /// The rule that it begins from
    #[arg(long, value_name = "RULE")]
    from: PolicyId,
}

impl New {
    /// By the text of the folder alone, which may be a part of a rulebook, as `export` writes it.
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        let bundle = read_bundle(config)?;
        if let Some(place) = place_of(&bundle, &self.id) {
            let says = format!("there is a rule {} at {place}", self.id);
            return Err(Failed::Usage(says));
        }
        let place = place_of(&bundle, &self.from);
        let text = place.as_deref().and_then(|place| text_of(&bundle, place));
        let text = text.ok_or_else(|| {
            let says = format!("there is no rule {} in the folder of policies", self.from);
            Failed::Usage(says)
        })?;
        output::text(&format!(
            "\n{}\n",
            text.replacen(&annotation(&self.from), &annotation(&self.id), 1)
        ))
    }
}

fn annotation(id: &PolicyId) -> String {
    format!("@id(\"{id}\")")
}

/// Where the policy of this id begins, such as `policies/post.cedar:12`.
fn place_of(bundle: &Bundle, id: &PolicyId) -> Option<String> {
    let wanted = annotation(id);
    bundle.files().find_map(|(path, content)| {
        let name = path.strip_prefix("policies/");
        let is_rules = name.is_some_and(|name| name.strip_suffix(".cedar").is_some());
        let text = std::str::from_utf8(content).ok().filter(|_| is_rules)?;
        let line = text.lines().position(|line| line.starts_with(&wanted))?;
        Some(format!("{path}:{}", line + 1))
    })
}

/// The text of the policy that begins at a place such as `policies/post.cedar:12`.
fn text_of<'b>(bundle: &'b Bundle, place: &str) -> Option<&'b str> {
    let (path, line) = place.rsplit_once(':')?;
    let file = bundle.text(path).ok()?;
    let before: usize = {
        let lines = file.split_inclusive('\n');
        lines
            .take(line.parse::<usize>().ok()?.checked_sub(1)?)
            .map(str::len)
            .sum()
    };
    let rest = file.get(before..)?;
    let ends = rest.match_indices(';').map(|(at, _)| rest.get(..=at));
    // A semicolon may stand in a text.
    ends.flatten().find(|text| {
        let parsed: Result<PolicySet, _> = text.parse();
        parsed.is_ok_and(|parsed| parsed.policies().count() == 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_ends_at_its_own_semicolon() {
        let mut bundle = Bundle::default();
        let one = "@id(\"one\")\n@title(\"a; b\")\npermit (principal, action, resource);";
        let text =
            format!("// A file.\n{one}\n@id(\"two\")\nforbid (principal, action, resource);\n");
        bundle.insert("policies/post.cedar", text);
        assert_eq!(text_of(&bundle, "policies/post.cedar:2"), Some(one));
        let two = text_of(&bundle, "policies/post.cedar:5").unwrap();
        assert!(two.starts_with("@id(\"two\")") && two.ends_with("resource);"));
        assert_eq!(text_of(&bundle, "policies/post.cedar:99"), None);
    }
}
