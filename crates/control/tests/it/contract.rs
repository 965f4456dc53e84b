//! The API's description: it is the one in the repository, from which the dashboard's client is generated.

use std::path::Path;

#[test]
fn openapi_is_the_snapshot() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ui/openapi.json");
    let stored = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        stored == serinus_control::openapi(),
        "the API has changed: run `cargo xtask openapi` to write ui/openapi.json anew, and review the difference"
    );
}
