//! Whether the end of the log is gone: what stands beside it names how far it had come.
//!
//! The end file says where it ended. A snapshot or file of ids says that a segment followed, a page
//! of a queue that an entry was there. A log that ends before any of them was cut, or is an older
//! copy, and is not served: numbers would be given twice, and the loss would pass unseen.
//!
//! Accepted, the loss becomes part of the log. It goes on in a new segment, at an address behind all
//! that may ever have been given; the gap is in that segment's header, so no crash can undo it. Its
//! first record, [`Lost`](crate::broker::record::Lost), says what is gone and lets every unit's
//! numbers jump. Files beside the journal that name addresses in the gap are taken away before that.

use std::path::{Path, PathBuf};

use super::end_file::{EndFile, Synced, hex};
use super::error::{Loss, StartError};
use crate::journal::snapshot::{Files, name_at};
use crate::journal::vfs::Vfs;
use crate::journal::{End, Extent, Lsn, Position};

/// What to do about a log whose end is gone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnLoss {
    /// Not to start.
    #[default]
    Refuse,
    /// To go on, on record; not to start where nothing is gone.
    Accept,
}

/// A loss that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// Where what is left ends.
    pub from: Lsn,
    /// How far the log is known to have come.
    pub known: Lsn,
    /// How many pieces of evidence it held, where that is known.
    pub evidence: Option<u64>,
}

/// What stands beside a log and names how far it had come. Read before the log is looked at: beside
/// a process that writes it, the log is never behind what was read before.
pub struct Witnesses<V: Vfs> {
    end_file: Option<(PathBuf, Option<Synced>)>,
    beside: Vec<Beside<V>>,
    /// Snapshots of another journal, or of another history of this one.
    foreign: Vec<Position>,
}

struct Beside<V> {
    files: Files<V>,
    names: Vec<String>,
    needs: NeedsOf,
}

/// Reads from a file's name what the journal must have.
type NeedsOf = fn(&str) -> Option<Needs>;

/// What a file's name says of the journal.
enum Needs {
    /// A segment begins at this address, or behind it.
    From(Lsn),
    /// A segment begins behind this address.
    Behind(Lsn),
    /// A record is at this address.
    Record(Lsn),
}

impl Needs {
    fn are_met(&self, extent: &Extent) -> bool {
        match *self {
            Self::From(at) => extent.newest >= at,
            Self::Behind(first) => extent.newest > first,
            Self::Record(at) => extent.end.lsn > at,
        }
    }

    fn address(&self) -> Lsn {
        match *self {
            Self::From(at) | Self::Behind(at) | Self::Record(at) => at,
        }
    }

    /// Whether the address that it names is in the gap. A snapshot of all that is left names none there.
    fn is_lost(&self, from: Lsn, to: Lsn) -> bool {
        let at = self.address();
        let is_snapshot_of_the_rest = matches!(self, Self::From(_)) && at == from;
        from <= at && at < to && !is_snapshot_of_the_rest
    }
}

fn address(digits: &str) -> Option<Lsn> {
    u64::from_str_radix(digits, 16).ok().map(Lsn)
}

impl<V: Vfs> Witnesses<V> {
    /// Reads what is there below `data`, and the end file.
    pub fn read(vfs: &V, data: &Path, end_file: Option<&EndFile<V>>) -> Result<Self, StartError> {
        let end_file =
            end_file.map(|file| Ok::<_, StartError>((file.path().to_owned(), file.read()?)));
        let beside: [(Files<V>, NeedsOf); 4] = [
            (Files::of_snapshots(vfs.clone(), data), of_snapshot),
            (Files::of_ids(vfs.clone(), data), of_segment),
            (Files::of_index(vfs.clone(), data), of_segment),
            (Files::of_pages(vfs.clone(), data), of_page),
        ];
        let beside = beside.into_iter().map(|(files, needs)| {
            let names = files.names().map_err(StartError::Pages)?;
            Ok(Beside {
                files,
                names,
                needs,
            })
        });
        Ok(Self {
            end_file: end_file.transpose()?,
            beside: beside.collect::<Result<_, StartError>>()?,
            foreign: Vec::new(),
        })
    }

    /// Takes notice of snapshots that are not of the journal as it is.
    pub(super) fn doubt(&mut self, foreign: Vec<Position>) {
        self.foreign = foreign;
    }

    /// The end that the journal must have.
    pub fn expected(&self) -> Option<End> {
        let (_, synced) = self.end_file.as_ref()?;
        synced.as_ref().map(|synced| synced.end)
    }

    /// What the end file says.
    pub fn synced(&self) -> Option<&Synced> {
        self.end_file.as_ref()?.1.as_ref()
    }

    /// Whether a log may be begun where there is none: not where a file says that there was one.
    pub fn begin_a_log(&self) -> Result<(), StartError> {
        if let Some((path, Some(_))) = &self.end_file {
            return Err(StartError::Gone(path.clone()));
        }
        for beside in &self.beside {
            for name in &beside.names {
                if (beside.needs)(name).is_some() && beside.is_whole(name)? {
                    return Err(StartError::Gone(beside.files.path(name)));
                }
            }
        }
        Ok(())
    }

    /// What is gone of a log that reaches so far, if something is.
    pub fn judge(&self, extent: &Extent) -> Result<Option<Loss>, StartError> {
        let mut known = self.by_the_end_file(extent)?;
        known = known.or_else(|| self.by_another_history(extent));
        for beside in &self.beside {
            for name in &beside.names {
                let Some(needs) = (beside.needs)(name) else {
                    continue;
                };
                let is_newer = known.as_ref().is_none_or(|it| needs.address() > it.known);
                // One that is damaged says nothing; whole ones beyond the end are few, or none.
                if is_newer && !needs.are_met(extent) && beside.is_whole(name)? {
                    let before = known.take();
                    known = Some(Loss {
                        end: extent.end.lsn,
                        known: needs.address(),
                        file: beside.files.path(name).display().to_string(),
                        evidence: before.as_ref().and_then(|it| it.evidence),
                        differs: before.is_some_and(|it| it.differs),
                    });
                }
            }
        }
        Ok(known)
    }

    /// A snapshot that was made of a log which had come as far as this one, in another way.
    fn by_another_history(&self, extent: &Extent) -> Option<Loss> {
        let reached = |of: &&Position| of.end.lsn <= extent.newest;
        let of = self.foreign.iter().find(reached)?;
        let snapshots = self.beside.first()?;
        Some(Loss {
            end: extent.end.lsn,
            known: of.end.lsn,
            file: snapshots
                .files
                .path(&name_at(of.end.lsn))
                .display()
                .to_string(),
            evidence: None,
            differs: true,
        })
    }

    fn by_the_end_file(&self, extent: &Extent) -> Result<Option<Loss>, StartError> {
        let Some((path, Some(synced))) = &self.end_file else {
            return Ok(None);
        };
        match extent.journal {
            Some(journal) if hex(journal) != synced.journal => {
                return Err(StartError::OtherLog(path.clone()));
            }
            _ => {}
        }
        let at = synced.end.lsn;
        let within = |(before, first): &(Lsn, Lsn)| *before < at && at < *first;
        if extent.met || extent.gaps.iter().any(within) {
            return Ok(None);
        }
        Ok(Some(Loss {
            end: extent.end.lsn,
            known: at,
            file: path.display().to_string(),
            evidence: Some(synced.evidence),
            differs: at <= extent.end.lsn,
        }))
    }

    /// Takes all of it away, where the log is another one than it was made from.
    pub fn forget_all(&self) -> Result<(), StartError> {
        for Beside { files, names, .. } in &self.beside {
            let forgotten = files.forget(names.iter().map(String::as_str));
            forgotten.map_err(StartError::NotMade)?;
        }
        Ok(())
    }

    /// Takes away what names addresses that are lost; durable when this returns.
    pub fn forget_lost(&self, gaps: &[(Lsn, Lsn)]) -> Result<(), StartError> {
        for beside in &self.beside {
            let is_lost = |needs: Needs| gaps.iter().any(|&(from, to)| needs.is_lost(from, to));
            let names = beside.names.iter();
            let lost = names.filter(|name| (beside.needs)(name).is_some_and(is_lost));
            let forgotten = beside.files.forget(lost.map(String::as_str));
            forgotten.map_err(StartError::NotMade)?;
        }
        Ok(())
    }
}

impl<V: Vfs> Beside<V> {
    fn is_whole(&self, name: &str) -> Result<bool, StartError> {
        let read = self.files.read(name).map_err(StartError::Pages)?;
        Ok(read.is_some())
    }
}

/// `<address>`: the ledger up to where a segment begins.
fn of_snapshot(name: &str) -> Option<Needs> {
    address(name).map(Needs::From)
}

/// `<address>`: of the segment that begins there, and that another one follows.
fn of_segment(name: &str) -> Option<Needs> {
    address(name).map(Needs::Behind)
}

/// `<queue>-<first>-<last>`: entries of a queue.
fn of_page(name: &str) -> Option<Needs> {
    address(name.rsplit('-').next()?).map(Needs::Record)
}
