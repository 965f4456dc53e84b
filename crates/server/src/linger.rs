//! Lets a client that sends too much read why it is refused: a body that was given up is read on, and dropped, before the answer
//! goes out. A server that closes while the client still writes makes it see a broken pipe in place of a 413.
//! Knows nothing of limits; whoever answered 413 had one.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::Response,
};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;

/// What is read on at most; who sends more than this is cut off.
const BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long it is read on at most.
const TIME_MAX: Duration = Duration::from_secs(5);

/// A body that can be read on by somebody else once its reader has gone.
struct Shared(Arc<Mutex<Body>>);

impl HttpBody for Shared {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Pin::new(&mut *body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).size_hint()
    }
}

/// The middleware, outermost of all.
pub async fn linger(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let body = Arc::new(Mutex::new(body));
    let shared = Body::new(Shared(Arc::clone(&body)));
    let mut response = next.run(Request::from_parts(parts, shared)).await;
    if response.status() == StatusCode::PAYLOAD_TOO_LARGE {
        // Whether it came to its end or not: the connection is not used again.
        let _late = tokio::time::timeout(TIME_MAX, read_on(Shared(body))).await;
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

async fn read_on(mut body: Shared) {
    let mut read = 0;
    while let Some(Ok(frame)) = body.frame().await {
        read += frame.data_ref().map_or(0, Bytes::len);
        if read > BYTES_MAX {
            return;
        }
    }
}
