//! What may go wrong with a simulated disk.

/// What reaches the disk of all that was not synced when the machine stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    /// Nothing.
    Nothing,
    /// Everything.
    All,
    /// What was written before some moment.
    Prefix,
    /// Any sectors and names.
    Random,
    /// Everything but the last sector written, which is garbage; names up to some moment.
    TornLast,
    /// The process died, not the machine: the page cache lives on and is still not synced.
    Killed,
}

impl Pattern {
    /// All of them, for tests that try each.
    pub const EACH: [Self; 6] = [
        Self::Nothing,
        Self::All,
        Self::Prefix,
        Self::Random,
        Self::TornLast,
        Self::Killed,
    ];
}

/// What goes wrong at a chosen call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The call and all later ones fail; [`SimVfs::crash`](super::SimVfs::crash) gives the disk as found afterwards.
    Crash,
    /// The call fails with an I/O error, once, having done part of its work.
    Broken,
    /// The call fails for want of space, and so does all that needs more space until
    /// [`SimVfs::make_room`](super::SimVfs::make_room).
    Full,
}
