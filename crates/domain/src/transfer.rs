//! Snapshots and revisions as bytes for whoever follows from afar, or starts without a log: a line with the digest that they must
//! have, a line of JSON, and a line for each blob, verbatim, named by its own digest. Knows nothing of how the bytes travel.

use std::{borrow::Cow, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    bundle::Contents,
    digest::{Digest, canonical_json},
    entity::{DocKey, Document},
    resolve::ListKey,
    revision::{Revision, RevisionNumber},
    snapshot::{Snapshot, Stored},
    units::Timestamp,
};

/// Why bytes are no snapshot and no revision.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("what came cannot be read: {0}")]
pub struct Unreadable(String);

fn altered() -> Unreadable {
    Unreadable("it was altered or cut short on its way: its digest does not match".into())
}

/// A document of a snapshot, as it travels.
#[derive(Serialize, Deserialize)]
struct Placed<'a> {
    key: Cow<'a, DocKey>,
    revision: RevisionNumber,
    body: Cow<'a, Value>,
}

/// The JSON of a snapshot; it only grows.
#[derive(Serialize, Deserialize)]
struct Whole<'a> {
    revision: RevisionNumber,
    digest: Digest,
    at: Timestamp,
    /// The key of the lists of people, written like a digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    list_key: Option<Digest>,
    documents: Vec<Placed<'a>>,
}

/// A snapshot with the blobs that evaluating it takes, of those that are held.
pub fn write_snapshot(snapshot: &Snapshot, contents: &Contents) -> Vec<u8> {
    let Snapshot { revision, digest, at, .. } = *snapshot;
    let list_key = contents.list_key.as_ref().map(|key| Digest(*key.bytes()));
    let whole = Whole { revision, digest, at, list_key, documents: snapshot.iter().map(placed).collect() };
    let mut bytes = serde_json::to_vec(&whole).unwrap_or_default();
    let mut named: Vec<_> = snapshot.documents().flat_map(Document::blobs).collect();
    named.sort_unstable();
    named.dedup();
    for value in named.iter().filter_map(|digest| contents.held.get(digest)) {
        push_line(&mut bytes, &canonical_json(value));
    }
    headed(Digest::of(&bytes), &bytes)
}

/// A snapshot out of bytes, with the blobs that came along.
pub fn read_snapshot(bytes: &[u8]) -> Result<(Snapshot, Contents), Unreadable> {
    let (digest, bytes) = head(bytes)?;
    if Digest::of(bytes) != digest {
        return Err(altered());
    }
    let (first, blobs) = split(bytes)?;
    let whole: Whole<'_> =
        serde_json::from_slice(first).map_err(|refused| Unreadable(refused.to_string()))?;
    let list_key = whole.list_key.map(|key| ListKey::new(key.0));
    let documents = whole
        .documents
        .into_iter()
        .map(|placed| (placed.key.into_owned(), placed.revision, placed.body.into_owned()));
    let snapshot = Snapshot::restore(whole.revision, whole.digest, whole.at, documents);
    Ok((snapshot, Contents { held: blobs.into_iter().collect(), list_key }))
}

/// A revision in its stored form with blobs that it names; nothing where this version cannot write the form that was stored, since
/// who follows could not verify another.
pub fn write_revision<'a>(revision: &Revision, blobs: impl IntoIterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let mut bytes = revision.to_stored();
    if Digest::of(&bytes) != revision.digest {
        return None;
    }
    // A blob over several lines is no canonical JSON; who lacks it says so.
    for blob in blobs.into_iter().filter(|blob| !blob.iter().any(|byte| matches!(byte, b'\n' | b'\r'))) {
        push_line(&mut bytes, blob);
    }
    Some(headed(revision.digest, &bytes))
}

/// A revision out of bytes, with the blobs that came along.
pub fn read_revision(bytes: &[u8]) -> Result<(Revision, Blobs), Unreadable> {
    let (digest, bytes) = head(bytes)?;
    let (first, blobs) = split(bytes)?;
    let revision = Revision::from_stored(first).map_err(|refused| Unreadable(refused.to_string()))?;
    if revision.digest != digest {
        return Err(altered());
    }
    Ok((revision, blobs))
}

fn headed(digest: Digest, bytes: &[u8]) -> Vec<u8> {
    let mut headed = format!("{digest}\n").into_bytes();
    headed.extend_from_slice(bytes);
    headed
}

fn head(bytes: &[u8]) -> Result<(Digest, &[u8]), Unreadable> {
    let (digest, rest) = bytes.split_at_checked(65).ok_or_else(altered)?;
    let digest = std::str::from_utf8(digest).ok().and_then(|text| text.strip_suffix('\n')?.parse().ok());
    Ok((digest.ok_or_else(altered)?, rest))
}

fn placed<'a>((key, stored): (&'a DocKey, &'a Arc<Stored>)) -> Placed<'a> {
    Placed { key: Cow::Borrowed(key), revision: stored.revision, body: Cow::Borrowed(&stored.body) }
}

/// Blobs that came along, by the digests of their bytes.
pub type Blobs = Vec<(Digest, Arc<Value>)>;

fn push_line(bytes: &mut Vec<u8>, line: &[u8]) {
    bytes.push(b'\n');
    bytes.extend_from_slice(line);
}

fn split(bytes: &[u8]) -> Result<(&[u8], Blobs), Unreadable> {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let blobs = lines.filter(|line| !line.is_empty()).map(|line| {
        let value =
            serde_json::from_slice(line).map_err(|refused| Unreadable(format!("a blob: {refused}")))?;
        Ok((Digest::of(line), Arc::new(value)))
    });
    Ok((first, blobs.collect::<Result<_, _>>()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::revision::{Cause, Change, Draft, Provenance};

    fn content() -> Value {
        json!({"text": "one\ntwo \u{2028} three", "n": 0.1})
    }

    fn published() -> Revision {
        let digest = Digest::of(&canonical_json(&content()));
        let body = json!({
            "kind": "artifact", "artifact_kind": "system_prompt", "name": "support", "version": 1, "content": digest,
            "author": "ann", "message": "", "created_at": 3, "later": {"unknown": true},
        });
        let flag = json!({"kind": "flag", "key": "a", "value_kind": "boolean", "variants": {"on": true}, "default": "on", "salt": "a"});
        let put = |key: &str, body| Change::Put { key: DocKey::stored(key), body };
        let draft = Draft {
            expected_head: RevisionNumber(0),
            actor: "ann".into(),
            message: "line\nbreak".into(),
            cause: Cause::Person,
            changes: vec![put("artifact/system_prompt/support@1", body), put("flag/a", flag)],
            idempotency_key: None,
            provenance: Provenance::default(),
        };
        Revision::seal(&draft, RevisionNumber(0), Digest::ZERO, Timestamp(3))
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        let (revision, blob) = (published(), canonical_json(&content()));
        let bytes = write_revision(&revision, [blob.as_slice()]).unwrap();
        assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), 2, "a line each");
        let (read, blobs) = read_revision(&bytes).unwrap();
        assert_eq!((read.digest, &blobs[0].0), (revision.digest, &Digest::of(&blob)));
        let snapshot = Snapshot::default().apply(&read).unwrap();
        let contents = Contents { held: blobs.into_iter().collect(), list_key: Some(ListKey::new([7; 32])) };
        let (again, held) = read_snapshot(&write_snapshot(&snapshot, &contents)).unwrap();
        assert_eq!((again, held.held), (snapshot, contents.held));
        assert_eq!(held.list_key.map(|key| key.hash("s1")), contents.list_key.map(|key| key.hash("s1")));
    }

    #[test]
    fn what_was_altered_or_cut_short_is_refused() {
        let bytes = write_revision(&published(), []).unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        for altered in
            [text.replace("\"actor\":\"ann\"", "\"actor\":\"bob\""), text.replacen(&text[..4], "0000", 1)]
        {
            assert_eq!(read_revision(altered.as_bytes()), Err(super::altered()));
        }
        assert!(read_revision(&bytes[..bytes.len() - 2]).is_err());
        let whole = write_snapshot(&Snapshot::default(), &Contents::default());
        assert!(read_snapshot(&whole).is_ok());
        for short in [&whole[..whole.len() - 1], &whole[..70], &whole[..9], b""] {
            assert!(read_snapshot(short).is_err());
        }
    }

    #[test]
    fn a_form_that_cannot_be_written_again_is_not_sent() {
        let mut revision = published();
        revision.digest = Digest::of(b"of bytes with a member of a later version");
        assert_eq!(write_revision(&revision, []), None);
    }
}
