//! Sends one answer's frames at their times, or cuts and spoils them. Knows nothing of why.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use rand_chacha::ChaCha8Rng;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::faults::Damage;
use crate::pace::Pace;
use crate::speech::Speech;
use crate::wire::Frames;

/// Lets what was sent reach the wire before the connection is cut.
const BEFORE_CUT: Duration = Duration::from_millis(2);

/// A stream that is being sent.
pub struct Sending {
    pub frames: Frames,
    pub speech: Arc<Speech>,
    pub pace: Pace,
    pub rng: ChaCha8Rng,
    pub damage: Option<Damage>,
    /// Ends all waits.
    pub stop: CancellationToken,
}

/// Where a stream stands.
struct Progress {
    sending: Sending,
    next: Next,
    due: Instant,
}

#[derive(Clone, Copy)]
enum Next {
    Role,
    Piece(usize),
    Cut,
    Over,
}

impl Sending {
    pub fn into_body(self, since: Instant) -> Body {
        let due = since + self.pace.first_token;
        let progress = Progress { sending: self, next: Next::Role, due };
        Body::from_stream(stream::unfold(progress, |mut progress| async move {
            progress.advance().await.map(|chunk| (chunk, progress))
        }))
    }
}

impl Progress {
    /// The frames that are due, in one chunk; none when all is said.
    async fn advance(&mut self) -> Option<io::Result<Bytes>> {
        match self.next {
            Next::Over => return None,
            Next::Cut => {
                self.next = Next::Over;
                tokio::time::sleep(BEFORE_CUT).await;
                return Some(Err(io::Error::other("cut on purpose")));
            }
            Next::Role | Next::Piece(_) => rest_until(self.due, &self.sending.stop).await,
        }
        let now = Instant::now();
        let mut out = Vec::new();
        while matches!(self.next, Next::Role | Next::Piece(_)) && (self.is_hurried() || self.due <= now) {
            self.push_frame(&mut out);
        }
        Some(Ok(out.into()))
    }

    fn is_hurried(&self) -> bool {
        self.sending.pace.is_none() || self.sending.stop.is_cancelled()
    }

    fn push_frame(&mut self, out: &mut Vec<u8>) {
        let Sending { frames, speech, pace, rng, damage, .. } = &mut self.sending;
        let at = match self.next {
            Next::Role => {
                frames.push_role(out);
                self.next = Next::Piece(0);
                return;
            }
            Next::Piece(at) => at,
            Next::Cut | Next::Over => return,
        };
        let is_middle = at == speech.pieces.len() / 2;
        if is_middle && *damage == Some(Damage::Cut) {
            self.next = Next::Cut;
            return;
        }
        if is_middle && *damage == Some(Damage::Malformed) {
            frames.push_malformed(out);
        }
        let Some((escaped, tokens)) = speech.piece(at) else {
            frames.push_end(out);
            self.next = Next::Over;
            return;
        };
        frames.push_piece(out, escaped);
        self.next = Next::Piece(at + 1);
        if !pace.is_none() {
            self.due += pace.gap(rng, tokens);
        }
    }
}

/// The first half of `body`, then a broken connection; the caller declares the whole length.
pub fn cut_body(body: String) -> Body {
    let mut half = Bytes::from(body);
    half.truncate(half.len() / 2);
    Body::from_stream(stream::unfold(Some(half), |half| async move {
        match half {
            Some(half) if !half.is_empty() => Some((Ok(half), Some(Bytes::new()))),
            Some(_) => {
                tokio::time::sleep(BEFORE_CUT).await;
                Some((Err(io::Error::other("cut on purpose")), None))
            }
            None => None,
        }
    }))
}

/// Waits until `due`, or until the server stops.
pub async fn rest_until(due: Instant, stop: &CancellationToken) {
    if due > Instant::now() {
        tokio::select! {
            () = tokio::time::sleep_until(due) => {}
            () = stop.cancelled() => {}
        }
    }
}
