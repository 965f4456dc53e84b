//! Configuration as a directory: `serinus.yaml`, `features/`, `flags/`, `segments/`, `artifacts/KIND/`, `prompts/`. Reading and writing
//! only; what has to change is asked of the server.

mod content;
mod people;
mod read;
mod write;

pub use read::read;
pub use write::write;

/// The file of what belongs to the environment as a whole.
const SETTINGS: &str = "serinus.yaml";
