//! What the tests of this crate share: files of `spec/`, and flags ready to be asked.

use serde_json::{Map, Value};
use serinus_domain::{
    bundle::Contents,
    compile::{Compiled, compile},
    context::{Attributes, Context},
    decide::put_flag,
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

/// The flags of an import, put one after the other and compiled.
pub fn compiled(imported: &Imported) -> Compiled {
    let mut snapshot = Snapshot::default();
    for flag in &imported.flags {
        let draft = put_flag(&snapshot, &flag.doc, "ana").unwrap();
        let revision = Revision::seal(&draft, snapshot.revision, snapshot.digest, Timestamp(0));
        snapshot = snapshot.apply(&revision).unwrap();
    }
    compile(&snapshot, &Contents::default(), None)
}

/// Somebody who asks, as OFREP names them, in 2026.
pub fn context(mut attributes: Map<String, Value>) -> Context {
    let key = attributes.remove("targetingKey");
    let key = key.as_ref().and_then(Value::as_str).filter(|key| !key.is_empty());
    let context = Context::new(key, None, Attributes::new(attributes).unwrap()).unwrap();
    context.at(Timestamp(1_790_000_000_000_000))
}
