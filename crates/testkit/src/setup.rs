//! The steps that every story begins with, over the control API as any user takes them. Holds no opinion on what is set up.

use serde_json::{Value, json};

use crate::Api;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persona {
    /// Nobody known.
    Anonymous,
    /// An application: evaluates, invokes and records.
    Application,
    /// Looks.
    Viewer,
    /// Holds and takes back.
    Operator,
}

impl Api {
    /// Publishes a content; answers its reference.
    pub async fn artifact(&self, kind: &str, name: &str, content: Value) -> String {
        let made = self.post("/artifacts", &json!({"kind": kind, "name": name, "content": content})).await;
        made["reference"].as_str().expect("a reference").to_owned()
    }

    /// A model of the scripted provider, free of charge; answers its reference.
    pub async fn model(&self, name: &str) -> String {
        self.artifact("model", name, json!({"provider": "scripted", "model": name})).await
    }

    /// A feature on a model, analysed by session, with `extra` members of its body.
    pub async fn feature(&self, key: &str, model: &str, extra: Value) -> Value {
        let mut body = json!({"control": {"model": self.model(model).await}, "bucket_by": "session"});
        merge(&mut body, extra);
        self.put(&format!("/features/{key}"), &body).await
    }

    /// A judge: its rubric and model, asked for every answer.
    pub async fn judge(&self, model: &str, deadline_ms: u64) -> Value {
        let rubric =
            self.artifact("rubric", "helpful", json!({"instructions": "Is the answer helpful?"})).await;
        let model = self.model(model).await;
        json!({"rubric": rubric, "model": model, "rate_ppm": 1_000_000, "deadline_ms": deadline_ms})
    }

    /// Starts a rollout that replaces the model of each feature, with `extra` members of its body; answers its key.
    pub async fn rollout(&self, features: &[&str], model: &str, extra: Value) -> String {
        let model = self.model(model).await;
        let change: Value = features.iter().map(|key| ((*key).to_owned(), json!({"model": model}))).collect();
        let mut body = json!({ "change": change });
        merge(&mut body, extra);
        let started = self.post("/rollouts", &body).await;
        started["rollout"]["key"].as_str().expect("a rollout's key").to_owned()
    }

    /// Where a rollout is.
    pub async fn phase(&self, rollout: &str) -> String {
        self.get(&format!("/rollouts/{rollout}")).await["phase"].as_str().unwrap_or_default().to_owned()
    }

    /// Every revision of the log, oldest first.
    pub async fn revisions(&self) -> Vec<Value> {
        let latest = self.get("/revisions?limit=200").await;
        let mut numbers: Vec<_> =
            latest["revisions"].as_array().into_iter().flatten().map(|one| one["number"].clone()).collect();
        numbers.reverse();
        let mut revisions = Vec::new();
        for number in numbers {
            revisions.push(self.get(&format!("/revisions/{number}")).await);
        }
        revisions
    }

    /// Somebody with a fresh token of their own, or with none.
    pub async fn persona(&self, persona: Persona) -> Self {
        let scopes: &[&str] = match persona {
            Persona::Anonymous => return self.with_token(None),
            Persona::Application => &["evaluate", "invoke", "record"],
            Persona::Viewer => &["read"],
            Persona::Operator => &["operate"],
        };
        let made = self.post("/tokens", &json!({"name": format!("{persona:?}"), "scopes": scopes})).await;
        self.with_token(made["secret"].as_str())
    }
}

fn merge(body: &mut Value, extra: Value) {
    let (Value::Object(body), Value::Object(extra)) = (body, extra) else { panic!("bodies are objects") };
    body.extend(extra);
}
