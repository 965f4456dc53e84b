//! Upstream stream bytes in, bytes for the client out, reading beside the copy. Knows nothing of sockets or clocks.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use crate::observe::{Observer, Seen};
use crate::sse::SseBuffer;
use crate::wire::ErrorObject;

/// Why a relay cannot go on.
#[derive(Debug, PartialEq)]
pub(crate) enum Stop {
    Done,
    UpstreamError(ErrorObject),
    Malformed,
    CutShort,
}

/// How the upstream's body ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyEnd {
    Clean,
    Broken,
}

pub(crate) struct Relay {
    pub observer: Observer,
    sse: SseBuffer,
    keep_usage: bool,
    cuts: Vec<Range<usize>>,
}

/// All complete frames of what was pushed, as one piece.
pub(crate) struct Relayed {
    pub bytes: Bytes,
    /// At least one frame carried data: comments alone are no sign of progress.
    pub progressed: bool,
    pub stop: Option<Stop>,
}

impl Relay {
    pub(crate) fn new(keep_usage: bool) -> Self {
        Self { observer: Observer::default(), sse: SseBuffer::default(), keep_usage, cuts: Vec::new() }
    }

    pub(crate) fn push(&mut self, chunk: &[u8]) {
        self.sse.push(chunk);
    }

    pub(crate) fn pending_len(&self) -> usize {
        self.sse.pending_len()
    }

    /// Reads every complete frame. A frame that stops the stream for a failure is not forwarded; `[DONE]` is.
    pub(crate) fn drain(&mut self) -> Relayed {
        self.cuts.clear();
        let (mut progressed, mut stop) = (false, None);
        while stop.is_none() {
            let event = match self.sse.next_event() {
                Ok(Some(event)) => event,
                Ok(None) => break,
                Err(_) => {
                    stop = Some(Stop::Malformed);
                    break;
                }
            };
            let Some(payload) = &event.data else { continue };
            progressed = true;
            match self.observer.observe(payload) {
                Seen::Done => stop = Some(Stop::Done),
                Seen::Chunk { usage_only: true, .. } if !self.keep_usage => self.cuts.push(event.range),
                Seen::Chunk { null_usage: Some(cut), .. } if !self.keep_usage => {
                    if let Some(at) = event.data_at {
                        self.cuts.push(at + cut.start..at + cut.end);
                    }
                }
                Seen::Chunk { .. } => {}
                Seen::Error(error) => {
                    self.cuts.push(event.range);
                    stop = Some(Stop::UpstreamError(error));
                }
                Seen::Malformed => {
                    self.cuts.push(event.range);
                    stop = Some(Stop::Malformed);
                }
            }
        }
        Relayed { bytes: without(self.sse.take_consumed(), &self.cuts), progressed, stop }
    }

    /// As [`Self::drain`], when the upstream's body has ended. An answer that has its finish reason is complete even
    /// if the provider never sends an end marker; none is made up for it.
    pub(crate) fn finish(&mut self, end: BodyEnd) -> Relayed {
        self.sse.finish();
        let mut relayed = self.drain();
        relayed.stop.get_or_insert_with(|| {
            let complete = end == BodyEnd::Clean && self.observer.completion.finish_reason.is_some();
            if complete { Stop::Done } else { Stop::CutShort }
        });
        relayed
    }
}

fn without(bytes: Bytes, cuts: &[Range<usize>]) -> Bytes {
    if cuts.is_empty() {
        return bytes;
    }
    let mut kept = BytesMut::with_capacity(bytes.len());
    let mut from = 0;
    for cut in cuts {
        kept.extend_from_slice(&bytes[from..cut.start]);
        from = cut.end;
    }
    kept.extend_from_slice(&bytes[from..]);
    kept.freeze()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STREAM: &str = concat!(
        ": hello\n\n",
        "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":null}}],\"usage\":null}\n\n",
        "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hé\"}}],\"usage\":null}\r\n\r\n",
        "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}\n\n",
        "data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2}}\n\n",
        "data: [DONE]\n\n",
    );

    fn relay(keep_usage: bool, chunks: &[&[u8]], end: BodyEnd) -> (Vec<u8>, Stop, Observer) {
        let mut relay = Relay::new(keep_usage);
        let mut out = Vec::new();
        for chunk in chunks {
            relay.push(chunk);
            let relayed = relay.drain();
            out.extend_from_slice(&relayed.bytes);
            if let Some(stop) = relayed.stop {
                return (out, stop, relay.observer);
            }
        }
        let relayed = relay.finish(end);
        out.extend_from_slice(&relayed.bytes);
        (out, relayed.stop.unwrap(), relay.observer)
    }

    fn unasked() -> String {
        let extra =
            "data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2}}\n\n";
        STREAM.replace(extra, "").replace(",\"usage\":null", "")
    }

    proptest! {
        #[test]
        fn any_split_forwards_the_same(cuts in proptest::collection::vec(0..STREAM.len(), 0..8), keep in any::<bool>()) {
            let mut cuts = cuts;
            cuts.extend([0, STREAM.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|w| &STREAM.as_bytes()[w[0]..w[1]]).collect();
            let (out, stop, observer) = relay(keep, &chunks, BodyEnd::Clean);
            prop_assert_eq!(String::from_utf8(out).unwrap(), if keep { STREAM.to_owned() } else { unasked() });
            prop_assert_eq!(stop, Stop::Done);
            prop_assert_eq!(&observer.completion.content, "Hé");
            prop_assert_eq!(observer.completion.usage.map(|u| u.prompt_tokens), Some(7));
        }

        /// Cut anywhere, the client gets whole frames of the original and never an end marker that was not sent.
        #[test]
        fn any_cut_is_told(at in 0..STREAM.len()) {
            let (out, stop, _) = relay(true, &[&STREAM.as_bytes()[..at]], BodyEnd::Broken);
            prop_assert!(STREAM.as_bytes().starts_with(&out));
            // At the end of a body a lone carriage return ends a line too.
            prop_assert!(out.is_empty() || out.ends_with(b"\n\n") || out.ends_with(b"\r\n\r\n") || out.ends_with(b"\n\r"));
            prop_assert_eq!(stop, Stop::CutShort);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let framed = [b"data: ".as_slice(), &bytes, b"\n\n"].concat();
            relay(false, &[&bytes, &framed], BodyEnd::Clean);
        }
    }

    #[test]
    fn stops() {
        let text = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n";
        let finish = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"length\"}]}\n\n";
        let error = ErrorObject::new("busy", "server_error", "overloaded");
        let error_frame =
            "data: {\"error\":{\"message\":\"busy\",\"type\":\"server_error\",\"code\":\"overloaded\"}}\n\n";
        for (stream, end, forwarded, stop) in [
            (format!("{text}{finish}"), BodyEnd::Clean, format!("{text}{finish}"), Stop::Done),
            (format!("{text}{finish}"), BodyEnd::Broken, format!("{text}{finish}"), Stop::CutShort),
            (text.to_owned(), BodyEnd::Clean, text.to_owned(), Stop::CutShort),
            (
                format!("{text}{error_frame}{text}"),
                BodyEnd::Clean,
                text.to_owned(),
                Stop::UpstreamError(error),
            ),
            (format!("{text}data: {{oops\n\n{text}"), BodyEnd::Clean, text.to_owned(), Stop::Malformed),
            (
                format!("{text}data: [DONE]\n\n{text}"),
                BodyEnd::Clean,
                format!("{text}data: [DONE]\n\n"),
                Stop::Done,
            ),
        ] {
            let (out, got, _) = relay(true, &[stream.as_bytes()], end);
            assert_eq!(got, stop, "{stream}");
            assert_eq!(String::from_utf8(out).unwrap(), forwarded);
        }
    }
}
