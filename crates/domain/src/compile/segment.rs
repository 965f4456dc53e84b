//! Segments to what conditions share, each compiled once, those that others refer to first. Knows nothing of who refers to one.

use std::{collections::BTreeMap, sync::Arc};

use super::{Compiled, Diagnostic, order::topological};
use crate::{
    bundle::Contents,
    digest::Digest,
    entity::{DocKey, Document, SegmentDoc},
    id::SegmentKey,
    resolve::{CompiledCondition, CompiledList, CompiledSegment},
    snapshot::{Snapshot, Stored},
};

/// Segments by key.
pub type Segments = BTreeMap<SegmentKey, Arc<CompiledSegment>>;

/// The segment in `made`, or why there is none.
pub(super) fn find(made: &Segments, key: &SegmentKey) -> Result<Arc<CompiledSegment>, String> {
    made.get(key).cloned().ok_or_else(|| format!("segment \"{key}\" does not exist"))
}

/// The list of people in a blob.
pub(super) fn list(contents: &Contents, digest: &Digest) -> Result<CompiledList, String> {
    let name = digest.short();
    let key =
        contents.list_key.as_ref().ok_or("lists of people cannot be read here: their key is missing")?;
    let blob = contents.held.get(digest).ok_or_else(|| format!("list {name} is not held here"))?;
    CompiledList::compile(key, blob).map_err(|refused| format!("list {name}: {refused}"))
}

/// Compiles all segments. One that cannot be is nobody, and says so.
pub(super) fn compile(
    snapshot: &Snapshot,
    contents: &Contents,
    previous: Option<&Compiled>,
    changed: Option<&[&DocKey]>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Arc<Segments> {
    if let (Some(previous), Some(changed)) = (previous, changed)
        && changed.iter().all(|key| !key.as_str().starts_with("segment/"))
        // One that is not sound may have lacked what is there now.
        && previous.segments.values().all(|segment| segment.broken.is_none())
    {
        return Arc::clone(&previous.segments);
    }
    let docs: BTreeMap<&SegmentKey, (&SegmentDoc, &Arc<Stored>)> = snapshot
        .under("segment/")
        .filter_map(|document| match document {
            Document::Segment(doc) => Some((&doc.key, (doc, snapshot.get(&DocKey::segment(&doc.key))?))),
            _ => None,
        })
        .collect();
    let needs = docs.iter().map(|(key, (doc, _))| (*key, doc.when.segments())).collect();
    let (order, stuck) = topological(&needs);
    let mut made = Segments::new();
    for key in order {
        let Some((doc, source)) = docs.get(key) else { continue };
        let kept = previous.and_then(|previous| previous.segments.get(key)).filter(|kept| {
            let same =
                |need: &Arc<CompiledSegment>| made.get(&need.key).is_some_and(|now| Arc::ptr_eq(now, need));
            Arc::ptr_eq(&kept.source, source) && kept.broken.is_none() && kept.needs.iter().all(same)
        });
        let segment = kept.cloned().unwrap_or_else(|| Arc::new(compiled(doc, source, contents, &made)));
        made.insert(key.clone(), segment);
    }
    for key in stuck {
        let Some((_, source)) = docs.get(key) else { continue };
        let reason = "it refers to itself, or to one that does; break the circle".to_owned();
        made.insert(key.clone(), Arc::new(nobody(key, source, reason)));
    }
    for segment in made.values() {
        if let Some(reason) = &segment.broken {
            let reason = format!("{reason}; nobody belongs to it meanwhile");
            diagnostics.push(Diagnostic { subject: format!("segment/{}", segment.key), reason });
        }
    }
    Arc::new(made)
}

fn nobody(key: &SegmentKey, source: &Arc<Stored>, reason: String) -> CompiledSegment {
    CompiledSegment {
        key: key.clone(),
        when: CompiledCondition::never(),
        included: None,
        excluded: None,
        source: Arc::clone(source),
        needs: Vec::new(),
        broken: Some(reason),
    }
}

fn compiled(doc: &SegmentDoc, source: &Arc<Stored>, contents: &Contents, made: &Segments) -> CompiledSegment {
    let whole = || -> Result<CompiledSegment, String> {
        let mut needs = Vec::new();
        let when = CompiledCondition::compile(&doc.when, &mut |key| {
            let segment = find(made, key)?;
            needs.push(Arc::clone(&segment));
            Ok(segment)
        })?;
        let read = |digest: &Option<Digest>| digest.as_ref().map(|digest| list(contents, digest)).transpose();
        Ok(CompiledSegment {
            key: doc.key.clone(),
            when,
            included: read(&doc.included)?,
            // Without it those who must not belong would, so that the whole segment is nobody.
            excluded: read(&doc.excluded)?,
            source: Arc::clone(source),
            needs,
            broken: None,
        })
    };
    whole().unwrap_or_else(|reason| nobody(&doc.key, source, reason))
}
