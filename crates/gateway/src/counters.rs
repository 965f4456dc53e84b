//! What this node has counted since it started, as Prometheus reads it. Knows nothing of units, prompts or answers.

use std::{
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering},
};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn one(&self) {
        self.add(1);
    }

    /// How many so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! counters {
    ($($field:ident, $name:literal, $help:literal;)*) => {
        /// All counters of one node's data plane.
        #[derive(Debug, Default)]
        pub struct Counters {
            $(#[doc = $help] pub $field: Counter,)*
        }

        impl Counters {
            /// Prometheus text, format 0.0.4.
            pub fn prometheus_text(&self) -> String {
                let mut text = String::new();
                $(
                    // Writing to a string cannot fail.
                    let _ = writeln!(
                        text,
                        concat!("# HELP ", $name, " ", $help, "\n# TYPE ", $name, " counter\n", $name, " {}"),
                        self.$field.get()
                    );
                )*
                text
            }
        }
    };
}

counters! {
    requests, "serinus_gateway_requests_total", "Chat completions asked for.";
    refused, "serinus_gateway_refused_total", "Chat completions answered with an error.";
    upstream_failed, "serinus_gateway_upstream_failed_total", "Served calls that their provider failed.";
    cancelled, "serinus_gateway_cancelled_total", "Requests whose client went away before the end.";
    overloaded, "serinus_gateway_overloaded_total", "Requests refused because too many were in work.";
    no_session, "serinus_gateway_no_session_total", "Requests without a session: control, no pin, not enrolled.";
    killed, "serinus_gateway_killed_total", "Requests answered by a killed feature's declared answer.";
    evaluations, "serinus_ofrep_evaluations_total", "Flags and features evaluated over OFREP.";
    pins_written, "serinus_pins_written_total", "Assignments made durable.";
    pins_not_durable, "serinus_pins_not_durable_total", "Assignments served though the store did not take them.";
    pin_races_lost, "serinus_pin_races_lost_total", "Assignments given up because another node was first.";
    pin_reads, "serinus_pin_reads_total", "Sessions read from the store because they were not in memory.";
    records_written, "serinus_records_written_total", "Interaction records made durable.";
    records_dropped, "serinus_records_dropped_total", "Interaction records lost because the queue was full or the store refused.";
    shadow_calls, "serinus_shadow_calls_total", "Copies sent to a candidate or to control again.";
    shadow_dropped_queue, "serinus_shadow_dropped_queue_total", "Copies not made because too many waited.";
    shadow_dropped_rate, "serinus_shadow_dropped_rate_total", "Copies not made because of the rate limit.";
    shadow_dropped_spend, "serinus_shadow_dropped_spend_total", "Copies not made because the stage's money was spent.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_type_and_value() {
        let counters = Counters::default();
        counters.records_dropped.add(3);
        let text = counters.prometheus_text();
        assert!(
            text.contains("# TYPE serinus_records_dropped_total counter\nserinus_records_dropped_total 3\n"),
            "{text}"
        );
        assert!(text.lines().all(|line| line.starts_with("# ") || line.split(' ').count() == 2), "{text}");
    }
}
