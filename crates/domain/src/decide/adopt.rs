//! Documents that come from elsewhere, in as few revisions as hold them: what can be put is put, what cannot is
//! named. Knows no foreign format.

use crate::{
    bundle::Contents,
    compile::Diagnostic,
    decide::Rejection,
    desired::Running,
    entity::{DocKey, Document},
    revision::Draft,
    snapshot::Snapshot,
    units::Timestamp,
};

/// What adopting documents came to.
#[derive(Debug)]
pub struct Adopted {
    /// The revisions to append, one after the other; none where nothing is to change. Each is made against the head as it was.
    pub parts: Vec<Draft>,
    /// Documents that are left out, each with the reason.
    pub left_out: Vec<(DocKey, Rejection)>,
}

/// Puts documents in any order: one that needs another waits for it. What does not compile is left out, since it would answer
/// nobody; what would break something else is refused. `contents` holds the lists that they name.
pub fn adopt(
    snapshot: &Snapshot,
    contents: &Contents,
    documents: &[Document],
    actor: &str,
    now: Timestamp,
) -> Result<Adopted, Rejection> {
    let mut left_out: Vec<(DocKey, Rejection)> = Vec::new();
    loop {
        let mut running = Running::new(snapshot, contents, actor, now);
        let wanted = documents.iter().filter(|one| left_out.iter().all(|(key, _)| *key != one.key()));
        let wanted: Vec<_> = wanted.collect();
        let refused = put_all(&mut running, &wanted);
        let broken = running.newly_broken();
        let dropped: Vec<_> = wanted.iter().filter_map(|one| broken_one(&one.key(), &broken)).collect();
        left_out.extend(refused);
        if dropped.is_empty() {
            if let Some(one) = broken.first() {
                let text = format!("the import would break {}: {}", one.subject, one.reason);
                return Err(Rejection::new("import.broken", text));
            }
            let message = format!("import {} documents", documents.len() - left_out.len());
            return Ok(Adopted { parts: running.in_parts(&message), left_out });
        }
        left_out.extend(dropped);
    }
}

fn put_all(running: &mut Running<'_>, wanted: &[&Document]) -> Vec<(DocKey, Rejection)> {
    let mut waiting = wanted.to_vec();
    loop {
        let count = waiting.len();
        let mut refused = Vec::new();
        waiting.retain(|document| match running.put(document) {
            Ok(_) => false,
            Err(rejection) => {
                refused.push((document.key(), rejection));
                true
            }
        });
        if waiting.len() == count {
            return refused;
        }
    }
}

fn broken_one(key: &DocKey, broken: &[Diagnostic]) -> Option<(DocKey, Rejection)> {
    let one = broken.iter().find(|one| one.subject == key.as_str())?;
    let reason = one.reason.split(';').next().unwrap_or_default();
    Some((key.clone(), Rejection::new("import.broken", format!("{key}: {reason}"))))
}
