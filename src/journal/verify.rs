//! Looking through sealed segments again, one at a time: what was whole when a snapshot was made may
//! rot since.

use super::error::OpenError;
use super::lsn::Lsn;
use super::reader::Reader;
use super::recovery::Known;
use super::vfs::Vfs;

impl<V: Vfs> Reader<V> {
    /// Where the sealed segments begin that begin at an address or behind, in order.
    pub fn sealed_from(&self, from: Lsn) -> Vec<Lsn> {
        let mut segments = self.segments();
        segments.pop();
        segments.retain(|first| *first >= from);
        segments
    }

    /// Looks through the sealed segment that begins at `first`: each record, each frame that was not
    /// given back, and the end that the next segment names. `beat` is told of octets as they are
    /// read, and ends the look by saying no.
    ///
    /// # Errors
    /// Damage with its place, or why the segment cannot be read.
    pub fn verify(&self, first: Lsn, beat: &mut dyn FnMut(usize) -> bool) -> Result<(), OpenError> {
        let next = self.segments().into_iter().find(|next| *next > first);
        let next = next.map(|next| self.segment(next)).transpose()?;
        let segment = self.segment(first)?;
        let known = Known {
            expected: None,
            vouched: Some(segment.header.begins().end),
        };
        let mut survey = known.survey(self.seed(), 0);
        survey.through(&segment, next.as_ref(), beat)
    }
}
