//! What a session is served and which pins that makes: domain resolution at the session's own revision, checked against the head.
//! A function of what it is given; knows nothing of where pins are kept or how they get there.

use std::sync::Arc;

use serinus_domain::{
    bundle::Bundle,
    compile::{Compiled, CompiledFeature},
    context::Context,
    entity::{BucketBy, Layers, OffAnswer, StageKind},
    id::{UnitHash, VariantKey},
    record::EnrolmentRecord,
    resolve::{Arm, ArmFacts, Pin, Reason, Resolution, resolve},
    revision::RevisionNumber,
    units::Timestamp,
};
use serinus_store::{Active, PinWrite};

use crate::{admit::Asker, error::Refused, pseudonym::Pseudonyms};

/// What a request is served.
#[derive(Debug, Clone)]
pub(crate) struct Resolved {
    /// The feature as the head has it.
    pub feature: Arc<CompiledFeature>,
    pub head: RevisionNumber,
    pub variant: VariantKey,
    pub bundle: Arc<Bundle>,
    pub reason: Reason,
    pub assigned: RevisionNumber,
    pub arm: Option<ArmFacts>,
    /// The stage of the arm's rollout, while the head has it.
    pub stage: Option<StageKind>,
    pub off: Option<OffAnswer>,
}

impl Resolved {
    /// What the feature randomises now.
    pub(crate) fn bucket_by(&self) -> BucketBy {
        self.feature.rollout.as_ref().map_or(self.feature.doc.bucket_by, |rollout| rollout.bucket_by)
    }
}

/// One request's view of the world.
pub(crate) struct View<'a> {
    pub head: &'a Active,
    pub feature: &'a Arc<CompiledFeature>,
    pub asker: &'a Asker,
    /// The session's pins.
    pub pins: &'a [Pin],
    /// The snapshot at the session's own revision, where that is not the head and still held.
    pub own: Option<Arc<Active>>,
    pub pseudonyms: &'a Pseudonyms,
    pub now: Timestamp,
}

/// The revision at which a session began, that of its first pin, where a feature that it has no pin for is to be resolved at it.
pub(crate) fn own_revision(
    pins: &[Pin],
    feature: &CompiledFeature,
    head: RevisionNumber,
) -> Option<RevisionNumber> {
    let is_late = pins.iter().all(|pin| pin.feature != feature.doc.key);
    pins.iter().map(|pin| pin.revision).min().filter(|own| is_late && *own != head)
}

/// Resolves, and says what is to be pinned.
pub(crate) fn assign(view: &View<'_>) -> Result<(Resolved, Option<PinWrite>), Refused> {
    let (feature, context) = (view.feature, &view.asker.context);
    let head = view.head.compiled.revision;
    let pin = view.pins.iter().find(|pin| pin.feature == feature.doc.key);
    let at_head = resolve(feature, head, pin, context);
    if at_head.reason == Reason::Killed || pin.is_some() {
        let resolved = owned(&at_head, feature, head)?;
        let write =
            at_head.wants_pin().then(|| view.write(&view.head.compiled, &resolved, pin)).transpose()?;
        return Ok((resolved, write.flatten()));
    }
    // A feature that the session meets late belongs to the world that the session began in, unless the head took that back.
    if let Some(own) = view.own.as_deref()
        && let Some(then) = own.compiled.features.get(&feature.doc.key)
    {
        let late = resolve(then, own.compiled.revision, None, context);
        if late.wants_pin() && stands(&late, feature) {
            let resolved = owned(&late, feature, head)?;
            let write = view.write(&own.compiled, &resolved, None)?;
            return Ok((resolved, write));
        }
    }
    let resolved = owned(&at_head, feature, head)?;
    let write = at_head.wants_pin().then(|| view.write(&view.head.compiled, &resolved, None)).transpose()?;
    Ok((resolved, write.flatten()))
}

// INVARIANT(rollback-holds): whatever a rollback's reach, nobody is given what it took back any more, by an older snapshot either.
fn stands(late: &Resolution<'_>, head: &CompiledFeature) -> bool {
    let taken_back = head.revoked.iter().any(|revocation| {
        let brings =
            |layers: &Layers| revocation.change.0.iter().all(|(kind, to)| layers.get(*kind) == Some(to));
        let enrolled =
            late.enrolled.is_some_and(|it| it.arm == Arm::Candidate && *it.rollout == revocation.rollout);
        let inherited = revocation.after_completion
            && late.assigned < revocation.revision
            && brings(&late.bundle.layers)
            && !brings(&head.control.layers);
        enrolled || inherited
    });
    !taken_back && head.bundles.contains_key(&late.bundle.id)
}

fn owned(
    resolution: &Resolution<'_>,
    feature: &Arc<CompiledFeature>,
    head: RevisionNumber,
) -> Result<Resolved, Refused> {
    let variant =
        VariantKey::new(resolution.variant).map_err(|_| Refused::internal("a variant has no valid name"))?;
    Ok(Resolved {
        feature: Arc::clone(feature),
        head,
        variant,
        bundle: Arc::clone(resolution.bundle),
        reason: resolution.reason,
        assigned: resolution.assigned,
        arm: resolution.enrolled.map(|enrolled| ArmFacts {
            rollout: enrolled.rollout.clone(),
            arm: enrolled.arm,
            pi: enrolled.pi,
            stage: enrolled.stage_index,
        }),
        stage: resolution.enrolled.and_then(|enrolled| enrolled.stage),
        off: resolution.off.cloned(),
    })
}

impl View<'_> {
    fn pin(&self, session: UnitHash, resolved: &Resolved) -> Pin {
        Pin {
            session,
            feature: resolved.feature.doc.key.clone(),
            variant: resolved.variant.clone(),
            bundle: resolved.bundle.id,
            revision: resolved.assigned,
            arm: resolved.arm.clone(),
            at: self.now,
        }
    }

    /// The pin of this feature, and with an enrolment those of all features that its rollout moves.
    fn write(
        &self,
        world: &Compiled,
        resolved: &Resolved,
        before: Option<&Pin>,
    ) -> Result<Option<PinWrite>, Refused> {
        let Some(session) = self.asker.session else { return Ok(None) };
        let mut pins = vec![self.pin(session, resolved)];
        let mut enrolment = None;
        if let (Some(arm), Some(rollout)) = (&resolved.arm, rollout_of(world, resolved)) {
            enrolment = Some(EnrolmentRecord {
                unit: unit(&self.asker.context, rollout.bucket_by, self.pseudonyms).unwrap_or(session),
                session,
                feature: resolved.feature.doc.key.clone(),
                arm: arm.clone(),
                at: self.now,
            });
            for key in rollout.features.iter().filter(|key| **key != resolved.feature.doc.key) {
                let pinned = self.pins.iter().any(|pin| pin.feature == *key);
                let Some(other) = world.features.get(key).filter(|_| !pinned) else { continue };
                let together = resolve(other, world.revision, None, &self.asker.context);
                if together.wants_pin() {
                    pins.push(self.pin(session, &owned(&together, other, world.revision)?));
                }
            }
        }
        // A pin that names what no longer exists is replaced like one that was revoked.
        Ok(Some(PinWrite { pins, enrolment, crossing: before.is_some() }))
    }
}

fn rollout_of<'a>(
    world: &'a Compiled,
    resolved: &Resolved,
) -> Option<&'a serinus_domain::compile::CompiledRollout> {
    world.features.get(&resolved.feature.doc.key)?.rollout.as_ref()
}

/// The pseudonym of the unit that is randomised.
pub(crate) fn unit(context: &Context, by: BucketBy, pseudonyms: &Pseudonyms) -> Option<UnitHash> {
    context.unit(by).map(|id| pseudonyms.of(id))
}
