//! The world that every story plays in: one server, one provider whose models answer with their own names, and words for rollouts.

use serde_json::{Value, json};
use serinus_testkit::{Answer, Api, Launch, ScriptedProvider, Serinus, Turn, crowd};

/// Held by stories whose outcome depends on how fast this machine is, so that they do not slow each other down.
pub static LOAD: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// What every feature is served outside a rollout.
pub const CONTROL: &str = "steady";
/// What rollouts lead to.
pub const CANDIDATE: &str = "fresh";

/// The binary under test.
pub fn binary() -> Launch {
    Launch::of(env!("CARGO_BIN_EXE_serinus"))
}

/// A provider whose models answer with their names.
pub async fn provider() -> ScriptedProvider {
    let provider = ScriptedProvider::start().await;
    for model in [CONTROL, CANDIDATE] {
        provider.says(model, &format!("{model} speaking"));
    }
    provider
}

/// A server on that provider, its clock so many times as fast.
pub async fn serinus(provider: &ScriptedProvider, clock_factor: u32) -> Serinus {
    binary().provider(&provider.url()).clock_factor(clock_factor).start().await
}

/// One stage at half, with minima that nobody meets.
pub fn endless_ab() -> Value {
    json!([{"kind": "ab", "share_ppm": 500_000, "units_min": 1_000_000, "min_ms": 0, "max_ms": 9_000_000_000_u64}])
}

/// The members of a rollout at half whose one guardrail is this.
pub fn guarded(metric: &str, guardrail: Value) -> Value {
    let mut whole = json!({"metric": metric, "weight_ppm": 1_000_000, "headline": true});
    let (Value::Object(whole_members), Value::Object(members)) = (&mut whole, guardrail) else {
        unreachable!("objects")
    };
    whole_members.extend(members);
    json!({"stages": endless_ab(), "builtin": false, "guardrails": [whole]})
}

/// A value with more members.
pub fn also(mut body: Value, members: Value) -> Value {
    if let (Value::Object(body), Value::Object(members)) = (&mut body, members) {
        body.extend(members);
    }
    body
}

/// One turn in each of these sessions.
pub async fn turns(api: &Api, feature: &str, sessions: &[String]) -> Vec<Answer> {
    crowd(sessions, 8, async |session| {
        Turn::new(feature, "Where is my order?").session(session).ask(api).await
    })
    .await
}

/// Names of sessions.
pub fn sessions(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{prefix}-{n}")).collect()
}

/// The variants that were served.
pub fn variants(answers: &[Answer]) -> Vec<String> {
    answers.iter().map(|answer| answer.variant().to_owned()).collect()
}

/// A guardrail's evidence in a rollout's view or report.
pub fn guardrail<'a>(view: &'a Value, metric: &str) -> &'a Value {
    let all = view["evidence"]["guardrails"].as_array().into_iter().flatten();
    all.into_iter().find(|one| one["metric"] == metric && one["category"].is_null()).unwrap_or(&Value::Null)
}

/// An arm's numbers in a report.
pub fn arm<'a>(report: &'a Value, name: &str) -> &'a Value {
    let all = report["arms"].as_array().into_iter().flatten();
    all.into_iter().find(|arm| arm["arm"] == name).unwrap_or(&Value::Null)
}
