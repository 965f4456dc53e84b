//! Checks of a rollout's stages and guardrails: order, shares, limits that can mean something.

use crate::{
    entity::{GuardrailLimit, GuardrailSpec, StageKind, StageSpec},
    id::CategoryKey,
    units::Share,
};

/// Checks stages: at least one, in order, shares that grow, a longest time that is no shorter than the shortest.
pub fn stages(stages: &[StageSpec]) -> Result<(), String> {
    if stages.is_empty() {
        return Err("it has no stage: name at least one".into());
    }
    let mut share = Share::NONE;
    let mut kind: Option<StageKind> = None;
    for stage in stages {
        let name = stage.kind.as_str();
        if kind.is_some_and(|before| before > stage.kind) {
            return Err(format!(
                "stage {name} stands after a later one: order them shadow, canary, ab, full"
            ));
        }
        kind = Some(stage.kind);
        if stage.share == Share::NONE {
            return Err(format!("stage {name} has no share: give it one above 0%"));
        }
        if stage.max < stage.min {
            return Err(format!(
                "stage {name} lasts at least {} and at most {}: raise the longest",
                stage.min, stage.max
            ));
        }
        if stage.kind == StageKind::Shadow {
            continue;
        }
        if stage.share < share {
            return Err(format!(
                "stage {name} has {}, less than the stage before it: shares only grow",
                stage.share
            ));
        }
        share = stage.share;
    }
    Ok(())
}

/// Checks guardrails: no two alike, weights that are something, limits on the metric's scale.
pub fn guardrails(guardrails: &[GuardrailSpec], categories: &[CategoryKey]) -> Result<(), String> {
    for (at, guardrail) in guardrails.iter().enumerate() {
        let name = guardrail.metric;
        let alike = |other: &GuardrailSpec| other.metric == name && other.limit == guardrail.limit;
        if guardrails.iter().skip(at + 1).any(alike) {
            return Err(format!("guardrail {name} is declared twice with the same limit"));
        }
        if guardrail.weight == Share::NONE {
            return Err(format!("guardrail {name} has no weight: give it one above 0%"));
        }
        match guardrail.limit {
            GuardrailLimit::WorseBy { relative_ppm: 0, absolute_ppm: 0 } => {
                return Err(format!(
                    "guardrail {name} has a margin of nothing, which noise alone breaks: give it one"
                ));
            }
            GuardrailLimit::WorseThan { limit_ppm: 0 } => {
                return Err(format!("guardrail {name} has a limit of 0: give it one above"));
            }
            GuardrailLimit::WorseThan { .. } if !name.is_share() => {
                return Err(format!(
                    "guardrail {name} has no scale from 0 to 1 for an absolute limit: use worse_by"
                ));
            }
            GuardrailLimit::WorseBy { .. } | GuardrailLimit::WorseThan { .. } => {}
        }
        if let Some(unknown) = guardrail.category_weights.keys().find(|key| !categories.contains(key)) {
            let known: Vec<_> = categories.iter().map(CategoryKey::as_str).collect();
            return Err(format!(
                "guardrail {name} weighs category \"{unknown}\", which is none of: {}",
                known.join(", ")
            ));
        }
    }
    Ok(())
}
