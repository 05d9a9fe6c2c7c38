//! What a client is told where something is refused: a code of AMQP and a sentence.

/// Octets of a sentence at most: with the longest name of a code and ` - ` before it, it fits a short
/// string of AMQP.
pub const SENTENCE_BYTES: usize = 255 - "PRECONDITION_FAILED - ".len();

/// A reply code and sentence, for a return or for the end of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The code's number: 312, 403, 404, 405 or 406.
    pub code: u16,
    /// A plain sentence without the code's name. The wire cuts it behind [`SENTENCE_BYTES`].
    pub text: String,
}

impl Refusal {
    /// This refusal with the addition that it has no record of its own.
    #[must_use]
    pub fn beyond(self, refusals_max: u32) -> Self {
        let says = format!(
            "beyond {refusals_max} refusals a minute, counted without a record: {}",
            self.text
        );
        let mut text = says;
        text.truncate(text.floor_char_boundary(SENTENCE_BYTES));
        Self { text, ..self }
    }
}
