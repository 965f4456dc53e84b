//! What a delivery looks like in a terminal: lines of text made from a look. Pure; knows nothing of terminals.

use std::time::Duration;

use crate::bar::Bar;
use crate::deliveries::Delivery;
use crate::look::{Event, Guardrail, Look, Pair, Stage};

/// Categories shown beside the overall figures: those with most evidence.
const CATEGORIES_SHOWN: usize = 2;

/// One moment of a delivery.
pub struct Scene<'a> {
    pub delivery: &'a Delivery,
    pub look: &'a Look,
    pub pulse: Pulse,
    pub clock_factor: f64,
    pub url: &'a str,
}

/// How fast things go, in real time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pulse {
    pub elapsed: Duration,
    pub turns_per_s: f64,
    pub units_per_s: f64,
}

impl Scene<'_> {
    /// The whole block.
    #[must_use]
    pub fn block(&self) -> Vec<String> {
        let mut lines = vec![
            format!("delivery {}: {}", self.delivery.number, self.delivery.title),
            self.ladder(),
            self.counts(),
        ];
        let rows = self.rows();
        if !rows.is_empty() {
            lines.push(String::new());
            lines.extend(rows);
        }
        lines.extend([String::new(), format!("  {}", self.look.view.sentence)]);
        lines.push(format!("  watch  {}/r/{}", self.url, self.look.view.key));
        lines
    }

    /// One line that says where it is, for an output that cannot be redrawn.
    #[must_use]
    pub fn line(&self) -> String {
        format!("  {:>5.1} s  {}", self.pulse.elapsed.as_secs_f64(), self.look.view.sentence)
    }

    fn ladder(&self) -> String {
        let stages = self.look.view.stages.iter().map(|stage| self.rung(stage));
        format!("  {}", stages.collect::<Vec<_>>().join("  >  "))
    }

    fn rung(&self, stage: &Stage) -> String {
        let mark = match (stage.status.as_str(), self.look.view.phase.as_str()) {
            ("done", _) => "✓",
            ("current", "rolled_back") => "✗",
            ("current", "held") => "‖",
            ("current", _) => "●",
            _ => "·",
        };
        let share = f64::from(stage.share_ppm) / 10_000.0;
        format!("{mark} {} {share:.0}%", stage.kind)
    }

    fn counts(&self) -> String {
        let Pulse { elapsed, turns_per_s, units_per_s } = self.pulse;
        let on_clock = elapsed.as_secs_f64() * self.clock_factor;
        let evidence = self.look.view.evidence.as_ref();
        let harm = evidence.map_or(0.0, |evidence| evidence.e);
        let limit = self.look.view.e_limit.unwrap_or(20.0);
        let units = match evidence.and_then(|evidence| evidence.shadow.as_ref()) {
            Some(shadow) if self.look.stage_kind() == "shadow" => format!("{} pairs", grouped(shadow.pairs)),
            _ => {
                let enrolled = evidence.map(|evidence| evidence.enrolled).unwrap_or_default();
                let (control, candidate) = (grouped(enrolled.control), grouped(enrolled.candidate));
                format!("sessions {control} control, {candidate} candidate")
            }
        };
        format!(
            "  {:.1} s = {} on the clock   {units}   {turns_per_s:.0} turns/s   {units_per_s:.0} units/s   harm {harm:.2} of {limit:.0}",
            elapsed.as_secs_f64(),
            span(on_clock),
        )
    }

    fn rows(&self) -> Vec<String> {
        let Some(evidence) = &self.look.view.evidence else { return Vec::new() };
        match &evidence.shadow {
            Some(shadow) if self.look.stage_kind() == "shadow" => {
                shadow.metrics.iter().map(pair_row).collect()
            }
            _ => chosen(&evidence.guardrails).into_iter().map(guardrail_row).collect(),
        }
    }
}

/// A revision that moved the delivery, as a line that stays: a gate with its evidence.
#[must_use]
pub fn event_line(event: &Event) -> String {
    let verdict = event.verdict.as_deref().unwrap_or("by hand");
    format!("  revision {:<4} {verdict:<13} {}", event.revision, event.message)
}

/// Overall figures first, quality's worst categories below it; what nothing was measured on yet stays away.
fn chosen(guardrails: &[Guardrail]) -> Vec<&Guardrail> {
    let measured = |guardrail: &&Guardrail| guardrail.effect.candidate_units > 0;
    let overall = guardrails.iter().filter(measured).filter(|guardrail| guardrail.category.is_none());
    let mut rows: Vec<&Guardrail> = overall.collect();
    let mut within: Vec<&Guardrail> = guardrails
        .iter()
        .filter(measured)
        .filter(|guardrail| guardrail.category.is_some() && guardrail.metric == "quality")
        .collect();
    within.sort_by(|a, b| b.log_e.total_cmp(&a.log_e));
    within.truncate(CATEGORIES_SHOWN);
    let below = rows.iter().position(|guardrail| guardrail.metric == "quality").map_or(0, |at| at + 1);
    rows.splice(below..below, within);
    rows
}

fn guardrail_row(guardrail: &Guardrail) -> String {
    let Guardrail { metric, effect, margin, .. } = guardrail;
    let name = guardrail.category.as_ref().map_or_else(|| metric.clone(), |place| format!("  in {place}"));
    let bar = Bar {
        difference: effect.difference,
        lower: effect.lower,
        upper: effect.upper,
        limit: if metric == "quality" { -margin } else { *margin },
    };
    let state = match guardrail {
        Guardrail { blamed: true, .. } => "harm".to_owned(),
        Guardrail { non_inferior: true, .. } => "no worse".to_owned(),
        _ => format!("e {}", wealth(guardrail.log_e)),
    };
    let (control, candidate) = (value(metric, effect.control_mean), value(metric, effect.candidate_mean));
    format!("  {name:<22} {control:>9} -> {candidate:<9} {} {state}", bar.draw())
}

fn pair_row(pair: &Pair) -> String {
    // Shadow compares on a scale of its own: a point of margin or more.
    let limit = if pair.metric == "quality" { -0.02 } else { 0.01 };
    let bar = Bar { difference: pair.difference, lower: pair.lower, upper: pair.upper, limit };
    let pairs = format!("{} pairs", grouped(pair.pairs));
    format!("  {:<22} {pairs:>12} {:>+8.1} pt {}", pair.metric, pair.difference * 100.0, bar.draw())
}

fn value(metric: &str, mean: f64) -> String {
    match metric {
        // Micro-dollars a call, of which cents would all be zero.
        "cost" => format!("${:.5}", mean / 1e6),
        "output_tokens" => format!("{mean:.0} tok"),
        _ => format!("{:.1}%", mean * 100.0),
    }
}

fn wealth(log_e: f64) -> String {
    match log_e.exp() {
        e if e < 100.0 => format!("{e:.2}"),
        e if e < 1e6 => format!("{e:.0}"),
        _ => ">1e6".to_owned(),
    }
}

/// A number with its thousands set off.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn span(seconds: f64) -> String {
    let minutes = (seconds / 60.0).round() as u64;
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, minutes) => format!("{hours} h {minutes:02} min"),
    }
}
