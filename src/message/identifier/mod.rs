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
//! | `name`, `text` | shows something, no control characters | |
//! | all others | whole rule | |

mod codes;
mod country;
mod currency;
mod layout;
mod text;
mod time;
mod trade;
mod transport;

pub(crate) use currency::minor_unit;
use layout::Part;
pub(crate) use trade::is_hs_prefix;

/// A format: one kind of identifier, code or text.
#[derive(Debug, Clone, Copy)]
pub struct Format {
    /// Its name in schemas, and the rule's name in refusals and warnings.
    pub name: &'static str,
    shape: Shape,
    beyond: Option<Further>,
    /// What is expected, to end the sentence "is not ...".
    pub expects: &'static str,
    /// One that is right.
    pub example: &'static str,
    /// One that is not.
    pub slip: &'static str,
}

/// What must hold besides the shape where it is the message's own key: what is wrong, where it does
/// not.
type Further = fn(&str) -> Result<(), String>;

/// What must hold wherever a format stands.
#[derive(Debug, Clone, Copy)]
enum Shape {
    /// Parts of a fixed length.
    Parts(&'static [Part]),
    /// Whether it holds, and what is wrong where it does not and more can be said than what is
    /// expected.
    Free(fn(&str) -> bool, fn(&str) -> Option<String>),
}

impl Format {
    /// The format that schemas call `name`.
    pub fn named(name: &str) -> Option<&'static Self> {
        FORMATS.iter().find(|format| format.name == name)
    }

    /// Whether `text` has the shape that holds wherever it stands.
    pub fn fits(&self, text: &str) -> bool {
        match self.shape {
            Shape::Parts(parts) => layout::fits(text, parts),
            Shape::Free(holds, _) => holds(text),
        }
    }

    /// Whether there is a rule beyond the shape.
    pub fn has_rule(&self) -> bool {
        self.beyond.is_some()
    }

    /// What of a text of the right shape breaks the rule beyond it.
    pub fn broken(&self, text: &str) -> Option<String> {
        self.beyond.and_then(|rule| rule(text).err())
    }

    /// What is wrong with a text that has not the shape: the part, where that can be said.
    pub fn says(&self, text: &str) -> String {
        let wrong = match self.shape {
            Shape::Parts(parts) => layout::wrong(text, parts),
            Shape::Free(_, wrong) => wrong(text),
        };
        wrong.unwrap_or_else(|| format!("is not {}", self.expects))
    }

    /// What is wrong with a text, if anything is.
    pub fn fault_of(&self, text: &str) -> Option<String> {
        if self.fits(text) {
            self.broken(text)
        } else {
            Some(self.says(text))
        }
    }
}

/// Whether `text` is one line that shows something, without control characters.
pub(crate) fn is_name(name: &str) -> bool {
    text::name(name)
}

/// Whether `text` shows something, and has no control characters but line breaks and tabs.
pub(crate) fn is_text(several: &str) -> bool {
    text::text(several)
}

const fn free(name: &'static str, holds: fn(&str) -> bool, expects: &'static str) -> Format {
    Format {
        name,
        shape: Shape::Free(holds, |_| None),
        beyond: None,
        expects,
        example: "",
        slip: "",
    }
}

const fn parts(name: &'static str, parts: &'static [Part], expects: &'static str) -> Format {
    Format {
        shape: Shape::Parts(parts),
        ..free(name, |_| false, expects)
    }
}

impl Format {
    const fn further(self, rule: Further) -> Self {
        Self {
            beyond: Some(rule),
            ..self
        }
    }

    const fn saying(self, wrong: fn(&str) -> Option<String>) -> Self {
        let shape = match self.shape {
            Shape::Free(holds, _) => Shape::Free(holds, wrong),
            Shape::Parts(_) => self.shape,
        };
        Self { shape, ..self }
    }

    const fn such_as(self, example: &'static str, slip: &'static str) -> Self {
        Self {
            example,
            slip,
            ..self
        }
    }
}

/// The format `text`.
pub(super) const TEXT: Format = free(
    "text",
    text::text,
    "a text that shows something, without control characters but line breaks",
)
.saying(text::text_wrong)
.such_as("Weight does not fit resin.", " ");

/// The format `amount`.
pub(super) const AMOUNT: Format = free(
    "amount",
    trade::amount,
    "an amount: up to 16 digits, and up to 4 decimals behind a point",
)
.saying(trade::amount_wrong)
.such_as("120.50", "1,5");

/// All formats.
pub(crate) const FORMATS: [Format; 24] = [
    parts(
        "s10",
        transport::S10,
        "an S10 identifier: two letters, eight digits, their check digit, a country",
    )
    .further(transport::s10)
    .such_as("RR473124829GB", "CP202600061XM"),
    parts(
        "container",
        transport::CONTAINER,
        "a container number (ISO 6346): three letters, U J or Z, six digits, their check digit",
    )
    .further(transport::container)
    .such_as("CSQU3054383", "CSQU3054384"),
    parts(
        "imo",
        transport::IMO,
        "an IMO ship number: six digits and their check digit",
    )
    .further(transport::imo)
    .such_as("9074729", "9074728"),
    parts(
        "awb",
        transport::AWB,
        "an air waybill number: three digits of the airline, seven digits, their check digit",
    )
    .further(transport::awb)
    .such_as("17612345675", "17612345676"),
    parts(
        "mrn",
        trade::MRN,
        "an MRN: year, country, twelve characters, procedure, check digit",
    )
    .further(trade::mrn)
    .such_as("26XM00714KQ82ZC1R7", "26XM00714KQ82ZC1R5"),
    free(
        "ucr",
        trade::ucr_shape,
        "a UCR: last digit of the year, country, trader, a hyphen, own reference; at most 35",
    )
    .further(trade::ucr)
    .such_as("6XM000417220981-HHG-4471", "6QQ00112233-A1"),
    free(
        "eori",
        trade::eori_shape,
        "an EORI: country and 1 to 15 capital letters or digits",
    )
    .further(trade::eori)
    .such_as("XM000417220981", "QQ77120934"),
    free(
        "tin",
        trade::eori_shape,
        "a TIN: country and 1 to 15 capital letters or digits",
    )
    .further(trade::eori)
    .such_as("ZA77120934", "QQ77120934"),
    free(
        "aeo",
        trade::aeo,
        "an AEO number: at most 17 capital letters or digits",
    )
    .such_as("AEOXM000000000731", "AEO XM1"),
    free(
        "lrn",
        trade::lrn,
        "an LRN: 1 to 22 printable characters, no blank at its ends",
    )
    .such_as("HHG-2026-004471", " LRN1"),
    free(
        "hs",
        trade::hs,
        "a commodity code: 6, 8 or 10 digits, of a chapter from 01 to 99 and not 77",
    )
    .saying(trade::hs_wrong)
    .such_as("39264000", "96011"),
    AMOUNT,
    free(
        "iso-4217",
        currency::iso_4217,
        "a currency in use: three capital letters of ISO 4217, funds and metals apart",
    )
    .such_as("EUR", "RMB"),
    free(
        "country",
        country::country,
        "a country: two capital letters of ISO 3166-1, or EU XA XI XK XM XU",
    )
    .saying(country::wrong)
    .such_as("ZA", "UK"),
    parts(
        "un-locode",
        trade::UN_LOCODE,
        "a UN/LOCODE: country and three of A-Z and 2-9",
    )
    .further(trade::un_locode)
    .such_as("ZADUR", "QQDUR"),
    free(
        "cites-permit",
        trade::cites_permit_shape,
        "a CITES permit number: 1 to 70 printable characters; by Res. Conf. 12.3 year, country, six digits, a slash, two characters",
    )
    .further(trade::cites_permit)
    .such_as("26XA000417/EX", "26XA000417-EX"),
    free(
        "cites-appendix",
        codes::cites_appendix,
        "a CITES appendix: I, II or III",
    )
    .such_as("II", "IV"),
    free(
        "cites-purpose",
        codes::cites_purpose,
        "a CITES purpose code: one of T Z G Q S H P M E N B L",
    )
    .such_as("T", "K"),
    free(
        "cites-source",
        codes::cites_source,
        "a CITES source code: one of W X R D A C F U I O Y",
    )
    .such_as("W", "Z"),
    free(
        "date",
        time::date,
        "a day that exists, as 2026-03-14",
    )
    .saying(time::date_wrong)
    .such_as("2026-03-14", "2026-02-30"),
    free(
        "date-time",
        time::date_time,
        "a time with its offset, as 2026-03-14T09:26:53+02:00",
    )
    .saying(time::date_time_wrong)
    .such_as("2026-03-14T09:26:53+02:00", "2026-03-14T09:26:53"),
    free(
        "uuid",
        codes::uuid,
        "a UUID",
    )
    .such_as("0189c0de-0000-7000-8000-00000000000a", "0189c0de"),
    free(
        "name",
        text::name,
        "a name: one line that shows something, without control characters",
    )
    .saying(text::name_wrong)
    .such_as("Kestrel & Vane Curios", " "),
    TEXT,
];

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
        match (format.fits(text), format.fault_of(text).is_none()) {
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
            let text = text.replace("\\n", "\n").replace("\\0", "\0");
            assert_eq!(
                format!("{:?}", judged(name, &text)).to_lowercase(),
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

    /// What is wrong is said of the part that is wrong, with the digit that it would be.
    #[test]
    fn the_part_that_is_wrong_is_named() {
        let rows = include_str!("slips.txt").lines();
        for row in rows.filter(|row| !row.starts_with('#')) {
            let [name, text, says] = row.split('|').collect::<Vec<_>>().try_into().unwrap();
            let text = text.replace("\\0", "\0");
            let format = Format::named(name).unwrap();
            assert_eq!(format.fault_of(&text).unwrap(), says, "{row}");
        }
    }

    #[test]
    fn what_is_not_printable_ascii_is_no_identifier() {
        let identifiers = FORMATS
            .iter()
            .filter(|f| !matches!(f.name, "name" | "text"));
        for format in identifiers {
            for text in [
                "",
                "\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}",
                "LR\u{e9}",
                "26XA\n",
                "2\u{e9}2\u{e9}2\u{e9}2\u{e9}2\u{e9}2\u{e9}",
            ] {
                assert!(format.fault_of(text).is_some(), "{} {text:?}", format.name);
            }
        }
    }
}
