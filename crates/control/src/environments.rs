//! The environments of this installation as one of them sees the others: enough to read another one's log, contents and head, for a
//! copy or a diff. Knows nothing of how environments are made, and appends nothing.

use std::sync::Arc;

use serinus_store::{Live, Store};

/// The kind of an environment's paper in the home store: that it exists.
pub const ENVIRONMENT: &str = "environment";

/// Another environment, to read.
#[derive(Clone)]
pub struct EnvironmentReader {
    /// Its key.
    pub key: String,
    /// Its store.
    pub store: Arc<dyn Store>,
    /// What this node serves of it.
    pub live: Arc<Live>,
}

/// All environments of this installation.
pub trait Environments: Send + Sync {
    /// One of them.
    fn get(&self, key: &str) -> Option<EnvironmentReader>;
    /// The keys of all, in order.
    fn keys(&self) -> Vec<String>;
}

/// An installation with one environment.
pub struct OneEnvironment(pub EnvironmentReader);

impl Environments for OneEnvironment {
    fn get(&self, key: &str) -> Option<EnvironmentReader> {
        (self.0.key == key).then(|| self.0.clone())
    }

    fn keys(&self) -> Vec<String> {
        vec![self.0.key.clone()]
    }
}
