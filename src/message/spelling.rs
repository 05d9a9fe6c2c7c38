//! Names that were likely meant where another was written.

/// Letters of a name that are compared.
const LETTERS_MAX: usize = 64;

/// The known name that was likely meant: at most two letters away, or a third of its length.
pub fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let by_letters = near(name, known).into_iter().next();
    // The same words in another order: `ImportDeclaration`.
    let words = words(name);
    let mut known = known.iter().copied();
    by_letters.or_else(|| known.find(|known| self::words(known) == words))
}

/// The words of a name in small letters, sorted: those between signs, and between small and capital
/// letters.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for letter in name.chars() {
        if letter.is_uppercase() || !letter.is_alphanumeric() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| letter.is_alphanumeric()) {
            word.extend(letter.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words.sort();
    words
}

/// All known names that may have been meant, the nearest first; capital and small letters are one.
pub(super) fn near<'k>(name: &str, known: &[&'k str]) -> Vec<&'k str> {
    let with_distance = known
        .iter()
        .map(|candidate| (distance(name, candidate), *candidate));
    let is_near =
        |(letters, candidate): &(usize, &str)| *letters <= 2.max(candidate.chars().count() / 3);
    let mut near: Vec<_> = with_distance.filter(is_near).collect();
    near.sort_unstable();
    near.into_iter().map(|(_, candidate)| candidate).collect()
}

/// How many letters of one are changed, added or removed in the other.
fn distance(one: &str, other: &str) -> usize {
    let letters = |text: &str| -> String {
        let letters = text.chars().flat_map(char::to_lowercase);
        letters.take(LETTERS_MAX).collect()
    };
    strsim::levenshtein(&letters(one), &letters(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance_counts_letters_changed_added_and_removed() {
        for (one, other, letters) in [
            ("", "", 0),
            ("unit", "Unit", 0),
            ("uint", "unit", 2),
            ("send", "sends", 1),
        ] {
            assert_eq!(distance(one, other), letters, "{one} {other}");
        }
        assert_eq!(
            nearest("certifcate", &["unit", "certificate"]),
            Some("certificate")
        );
        assert_eq!(nearest("colour", &["unit", "certificate"]), None);
        assert_eq!(
            near("Consigneee", &["Goods", "Consignor", "Consignee"]),
            ["Consignee", "Consignor"]
        );
    }
}
