//! A request's body read whole, within its limit. Knows nothing of what it holds, or of how a surface words a refusal.

use axum::body::Body;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It is larger than its limit.
    TooLarge,
    /// It ended early.
    Incomplete,
}

/// Reads a body whole.
pub(crate) async fn read_body(body: Body, bytes_max: usize) -> Result<Bytes, Unread> {
    match Limited::new(body, bytes_max).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Unread::TooLarge),
        Err(_) => Err(Unread::Incomplete),
    }
}
