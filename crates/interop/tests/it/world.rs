//! What the tests of this crate share: files of `spec/`, and flags ready to be asked.

use serde_json::{Map, Value};
use serinus_domain::{
    bundle::Contents,
    compile::{Compiled, compile},
    context::{Attributes, Context},
    decide::adopt,
    entity::{Document, SegmentDoc},
    revision::Revision,
    snapshot::Snapshot,
    units::Timestamp,
};
use serinus_interop::Imported;

/// A file of `spec/`.
pub fn spec(path: &str) -> String {
    let file = format!("{}/../../spec/{path}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&file).unwrap_or_else(|refused| panic!("{file}: {refused}"))
}

/// Everything of an import but the lists of people, adopted and compiled. Nothing may be left out.
pub fn compiled(imported: &Imported) -> Compiled {
    let segments = imported.segments.iter().map(|one| {
        let (key, when) = (one.key.clone(), one.when.clone());
        Document::Segment(SegmentDoc {
            key,
            description: String::new(),
            when,
            included: None,
            excluded: None,
        })
    });
    let flags = imported.flags.iter().map(|flag| Document::Flag(flag.doc.clone()));
    let documents: Vec<_> = segments.chain(flags).collect();
    let head = Snapshot::default();
    let adopted = adopt(&head, &Contents::default(), &documents, "ana", Timestamp(0)).unwrap();
    assert!(adopted.left_out.is_empty(), "{:?}", adopted.left_out);
    let whole = adopted.parts.iter().fold(head, |head, part| {
        head.apply(&Revision::seal(part, head.revision, head.digest, Timestamp(0))).unwrap()
    });
    compile(&whole, &Contents::default(), None)
}

/// Somebody who asks, as OFREP names them, in 2026.
pub fn context(mut attributes: Map<String, Value>) -> Context {
    let key = attributes.remove("targetingKey");
    let key = key.as_ref().and_then(Value::as_str).filter(|key| !key.is_empty());
    let context = Context::new(key, None, Attributes::new(attributes).unwrap()).unwrap();
    context.at(Timestamp(1_790_000_000_000_000))
}
