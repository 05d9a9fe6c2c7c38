//! A new rule, begun from one that there is.

use cedar_policy::PolicySet;

use crate::cli::failed::{Failed, no_such};
use crate::cli::output;
use crate::config::{Config, read_bundle};
use crate::message::bundle::Bundle;
use crate::policy::rulebook::Rulebook;
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
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        let bundle = read_bundle(config)?;
        let rulebook = Rulebook::load(&bundle)?;
        if let Some(there) = rulebook.rule(&self.id) {
            let says = format!("there is a rule {} at {}", self.id, there.place);
            return Err(Failed::Usage(says));
        }
        let rule = rulebook.rule(&self.from).ok_or_else(|| {
            let ids: Vec<String> = rulebook.rules().map(|rule| rule.id.to_string()).collect();
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            no_such("rule", &self.from.to_string(), &ids, "`carnet check`")
        })?;
        let text = text_of(&bundle, &rule.place).ok_or_else(|| {
            Failed::CannotRun(format!("the text of {} cannot be told apart", self.from))
        })?;
        let (old, new) = (
            format!("@id(\"{}\")", self.from),
            format!("@id(\"{}\")", self.id),
        );
        output::text(&format!("\n{}\n", text.replacen(&old, &new, 1)))
    }
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
