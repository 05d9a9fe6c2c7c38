//! Topic patterns: words joined by dots, `*` for exactly one, `#` for any number, empty words count.

/// Whether `key` matches the binding key `pattern` of a topic exchange.
pub fn matches(pattern: &str, key: &str) -> bool {
    let pattern: Vec<&str> = words(pattern).collect();
    let key: Vec<&str> = words(key).collect();
    // Two cursors and one place to come back to: linear in the key for each `#`, never exponential.
    let (mut at, mut word) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while word < key.len() {
        match pattern.get(at) {
            Some(&"#") => {
                retry = Some((at + 1, word));
                at += 1;
            }
            Some(want) if *want == "*" || Some(want) == key.get(word) => {
                at += 1;
                word += 1;
            }
            _ => {
                let Some((back, from)) = retry else {
                    return false;
                };
                retry = Some((back, from + 1));
                at = back;
                word = from + 1;
            }
        }
    }
    pattern.iter().skip(at).all(|rest| *rest == "#")
}

/// The empty key has no word, `a.` has two.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split('.').filter(move |_| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_topic_exchanges_do() {
        let table = [
            ("a.#", "a", true),
            ("#", "", true),
            ("", "", true),
            ("*", "", false),
            ("a.*", "a.", true),
            ("a.*", "a", false),
            ("a.*", "a.b.c", false),
            ("#.c", "a.b.c", true),
            ("a.#.c", "a.c", true),
            ("a.#.c", "a.b.b.c", true),
            ("a.#.c.#", "a.b.c.d", true),
            ("#.#", "a", true),
            ("declaration.import.*", "declaration.import.customs", true),
            ("declaration.*", "declaration.import.customs", false),
        ];
        for (pattern, key, expected) in table {
            assert_eq!(matches(pattern, key), expected, "{pattern} against {key}");
        }
    }
}
