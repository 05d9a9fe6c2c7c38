//! What a token leaves of its system's rights: `scope`, in the convention of RabbitMQ's OAuth 2 plug-in.
//!
//! ```text
//! carnet.read:*/inbox  carnet.write:*/declaration.*  carnet.write:*/release.notice
//! ```
//! A scope can only take: what it names and the system has not stays absent. What it does not know of, it
//! gives nothing for.

use super::registry::{System, TypePattern};

/// The rights that a token names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// Standing queues by name, or `*` for all.
    reads: Vec<String>,
    sends: Vec<TypePattern>,
}

impl Scope {
    /// Reads the claim. Names of other resources and permissions are passed over.
    pub fn read(text: &str) -> Self {
        let mut scope = Self {
            reads: Vec::new(),
            sends: Vec::new(),
        };
        for word in text.split_ascii_whitespace() {
            let named = word
                .strip_prefix("carnet.")
                .and_then(|it| it.split_once(':'));
            let Some((permission, place)) = named else {
                continue;
            };
            // The one virtual host, by its name or by any.
            let place = place
                .strip_prefix("*/")
                .or_else(|| place.strip_prefix("%2F/"));
            match (permission, place) {
                ("read", Some(queue)) => scope.reads.push(queue.to_owned()),
                ("write", Some(pattern)) => scope.sends.extend(pattern.parse::<TypePattern>().ok()),
                _ => {}
            }
        }
        scope
    }

    /// The system with the rights that are both its own and named.
    pub fn narrow(&self, system: &System) -> System {
        let named = |queue: &&String| self.reads.iter().any(|it| it == "*" || it == *queue);
        let sends = system.sends.iter().flat_map(|own| {
            let named = self.sends.iter();
            named.filter_map(|named| own.both(named))
        });
        System {
            reads: system.reads.iter().filter(named).cloned().collect(),
            sends: sends.collect(),
            ..system.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agency::registry::{MessageIdRule, Receipts};

    fn system() -> System {
        System {
            name: "declarations".parse().unwrap(),
            unit: "main".parse().unwrap(),
            certificate: "CN=x".to_owned(),
            sends: ["declaration.*", "release.notice"]
                .map(|it| it.parse().unwrap())
                .into(),
            reads: ["inbox", "receipts"].map(str::to_owned).into(),
            networks: Vec::new(),
            message_id: MessageIdRule::Required,
            receipts: Receipts::All,
        }
    }

    /// Types and queues that are left of the system's.
    fn left(scope: &str) -> String {
        let left = Scope::read(scope).narrow(&system());
        let sends: Vec<String> = left.sends.iter().map(ToString::to_string).collect();
        let reads: Vec<String> = left.reads.into_iter().collect();
        format!("{} | {}", sends.join(" "), reads.join(" "))
    }

    #[test]
    fn a_scope_takes_rights_and_gives_none() {
        let all = "carnet.read:*/* carnet.write:*/*";
        assert_eq!(left(all), "declaration.* release.notice | inbox receipts");
        let some = "carnet.read:*/inbox carnet.write:%2F/declaration.import";
        assert_eq!(left(some), "declaration.import | inbox");
        assert_eq!(
            left("carnet.write:*/declaration.import.*"),
            "declaration.import.* | "
        );
        // What the system has not is not given: wider, beside, or in another place.
        for scope in [
            "",
            "openid profile",
            "carnet.read:*/dead carnet.write:*/cargo.report",
            "carnet.write:*/declarations.*",
            "carnet.write:*/declaration",
            "carnet.write:other/declaration.*",
            "carnet.configure:*/* carnet.tag:administrator",
            "other.write:*/* write:*/* carnet.write:*",
            "carnet.read:*/inbox.investigation carnet.read:*/in*",
        ] {
            assert_eq!(left(scope), " | ", "{scope}");
        }
    }

    #[test]
    fn two_patterns_leave_what_both_cover() {
        let patterns = ["*", "a.*", "a.b.*", "a.b", "a.b.c", "b.*"];
        let types = ["a.b", "a.b.c", "a.c", "b.c", "a"];
        for one in patterns {
            for other in patterns {
                let (one, other): (TypePattern, TypePattern) =
                    (one.parse().unwrap(), other.parse().unwrap());
                let both = one.both(&other);
                for kind in types {
                    let covered = both.as_ref().is_some_and(|it| it.covers(kind));
                    assert_eq!(
                        covered,
                        one.covers(kind) && other.covers(kind),
                        "{one} {other} {kind}"
                    );
                }
            }
        }
    }
}
