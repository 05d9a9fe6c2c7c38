//! The log's tree over a disk that crashes: what was shown is continued by whatever is shown later, and is what the
//! journal gives; tiles that are gone or damaged are made again, and evidence that is not what was signed is told.

use std::error::Error;

use carnet::backbone::error::StartError;
use carnet::backbone::start::{Options, recover};
use carnet::backbone::tiles::{NoTile, Tiles};
use carnet::backbone::tree::{Halted, Tree};
use carnet::broker::command::Command;
use carnet::broker::committer::Committer;
use carnet::broker::format::Evidence;
use carnet::broker::governance::{Deed, NotDone, Noted, Ticket};
use carnet::broker::record::{Checkpoint, NewKey, Record};
use carnet::evidence::checkpoint;
use carnet::evidence::key::{Kind, Signer};
use carnet::evidence::note::Note;
use carnet::evidence::signature::Signed;
use carnet::evidence::tile::Proofs;
use carnet::evidence::tree::{Head, is_consistent, leaf_hash, root_of};
use carnet::journal::Lsn;
use carnet::journal::vfs::Vfs;
use carnet::message::id::Digest;
use carnet::message::time::Timestamp;
use carnet_disk::{Fault, Pattern, SimVfs};

use crate::border::noon;
use crate::recovered::data;
use crate::unit::begun;

const ORIGIN: &str = "log.example/carnet";

fn signer() -> Signer {
    Signer::new(ORIGIN, Kind::Note, &[5; 32]).unwrap()
}

fn options() -> Options {
    crate::options::options(256 << 10)
}

fn new_key(kid: &str) -> NewKey {
    NewKey {
        at: Timestamp::default(),
        agency: "post".parse().unwrap(),
        issuer: "https://id.post.example".to_owned(),
        kid: kid.to_owned(),
        key: Digest::of(kid.as_bytes()),
    }
}

type Ended<T> = Result<T, Box<dyn Error>>;

/// A process with committer and tree in one thread.
struct Life {
    disk: SimVfs,
    committer: Committer<SimVfs>,
    tree: Tree<SimVfs>,
    last: Option<Checkpoint>,
}

impl Life {
    fn begin(disk: &SimVfs) -> Ended<Self> {
        let mut recovered = recover(disk, data(), &options())?;
        recovered.begin_run(noon())?;
        let committer = recovered.committer;
        let committer = if committer.ledger().leaves() == 0 {
            drop(committer);
            begun(disk, &options(), &"post/main".parse()?, noon())
        } else {
            committer
        };
        let last = committer.ledger().shown().last.as_deref().cloned();
        let tiles = Tiles::of(disk.clone(), data());
        let mut tree = Tree::open(committer.journal().reader(), tiles, vec![signer()]);
        tree.catch_up(last.as_ref())?;
        Ok(Self {
            disk: disk.clone(),
            committer,
            tree,
            last,
        })
    }

    /// So many pieces of evidence in one batch.
    fn note(&mut self, count: u64, about: &str) -> Ended<()> {
        let first = self.committer.ledger().leaves();
        let notes = (first..first + count).map(|number| {
            let key = Noted::NewKey(Box::new(new_key(&format!("{about} {number}"))));
            Command::Govern(Ticket(number), Box::new(Deed::Note(key)))
        });
        self.committer.step(notes.collect::<Vec<_>>(), noon())?;
        while self.committer.has_more() {
            self.committer.step(Vec::<Command>::new(), noon())?;
        }
        Ok(())
    }

    /// What the thread of the tree does once in its time.
    fn round(&mut self) -> Ended<()> {
        self.tree.advance()?;
        let Some(checkpoint) = self.tree.sign(self.last.as_ref(), noon())? else {
            return Ok(());
        };
        self.hand_over(&checkpoint)?
            .map_err(|why| why.to_string())?;
        self.tree.shown(&checkpoint)?;
        self.last = Some(checkpoint);
        Ok(())
    }

    fn hand_over(&mut self, checkpoint: &Checkpoint) -> Ended<Result<(), NotDone>> {
        let ticket = Ticket(u64::MAX);
        let mut commands = vec![Command::Show(ticket, Box::new(checkpoint.clone()))];
        loop {
            // It waits behind what does not fit into a step.
            let step = self.committer.step(std::mem::take(&mut commands), noon())?;
            let answer = step.governed.into_iter().find(|(of, _)| *of == ticket);
            if let Some((_, done)) = answer {
                return Ok(done.map(drop));
            }
        }
    }
}

/// What a run does: full tiles of both kinds, and checkpoints between.
fn live(disk: &SimVfs) -> Ended<()> {
    let mut life = Life::begin(disk)?;
    for count in [3, 300, 100, 250] {
        life.note(count, "run")?;
        life.round()?;
    }
    Ok(())
}

/// The tree that a reader of the disk is shown, by a checkpoint that its log signed.
fn shown(disk: &SimVfs) -> Option<Head> {
    let octets = Tiles::of(disk.clone(), data())
        .file("checkpoint")
        .unwrap()?;
    let note = Note::read(std::str::from_utf8(&octets).unwrap()).unwrap();
    assert_eq!(note.signed_by(signer().verifier()), Signed::By(None));
    let checkpoint = checkpoint::Checkpoint::read(&note.text).unwrap();
    assert_eq!(checkpoint.origin, ORIGIN);
    Some(checkpoint.head)
}

/// The entries of all evidence in the journal.
fn entries(life: &Life) -> Vec<Vec<u8>> {
    let records = life.committer.journal().reader().scan(Lsn::START);
    let entries = records.filter_map(|stored| {
        let stored = stored.unwrap();
        let evidence = Evidence::of(stored.kind, &stored.body).unwrap()?;
        Some(evidence.leaf().0.to_vec())
    });
    entries.collect()
}

/// The tree that is shown is that of the journal, with a path for each entry, and continues the one that was
/// shown before.
fn is_proved(life: &Life, before: Option<Head>) {
    let tiles = Tiles::of(life.disk.clone(), data());
    let head = shown(&life.disk).unwrap();
    let entries = entries(life);
    assert_eq!(head.size, u64::try_from(entries.len()).unwrap());
    let mut proofs = Proofs::new(head.size, |name| tiles.tile(name));
    let proved: Result<(), NoTile> =
        (0..)
            .zip(&entries)
            .step_by(7)
            .try_for_each(|(index, entry)| {
                let path = proofs.path(index)?;
                assert_eq!(
                    root_of(leaf_hash(entry), index, head.size, &path),
                    Some(head.root)
                );
                Ok(())
            });
    proved.unwrap();
    if let Some(before) = before {
        let proof = proofs.consistency(before.size).unwrap();
        assert!(
            is_consistent(before, head, &proof),
            "{before:?} to {head:?}"
        );
    }
}

#[test]
fn after_a_crash_at_any_call_the_tree_continues_what_was_shown() {
    let begun = SimVfs::new(3);
    drop(Life::begin(&begun).unwrap());
    let disk = SimVfs::new(3);
    live(&disk).unwrap();
    let calls = disk.calls();
    let every = if std::env::var_os("CARNET_TEST_LONG").is_some() {
        1
    } else {
        3
    };
    for call in (begun.calls()..calls).step_by(every) {
        let disk = SimVfs::new(3);
        disk.plan(call, Fault::Crash);
        live(&disk).expect_err("it has crashed");
        let patterns = Pattern::EACH;
        let pattern = patterns[usize::try_from(call).unwrap() % patterns.len()];
        println!("call {call} of {calls}, {pattern:?}");
        // What could be read up to the crash, whatever of it is left.
        let before = shown(&disk.crash(Pattern::Killed, call));
        let after = disk.crash(pattern, call);
        let mut life = Life::begin(&after).unwrap();
        let again = shown(&after);
        assert!(again.map(|head| head.size) >= before.map(|head| head.size));
        life.note(60, "later").unwrap();
        life.round().unwrap();
        is_proved(&life, before);
        is_proved(&life, again);
    }
}

#[test]
fn tiles_that_are_gone_or_damaged_are_made_again_from_the_journal() {
    let disk = SimVfs::new(4);
    live(&disk).unwrap();
    let whole = shown(&disk);
    for file in [
        "tree",
        "log/checkpoint",
        "log/tile/0/000",
        "log/tile/0/001",
        "log/tile/0/002.p/142",
        "log/tile/1/000.p/2",
        "log/tile/entries/002.p/142",
    ] {
        let path = &data().join(file);
        for gone in [true, false] {
            let disk = disk.crash(Pattern::All, 1);
            if gone {
                disk.unlink(path).unwrap();
            } else {
                disk.edit(path, |octets| octets[5] ^= 1).unwrap();
            }
            let mut life = Life::begin(&disk).unwrap();
            assert_eq!(shown(&disk), whole, "{}", path.display());
            life.note(1, "later").unwrap();
            life.round().unwrap();
            is_proved(&life, whole);
        }
    }
    let mut life = Life::begin(&disk).unwrap();
    let before = disk.syncs();
    life.round().unwrap();
    assert_eq!(disk.syncs(), before, "nothing came, and nothing is signed");
}

#[test]
fn evidence_that_is_not_what_was_signed_stops_the_start() {
    let (right, wrong) = (SimVfs::new(5), SimVfs::new(5));
    let mut life = Life::begin(&right).unwrap();
    life.note(40, "right").unwrap();
    life.round().unwrap();
    let signed = life.last.unwrap();
    // A journal that is whole in itself, and has other evidence in one place.
    let mut life = Life::begin(&wrong).unwrap();
    life.note(20, "right").unwrap();
    life.note(1, "wrong").unwrap();
    life.note(19, "right").unwrap();
    let other = Checkpoint {
        next: life.committer.journal().end(),
        ..signed
    };
    life.committer
        .begin(&Record::Checkpoint(Box::new(other.clone())))
        .unwrap();
    let halted = life.tree.catch_up(Some(&other)).unwrap_err();
    assert!(matches!(halted, Halted::Differs(_)), "{halted}");
    drop(life);
    let refused = recover(&wrong, data(), &options()).err();
    let Some(StartError::Differs(differs)) = refused else {
        panic!("{refused:?}");
    };
    let says = differs.to_string();
    assert!(
        says.contains("is not what was signed") && says.contains("41 leaves"),
        "{says}"
    );
    assert!(StartError::Differs(differs).is_damage());
}

#[test]
fn a_smaller_tree_is_never_shown_and_nothing_more_under_a_name_whose_end_is_lost() {
    let disk = SimVfs::new(6);
    let mut life = Life::begin(&disk).unwrap();
    life.note(9, "run").unwrap();
    life.round().unwrap();
    let last = life.last.clone().unwrap();
    let refused = life.hand_over(&last).unwrap().unwrap_err();
    assert_eq!(refused, NotDone::NotAhead { size: 10, last: 10 });
    // One of more leaves than there are.
    let mut tree = last.tree.clone();
    tree.push(Digest::of(b"another"));
    let refused = life
        .hand_over(&Checkpoint { tree, ..last })
        .unwrap()
        .unwrap_err();
    assert_eq!(refused, NotDone::NotAhead { size: 11, last: 10 });

    let (from, known) = (Lsn(64), Lsn(4_096));
    let gone = life.committer.ledger().lose(from, known, Some(50), noon());
    life.committer.begin(&Record::Lost(gone)).unwrap();
    let refused = life.round().unwrap_err().to_string();
    assert!(
        refused.contains(ORIGIN) && refused.contains("another name"),
        "{refused}"
    );
    drop(life);
    let mut again = Life::begin(&disk).unwrap();
    assert!(again.round().is_err(), "a start forgets it");
    let other = Signer::new("log.example/carnet/2", Kind::Note, &[6; 32]).unwrap();
    let tiles = Tiles::of(disk.clone(), data());
    let reader = again.committer.journal().reader();
    again.tree = Tree::open(reader, tiles.clone(), vec![other]);
    again.tree.catch_up(again.last.as_ref()).unwrap();
    again.round().unwrap();
    let checkpoint = tiles.file("checkpoint").unwrap().unwrap();
    assert!(checkpoint.starts_with(b"log.example/carnet/2\n11\n"));
}
