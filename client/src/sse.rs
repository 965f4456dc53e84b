//! Server-sent events out of chunks of bytes, split anywhere. Knows nothing of what the events say.

use std::time::Duration;

/// Bytes of one event; a snapshot of tens of thousands of flags fits, a stream without an end does not.
const EVENT_BYTES_MAX: usize = 256 * 1024 * 1024;

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub name: String,
    /// The data's lines, joined by line feeds.
    pub data: Vec<u8>,
}

/// An event that is too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stream has an event of more than {EVENT_BYTES_MAX} bytes")]
pub(crate) struct TooLarge;

/// What has come so far of an event.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    rest: Vec<u8>,
    name: String,
    data: Vec<u8>,
    has_data: bool,
    /// The last wait that the server asked for.
    pub retry: Option<Duration>,
}

impl Parser {
    /// Takes what came; answers the events that it completes.
    pub fn push(&mut self, chunk: &[u8]) -> Result<Vec<Event>, TooLarge> {
        if self.rest.len().saturating_add(self.data.len()).saturating_add(chunk.len()) > EVENT_BYTES_MAX {
            return Err(TooLarge);
        }
        let mut events = Vec::new();
        let searched = self.rest.len();
        self.rest.extend_from_slice(chunk);
        let rest = std::mem::take(&mut self.rest);
        let mut from = 0;
        // What was left over has no line end in it.
        while let Some(end) =
            memchr::memchr(b'\n', &rest[from.max(searched)..]).map(|at| at + from.max(searched))
        {
            let line = &rest[from..end];
            events.extend(self.line(line.strip_suffix(b"\r").unwrap_or(line)));
            from = end + 1;
        }
        self.rest = rest;
        self.rest.drain(..from);
        Ok(events)
    }

    fn line(&mut self, line: &[u8]) -> Option<Event> {
        if line.is_empty() {
            let (name, data) = (std::mem::take(&mut self.name), std::mem::take(&mut self.data));
            return std::mem::take(&mut self.has_data).then_some(Event { name, data });
        }
        let colon = memchr::memchr(b':', line).unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match &line[..colon] {
            b"event" => self.name = String::from_utf8_lossy(value).into_owned(),
            b"data" => {
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.has_data = true;
                self.data.extend_from_slice(value);
            }
            b"retry" => {
                let wait = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                self.retry = wait.map(Duration::from_millis).or(self.retry);
            }
            // Comments keep the connection open; ids are revision numbers, which the data has as well.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_split_gives_the_same_events() {
        let text = b"retry: 70\n\n: hello\r\nid: 3\nevent: revision\ndata: {\"a\":1}\ndata:[2]\n\nevent: none\n\ndata: x\r\n\r\n";
        let wanted = [
            Event { name: "revision".into(), data: b"{\"a\":1}\n[2]".to_vec() },
            Event { name: String::new(), data: b"x".to_vec() },
        ];
        for size in 1..text.len() {
            let mut parser = Parser::default();
            let events: Vec<_> = text.chunks(size).flat_map(|chunk| parser.push(chunk).unwrap()).collect();
            assert_eq!(events, wanted, "in chunks of {size}");
            assert_eq!(parser.retry, Some(Duration::from_millis(70)));
        }
    }
}
