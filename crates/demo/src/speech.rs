//! A text made ready to be sent: JSON-escaped once and cut into pieces of a few tokens. Knows nothing of who
//! says it.

use anyhow::Context;

/// Characters a token of English, the usual rule for counting without the model's tokenizer.
pub const CHARS_PER_TOKEN: f64 = 4.2;

/// Tokens of the pieces of a stream, repeated: a provider's chunk holds one to three tokens.
const PIECE_TOKENS: [u16; 8] = [1, 2, 1, 3, 2, 1, 2, 1];

#[derive(Debug)]
pub struct Speech {
    /// The text as the inside of a JSON string.
    pub escaped: String,
    pub pieces: Vec<Piece>,
    pub tokens: u32,
}

#[derive(Clone, Copy, Debug)]
pub struct Piece {
    /// Where the piece ends in `Speech::escaped`; it starts where the one before ends.
    pub end: u32,
    pub tokens: u16,
}

impl Speech {
    pub fn new(text: &str) -> anyhow::Result<Self> {
        let mut escaped = String::with_capacity(text.len() + text.len() / 16);
        let mut pieces = Vec::new();
        let mut rest = text;
        for tokens in PIECE_TOKENS.into_iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let chars = (f64::from(tokens) * CHARS_PER_TOKEN).round() as usize;
            let cut = rest.char_indices().nth(chars).map_or(rest.len(), |(at, _)| at);
            let (piece, later) = rest.split_at(cut);
            let quoted = serde_json::to_string(piece)?;
            escaped.push_str(&quoted[1..quoted.len() - 1]);
            let end = u32::try_from(escaped.len()).context("a recorded text is longer than 4 GB")?;
            pieces.push(Piece { end, tokens });
            rest = later;
        }
        Ok(Self { escaped, pieces, tokens: tokens_of_chars(text.chars().count()) })
    }

    /// The pieces' escaped texts with their tokens, in order.
    #[must_use]
    pub fn piece(&self, index: usize) -> Option<(&str, u16)> {
        let piece = self.pieces.get(index)?;
        let start =
            index.checked_sub(1).and_then(|before| self.pieces.get(before)).map_or(0, |before| before.end);
        Some((&self.escaped[start as usize..piece.end as usize], piece.tokens))
    }
}

#[must_use]
pub fn tokens_of_chars(chars: usize) -> u32 {
    (chars as f64 / CHARS_PER_TOKEN).ceil() as u32
}
