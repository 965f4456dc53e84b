//! Incremental server-sent-events parser over arbitrary chunk boundaries. Knows nothing of JSON or of what events mean.

use std::borrow::Cow;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use memchr::memchr2;

/// Longest frame, and so longest line, that is buffered. A chat chunk is some 200 bytes; the largest legitimate ones
/// carry a whole tool call or an image delta.
pub const FRAME_BYTES_MAX: usize = 1024 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("event stream: a frame exceeds {FRAME_BYTES_MAX} bytes; the upstream does not send event frames")]
pub struct FrameTooLong;

/// One frame: everything up to and including its blank line.
#[derive(Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// Where the frame lies in what the next [`SseBuffer::take_consumed`] returns.
    pub range: Range<usize>,
    /// Where `data` lies there, if it is one line.
    pub data_at: Option<usize>,
    pub name: Option<&'a [u8]>,
    /// `None` for comments and empty frames.
    pub data: Option<Cow<'a, [u8]>>,
}

/// Bytes in, frames out; complete frames can be taken out again untouched for forwarding.
#[derive(Debug, Default)]
pub struct SseBuffer {
    bytes: BytesMut,
    frame: usize,    // start of the first frame not yet returned
    line: usize,     // start of the line being searched
    searched: usize, // no line end before this position
    ended: bool,
    past_first: bool,
}

impl SseBuffer {
    pub fn push(&mut self, chunk: &[u8]) {
        self.bytes.extend_from_slice(chunk);
    }

    /// Nothing more will be pushed: a trailing carriage return is a line end now.
    pub fn finish(&mut self) {
        self.ended = true;
    }

    /// Bytes pushed and not yet returned as a frame.
    #[must_use]
    pub fn pending_len(&self) -> usize {
        self.bytes.len() - self.frame
    }

    /// The next complete frame, if there is one.
    ///
    /// # Errors
    /// When a frame grows past [`FRAME_BYTES_MAX`]; the stream cannot be read on.
    pub fn next_event(&mut self) -> Result<Option<Event<'_>>, FrameTooLong> {
        while let Some(at) = memchr2(b'\n', b'\r', &self.bytes[self.searched..]) {
            let end = self.searched + at;
            let next = match (self.bytes[end], self.bytes.get(end + 1)) {
                (b'\r', Some(b'\n')) => end + 2,
                (b'\r', None) if !self.ended => {
                    // Whether a line feed belongs to this line end is known with the next byte only.
                    self.searched = end;
                    return self.incomplete();
                }
                _ => end + 1,
            };
            let blank = end == self.line;
            self.line = next;
            self.searched = next;
            if next - self.frame > FRAME_BYTES_MAX {
                return Err(FrameTooLong);
            }
            if blank {
                let range = self.frame..next;
                self.frame = next;
                let first = !std::mem::replace(&mut self.past_first, true);
                return Ok(Some(read_frame(&self.bytes, range, first)));
            }
        }
        self.searched = self.bytes.len();
        self.incomplete()
    }

    /// Takes out, byte for byte, the frames returned since the last call.
    pub fn take_consumed(&mut self) -> Bytes {
        let taken = self.bytes.split_to(self.frame).freeze();
        self.line -= self.frame;
        self.searched -= self.frame;
        self.frame = 0;
        taken
    }

    fn incomplete(&self) -> Result<Option<Event<'_>>, FrameTooLong> {
        if self.pending_len() > FRAME_BYTES_MAX { Err(FrameTooLong) } else { Ok(None) }
    }
}

fn read_frame(buffer: &[u8], range: Range<usize>, first: bool) -> Event<'_> {
    let mut event = Event { range: range.clone(), data_at: None, name: None, data: None };
    let mut at = range.start;
    if first && buffer[range.clone()].starts_with(b"\xEF\xBB\xBF") {
        at += 3;
    }
    while at < range.end {
        let end = memchr2(b'\n', b'\r', &buffer[at..range.end]).map_or(range.end, |i| at + i);
        let line = &buffer[at..end];
        let value_at = |name_len: usize| at + name_len + usize::from(line.get(name_len) == Some(&b' '));
        if line.starts_with(b"data:") {
            let start = value_at(5);
            append_data(&mut event, &buffer[start..end], start);
        } else if line == b"data" {
            append_data(&mut event, &buffer[end..end], end);
        } else if line.starts_with(b"event:") {
            event.name = Some(&buffer[value_at(6)..end]);
        }
        at = end + 1; // of "\r\n" the second half reads as one more empty line, which means nothing here
    }
    event
}

fn append_data<'a>(event: &mut Event<'a>, value: &'a [u8], at: usize) {
    match &mut event.data {
        None => {
            event.data = Some(Cow::Borrowed(value));
            event.data_at = Some(at);
        }
        Some(data) => {
            let joined = data.to_mut();
            joined.push(b'\n');
            joined.extend_from_slice(value);
            event.data_at = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Read = (Option<Vec<u8>>, Option<Vec<u8>>);

    fn read(chunks: &[&[u8]]) -> (Vec<Read>, Vec<u8>) {
        let mut buffer = SseBuffer::default();
        let (mut events, mut forwarded) = (Vec::new(), Vec::new());
        for i in 0..=chunks.len() {
            match chunks.get(i) {
                Some(chunk) => buffer.push(chunk),
                None => buffer.finish(),
            }
            while let Some(event) = buffer.next_event().unwrap() {
                if let (Some(at), Some(data)) = (event.data_at, &event.data) {
                    assert!(event.range.contains(&at) || data.is_empty());
                }
                events.push((event.name.map(<[u8]>::to_vec), event.data.map(Cow::into_owned)));
            }
            forwarded.extend_from_slice(&buffer.take_consumed());
        }
        (events, forwarded)
    }

    fn check(stream: &str, data: &[&str]) {
        let (events, _) = read(&[stream.as_bytes()]);
        let got: Vec<String> =
            events.into_iter().filter_map(|e| e.1).map(|d| String::from_utf8(d).unwrap()).collect();
        assert_eq!(got, data, "{stream:?}");
    }

    #[test]
    fn frames_of_every_line_ending() {
        check("data: a\n\ndata: b\n\n", &["a", "b"]);
        check("data: a\r\n\r\ndata: b\r\n\r\n", &["a", "b"]);
        check("data: a\r\rdata: b\r\r", &["a", "b"]);
        check("data:a\n\n", &["a"]);
        check("data:  a\n\n", &[" a"]);
        check("data\n\n", &[""]);
        check("data: a\ndata: b\n\n", &["a\nb"]);
        check("\u{feff}data: a\n\n", &["a"]);
        check(": ping\n\nid: 1\ndata: a\nretry: 5\n\n", &["a"]);
        check("data: a\n\ndata: half", &["a"]);
        check("datum: a\n\n", &[]);
    }

    #[test]
    fn names_are_read() {
        let (events, _) = read(&[b"event: error\ndata: x\n\n"]);
        assert_eq!(events, [(Some(b"error".to_vec()), Some(b"x".to_vec()))]);
    }

    #[test]
    fn a_frame_has_a_limit() {
        let mut buffer = SseBuffer::default();
        buffer.push(&vec![b'x'; FRAME_BYTES_MAX]);
        assert_eq!(buffer.next_event(), Ok(None));
        buffer.push(b"x");
        assert_eq!(buffer.next_event(), Err(FrameTooLong));
        let mut buffer = SseBuffer::default();
        buffer.push("data: x\n".repeat(FRAME_BYTES_MAX / 8 + 1).as_bytes());
        assert_eq!(buffer.next_event(), Err(FrameTooLong));
    }

    fn streams() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just("data: {\"a\":1}"),
            Just("data:"),
            Just("data"),
            Just(": note"),
            Just("event: e"),
            Just("\n"),
            Just("\n\n"),
            Just("\r\n"),
            Just("\r\n\r\n"),
            Just("\r"),
            Just("\u{feff}"),
            Just("é"),
        ];
        proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat().into_bytes())
    }

    proptest! {
        #[test]
        fn any_split_reads_the_same(stream in streams(), cuts in proptest::collection::vec(any::<u16>(), 0..12)) {
            let mut cuts: Vec<usize> = cuts.iter().map(|c| usize::from(*c) % (stream.len() + 1)).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|w| &stream[w[0]..w[1]]).collect();
            let whole = read(&[&stream]);
            prop_assert!(stream.starts_with(&whole.1));
            prop_assert_eq!(read(&chunks), whole);
        }

        #[test]
        fn arbitrary_bytes_never_panic(chunks in proptest::collection::vec(
            proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'\n'), Just(b'\r'), Just(b':')], 0..30), 0..12)) {
            let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
            read(&chunks);
        }
    }
}
