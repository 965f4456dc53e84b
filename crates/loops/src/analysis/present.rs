//! How evidence came about over time, for the page that shows it: one point a look, thinned so that a month fits.
//! Knows nothing of what is shown first.

use std::collections::BTreeMap;

use serinus_domain::{
    entity::Metric,
    evidence::{Effect, Evidence},
    id::CategoryKey,
    report::{HarmPoint, POINTS_MAX, Point, Report, Series},
};

use super::Analysis;

/// Wealths are drawn up to here.
const DRAWN_E_MAX: f64 = 1e6;

/// Points of the past looks.
#[derive(Debug, Default)]
pub struct History {
    harm: Vec<HarmPoint>,
    series: BTreeMap<(bool, Metric, Option<CategoryKey>), Vec<Point>>,
}

impl History {
    /// Adds a look.
    pub fn look(&mut self, evidence: &Evidence) {
        let shadow = evidence.shadow.as_ref().filter(|_| evidence.enrolled.candidate == 0);
        let e = shadow.map_or(evidence.e, |shadow| shadow.e).min(DRAWN_E_MAX);
        push(&mut self.harm, HarmPoint { at: evidence.at, e });
        for guardrail in &evidence.guardrails {
            let Effect { candidate_units, control_units, difference, lower, upper, .. } = guardrail.effect;
            if candidate_units == 0 {
                continue;
            }
            let point = Point {
                at: evidence.at,
                units: candidate_units + control_units,
                difference,
                lower,
                upper,
                e: guardrail.log_e.exp().min(DRAWN_E_MAX),
            };
            let key = (guardrail.category.is_some(), guardrail.metric, guardrail.category.clone());
            push(self.series.entry(key).or_default(), point);
        }
    }

    /// The report of now.
    pub fn report(&self, analysis: &Analysis, evidence: Evidence) -> Report {
        let series = self.series.iter().map(|((_, metric, category), points)| Series {
            metric: *metric,
            category: category.clone(),
            points: points.clone(),
        });
        Report {
            evidence,
            harm: self.harm.clone(),
            series: series.collect(),
            arms: analysis.summary.arms(),
            exposure: analysis.summary.exposure(),
        }
    }
}

/// Adds a point; where there are too many every second one goes, but for the last.
fn push<T>(points: &mut Vec<T>, point: T) {
    if points.len() >= POINTS_MAX {
        let mut place = 0;
        points.retain(|_| {
            place += 1;
            place % 2 == 1
        });
    }
    points.push(point);
}
