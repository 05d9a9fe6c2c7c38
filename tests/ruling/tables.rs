//! Decision tables: rows that hold, rows that do not, rows that cannot be read.

use std::collections::BTreeMap;

use carnet::message::facts::{FactValue, Facts};
use carnet::policy::rulebook::Rulebook;
use carnet::policy::table::{TablesReport, run_tables};

use super::fixture::{bundle, later, noon, rulebook_of, set};

const HEAD: &str = "row,message,from,given,to,outcome,categories,by\n";

/// The examples: orchids are regulated, ornaments are not, an order runs an hour.
fn run(rulebook: &Rulebook) -> TablesReport {
    run_tables(rulebook, &mut |_, example| {
        let hs = |codes: &[&str]| ("hs".to_owned(), FactValue::Strings(set(codes)));
        match example {
            "orchids" => Ok(Facts::from([hs(&["06", "0602", "060290"])])),
            "ornaments" => Ok(Facts::from([hs(&["39", "3926", "392640"])])),
            "order" => Ok(Facts::from([(
                "until".to_owned(),
                FactValue::Time(later(noon(), 3600)),
            )])),
            "export" => Ok(Facts::new()),
            other => Err(format!("no example {other}")),
        }
    })
}

/// The faults of rows, each in the table of its sender's agency; what is no row in the post's.
fn faults(rows: &str) -> Vec<String> {
    let mut tables = BTreeMap::from([("post", HEAD.to_owned())]);
    for row in rows.lines() {
        let sender = row
            .split(',')
            .nth(2)
            .and_then(|unit| unit.split('/').next());
        let table = tables.entry(sender.unwrap_or("post"));
        let table = table.or_insert_with(|| HEAD.to_owned());
        table.push_str(row);
        table.push('\n');
    }
    let mut bundle = bundle();
    for (agency, table) in tables {
        bundle.insert(format!("policies/tables/{agency}.csv"), table);
    }
    let report = run(&rulebook_of(&bundle).unwrap());
    assert_eq!(report.rows.values().sum::<usize>(), rows.lines().count());
    report.faults.iter().map(ToString::to_string).collect()
}

#[test]
fn the_rows_of_the_shapes_hold() {
    let rows = "\
all to customs,postal.item/ornaments,post/main,,customs/main,release,all,post-customs
goods not regulated,postal.item/ornaments,post/main,,environment/main,refuse,,not permitted
goods regulated,postal.item/orchids,post/main,,environment/main,release,goods postal reference.token,post-environment-regulated
overridden,postal.item/ornaments,post/main,hs=01+0106,environment/main,release,goods postal reference.token,post-environment-regulated
police: no standing feed,postal.item/orchids,post/main,case=drugs:customs+police,police/main,refuse,,not permitted
a quoted token stays one,postal.item/ornaments,post/main,quotes=environment,customs/main,release,all -reference +reference.token,post-customs
addressed to others,postal.item/ornaments,post/main,to=environment/main,customs/main,refuse,,not permitted
for another purpose,postal.item/ornaments,post/main,purpose=integrity,customs/main,refuse,,not permitted
case,declaration.export/export,customs/main,case=drugs:customs+police,police/main,release,reference goods route,customs-police-case
not joined,declaration.export/export,customs/main,case=drugs:customs,police/main,refuse,,not permitted
score,declaration.export/export,customs/main,risk=60;areas=drugs+ipr,police/main,release,reference goods route,customs-police-case
banned,declaration.export/export,customs/main,case=drugs:customs+police;bans=post,police/main,refuse,,floor-originator
fallback,declaration.export/export,customs/main,level=fallback,post/main,release,route,customs-continuity
suspended,declaration.export/export,customs/main,level=fallback;suspended=customs-continuity,post/main,refuse,,not permitted
others suspended,declaration.export/export,customs/main,suspended=customs-orders;level=fallback,post/main,release,route,customs-continuity
all suspended,postal.item/ornaments,post/main,suspended=all,customs/main,refuse,,not permitted
suspended twice,postal.item/orchids,post/main,suspended=post-customs;suspended=post-environment-regulated,environment/main,refuse,,not permitted
agreement,declaration.export/export,customs/main,now=2029-06-30,customs-xa/main,release,reference party goods,customs-partner-export
agreement over,declaration.export/export,customs/main,now=2029-07-01T00:00:00Z,customs-xa/main,refuse,,not permitted
order,control.order/order,customs/main,,police/main,release,all -officer,customs-orders
secret,control.order/order,customs/main,secret=true,post/main,hidden,,floor-secret
held,seizure.report/export,customs/main,orders=environment,environment/main,release,goods,customs-seizures-of-orders
";
    assert_eq!(faults(rows), Vec::<String>::new());
}

#[test]
fn a_row_that_does_not_hold_says_what_it_is_now() {
    let rows = "\
wider,postal.item/orchids,post/main,,environment/main,release,all,post-environment-regulated
refused,postal.item/ornaments,post/main,,customs/main,refuse,,not permitted
by,postal.item/ornaments,post/main,,customs/main,release,all,post-environment-regulated
";
    insta::assert_snapshot!(faults(rows).join("\n"), @r#"
    policies/tables/post.csv:2: row "wider" no longer holds: it is now release,goods postal reference.token,post-environment-regulated; change back what changed it (a rule, an agreement, an agency's entry), or the row if that is meant
    policies/tables/post.csv:3: row "refused" no longer holds: it is now release,all,post-customs; change back what changed it (a rule, an agreement, an agency's entry), or the row if that is meant
    policies/tables/post.csv:4: row "by" no longer holds: it is now release,all,post-customs; change back what changed it (a rule, an agreement, an agency's entry), or the row if that is meant
    "#);
}

#[test]
fn a_row_that_fails_for_an_agreement_says_so() {
    let rows = "\
ended,declaration.export/export,customs/main,now=2029-07-01,customs-xa/main,release,reference party goods,customs-partner-export
not begun,declaration.export/export,customs/main,now=2019-06-30,customs-xa/main,release,reference party goods,customs-partner-export
of others,declaration.export/export,customs/main,now=2029-07-01,post/main,release,all,customs-partner-export
";
    insta::assert_snapshot!(faults(rows).join("\n"), @r#"
    policies/tables/customs.csv:2: row "ended" no longer holds: it is now refuse,,not permitted; agreement MAT-2019-7 ended on 2029-07-01; change back what changed it (a rule, an agreement, an agency's entry), or the row if that is meant
    policies/tables/customs.csv:3: row "not begun" no longer holds: it is now refuse,,not permitted; agreement MAT-2019-7 begins on 2019-07-01; change back what changed it (a rule, an agreement, an agency's entry), or the row if that is meant
    policies/tables/customs.csv:4: row "of others" no longer holds: it is now refuse,,not permitted; change back what changed it (a rule, an agreement, an agency's entry), or the row if that is meant
    "#);
}

#[test]
fn a_row_that_cannot_be_read_says_why() {
    let rows = "\
a,postal.item,post/main,,customs/main,release,all,post-customs
b,postal.itme/orchids,post/main,,customs/main,release,all,post-customs
c,postal.item/roses,post/main,,customs/main,release,all,post-customs
d,postal.item/orchids,post/mian,,customs/main,release,all,post-customs
e,postal.item/orchids,post/main,rsik=3,customs/main,release,all,post-customs
f,postal.item/orchids,post/main,case=drugs,customs/main,release,all,post-customs
g,postal.item/orchids,post/main,quotes=costums,customs/main,release,all,post-customs
h,postal.item/orchids,post/main,,customs/main,release,,post-customs
i,postal.item/orchids,post/main,,customs/main,release,all -officer,post-customs
j,postal.item/orchids,post/main,,customs/main,release,all,
k,postal.item/orchids,post/main,,customs/main,permit,all,post-customs
l,postal.item/orchids,post/main,now=noon,customs/main,release,all,post-customs
m,postal.item/orchids
n,postal.item/orchids,post/main,secret=true,customs/main,hidden,,floor-secret
o,postal.item/orchids,post/main,hs=7701,customs/main,release,all,post-customs
p,postal.item/orchids,post/main,to=customs/mian,customs/main,release,all,post-customs
q,control.order/order,post/main,,police/main,release,all -officer,customs-orders
r,postal.item/orchids,post/main,purpose=control,customs/main,release,all,post-customs
s,postal.item/orchids,post/main,to=+,customs/main,release,all,post-customs
t,postal.item/orchids,post/main,suspended=customs-orders,customs/main,release,all,post-customs
u,postal.item/orchids,post/main,suspended=post-customs+floor-secret,customs/main,refuse,,not permitted
v,postal.item/orchids,post/main,suspended=,customs/main,refuse,,not permitted
";
    insta::assert_snapshot!(faults(rows).join("\n"), @r#"
    policies/tables/post.csv:2: row "a": "postal.item" is not TYPE/EXAMPLE; see docs/policies.md, tables
    policies/tables/post.csv:3: row "b": "postal.itme" is no message type; see docs/policies.md, tables
    policies/tables/post.csv:4: row "c": no example roses; see docs/policies.md, tables
    policies/tables/post.csv:5: row "d": "post/mian" is no unit; see docs/policies.md, tables
    policies/tables/post.csv:6: row "e": "rsik" is no fact of postal.item, which has: hs, permit; see docs/policies.md, tables
    policies/tables/post.csv:7: row "f": case=drugs is not AREAS:AGENCIES, such as drugs:customs+police; see docs/policies.md, tables
    policies/tables/post.csv:8: row "g": "costums" is no agency; see docs/policies.md, tables
    policies/tables/post.csv:9: row "h": release with categories ""; see docs/policies.md, tables
    policies/tables/post.csv:10: row "i": postal.item never holds officer; see docs/policies.md, tables
    policies/tables/post.csv:11: row "j": by is empty: name the deciding rules, or not permitted; see docs/policies.md, tables
    policies/tables/post.csv:12: row "k": "permit" is not release, refuse or hidden; see docs/policies.md, tables
    policies/tables/post.csv:13: row "l": "noon" is no time: write 2026-03-17 or 2026-03-17T12:00:00Z; see docs/policies.md, tables
    policies/tables/post.csv:14: is not a row of the table; write the columns row,message,from,given,to,outcome,categories,by
    policies/tables/post.csv:15: row "n": "secret" is no fact of postal.item, which has: hs, permit; see docs/policies.md, tables
    policies/tables/post.csv:16: row "o": "7701" is no heading: 2, 4 or 6 digits of a chapter; see docs/policies.md, tables
    policies/tables/post.csv:17: row "p": "customs/mian" is no unit; see docs/policies.md, tables
    policies/tables/post.csv:18: row "q": no system of post/main sends control.order; see docs/policies.md, tables
    policies/tables/post.csv:19: row "r": "control" is none of customs-control, law-enforcement, environment-protection, postal-security, statistics, mutual-assistance, integrity; see docs/policies.md, tables
    policies/tables/post.csv:20: row "s": to= names no unit: name one, such as customs/main, or leave it out; see docs/policies.md, tables
    policies/tables/post.csv:21: row "t": "customs-orders" is no permit of post: name some, or all; see docs/policies.md, tables
    policies/tables/post.csv:22: row "u": "floor-secret" is no permit of post: name some, or all; see docs/policies.md, tables
    policies/tables/post.csv:23: row "v": suspended= names no permit: name some, or all; see docs/policies.md, tables
    "#);
}

#[test]
fn a_row_stands_in_the_table_of_the_agency_whose_data_it_shows() {
    let row = "a,declaration.export/export,customs/main,case=drugs:customs+police,police/main,release,reference goods route,customs-police-case\n";
    let mut bundle = bundle();
    bundle.insert("policies/tables/post.csv", format!("{HEAD}{row}"));
    let report = run(&rulebook_of(&bundle).unwrap());
    insta::assert_snapshot!(report.faults[0], @r#"policies/tables/post.csv:2: row "a" is over the data of customs, in the table of post; move it to policies/tables/customs.csv, beside the rules that it shows"#);
    for (content, says) in [
        (format!("\u{feff}{HEAD}"), "byte order mark"),
        (HEAD.replace(',', ";"), "parted by semicolons"),
    ] {
        bundle.insert("policies/tables/post.csv", content);
        let report = run(&rulebook_of(&bundle).unwrap());
        assert_eq!(report.faults.len(), 1, "{report:?}");
        assert!(report.faults[0].says.contains(says), "{report:?}");
    }
}

#[test]
fn a_table_is_an_agencys_and_code_lists_are_left_alone() {
    let mut bundle = bundle();
    bundle.insert("policies/tables/mail.csv", HEAD);
    assert_eq!(run(&rulebook_of(&bundle).unwrap()).faults.len(), 1);
    bundle.insert("policies/tables/mail.csv", "a,b\n");
    bundle.insert(
        "policies/tables/regulated-hs.csv",
        "heading,why\n01,live animals\n",
    );
    bundle.insert("policies/tables/post.csv", "row,message\n");
    let report = run(&rulebook_of(&bundle).unwrap());
    assert!(report.rows.is_empty());
    assert_eq!(report.faults.len(), 1);
    assert_eq!(report.faults[0].place, "policies/tables/post.csv");
}
