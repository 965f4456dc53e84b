//! A whole answer, and how its body is read within limits. Knows nothing of retries or of streams.

use std::future::poll_fn;
use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::Body as _;

use crate::alarm::Alarm;
use crate::error::ErrorKind;
use crate::wire::Completion;

/// Largest answer kept: ten times what the largest context windows can write as text.
pub(crate) const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

#[derive(Clone, Debug)]
pub struct Answer {
    /// As received.
    pub body: Bytes,
    pub completion: Completion,
    pub status: u16,
    /// Those a client may see.
    pub headers: HeaderMap,
    pub attempts: u32,
    /// To the response head of the last attempt, from the start of the call; so is the total.
    pub first_byte_us: u64,
    pub total_us: u64,
}

/// Reads a body to its end. A single piece, the usual case, is not copied.
pub(crate) async fn read_body(
    body: &mut reqwest::Body,
    bytes_max: usize,
    alarm: &mut Alarm,
    idle_us: u64,
    total_at_us: u64,
) -> Result<Bytes, ErrorKind> {
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(ErrorKind::TooLarge);
    }
    let (mut first, mut joined) = (Bytes::new(), BytesMut::new());
    loop {
        let idle_at_us = alarm.now_us().saturating_add(idle_us);
        let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx));
        let piece = match alarm.race(idle_at_us.min(total_at_us), frame).await {
            Ok(None) => return Ok(if joined.is_empty() { first } else { joined.freeze() }),
            Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
            Ok(Some(Err(_))) => return Err(ErrorKind::CutShort),
            Err(_) if idle_at_us < total_at_us => return Err(ErrorKind::IdleTimeout),
            Err(_) => return Err(ErrorKind::TotalTimeout),
        };
        if first.len() + joined.len() + piece.len() > bytes_max {
            return Err(ErrorKind::TooLarge);
        }
        if first.is_empty() && joined.is_empty() {
            first = piece;
            continue;
        }
        if joined.is_empty() {
            joined.extend_from_slice(&std::mem::take(&mut first));
        }
        joined.extend_from_slice(&piece);
    }
}
