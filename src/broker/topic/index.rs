//! An index of topic patterns: which queues' patterns match a key, without a look at all of them.
//!
//! ```text
//! declaration.import.*   of 7        root -- declaration -- import -- * {7}
//! declaration.#          of 7, 9               \-- # {7, 9}
//! #.police               of 9          \-- # -- police {9}
//! ```
//! A walk goes down with the set of places in the key that it may have come to, so it comes to no
//! node twice. Before a pattern is taken in, each run of wildcards is brought into one form, `*` of
//! the run first and at most one `#` behind them: `#.#` and `#.*.#` match what `#` and `*.#` do, and
//! would else each be a path of its own. What is left of a key of three words, whatever the patterns
//! are, is at most 96 nodes.

use std::collections::BTreeSet;

use super::key::{Key, words};
use crate::broker::record::QueueId;

/// Words of a key that an index is for: types of messages have two or three, the sender's agency is
/// one. A pattern of more words matches no such key and is not taken in.
pub(crate) const INDEXED_WORDS: usize = 8;

const _: () = assert!(INDEXED_WORDS < 16, "a set of places has 16 bits");

/// Places in a key, each as a bit: before its first word, between two, behind its last.
type Places = u16;

/// Patterns and the queues that have them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    root: Node,
}

#[derive(Debug, Clone, Default)]
struct Node {
    /// By word, in order.
    words: Vec<(Box<str>, Node)>,
    /// `*`
    one: Option<Box<Node>>,
    /// `#`
    any: Option<Box<Node>>,
    /// Queues with patterns that end here, in order, each with how many: two patterns may be one in this
    /// form.
    queues: Vec<(QueueId, u32)>,
}

/// A word of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part<'p> {
    Word(&'p str),
    One,
    Any,
}

impl Index {
    /// Takes in a pattern of a queue, once more if it has it already.
    pub(crate) fn insert(&mut self, pattern: &str, queue: QueueId) {
        if let Some(parts) = parts(pattern) {
            self.root.insert(&parts, queue);
        }
    }

    /// Takes out a pattern that was taken in.
    pub(crate) fn remove(&mut self, pattern: &str, queue: QueueId) {
        if let Some(parts) = parts(pattern) {
            self.root.remove(&parts, queue);
        }
    }

    /// Queues with a pattern that matches, in order; `None` where the key has more words than an
    /// index is for.
    pub(crate) fn find(&self, key: &Key<'_>) -> Option<Vec<QueueId>> {
        if key.words.len() > INDEXED_WORDS {
            return None;
        }
        let mut walk = Walk {
            key: &key.words,
            found: BTreeSet::new(),
            nodes: 0,
        };
        walk.visit(&self.root, 1);
        Some(walk.found.into_iter().collect())
    }
}

impl Node {
    fn is_empty(&self) -> bool {
        let leads_on = !self.words.is_empty() || self.one.is_some() || self.any.is_some();
        !leads_on && self.queues.is_empty()
    }

    fn child(&self, word: &str) -> Result<usize, usize> {
        self.words
            .binary_search_by(|(other, _)| (**other).cmp(word))
    }

    fn insert(&mut self, parts: &[Part<'_>], queue: QueueId) {
        let Some((part, rest)) = parts.split_first() else {
            let place = self.queues.binary_search_by_key(&queue, |(id, _)| *id);
            match place.map(|place| self.queues.get_mut(place)) {
                Ok(known) => known.into_iter().for_each(|(_, count)| *count += 1),
                Err(place) => self.queues.insert(place, (queue, 1)),
            }
            return;
        };
        match part {
            Part::One => self.one.get_or_insert_default().insert(rest, queue),
            Part::Any => self.any.get_or_insert_default().insert(rest, queue),
            Part::Word(word) => match self.child(word).map(|place| self.words.get_mut(place)) {
                Ok(known) => known.into_iter().for_each(|(_, it)| it.insert(rest, queue)),
                Err(place) => {
                    let mut child = Self::default();
                    child.insert(rest, queue);
                    if self.words.is_empty() {
                        // Most have one: four, as a vector begins with, would be three for nothing.
                        self.words.reserve_exact(1);
                    }
                    self.words.insert(place, ((*word).into(), child));
                }
            },
        }
    }

    /// Takes a queue's pattern out, and nodes that lead to nothing then.
    fn remove(&mut self, parts: &[Part<'_>], queue: QueueId) {
        let Some((part, rest)) = parts.split_first() else {
            let place = self.queues.binary_search_by_key(&queue, |(id, _)| *id);
            if let Ok(place) = place
                && let Some((_, count)) = self.queues.get_mut(place)
            {
                *count -= 1;
                if *count == 0 {
                    self.queues.remove(place);
                }
            }
            return;
        };
        let wildcard = match part {
            Part::One => &mut self.one,
            Part::Any => &mut self.any,
            Part::Word(word) => {
                if let Ok(place) = self.child(word)
                    && let Some((_, child)) = self.words.get_mut(place)
                {
                    child.remove(rest, queue);
                    if child.is_empty() {
                        self.words.remove(place);
                    }
                }
                return;
            }
        };
        if let Some(child) = wildcard {
            child.remove(rest, queue);
            if child.is_empty() {
                *wildcard = None;
            }
        }
    }
}

struct Walk<'k> {
    key: &'k [&'k str],
    found: BTreeSet<QueueId>,
    /// Nodes that were visited.
    nodes: usize,
}

impl Walk<'_> {
    /// Goes on from a node, to which the words before each of these places have led.
    fn visit(&mut self, node: &Node, places: Places) {
        self.nodes += 1;
        let end = 1 << self.key.len();
        if places & end != 0 {
            self.found
                .extend(node.queues.iter().map(|(queue, _)| *queue));
        }
        let before_end = places & (end - 1);
        if let Some(one) = &node.one
            && before_end != 0
        {
            self.visit(one, before_end << 1);
        }
        if let Some(any) = &node.any {
            // From the first of the places on, all.
            let first = places & places.wrapping_neg();
            self.visit(any, (end | (end - 1)) & !(first - 1));
        }
        if node.words.is_empty() {
            return;
        }
        let mut seen: Places = 0;
        for (place, word) in self.key.iter().enumerate() {
            if before_end & (1 << place) == 0 || seen & (1 << place) != 0 {
                continue;
            }
            let same = self.key.iter().enumerate().skip(place);
            let same = same.filter(|(_, other)| *other == word);
            let here = same.fold(0, |here: Places, (place, _)| here | 1 << place);
            seen |= here;
            if let Some((_, child)) = node
                .child(word)
                .ok()
                .and_then(|child| node.words.get(child))
            {
                self.visit(child, (here & before_end) << 1);
            }
        }
    }
}

/// A pattern's words with its runs of wildcards in one form; `None` where it wants more words than
/// an index is for.
fn parts(pattern: &str) -> Option<Vec<Part<'_>>> {
    let (mut parts, mut count, mut any) = (Vec::new(), 0, false);
    for word in words(pattern) {
        if word == "#" {
            any = true;
            continue;
        }
        count += 1;
        if count > INDEXED_WORDS {
            return None;
        }
        if word == "*" {
            parts.push(Part::One);
            continue;
        }
        parts.extend(std::mem::take(&mut any).then_some(Part::Any));
        parts.push(Part::Word(word));
    }
    parts.extend(any.then_some(Part::Any));
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn text() -> impl Strategy<Value = String> {
        let word = prop::sample::select(vec!["a", "b", "", "*", "#", "#", "*", "a", "c"]);
        prop::collection::vec(word, 0..11).prop_map(|words| words.join("."))
    }

    proptest! {
        #[test]
        fn it_finds_what_matches_whatever_was_taken_in_and_out(
            acts in prop::collection::vec((any::<bool>(), text(), 0..4_u64), 1..60),
            again in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
            keys in prop::collection::vec(text(), 1..20),
        ) {
            let mut index = Index::default();
            let mut model: BTreeMap<(String, u64), u64> = BTreeMap::new();
            let known = again.iter().map(|at| {
                let (_, pattern, queue) = at.get(&acts);
                (false, pattern.clone(), *queue)
            });
            for (comes, pattern, queue) in acts.iter().cloned().chain(known) {
                let count = model.entry((pattern.clone(), queue)).or_default();
                if comes {
                    index.insert(&pattern, QueueId(queue));
                    *count += 1;
                } else if *count > 0 {
                    index.remove(&pattern, QueueId(queue));
                    *count -= 1;
                }
            }
            for key in keys {
                let key = Key::new(&key);
                let matching = model.iter().filter(|((pattern, _), count)| {
                    **count > 0 && key.matches(pattern)
                });
                let matching: BTreeSet<QueueId> =
                    matching.map(|((_, queue), _)| QueueId(*queue)).collect();
                match index.find(&key) {
                    Some(found) => prop_assert_eq!(found, Vec::from_iter(matching)),
                    None => prop_assert!(key.words.len() > INDEXED_WORDS),
                }
            }
            for ((pattern, queue), count) in model {
                (0..count).for_each(|_| index.remove(&pattern, QueueId(queue)));
            }
            prop_assert!(index.root.is_empty(), "{:?}", index);
        }
    }

    /// Every pattern of up to so many words.
    fn all(words: &[&str], most: usize) -> Vec<String> {
        let mut all = vec![String::new()];
        let mut last = all.clone();
        for _ in 0..most {
            let longer = last.iter().flat_map(|pattern| {
                let join = move |word: &&str| match pattern.as_str() {
                    "" => (*word).to_owned(),
                    pattern => format!("{pattern}.{word}"),
                };
                words.iter().map(join)
            });
            last = longer.collect();
            all.extend(last.iter().cloned());
        }
        all
    }

    #[test]
    fn a_walk_comes_to_as_few_nodes_whoever_made_the_patterns() {
        let mut index = Index::default();
        for pattern in all(&["postal", "item", "post", "*", "#"], 7) {
            index.insert(&pattern, QueueId(1));
        }
        let key = Key::new("postal.item.post");
        let mut walk = Walk {
            key: &key.words,
            found: BTreeSet::new(),
            nodes: 0,
        };
        walk.visit(&index.root, 1);
        assert_eq!(walk.nodes, 96, "of all that there are");
        assert_eq!(walk.found.len(), 1);
    }
}
