//! Rules, agreements and tables that read well and do something else: each told by `carnet check`.

use carnet::agency::keys::MasterKey;
use carnet::backbone::ring::RingKeeper;
use carnet::backbone::start::{Options, Replay, genesis_of, recover};
use carnet::broker::record::{LeafSecret, Record};
use carnet::config::{read_bundle, read_file};
use carnet::journal::vfs::DiskVfs;
use carnet::message::time::Timestamp;
use carnet::policy::rulebook::Rulebook;

use crate::serving::{DEV, Running};
use crate::{Folders, code, err, json, out};

/// A day from today on.
fn in_days(days: i64) -> String {
    let now = carnet::server::clock::Clock::default().now().as_millis();
    let day = Timestamp::from_millis(now + days * 86_400_000).to_string();
    day.split('T').next().unwrap().to_owned()
}

#[test]
fn an_agreement_is_warned_of_before_its_end_and_gives_nothing_from_then_on() {
    const EXPORT: &str = "messages/declaration.export/examples/valid/advance.json";
    const FILE: &str = "policies/agreements.toml";
    let ask = format!("message try {EXPORT} --from customs/declarations");
    let folders = Folders::new();
    // Whatever the rule says: it asks for the tag alone.
    let dates = "principal.getTag(\"MAT-2019-7\").from <= context.now &&\n  \
                 context.now < principal.getTag(\"MAT-2019-7\").to &&\n";
    let path = folders.0.path().join("policies/customs.cedar");
    let rules = String::from_utf8(read_file(&path).unwrap()).unwrap();
    assert!(rules.contains(dates));
    folders.add("policies/customs.cedar", &rules.replace(dates, ""));
    assert!(out(&folders.run(&ask)).contains("-> customs-xa/main"));

    let soon = in_days(20);
    folders.plant(FILE, "2029-07-01", &soon);
    let checked = folders.run("check");
    assert_eq!(code(&checked), Some(0), "{}", err(&checked));
    let says = format!("MAT-2019-7 ends on {soon}: from then on it gives nothing");
    assert!(err(&checked).contains(&format!("warning: {FILE}:5\n       {says}")));
    let broker = Running::start(folders.0.path(), DEV);
    broker.address();
    let warned = Running::line(&broker.stderr, "agreement MAT-2019-7 ends on");
    assert!(
        warned.contains("WARN") && warned.contains(&soon),
        "{warned}"
    );
    broker.stop();

    let yesterday = in_days(-1);
    folders.plant(FILE, &soon, &yesterday);
    let told = out(&folders.run(&ask));
    let says = format!("agreement MAT-2019-7 (MAT-2019-7 ended on {yesterday})");
    assert!(told.contains("x  customs-xa/main  refused"), "{told}");
    assert!(told.contains(&says), "{told}");
    assert!(err(&folders.run("check")).contains("it gives nothing, whatever rules say"));
}

#[test]
fn the_schema_is_written_whole_or_not_at_all() {
    const FILE: &str = "policies/border.cedarschema";
    let folders = Folders::new();
    let read = || read_file(&folders.0.path().join(FILE)).unwrap();
    let good = read();
    folders.add(FILE, "// old\n");
    assert!(
        folders
            .check()
            .contains("cure: write it again: carnet policy schema --write")
    );
    let manifest = "messages/postal.item/message.toml";
    folders.plant(manifest, "[facts.hs]", "[facts.hs");
    let refused = folders.run("policy schema --write");
    assert_eq!(code(&refused), Some(1), "{}", out(&refused));
    assert_eq!(read(), b"// old\n");
    folders.plant(manifest, "[facts.hs", "[facts.hs]");
    let written = folders.run("policy schema --write");
    assert_eq!(out(&written), format!("wrote {FILE}\n"));
    assert_eq!(read(), good);
    assert_eq!(code(&folders.run("check")), Some(0));
}

#[test]
fn a_log_begins_with_a_floor() {
    let folders = Folders::new();
    folders.init_real();
    folders.remove("policies/floor.cedar");
    let refused = folders.run("init --data other");
    assert_eq!(code(&refused), Some(1));
    insta::assert_snapshot!(err(&refused), @r"
    fault: policies/floor.cedar
           is missing, with 6 rules that board.toml lists
      cure: add the file; leaving one out is a change of `floor` in board.toml, which the board decides
    1 fault
    ");
    assert!(!folders.0.path().join("other").exists());
}

#[test]
fn a_start_takes_what_the_log_says_whatever_is_advised_today() {
    let folders = Folders::new();
    folders.init_real();
    // As an older release may have begun it: no list of the floor, another schema, an example that
    // is refused today.
    folders.plant("policies/board.toml", "floor = [", "# floor = [");
    folders.add("policies/border.cedarschema", "// of an older release");
    folders.add("messages/postal.item/examples/valid/old.json", "{}");
    let bundle = read_bundle(&folders.config()).unwrap();
    let key = read_file(&folders.0.path().join("master.key")).unwrap();
    let key = MasterKey::parse(std::str::from_utf8(&key).unwrap()).unwrap();
    let old = folders.0.path().join("old");
    let key = RingKeeper::begin(DiskVfs, &old, &key, || Some([5; 32])).unwrap();
    let options = Options {
        genesis: None,
        development: false,
        key_check: key.check(),
        secret: LeafSecret::new([7; 32]),
        segment_bytes: 8 << 20,
        journal: [7; 16],
        background: false,
        replay: Replay::FromSnapshot,
        known_ids: 1_000,
        end_file: None,
        on_loss: carnet::backbone::loss::OnLoss::Refuse,
    };
    let rulebook = Rulebook::load(&bundle).unwrap();
    let now = carnet::server::clock::Clock::default().now();
    let genesis = genesis_of(&rulebook, false, key.check(), now);
    let mut log = recover(&DiskVfs, &old, &options).unwrap().committer;
    log.begin(&Record::Genesis(genesis)).unwrap();
    log.close().unwrap();

    folders.check();
    let served = "serve --amqp 127.0.0.1:0 --data old --certs pki";
    let broker = Running::start(folders.0.path(), served);
    broker.address();
    let line = Running::line(&broker.stdout, "rulebook ");
    assert!(line.contains(&rulebook.digest().to_string()), "{line}");
    broker.stop();
}

/// What can never be so, or always is, of the post's items or of customs' scores: what is told of it.
const IMPOSSIBLE: [(&str, &str, &str, &str); 16] = [
    (
        "post",
        "in Border::Agency::\"customs\"",
        "resource.risk >= 60",
        "can never be so; postal.item has no fact risk",
    ),
    (
        "post",
        "",
        "resource.item || resource.areas.contains(Border::Area::\"drugs\")",
        "contains(Border::Area::\"drugs\") can never be so; postal.item has no fact areas",
    ),
    (
        "post",
        "in Border::Agency::\"customs\"",
        "principal.purpose == Border::Purpose::\"customs-control\" && resource.item && principal.purpose == Border::Purpose::\"law-enforcement\"",
        "can never be so at once; purposes of the units in its head: customs-control, law-enforcement",
    ),
    (
        "post",
        "in Border::Agency::\"customs\"",
        "principal.purpose == Border::Purpose::\"integrity\"",
        "purposes of the units in its head: customs-control, law-enforcement",
    ),
    (
        "post",
        "in Border::Agency::\"customs\"",
        "principal.hasTag(\"MAT-2020-1\")",
        "agreements.toml has no MAT-2020-1",
    ),
    (
        "post",
        "in Border::Agency::\"police\"",
        "principal.hasTag(\"MAT-2019-7\")",
        "parties of MAT-2019-7 are customs, customs-xa alone",
    ),
    (
        "post",
        "",
        "resource.until > context.now",
        "postal.item has no fact until",
    ),
    (
        "post",
        "",
        "resource.item || resource is Border::PoliceAlert",
        "sends any PoliceAlert",
    ),
    (
        "post",
        "",
        "!(resource.secret)",
        "resource.secret can never be so",
    ),
    (
        "post",
        "",
        "context.level == Border::Level::\"normal\" && context.level == Border::Level::\"closed\"",
        "can never be so at once",
    ),
    (
        "post",
        "",
        "resource.hs.contains(\"06\") && resource.hs.isEmpty()",
        "can never be so at once",
    ),
    (
        "post",
        "",
        "resource.permit && context.now < datetime(\"2020-01-01\") && context.now > datetime(\"2021-01-01\")",
        "can never be so at once",
    ),
    (
        "customs",
        "",
        "resource.risk > 200",
        "can never be so; risk is between 0 and 100",
    ),
    (
        "customs",
        "",
        "resource.risk <= 100",
        "is always so; risk is between 0 and 100",
    ),
    (
        "customs",
        "",
        "resource.risk > 60 && resource.risk < 50",
        "resource.risk > 60 and resource.risk < 50 can never be so at once",
    ),
    // What is excepted must be able to be so too: else nothing is.
    (
        "customs",
        "",
        "!(resource.item && !(resource.risk > 100))",
        "resource.risk > 100 can never be so",
    ),
];
/// What can be so, or calculates.
const POSSIBLE: [&str; 7] = [
    "resource.risk == 100",
    "resource.risk > 50 && resource.risk < 52",
    "resource.risk > 60 || resource.areas.contains(Border::Area::\"drugs\")",
    "context.now > resource.until",
    "resource.hs.containsAny([\"93\", \"95\"]) && !(resource.hs.contains(\"95\"))",
    "context has case && context.case.areas.contains(Border::Area::\"drugs\")",
    "resource.risk + 1 > 300",
];

impl Folders {
    /// Adds a forbid to the owner's rules; the line of its condition.
    fn plant_forbid(&self, owner: &str, name: &str, (recipient, condition): (&str, &str)) -> usize {
        let entity = if owner == "post" {
            "PostalItem"
        } else {
            "RiskAssessment"
        };
        let file = format!("policies/{owner}.cedar");
        let text = read_file(&self.0.path().join(&file)).unwrap();
        let mut text = String::from_utf8(text).unwrap();
        let rule = format!(
            "\n@id(\"{name}\") @title(\"x\") @basis(\"x\") @reason(\"x\") @owner(\"{owner}\")\n\
             forbid (principal {recipient}, action,\n\
             resource is Border::{entity} in Border::Agency::\"{owner}\")\nwhen {{ {condition} }};\n"
        );
        text.push_str(&rule);
        self.add(&file, &text);
        text.lines().count()
    }
}

#[test]
fn a_condition_that_can_never_be_so_or_always_is_so_is_told_at_its_line_with_why() {
    let folders = Folders::new();
    let mut wanted = Vec::new();
    for (nth, (owner, recipient, condition, says)) in IMPOSSIBLE.into_iter().enumerate() {
        let name = format!("planted-{nth}");
        let line = folders.plant_forbid(owner, &name, (recipient, condition));
        wanted.push((
            format!("fault: policies/{owner}.cedar:{line}\n       {name}: "),
            says,
        ));
    }
    for (nth, condition) in POSSIBLE.into_iter().enumerate() {
        folders.plant_forbid("customs", &format!("possible-{nth}"), ("", condition));
    }
    let told = folders.check();
    for (at, says) in &wanted {
        let (_, found) = told
            .split_once(at)
            .unwrap_or_else(|| panic!("no {at}: {told}"));
        let found = found.lines().next().unwrap();
        assert!(found.contains(says), "{at}{found}");
    }
    assert_eq!(
        told.matches("\n       planted-").count(),
        wanted.len(),
        "{told}"
    );
    assert!(!told.contains("\n       possible-"), "{told}");
}

#[test]
fn a_rule_that_gives_nothing_by_itself_or_is_over_what_nobody_sends_is_told_as_that() {
    let rule = |id: &str, actions: &str, entity: &str| {
        format!(
            "\n@id(\"{id}\") @title(\"x\") @basis(\"x\") @reason(\"x\") @owner(\"post\") @retain(\"1d\") @onward(\"none\")\n\
             permit (principal in Border::Agency::\"police\", action in [{actions}],\n\
             resource is Border::{entity} in Border::Agency::\"post\");\n"
        )
    };
    let (receive, goods) = (
        "Border::Action::\"receive\"",
        "Border::Action::\"disclose:goods\"",
    );
    let told = |rules: &str| {
        let folders = Folders::new();
        folders.plant_rule(rules);
        let told = err(&folders.run("check"));
        let says = told
            .lines()
            .filter(|line| line.trim().starts_with("planted") && !line.contains("in no row"));
        says.map(|line| line.trim().to_owned())
            .collect::<Vec<_>>()
            .join("\n")
    };
    insta::assert_snapshot!(told(&rule("planted", goods, "PostalItem")), @"planted discloses, and no rule lets receive what it discloses: nothing is received");
    insta::assert_snapshot!(told(&rule("planted", receive, "PostalItem")), @"planted lets receive, and no rule discloses any of it: nothing is received");
    insta::assert_snapshot!(told(&rule("planted", receive, "PoliceAlert")), @"planted: no system of post sends any PoliceAlert");
    // Two rules complete each other.
    let both = rule("planted", goods, "InquiryRequest") + &rule("other", receive, "InquiryRequest");
    let folders = Folders::new();
    folders.plant_rule(&both);
    let checked = folders.run("check");
    assert_eq!(code(&checked), Some(0), "{}", err(&checked));
    let waiting =
        "\nwaiting for units that are not there yet: customs-police-special customs-statistics ";
    assert!(out(&checked).contains(waiting), "{}", out(&checked));
    insta::assert_snapshot!(err(&checked), @r"
    warning: policies/post.cedar
           planted, other decide in no row of a table: they can change unseen
      cure: give each a row in policies/tables/ that it decides
    ");
}

#[test]
fn what_can_never_be_so_cannot_be_given_to_a_trial() {
    const ITEM: &str = "message try messages/postal.item/examples/valid/orchids.json --given";
    const RISK: &str = "message try messages/risk.assessment/examples/valid/drugs.json --from customs/declarations --given";
    const STATUS: &str = "message try messages/continuity.status/examples/valid/normal.json --from post/items --given";
    for (ask, given, says) in [
        (
            ITEM,
            "risk=70",
            "\"risk\" is no fact of postal.item, which has: ",
        ),
        (ITEM, "hs=7701", "\"7701\" is no heading"),
        (ITEM, "to=police/mian", "\"police/mian\" is no unit"),
        (RISK, "risk=101", "risk is between 0 and 100"),
        (RISK, "risk=-1", "risk is between 0 and 100"),
        (STATUS, "orders=post", "has no number of its own"),
        (
            STATUS,
            "quotes=police",
            "has no reference that comes as a token",
        ),
    ] {
        let refused = crate::in_repository(&format!("{ask} {given}"));
        assert_eq!(code(&refused), Some(2), "{given}: {}", out(&refused));
        assert!(err(&refused).contains(says), "{given}: {}", err(&refused));
    }
    let tried = crate::in_repository(&format!("{RISK} risk=100"));
    assert!(out(&tried).contains("valid, holds"), "{}", err(&tried));
}

/// A slip: the file, what stood there, what stands there, and what the cure says.
const SLIPS: [(&str, &str, &str, &str); 12] = [
    (
        "policies/post.cedar",
        "resource is Border::PostalItem in",
        "resource is Border::ItemPostal in",
        "write Border::PostalItem",
    ),
    (
        "policies/customs.cedar",
        "resource is Border::DeclarationImport",
        "resource is Border::ImportDeclaration",
        "write Border::DeclarationImport",
    ),
    (
        "policies/post.cedar",
        "Agency::\"customs\",\n",
        "Agency::\"custms\",\n",
        "write Border::Agency::\"customs\"",
    ),
    (
        "policies/post.cedar",
        "resource.hs.",
        "resource.hz.",
        "did you mean `hs`?",
    ),
    (
        "policies/post.cedar",
        "\"disclose:goods\"",
        "\"disclose:god\"",
        "write Border::Action::\"disclose:goods\"",
    ),
    (
        "policies/post.cedar",
        "Purpose::\"environment-protection\"",
        "Purpose::\"environment\"",
        "\"environment-protection\"",
    ),
    (
        "policies/floor.cedar",
        "forbid (principal, action, resource)",
        "permit (principal, action, resource)",
        "move it to the file of the agency",
    ),
    (
        "policies/board.toml",
        "quorum = 3",
        "quorum = 7",
        "between 1 and the number",
    ),
    (
        "policies/board.toml",
        "\"police\"",
        "\"polise\"",
        "see agencies/",
    ),
    (
        "policies/agreements.toml",
        "\"customs-xa\"",
        "\"customs-xb\"",
        "see agencies/",
    ),
    (
        "policies/tables/post.csv",
        "story 1: item with ornaments,postal.item/story-01,post/main",
        "story 1,risk.assessment/story-02,customs/main",
        "move it to policies/tables/customs.csv",
    ),
    (
        "agencies/post/agency.toml",
        "kind = \"post\"",
        "kind = \"mail\"",
        "choose one of",
    ),
];

#[test]
fn one_slip_is_one_fault_at_its_own_line() {
    for (file, right, wrong, cure) in SLIPS {
        let folders = Folders::new();
        folders.plant(file, right, wrong);
        let text = read_file(&folders.0.path().join(file)).unwrap();
        let text = String::from_utf8(text).unwrap();
        let slip = wrong.trim_end();
        let line = 1 + text.lines().position(|line| line.contains(slip)).unwrap();
        let told = folders.check();
        let place = format!("fault: {file}:{line}\n");
        // A forbid that permits is told where its rule begins.
        assert!(
            told.contains(&place) || slip.starts_with("permit"),
            "{wrong}: {told}"
        );
        assert!(told.contains(cure), "{wrong}: {told}");
        assert!(told.ends_with("\n1 fault\n"), "{wrong}: {told}");
    }
    // A file by another name is one slip too, whatever it holds.
    let folders = Folders::new();
    folders.copy("policies/environment.cedar", "policies/environmnt.cedar");
    folders.remove("policies/environment.cedar");
    insta::assert_snapshot!(folders.check(), @r"
    fault: policies/environmnt.cedar
           is a file of no agency: its rules (9) are nobody's
      cure: name it as their owner in agencies/, or floor.cedar if they are the board's
    1 fault
    ");
}

#[test]
fn a_file_that_nothing_reads_is_told_and_so_is_the_rulebooks_digest() {
    let folders = Folders::new();
    for stray in [
        "policies/notes.txt",
        "policies/tables/old.txt",
        "agencies/post/old.toml",
    ] {
        folders.add(stray, "x");
    }
    let checked = folders.run("check");
    assert_eq!(code(&checked), Some(0));
    let told = err(&checked);
    assert_eq!(
        told.matches("is no file of a rulebook").count(),
        3,
        "{told}"
    );
    let digest = read_bundle(&folders.config()).unwrap().digest().to_string();
    assert!(
        out(&checked).contains(&format!("\nrulebook {digest}\n")),
        "{}",
        out(&checked)
    );
    assert_eq!(json(&folders.run("check --json"))["rulebook"], digest);
}
