//! One revision, ready to be evaluated, and the fold that leads to the next. Does no I/O.

use std::{
    collections::HashSet,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use serinus_domain::{
    bundle::Contents,
    compile::{Compiled, compile},
    entity::Document,
    revision::Revision,
    snapshot::{Refused, Snapshot},
    transfer,
};

/// One revision, ready to be evaluated.
#[derive(Debug)]
pub(crate) struct Active {
    pub snapshot: Snapshot,
    pub contents: Arc<Contents>,
    pub compiled: Compiled,
}

impl Default for Active {
    fn default() -> Self {
        let (snapshot, contents) = (Snapshot::default(), Arc::new(Contents::default()));
        let compiled = compile(&snapshot, &contents, None);
        Self { snapshot, contents, compiled }
    }
}

/// Documents and blobs as far as they have come, which may be further than what can be compiled.
#[derive(Debug, Clone, Default)]
pub(crate) struct Folded {
    pub snapshot: Snapshot,
    pub contents: Arc<Contents>,
}

impl Folded {
    /// Goes on by one revision. One that is here already changes nothing.
    pub fn apply(&mut self, revision: &Revision, blobs: transfer::Blobs) -> Result<(), Refused> {
        if revision.body.number <= self.snapshot.revision {
            return Ok(());
        }
        self.snapshot = self.snapshot.apply(revision)?;
        if !blobs.is_empty() {
            let contents = Arc::make_mut(&mut self.contents);
            contents.held.extend(blobs);
            // Whoever was taken out of a list is not to be kept in the memory of its former readers.
            let named: HashSet<_> = self.snapshot.documents().flat_map(Document::blobs).collect();
            contents.held.retain(|digest, _| named.contains(digest));
        }
        Ok(())
    }

    /// Compiles; nothing where the compiler broke down, so that a poison document does not take the last good revision with it.
    pub fn compile(&self, previous: Option<&Compiled>) -> Option<Active> {
        let compiled =
            catch_unwind(AssertUnwindSafe(|| compile(&self.snapshot, &self.contents, previous))).ok()?;
        Some(Active { snapshot: self.snapshot.clone(), contents: Arc::clone(&self.contents), compiled })
    }
}
