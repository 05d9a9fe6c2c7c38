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
//! | `mrn` | two digits, two letters, thirteen letters or digits, a digit or `F` | check digit, country, procedure letter from 2024 |
//! | `ucr`, `eori`, `tin`, `un-locode` | as in the table below | country |
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

    #[derive(Debug, PartialEq)]
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

    /// The examples of domain.md section 4, row by row, and edges beside them.
    #[test]
    fn each_identifier_is_judged_by_its_own_rule() {
        let rows: [(&str, &[&str], &[&str], &[&str]); 21] = [
            (
                "s10",
                &[
                    "RR473124829GB",
                    "CP202600060XM",
                    "EE202600095XM",
                    "CP618402774XA",
                ],
                &["CP202600061XM", "CP001020301BR", "RR473124829ZZ"],
                &[
                    "R473124829GB",
                    "RR47312482GB",
                    "rr473124829gb",
                    "RR473124829GBX",
                    "",
                ],
            ),
            (
                "container",
                &["CSQU3054383", "MRDU2604179", "TGHU3077030", "CALU4188309"],
                &["ABCU1234567", "CSQU3054384"],
                &["MRDX2604179", "CSQU305438", "csqu3054383"],
            ),
            (
                "mrn",
                &[
                    "26XM00714KQ82ZC1R7",
                    "26XAEXP4471200B3A6",
                    "26XM0071000008Z1R0",
                    "26XM00714KQ82ZC1JF",
                ],
                &[
                    "26XM00714KQ82ZC1R5",
                    "26XM00714KQ82ZC1T7",
                    "26XM00714KQ82ZC1RF",
                    "26ZZ00714KQ82ZC1R7",
                ],
                &[
                    "26XM00714KQ82ZC1R",
                    "XM2600714KQ82ZC1R7",
                    "26XM00714KQ82ZC1RX",
                ],
            ),
            (
                "ucr",
                &[
                    "6XM000417220981-HHG-4471",
                    "6GB000117440215-0001",
                    "5ZA00112233-A1",
                ],
                &["6QQ00112233-A1"],
                &[
                    "26XM0004-1",
                    "6xm1-1",
                    "6XM000417220981-HHG-4471-0123456789A",
                    "6XM0004",
                    "6XM-1",
                    "6XM1-",
                ],
            ),
            (
                "lrn",
                &["HHG-2026-004471", "LRN1", "A/B/7", "1234567890123456789012"],
                &[],
                &["", "12345678901234567890123", " LRN1", "LRN1 ", "LR\u{e9}"],
            ),
            (
                "eori",
                &["XM000417220981", "XI000117440215", "ZA77120934"],
                &["QQ77120934"],
                &["000417220981", "XM", "XM0004172209811234", "xm1"],
            ),
            ("tin", &["XM000417220981"], &[], &["XM"]),
            (
                "aeo",
                &["AEOXM000000000731", "NAAEOF00042", "AEOSG000000000012"],
                &[],
                &["AEOXM0000000007310", "AEO XM1", "aeoxm1", ""],
            ),
            (
                "hs",
                &["960110", "39264000", "8518300090", "980000"],
                &[],
                &["9601", "770100", "96011", "000100", "9601100", "96011x", ""],
            ),
            (
                "country",
                &["ZA", "NA", "XI", "XM", "XA", "EU"],
                &[],
                &["UK", "EN", "za", "Z", "ZAF"],
            ),
            (
                "iso-4217",
                &["EUR", "JPY", "KWD"],
                &[],
                &["RMB", "eur", "EU"],
            ),
            (
                "amount",
                &["120.50", "900", "1.125", "0", "1234567890123456"],
                &[],
                &[
                    "-1",
                    "1,5",
                    "01",
                    ".5",
                    "1.",
                    "1.12345",
                    "12345678901234567",
                    "",
                    "1e3",
                ],
            ),
            (
                "un-locode",
                &["ZADUR", "NAWVB", "BEANR"],
                &["QQDUR"],
                &["ZADU", "NL1TM", "ZADURB", "zadur"],
            ),
            (
                "cites-permit",
                &["26XA000417/EX", "26ZA000112/A1", "25NA003905/00"],
                &["XA26000417/EX", "26XA417/EX", "26XA000417-EX"],
                &["", "26XA\n"],
            ),
            ("cites-appendix", &["I", "II", "III"], &[], &["IV", "i", ""]),
            ("cites-purpose", &["T", "Z", "L"], &[], &["K", "TT", ""]),
            ("cites-source", &["W", "Y"], &[], &["Z", ""]),
            (
                "imo",
                &["9074729", "9176187", "9319466"],
                &["9074728", "9176178"],
                &["907472", "IMO9074729"],
            ),
            (
                "awb",
                &["17612345675", "61898391193", "02070000000"],
                &["17612345676", "61898391190"],
                &["1761234567", "176-12345675"],
            ),
            (
                "date",
                &["2026-03-14", "2024-02-29"],
                &[],
                &[
                    "2026-02-29",
                    "2026-13-01",
                    "2026-00-10",
                    "14/03/2026",
                    "2026-3-14",
                    "2026-03-14T00:00:00Z",
                    "2026-04-31",
                ],
            ),
            (
                "uuid",
                &["0189c0de-0000-7000-8000-00000000000a"],
                &[],
                &[
                    "0189c0de00007000800000000000000a",
                    "0189c0de-0000-7000-8000-00000000000g",
                ],
            ),
        ];
        for (name, right, doubtful, wrong) in rows {
            for (texts, verdict) in [(right, Right), (doubtful, Doubtful), (wrong, Wrong)] {
                for text in texts {
                    assert_eq!(judged(name, text), verdict, "{name} {text:?}");
                }
            }
        }
    }

    #[test]
    fn a_time_has_an_offset_and_a_day_that_exists() {
        for text in [
            "2026-03-14T09:26:53Z",
            "2026-03-14T09:26:53+02:00",
            "2026-03-14T09:26:53.123456-05:30",
        ] {
            assert_eq!(judged("date-time", text), Right, "{text}");
        }
        for text in [
            "2026-02-30T09:26:53Z",
            "2026-03-14T09:26:53",
            "2026-03-14 09:26:53Z",
            "2026-03-14T24:00:00Z",
            "2026-03-14T09:60:00Z",
            "2026-03-14T09:26:53.Z",
            "2026-03-14T09:26:53+24:00",
            "2026-03-14T09:26:53+0200",
            "20260314",
        ] {
            assert_eq!(judged("date-time", text), Wrong, "{text}");
        }
    }

    #[test]
    fn every_text_is_judged_without_a_panic() {
        for format in FORMATS {
            for text in [
                "",
                "\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}",
                "2\u{e9}2\u{e9}2\u{e9}2\u{e9}2\u{e9}2\u{e9}",
                "0000000000000",
                "ZZZZZZZZZZZZZZZZZZ",
            ] {
                let _ = format.holds(text);
            }
        }
    }
}
