//! `carnet message rules`: every format and rule by which messages are refused, as the manual has it.

use crate::message::identifier::{FORMATS, Format};
use crate::message::rule::{Rule, SECTIONS, Section};

const HEAD: &str = "\
# Why a message is refused

Printed by `carnet message rules`. A return names place, text and rule of up to five faults, as many as fit its 255 octets: \
`PRECONDITION_FAILED - /ID: its check digit (character 11) must be 0 (s10)`. The receipt has them in `faults`, up to 32, each \
with `place`, `rule` and `text`, and in `faults_untold` how many more there are. `carnet message try` tells them all without \
sending anything. A rule's name stays; its text may get better.

The place is a JSON pointer into the body (`/GovernmentAgencyGoodsItem/0/Commodity`, nothing for the body as a whole), \
`property NAME`, `header NAME`, `routing key` or `body`. The text is for you alone: it may name an element as you spelled \
it, or the digit that a number would have.

## Formats

A schema names them, and so does the rule that a text breaks. A text that has not the form is refused wherever it stands. \
What holds beyond the form (a check digit, a country, the form of a CITES number) refuses where the identifier is the \
message's own key; quoted from elsewhere it is a warning in the receipt, for real traffic breaks it. `code:NAME` is the list \
`codes/NAME.txt` of the type.

| rule | is | right | wrong, and what is told of it | beyond the form | cure |
|---|---|---|---|---|---|
";

const CODES: &str = "\
| `code:NAME` | one of the codes of the list | `KGM` of `code:unit` | `kilo`: is not in the code list unit | | \
use one of the list |
";

/// The page.
pub(super) fn page() -> String {
    let formats = FORMATS.iter().map(format_row).chain([CODES.to_owned()]);
    let sections = SECTIONS.iter().map(section);
    [HEAD.to_owned()]
        .into_iter()
        .chain(formats)
        .chain(sections)
        .collect()
}

fn format_row(format: &Format) -> String {
    let Rule {
        name, means, cure, ..
    } = Rule::of(format);
    let (right, wrong) = (format.example, format.slip);
    let told = format.fault_of(wrong).unwrap_or_default();
    let beyond = if format.has_rule() { "more" } else { "" };
    format!("| `{name}` | {means} | `{right}` | `{wrong}`: {told} | {beyond} | {cure} |\n")
}

fn section(section: &Section) -> String {
    let rows: String = section.rules.iter().map(row).collect();
    let title = section.title;
    format!("\n## {title}\n\n| rule | asks | broken by | cure |\n|---|---|---|---|\n{rows}")
}

fn row(rule: &Rule) -> String {
    let Rule {
        name,
        means,
        example,
        cure,
    } = rule;
    format!("| `{name}` | {means} | {example} | {cure} |\n")
}
