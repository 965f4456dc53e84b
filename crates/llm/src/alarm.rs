//! One re-armable deadline per call. Knows nothing of what the deadline means.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::timer::Timer;

pub(crate) struct Expired;

/// Deadlines mostly move forward and seldom fire, so the sleep underneath is left running when its deadline moves
/// and is armed again only when it fires early: a stream of a thousand chunks registers one timer, not a thousand.
pub(crate) struct Alarm {
    timer: Arc<dyn Timer>,
    armed: Option<(u64, BoxFuture<'static, ()>)>,
}

impl Alarm {
    pub(crate) fn new(timer: Arc<dyn Timer>) -> Self {
        Self { timer, armed: None }
    }

    pub(crate) fn now_us(&self) -> u64 {
        self.timer.now_us()
    }

    /// Ready once the clock has reached `deadline_us`.
    pub(crate) fn poll_at(&mut self, cx: &mut Context<'_>, deadline_us: u64) -> Poll<()> {
        loop {
            let sleep = match &mut self.armed {
                Some((fires_us, sleep)) if *fires_us <= deadline_us => sleep,
                armed => {
                    let wait_us = deadline_us.saturating_sub(self.timer.now_us());
                    if wait_us == 0 {
                        return Poll::Ready(());
                    }
                    &mut armed.insert((deadline_us, self.timer.sleep(wait_us))).1
                }
            };
            if sleep.poll_unpin(cx).is_pending() {
                return Poll::Pending;
            }
            self.armed = None;
        }
    }

    pub(crate) async fn race<F: Future>(&mut self, deadline_us: u64, work: F) -> Result<F::Output, Expired> {
        let mut work = pin!(work);
        poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => self.poll_at(cx, deadline_us).map(|()| Err(Expired)),
        })
        .await
    }
}
