//! What the broker still owes to a channel's number: outcomes of publishes, and answers.
//!
//! A number is used again while the broker works on what the channel before had asked for, so the
//! count goes on over all channels of a number. What comes for one that is gone is told apart here
//! and dropped.

/// Owned by the running connection, one for each channel number that was used.
#[derive(Debug, Default)]
pub(super) struct Owed {
    /// The serial of the last publish that went to the broker.
    published: u64,
    /// The serial of the last publish whose outcome came. INVARIANT: outcomes come ascending.
    decided: u64,
    /// The serial of the last publish of a channel that is gone.
    forgotten: u64,
    /// Answers to come for requests of channels that are gone. They come before any other.
    late_answers: usize,
}

impl Owed {
    /// The serial of one more publish.
    pub(super) fn publish(&mut self) -> u64 {
        self.published = self.published.saturating_add(1);
        self.published
    }

    /// Takes back the publish of this serial and all behind it: they did not go to the broker after
    /// all. Their serials are given again, and no longer belong to a channel that is gone.
    pub(super) fn withdraw(&mut self, serial: u64) {
        self.published = self.published.min(serial.saturating_sub(1));
        self.forgotten = self.forgotten.min(self.published);
    }

    /// An outcome has come. Whether the channel of that publish is still there.
    pub(super) fn decide(&mut self, serial: u64) -> bool {
        self.decided = serial;
        serial > self.forgotten
    }

    /// How many outcomes are to come.
    pub(super) fn undecided(&self) -> u64 {
        self.published.saturating_sub(self.decided)
    }

    /// Whether nothing has to be remembered of the number.
    pub(super) fn is_blank(&self) -> bool {
        self.published == 0 && self.late_answers == 0
    }

    /// The channel is gone, and so many answers to it are to come.
    pub(super) fn forget(&mut self, answers: usize) {
        self.forgotten = self.published;
        self.late_answers = self.late_answers.saturating_add(answers);
    }

    /// Takes back so many late answers, which will never come: the requests did not go to the broker.
    pub(super) fn retract(&mut self, requests: usize) {
        self.late_answers = self.late_answers.saturating_sub(requests);
    }

    /// Takes an answer that comes too late; `false` where the one that comes is for a channel that
    /// is there.
    pub(super) fn take_late_answer(&mut self) -> bool {
        let is_late = self.late_answers > 0;
        self.late_answers = self.late_answers.saturating_sub(1);
        is_late
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_and_answers_of_a_channel_that_is_gone_are_not_the_next_ones() {
        let mut owed = Owed::default();
        assert_eq!([owed.publish(), owed.publish()], [1, 2]);
        assert!(owed.decide(1));
        owed.forget(2);
        assert_eq!(owed.publish(), 3);
        assert!(!owed.decide(2), "of the channel before");
        assert_eq!(owed.undecided(), 1);
        owed.retract(1);
        assert!(owed.take_late_answer());
        assert!(!owed.take_late_answer());
        assert!(owed.decide(3) && owed.undecided() == 0);
    }

    #[test]
    fn what_is_withdrawn_is_not_waited_for_and_its_serials_are_given_again() {
        let mut owed = Owed::default();
        let [_, second, _] = [owed.publish(), owed.publish(), owed.publish()];
        owed.withdraw(second);
        assert_eq!(owed.undecided(), 1);
        assert!(owed.decide(1) && owed.undecided() == 0);
        assert_eq!(owed.publish(), second);
    }

    #[test]
    fn a_serial_that_was_withdrawn_after_its_channel_went_is_decided_for_the_next_one() {
        let mut owed = Owed::default();
        let [_, waits] = [owed.publish(), owed.publish()];
        assert!(owed.decide(1));
        owed.forget(0);
        owed.withdraw(waits);
        assert_eq!(owed.publish(), waits);
        assert!(owed.undecided() == 1 && owed.decide(waits));
    }
}
