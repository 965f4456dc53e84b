//! Everything recorded, indexed for both ways of asking: what would a model say, and was what it said right.
//! Knows nothing of HTTP.

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use anyhow::Context;

use crate::corpus::Corpus;
use crate::matching::Matcher;
use crate::verdict::Verdicts;

const EMBEDDED_CORPUS_GZ: &[u8] = include_bytes!("../../../demo/corpus/ifeval.jsonl.gz");

#[derive(Debug)]
pub struct Recordings {
    pub corpus: Corpus,
    pub matcher: Matcher,
    pub verdicts: Verdicts,
}

impl Recordings {
    /// The corpus that the crate carries, unpacked once a process.
    pub fn embedded() -> anyhow::Result<Arc<Self>> {
        static EMBEDDED: OnceLock<Arc<Recordings>> = OnceLock::new();
        if let Some(ready) = EMBEDDED.get() {
            return Ok(ready.clone());
        }
        let read = Arc::new(Self::of_corpus(Corpus::read_gz(EMBEDDED_CORPUS_GZ)?)?);
        Ok(EMBEDDED.get_or_init(|| read).clone())
    }

    pub fn from_file(path: &Path) -> anyhow::Result<Arc<Self>> {
        let file =
            File::open(path).with_context(|| format!("corpus {}: cannot be opened", path.display()))?;
        let corpus = Corpus::read_gz(file).with_context(|| format!("corpus {}", path.display()))?;
        Ok(Arc::new(Self::of_corpus(corpus)?))
    }

    fn of_corpus(corpus: Corpus) -> anyhow::Result<Self> {
        Ok(Self { matcher: Matcher::new(&corpus)?, verdicts: Verdicts::new(&corpus), corpus })
    }
}
