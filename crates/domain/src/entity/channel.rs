//! A notification channel: where pages go. Its signing secret is named, never stored, here.

use serde::{Deserialize, Serialize};

use crate::id::ChannelKey;

/// A signed webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelDoc {
    /// Its key.
    pub key: ChannelKey,
    /// Where messages are posted.
    pub url: String,
    /// The name under which the server's configuration holds the secret.
    pub secret_name: String,
}
