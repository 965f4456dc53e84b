//! A rollout's page and report as the control API answers them, as far as the demo shows them. Reads leniently: what
//! it does not know it passes over. Knows nothing of how they are shown.

use serde::Deserialize;

/// `GET /rollouts/{key}`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct View {
    pub key: String,
    pub phase: String,
    pub stage: Option<StageNow>,
    pub stages: Vec<Stage>,
    pub hold: Option<Hold>,
    pub rolled_back: Option<RolledBack>,
    pub sentence: String,
    pub evidence: Option<Evidence>,
    pub e_limit: Option<f64>,
    pub started_at: Option<i64>,
    pub ended_at: Option<i64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct StageNow {
    pub index: usize,
    pub kind: String,
    pub share_ppm: u32,
    pub entered_at: Option<i64>,
    pub age_ms: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Stage {
    pub kind: String,
    pub share_ppm: u32,
    pub status: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Hold {
    pub reason: String,
    pub detail: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct RolledBack {
    pub rolled_back_at: i64,
    pub reach: String,
    pub metric: Option<String>,
    pub category: Option<String>,
    pub reason: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Evidence {
    pub at: i64,
    pub enrolled: ArmCounts,
    pub interactions: ArmCounts,
    pub stage_matured: ArmCounts,
    pub guardrails: Vec<Guardrail>,
    pub e: f64,
    pub e_hold: f64,
    pub shadow: Option<Shadow>,
    pub problems: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ArmCounts {
    pub candidate: u64,
    pub control: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Guardrail {
    pub metric: String,
    pub category: Option<String>,
    pub margin: f64,
    pub action: String,
    pub headline: bool,
    pub log_e: f64,
    pub effect: Effect,
    pub non_inferior: bool,
    pub blamed: bool,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Effect {
    pub candidate_units: u64,
    pub control_units: u64,
    pub candidate_mean: f64,
    pub control_mean: f64,
    pub difference: f64,
    pub lower: f64,
    pub upper: f64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Shadow {
    pub pairs: u64,
    pub e: f64,
    pub metrics: Vec<Pair>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Pair {
    pub metric: String,
    pub pairs: u64,
    pub difference: f64,
    pub lower: f64,
    pub upper: f64,
}

/// `GET /rollouts/{key}/report`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Report {
    pub exposure: Exposure,
    pub events: Vec<Event>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Exposure {
    #[serde(alias = "candidate_units")]
    pub candidate_sessions: u64,
    pub candidate_interactions: u64,
    pub last_enrolment_at: Option<i64>,
    pub last_turn_at: Option<i64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Event {
    pub revision: u64,
    pub at: i64,
    pub actor: String,
    pub message: String,
    pub verdict: Option<String>,
}

/// One look at a delivery: both answers.
#[derive(Clone, Debug, Default)]
pub struct Look {
    pub view: View,
    pub report: Report,
}

impl Look {
    #[must_use]
    pub fn has_ended(&self) -> bool {
        matches!(self.view.phase.as_str(), "completed" | "rolled_back" | "cancelled")
    }

    #[must_use]
    pub fn stage_kind(&self) -> &str {
        self.view.stage.as_ref().map_or("", |stage| stage.kind.as_str())
    }
}
