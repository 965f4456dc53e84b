//! How a delivery ended, whether it ended as it must, and the same as JSON and as a table. Knows nothing of how it
//! was followed.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::deliveries::{Delivery, Must};
use crate::look::Look;
use crate::reckoning::Reckoning;

/// What must happen where nothing was declared.
const OPEN: &str = "open";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    Completed,
    RolledBack,
    /// Neither when the demo's patience was over.
    Held,
}

/// The guardrail that fired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fired {
    pub metric: String,
    pub category: Option<String>,
}

/// Who met the candidate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Exposed {
    pub sessions: u64,
    pub interactions: u64,
}

/// Milliseconds are real ones: the clock's are divided by its factor.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    pub delivery: u8,
    pub title: &'static str,
    pub rollout: String,
    pub from: String,
    pub to: String,
    pub must: String,
    pub outcome: End,
    pub as_it_must: bool,
    /// The stage that it is in, or was in last.
    pub stage: String,
    pub guardrail: Option<Fired>,
    pub reach: Option<String>,
    /// In the server's words.
    pub reason: String,
    pub exposed: Exposed,
    /// From the first stage that shows the candidate to somebody.
    pub detection_ms: Option<f64>,
    /// From the decision to roll back.
    pub last_enrolment_ms: Option<f64>,
    pub last_turn_ms: Option<f64>,
    /// Revisions that moved it.
    pub revisions: usize,
    pub took_ms: f64,
}

/// Everything a run has to say to a machine.
#[derive(Debug, Serialize)]
pub struct RunOutcome {
    pub seed: u64,
    pub clock_factor: f64,
    pub requests_per_s: f64,
    pub url: String,
    pub as_it_must: bool,
    pub took_ms: f64,
    pub deliveries: Vec<Outcome>,
    pub traffic: TrafficOutcome,
    pub reckoning: Reckoning,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TrafficOutcome {
    pub sessions: u64,
    pub sessions_turned_away: u64,
    pub turns: u64,
    pub turns_failed: u64,
    /// The failed ones by the reason that the traffic saw.
    pub failures: BTreeMap<String, u64>,
    pub turns_delayed: u64,
    pub turns_per_s: f64,
}

impl Must {
    #[must_use]
    pub fn allows(&self, end: End, fired: Option<&Fired>) -> bool {
        match self {
            Self::Complete => end == End::Completed,
            Self::RollBack { metric, category } => {
                let named =
                    |fired: &Fired| fired.metric == *metric && fired.category.as_deref() == Some(category);
                end == End::RolledBack && fired.is_some_and(named)
            }
            Self::Stay => end != End::RolledBack,
            Self::Anything => true,
        }
    }

    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Complete => "completed".to_owned(),
            Self::RollBack { metric, category } => format!("rolled back on {metric} in {category}"),
            Self::Stay => "not rolled back".to_owned(),
            Self::Anything => OPEN.to_owned(),
        }
    }
}

impl End {
    #[must_use]
    pub fn of_phase(phase: &str) -> Self {
        match phase {
            "completed" => Self::Completed,
            "rolled_back" => Self::RolledBack,
            _ => Self::Held,
        }
    }

    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::RolledBack => "rolled back",
            Self::Held => "held",
        }
    }
}

impl Outcome {
    /// Reads the last look. `exposed_since_at` is when the first stage that shows the candidate was entered.
    #[must_use]
    pub fn of(
        delivery: &Delivery,
        look: &Look,
        exposed_since_at: Option<i64>,
        took_ms: f64,
        clock_factor: f64,
    ) -> Self {
        let view = &look.view;
        let end = End::of_phase(&view.phase);
        let back = view.rolled_back.as_ref();
        let fired = back
            .and_then(|back| Some(Fired { metric: back.metric.clone()?, category: back.category.clone() }));
        // Before the decision is as good as at it: nobody has met the candidate since.
        let real_ms = |from_at: i64, to_at: i64| (to_at - from_at).max(0) as f64 / 1_000.0 / clock_factor;
        let since_decision = |at: Option<i64>| Some(real_ms(back?.rolled_back_at, at?));
        let exposure = &look.report.exposure;
        Self {
            delivery: delivery.number,
            title: delivery.title,
            rollout: view.key.clone(),
            from: delivery.from.recorded.clone(),
            to: delivery.to.recorded.clone(),
            must: delivery.must.words(),
            outcome: end,
            as_it_must: delivery.must.allows(end, fired.as_ref()),
            stage: look.stage_kind().to_owned(),
            guardrail: fired,
            reach: back.map(|back| back.reach.clone()),
            reason: back.map_or_else(|| view.sentence.clone(), |back| back.reason.clone()),
            exposed: Exposed {
                sessions: exposure.candidate_sessions,
                interactions: exposure.candidate_interactions,
            },
            detection_ms: back.and_then(|back| Some(real_ms(exposed_since_at?, back.rolled_back_at))),
            last_enrolment_ms: since_decision(exposure.last_enrolment_at),
            last_turn_ms: since_decision(exposure.last_turn_at),
            revisions: look.report.events.len(),
            took_ms,
        }
    }
}

impl RunOutcome {
    /// 0 when every delivery ended as it must, 1 otherwise.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        u8::from(!self.as_it_must)
    }
}

/// The table at the end, one line a delivery.
#[must_use]
pub fn table(outcomes: &[Outcome]) -> Vec<String> {
    let header = [
        "delivery",
        "outcome",
        "as it must",
        "stage",
        "fired",
        "exposed",
        "detected",
        "last turn",
        "revisions",
    ];
    let rows = outcomes.iter().map(row);
    let rows: Vec<[String; 9]> = std::iter::once(header.map(str::to_owned)).chain(rows).collect();
    let widths: [usize; 9] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    let line = |row: &[String; 9]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

fn row(outcome: &Outcome) -> [String; 9] {
    let none = || "-".to_owned();
    let fired = outcome.guardrail.as_ref().map_or_else(none, |fired| match &fired.category {
        Some(category) => format!("{} in {category}", fired.metric),
        None => fired.metric.clone(),
    });
    let Exposed { sessions, interactions } = outcome.exposed;
    [
        format!("{} {}", outcome.delivery, outcome.rollout),
        outcome.outcome.words().to_owned(),
        match (outcome.as_it_must, outcome.must.as_str()) {
            (_, OPEN) => none(),
            (true, _) => "yes".to_owned(),
            (false, _) => "NO".to_owned(),
        },
        outcome.stage.clone(),
        fired,
        format!("{sessions} sessions, {interactions} turns"),
        outcome.detection_ms.map_or_else(none, |ms| format!("{:.1} s", ms / 1_000.0)),
        outcome.last_turn_ms.map_or_else(none, |ms| format!("{ms:.0} ms")),
        outcome.revisions.to_string(),
    ]
}
