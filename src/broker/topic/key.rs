//! A routing key, and whether a pattern matches it.

/// A routing key, split once for the many patterns that it is held against.
#[derive(Debug)]
pub(crate) struct Key<'k> {
    pub(super) words: Vec<&'k str>,
}

impl<'k> Key<'k> {
    /// Splits it.
    pub(crate) fn new(key: &'k str) -> Self {
        let words = words(key).collect();
        Self { words }
    }

    /// Whether it matches the binding key `pattern` of a topic exchange.
    pub(crate) fn matches(&self, pattern: &str) -> bool {
        // Two cursors and one place to come back to: linear in the key for each `#`, never exponential.
        let (mut rest, mut at) = (words(pattern), 0);
        let mut retry = None;
        while let Some(word) = self.words.get(at) {
            let mut next = rest.clone();
            match next.next() {
                Some("#") => {
                    retry = Some((next.clone(), at));
                    rest = next;
                }
                Some(want) if want == "*" || want == *word => {
                    rest = next;
                    at += 1;
                }
                _ => {
                    let Some((back, from)) = &mut retry else {
                        return false;
                    };
                    *from += 1;
                    at = *from;
                    rest = back.clone();
                }
            }
        }
        rest.all(|word| word == "#")
    }
}

/// The empty key has no word, `a.` has two.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> + Clone {
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
            assert_eq!(
                Key::new(key).matches(pattern),
                expected,
                "{pattern} against {key}"
            );
        }
    }
}
