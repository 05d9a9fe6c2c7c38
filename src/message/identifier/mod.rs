//! Identifiers by their own rules, each under the name a schema gives as `format`.
//!
//! Two strengths (domain.md section 4). A *shape* holds always: a text that breaks it is refused
//! wherever it stands. Some formats have a *rule* beyond it, such as a check digit; published
//! identifiers break those, so it refuses only where the identifier is the message's own key and is
//! a warning in the receipt where it is quoted from elsewhere.
//!
//! | format | shape, always | rule, own key only |
//! |---|---|---|
//! | `s10` | two letters, nine digits, two letters | check digit, country |
//! | `container` | three letters, U J or Z, seven digits | check digit |
//! | `mrn` | year, two letters, 13 of both, digit or `F` | check digit, country, procedure |
//! | `ucr` `eori` `tin` `un-locode` | what each `expects` says | country |
//! | `imo`, `awb` | seven, eleven digits | check digit |
//! | `cites-permit` | 1 to 70 printable characters | the form of Res. Conf. 12.3 |
//! | all others | whole rule | |

mod codes;
mod country;
mod currency;
mod time;
mod trade;
mod transport;

pub use currency::minor_unit;
pub use trade::is_hs_prefix;

/// A format: one kind of identifier or code.
#[derive(Debug, Clone, Copy)]
pub struct Format {
    /// Its name in schemas, and the rule's name in refusals and warnings.
    pub name: &'static str,
    /// What must hold wherever it stands.
    pub shape: fn(&str) -> bool,
    /// What must hold besides where it is the message's own key.
    pub rule: Option<fn(&str) -> bool>,
    /// What is expected, to end the sentence "is not ...".
    pub expects: &'static str,
}

impl Format {
    /// The format that schemas call `name`.
    pub fn named(name: &str) -> Option<&'static Self> {
        FORMATS.iter().find(|format| format.name == name)
    }

    /// Whether `text` keeps shape and rule.
    pub fn holds(&self, text: &str) -> bool {
        (self.shape)(text) && self.rule.is_none_or(|rule| rule(text))
    }
}

const fn hard(name: &'static str, shape: fn(&str) -> bool, expects: &'static str) -> Format {
    Format {
        name,
        shape,
        rule: None,
        expects,
    }
}

const fn soft(
    name: &'static str,
    shape: fn(&str) -> bool,
    rule: fn(&str) -> bool,
    expects: &'static str,
) -> Format {
    Format {
        name,
        shape,
        rule: Some(rule),
        expects,
    }
}

/// All formats.
pub const FORMATS: [Format; 22] = [
    soft(
        "s10",
        transport::s10_shape,
        transport::s10,
        "an S10 identifier: two letters, eight digits, their check digit, a country",
    ),
    soft(
        "container",
        transport::container_shape,
        transport::container,
        "a container number (ISO 6346): three letters, U J or Z, six digits, their check digit",
    ),
    soft(
        "imo",
        transport::imo_shape,
        transport::imo,
        "an IMO ship number: six digits and their check digit",
    ),
    soft(
        "awb",
        transport::awb_shape,
        transport::awb,
        "an air waybill number: three digits of the airline, seven digits, their check digit",
    ),
    soft(
        "mrn",
        trade::mrn_shape,
        trade::mrn,
        "an MRN: year, country, twelve characters, procedure, check digit",
    ),
    soft(
        "ucr",
        trade::ucr_shape,
        trade::ucr,
        "a UCR: last digit of the year, country, trader, a hyphen, own reference; at most 35",
    ),
    soft(
        "eori",
        trade::eori_shape,
        trade::eori,
        "an EORI: country and 1 to 15 capital letters or digits",
    ),
    soft(
        "tin",
        trade::eori_shape,
        trade::eori,
        "a TIN: country and 1 to 15 capital letters or digits",
    ),
    hard(
        "aeo",
        trade::aeo,
        "an AEO number: at most 17 capital letters or digits",
    ),
    hard(
        "lrn",
        trade::lrn,
        "an LRN: 1 to 22 printable characters, no blank at its ends",
    ),
    hard(
        "hs",
        trade::hs,
        "a commodity code: 6, 8 or 10 digits of an existing chapter",
    ),
    hard(
        "amount",
        trade::amount,
        "an amount: at most 16 digits, a point and at most 4 decimals",
    ),
    hard("iso-4217", currency::iso_4217, "a currency of ISO 4217"),
    hard(
        "country",
        country::country,
        "a country of ISO 3166-1 (two capital letters)",
    ),
    soft(
        "un-locode",
        trade::un_locode_shape,
        trade::un_locode,
        "a UN/LOCODE: country and three of A-Z and 2-9",
    ),
    soft(
        "cites-permit",
        trade::cites_permit_shape,
        trade::cites_permit,
        "a CITES permit number: year, country, six digits, a slash, two characters",
    ),
    hard(
        "cites-appendix",
        codes::cites_appendix,
        "a CITES appendix: I, II or III",
    ),
    hard(
        "cites-purpose",
        codes::cites_purpose,
        "a CITES purpose code",
    ),
    hard("cites-source", codes::cites_source, "a CITES source code"),
    hard("date", time::date, "a day that exists, as 2026-03-14"),
    hard(
        "date-time",
        time::date_time,
        "a time with its offset, as 2026-03-14T09:26:53+02:00",
    ),
    hard("uuid", codes::uuid, "a UUID"),
];

/// Whether `text` is `length` characters of those that `allowed` takes.
fn all(text: &str, length: std::ops::RangeInclusive<usize>, allowed: fn(u8) -> bool) -> bool {
    length.contains(&text.len()) && text.bytes().all(allowed)
}

fn is_capital_or_digit(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

/// The digits of `text` as numbers; others are left out.
fn digits(text: &str) -> impl Iterator<Item = u32> + '_ {
    text.chars().filter_map(|c| c.to_digit(10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    enum Verdict {
        Right,
        /// Right in shape, wrong by its rule: refused as own key, a warning elsewhere.
        Doubtful,
        Wrong,
    }
    use Verdict::{Doubtful, Right, Wrong};

    fn judged(name: &str, text: &str) -> Verdict {
        let format = Format::named(name).unwrap();
        match ((format.shape)(text), format.holds(text)) {
            (true, true) => Right,
            (true, false) => Doubtful,
            (false, _) => Wrong,
        }
    }

    #[test]
    fn each_identifier_is_judged_by_its_own_rule() {
        let rows = include_str!("examples.txt")
            .lines()
            .filter(|line| !line.starts_with('#'));
        let mut judged_formats = std::collections::BTreeSet::new();
        for row in rows {
            let [name, verdict, text] = row.split('|').collect::<Vec<_>>().try_into().unwrap();
            assert_eq!(
                format!("{:?}", judged(name, text)).to_lowercase(),
                verdict,
                "{row}"
            );
            judged_formats.insert(name);
        }
        assert_eq!(
            judged_formats.len(),
            FORMATS.len(),
            "a format has no example"
        );
    }

    #[test]
    fn the_catalogues_readme_names_every_format() {
        let readme = include_str!("../../../messages/README.md");
        for format in FORMATS {
            assert!(
                readme.contains(&format!("`{}`", format.name)),
                "{}",
                format.name
            );
        }
    }

    #[test]
    fn what_is_not_printable_ascii_is_no_identifier() {
        for format in FORMATS {
            for text in [
                "",
                "\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}",
                "LR\u{e9}",
                "26XA\n",
                "2\u{e9}2\u{e9}2\u{e9}2\u{e9}2\u{e9}2\u{e9}",
            ] {
                assert!(!format.holds(text), "{} {text:?}", format.name);
            }
        }
    }
}
