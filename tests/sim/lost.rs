//! The end of the log is gone: a start refuses, or accepts it on record, once, whatever crashes on the
//! way; and no number that was given is given again.

use std::path::PathBuf;

use carnet::agency::keys::SealedPart;
use carnet::backbone::end_file::{EndFile, Synced};
use carnet::backbone::error::StartError;
use carnet::backbone::keeper::{Pages, Snapshots, snapshot};
use carnet::backbone::loss::OnLoss;
use carnet::backbone::start::{Options, Recovered, Replay, recover};
use carnet::broker::committer::Committer;
use carnet::broker::limits::{LOST_ADDRESSES, LOST_NUMBERS};
use carnet::broker::record::{Lost, Record, Rejected};
use carnet::journal::vfs::Vfs;
use carnet::journal::{Lsn, Reader};
use carnet::message::id::{ExchangeId, KeyedDigest};
use carnet_disk::{Fault, Pattern, SimVfs};

use crate::border::{Border, noon};
use crate::recovered::data;

const END_FILE: &str = "/state/journal.end";

fn options(accepts: bool) -> Options {
    let on_loss = if accepts {
        OnLoss::Accept
    } else {
        OnLoss::Refuse
    };
    Options {
        end_file: Some(PathBuf::from(END_FILE)),
        on_loss,
        ..crate::options::options(256 << 10)
    }
}

fn end_file(disk: &SimVfs) -> EndFile<SimVfs> {
    EndFile::new(disk.clone(), PathBuf::from(END_FILE))
}

/// What a run does before it serves.
fn start(disk: &SimVfs, options: &Options) -> Result<Committer<SimVfs>, StartError> {
    let mut recovered: Recovered<SimVfs> = recover(disk, data(), options)?;
    recovered.begin_run(noon())?;
    if options.end_file.is_some() {
        end_file(disk).begin(&Synced::of(&recovered.committer))?;
    }
    Ok(recovered.committer)
}

fn sent(committer: &Committer<SimVfs>) -> u64 {
    let unit = "post/main".parse().unwrap();
    committer.ledger().unit(&unit).unwrap().sent
}

/// The post sends something that is not valid: its next number.
fn send(committer: &mut Committer<SimVfs>) -> u64 {
    send_body(committer, 7)
}

fn send_body(committer: &mut Committer<SimVfs>, octet: u8) -> u64 {
    let number = sent(committer) + 1;
    let unit = "post/main".parse().unwrap();
    let receipt = committer.ledger().unit(&unit).unwrap().receipts;
    let rejected = Rejected {
        id: ExchangeId([1; 16]),
        at: noon(),
        sender: "post/items".parse().unwrap(),
        unit,
        message_type: "postal.item".to_owned(),
        code: 406,
        place: String::new(),
        rule: "type".to_owned(),
        body: KeyedDigest([octet; 16]),
        number,
        receipt: Some(receipt),
        sealed: SealedPart::default(),
        said: None,
        case: None,
    };
    committer
        .begin(&Record::Rejected(Box::new(rejected)))
        .unwrap();
    number
}

fn losses(reader: &Reader<SimVfs>) -> Vec<Lost> {
    let records = reader.scan(Lsn::START).map(|stored| stored.unwrap());
    let records = records.map(|stored| Record::decode(stored.kind, &stored.body).unwrap());
    records
        .filter_map(|record| match record {
            Record::Lost(lost) => Some(lost),
            _ => None,
        })
        .collect()
}

fn newest(disk: &SimVfs) -> PathBuf {
    let journal = data().join("journal");
    let names = disk.list(&journal).unwrap();
    let last = names.iter().rfind(|name| name.ends_with(".segment"));
    journal.join(last.unwrap())
}

/// A log of two runs, the second of which was killed; and how many numbers it gave.
fn begun(ends: bool) -> (SimVfs, u64) {
    begun_with(ends, 7)
}

/// The same of other messages.
fn begun_with(ends: bool, octet: u8) -> (SimVfs, u64) {
    let disk = SimVfs::new(1);
    let options = Options {
        end_file: ends.then(|| PathBuf::from(END_FILE)),
        ..options(false)
    };
    let mut committer = recover(&disk, data(), &options).unwrap().committer;
    committer.begin(&Border::read().genesis()).unwrap();
    for _ in 0..3 {
        send_body(&mut committer, octet);
    }
    drop(committer);
    let mut committer = start(&disk, &options).unwrap();
    for _ in 0..5 {
        send(&mut committer);
    }
    if ends {
        end_file(&disk).write(&Synced::of(&committer)).unwrap();
    }
    let snapshots = Snapshots::open(disk.clone(), data()).unwrap();
    let reader = committer.journal().reader();
    let pages = Pages::open(disk.clone(), data(), reader.journal()).unwrap();
    snapshot(&reader, &snapshots, &pages, &reader.sealed_end()).unwrap();
    (disk.crash(Pattern::Killed, 1), sent(&committer))
}

fn without_its_end(ends: bool) -> (SimVfs, u64) {
    let (disk, given) = begun(ends);
    disk.unlink(&newest(&disk)).unwrap();
    disk.fsync_dir(&data().join("journal")).unwrap();
    (disk, given)
}

#[track_caller]
fn assert_refused(disk: &SimVfs, options: &Options, file: &str) {
    let calls = disk.list(&data().join("journal")).unwrap();
    match start(disk, options) {
        Err(StartError::Lost(loss)) => assert!(loss.to_string().contains(file), "{loss}"),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("a log without its end was taken up"),
    }
    let after = disk.list(&data().join("journal")).unwrap();
    let segments = |names: Vec<String>| {
        let ours = names.into_iter().filter(|name| name.ends_with(".segment"));
        ours.collect::<Vec<_>>()
    };
    assert_eq!(segments(after), segments(calls), "a refused start wrote");
}

#[test]
fn a_log_without_its_newest_segment_is_refused_by_whatever_names_it() {
    let (disk, _) = without_its_end(true);
    assert_refused(&disk, &options(false), END_FILE);
    // Without an end file, the snapshot up to where that segment began says so.
    for replay in [Replay::FromSnapshot, Replay::FromStart] {
        let (disk, _) = without_its_end(false);
        let options = Options {
            end_file: None,
            replay,
            ..options(false)
        };
        assert_refused(&disk, &options, ".snapshot");
    }
}

#[test]
fn an_older_copy_is_refused_and_a_newer_log_than_the_end_file_is_not() {
    let (disk, given) = begun(true);
    let mut committer = start(&disk, &options(false)).unwrap();
    let older = disk.crash(Pattern::Killed, 1);
    assert_eq!(send(&mut committer), given + 1);
    // The end file is behind: a crash leaves it so.
    drop(committer);
    let mut committer = start(&disk.crash(Pattern::Killed, 1), &options(false)).unwrap();
    assert_eq!(send(&mut committer), given + 2);
    // The copy, and the end file of today.
    let today = Synced::of(&committer);
    end_file(&older).write(&today).unwrap();
    assert_refused(&older, &options(false), END_FILE);
    // As long as the other, and another one.
    let mut other = recover(
        &older,
        data(),
        &Options {
            end_file: None,
            ..options(false)
        },
    )
    .unwrap();
    other.begin_run(noon()).unwrap();
    for _ in 0..3 {
        send(&mut other.committer);
    }
    drop(other);
    assert_refused(&older, &options(false), "is not the one");
    let accepted = start(&older, &options(true)).unwrap();
    assert!(sent(&accepted) > LOST_NUMBERS);
}

#[test]
fn an_end_file_that_is_missing_is_written_and_one_of_another_log_or_damaged_is_refused() {
    let (disk, given) = begun(false);
    assert_eq!(sent(&start(&disk, &options(false)).unwrap()), given);
    let written = end_file(&disk).read().unwrap().unwrap();
    let other = Synced {
        journal: "0".repeat(32),
        ..written.clone()
    };
    end_file(&disk).write(&other).unwrap();
    let refused = start(&disk, &options(false)).err();
    assert!(matches!(refused, Some(StartError::OtherLog(_))));
    end_file(&disk).write(&written).unwrap();
    disk.edit(END_FILE.as_ref(), |text| text.truncate(40))
        .unwrap();
    let refused = start(&disk, &options(true)).err();
    assert!(matches!(refused, Some(StartError::EndFileDamaged(_))));
    disk.unlink(END_FILE.as_ref()).unwrap();
    assert!(start(&disk, &options(false)).is_ok());
}

#[test]
fn an_accepted_loss_is_on_record_and_numbers_and_addresses_jump_each_time() {
    let (disk, given) = without_its_end(true);
    let known = end_file(&disk).read().unwrap().unwrap();
    let mut committer = start(&disk, &options(true)).unwrap();
    let lost = losses(&committer.journal().reader());
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0].evidence_known, Some(known.evidence));
    assert_eq!(lost[0].evidence + 5, known.evidence);
    assert_eq!(lost[0].known, known.end.lsn);
    let post = lost[0]
        .units
        .iter()
        .find(|it| it.unit.to_string() == "post/main");
    assert_eq!(post.unwrap().sent, given - 5);
    assert_eq!(send(&mut committer), given - 5 + LOST_NUMBERS + 1);
    assert!(committer.journal().end().0 > known.end.lsn.0 + LOST_ADDRESSES);
    drop(committer);
    // It is over: nothing more is to be accepted, and a start finds the log whole.
    let disk = disk.crash(Pattern::Killed, 2);
    let refused = start(&disk, &options(true)).err();
    assert!(matches!(refused, Some(StartError::NothingLost)));
    let mut committer = start(&disk, &options(false)).unwrap();
    assert_eq!(send(&mut committer), given - 5 + LOST_NUMBERS + 2);
    end_file(&disk).write(&Synced::of(&committer)).unwrap();
    drop(committer);
    // The same once more.
    let disk = disk.crash(Pattern::Killed, 3);
    disk.unlink(&newest(&disk)).unwrap();
    assert_refused(&disk, &options(false), END_FILE);
    let committer = start(&disk, &options(true)).unwrap();
    assert_eq!(losses(&committer.journal().reader()).len(), 2);
    assert!(sent(&committer) > given + 2 * LOST_NUMBERS - 5);
}

#[test]
fn a_crash_at_any_call_of_accepting_accepts_once_or_not_at_all() {
    let (cut, given) = without_its_end(true);
    let calls = {
        let disk = cut.crash(Pattern::All, 0);
        drop(start(&disk, &options(true)).unwrap());
        disk.calls()
    };
    assert!(calls > 10, "{calls}");
    let (mut refused, mut accepted) = (0, 0);
    for call in 0..calls {
        for pattern in Pattern::EACH {
            let disk = cut.crash(Pattern::All, 0);
            disk.plan(call, Fault::Crash);
            drop(start(&disk, &options(true)));
            let left = disk.crash(pattern, call);
            let again = match start(&left, &options(false)) {
                Err(StartError::Lost(_)) => {
                    refused += 1;
                    start(&left, &options(true)).unwrap()
                }
                other => {
                    accepted += 1;
                    other.unwrap()
                }
            };
            let reader = again.journal().reader();
            let lost = losses(&reader);
            assert_eq!(lost.len(), 1, "call {call}, {pattern:?}");
            assert_eq!(lost[0].evidence + 5, lost[0].evidence_known.unwrap());
            assert_eq!(sent(&again), given - 5 + LOST_NUMBERS);
            drop(again);
            let once_more = start(&left.crash(Pattern::Killed, 9), &options(false)).unwrap();
            assert_eq!(sent(&once_more), given - 5 + LOST_NUMBERS);
        }
    }
    assert!(refused > 0 && accepted > 0, "{refused}, {accepted}");
}

#[test]
fn without_a_log_the_end_file_says_that_there_was_one_and_nothing_begins() {
    let disk = SimVfs::new(1);
    let (before, _) = begun(true);
    let said = end_file(&before).read().unwrap().unwrap();
    end_file(&disk).write(&said).unwrap();
    for accepts in [false, true] {
        let refused = start(&disk, &options(accepts)).err();
        assert!(matches!(refused, Some(StartError::Gone(_))));
    }
    let journal = disk.list(&data().join("journal"));
    assert!(journal.unwrap_or_default().is_empty());
}

/// The journal of one log beside the snapshot of another, with the same addresses.
#[test]
fn a_log_that_is_not_the_one_its_snapshot_was_made_of_is_refused_and_goes_on_on_record_alone() {
    let (disk, _) = begun_with(false, 7);
    let (other, given) = begun_with(false, 8);
    let files = |disk: &SimVfs| disk.list(&data().join("snapshots")).unwrap();
    assert_eq!(files(&disk), files(&other));
    for name in files(&disk) {
        let path = data().join("snapshots").join(name);
        let mut content = Vec::new();
        disk.edit(&path, |octets| content.clone_from(octets))
            .unwrap();
        other.edit(&path, |octets| *octets = content).unwrap();
    }
    let without = |accepts| Options {
        end_file: None,
        ..options(accepts)
    };
    assert_refused(&other, &without(false), ".snapshot");
    let accepted = start(&other, &without(true)).unwrap();
    assert_eq!(losses(&accepted.journal().reader()).len(), 1);
    assert_eq!(sent(&accepted), given + LOST_NUMBERS);
    drop(accepted);
    assert!(files(&other).is_empty());
    let once_more = start(&other.crash(Pattern::Killed, 9), &without(false)).unwrap();
    assert_eq!(sent(&once_more), given + LOST_NUMBERS);
}
