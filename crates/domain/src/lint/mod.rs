//! Checks that a document must pass before a draft with it is made; each answers the reason as a sentence.
//! Knows nothing of the log: reading what is stored never goes through here.

mod condition;
mod content;
mod flag;
mod private;
mod rollout;
mod stale;

pub use condition::condition;
pub use content::{content, includes, personal};
pub use flag::{feature, flag};
pub use rollout::{guardrails, stages};
pub use stale::{
    FlagUsage, Lifecycle, STALE_AFTER, lifecycle, users_of_flag, users_of_group, users_of_segment,
};

use crate::limits::MESSAGE_BYTES_MAX;

/// A message that goes with a version or a revision.
pub fn message(text: &str) -> Result<(), String> {
    if text.len() > MESSAGE_BYTES_MAX {
        return Err(format!("message has {} bytes: write at most {MESSAGE_BYTES_MAX}", text.len()));
    }
    Ok(())
}
