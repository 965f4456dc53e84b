//! Proposals: what waits for a second person and what never does, what an approval is bound to, and what comes in the way.

use std::sync::atomic::Ordering;

use http::Method;
use serde_json::{Value, json};
use serinus_store::LogReader as _;

use crate::{
    people::with_people,
    world::{Reply, World},
};

/// People in a world whose production is protected.
pub struct Protected {
    pub world: World,
    pub tokens: std::collections::BTreeMap<&'static str, String>,
}

impl Protected {
    pub async fn new(world: World) -> Self {
        let all = Self { tokens: with_people(&world).await, world };
        all.put("adam", "/environments/production", json!({ "protected": true })).await.expect(200);
        all
    }

    pub async fn get(&self, who: &str, path: &str) -> Value {
        self.world.ask_with(&self.tokens[who], Method::GET, path, &Value::Null).await.expect(200)
    }

    pub async fn post(&self, who: &str, path: &str, body: Value) -> Reply {
        self.world.ask_with(&self.tokens[who], Method::POST, path, &body).await
    }

    pub async fn put(&self, who: &str, path: &str, body: Value) -> Reply {
        self.world.ask_with(&self.tokens[who], Method::PUT, path, &body).await
    }

    /// Approves what a proposal says now.
    pub async fn approve(&self, who: &str, id: u64) -> Reply {
        let digest = self.get("vera", &format!("/proposals/{id}")).await["digest"].clone();
        self.post(who, &format!("/proposals/{id}/approve"), json!({ "digest": digest })).await
    }
}

fn concise() -> Value {
    json!({
        "rollout": { "change": {}, "from": "canary" },
        "publish": [{ "feature": "support", "layer": "system_prompt", "content": { "text": "Be brief and kind." } }],
        "message": "shorter answers",
        "reviewers": ["ana"],
    })
}

fn flag() -> Value {
    json!({ "kind": "boolean", "variants": { "on": true, "off": false }, "default": { "variant": "on" } })
}

#[tokio::test]
async fn a_change_waits_for_somebody_else_and_then_names_them() {
    let all = Protected::new(World::open().await.with_feature().await).await;
    let channel = json!({ "url": "https://hooks.example.com/x", "secret_name": "x" });
    let waiting = all.put("ed", "/channels/oncall", channel.clone()).await.expect(202);
    assert_eq!((&waiting["proposal"], &waiting["url"]), (&json!(1), &json!("/p/1")));
    assert_eq!(all.get("ed", "/channels").await["channels"], json!([]));

    all.approve("ed", 1).await.refused(403, "auth.scope");
    all.post("ana", "/proposals/1/approve", json!({ "digest": "0".repeat(64) }))
        .await
        .refused(409, "proposal.edited");
    let applied = all.approve("ana", 1).await.expect(200);
    assert_eq!(applied["state"], "applied");
    assert_eq!(all.get("ed", "/channels").await["channels"][0]["key"], "oncall");
    let head = all.world.store.head().await.unwrap().number;
    assert_eq!(applied["revision"], json!(head));
    let revision = all
        .world
        .store
        .read(serinus_domain::revision::RevisionNumber(head.0 - 1), 1)
        .await
        .unwrap()
        .remove(0);
    let approval = revision.body.provenance.approval.unwrap();
    assert_eq!((revision.body.actor.as_str(), approval.author.as_str()), ("ed", "ed"));
    assert_eq!(
        (approval.approvers, approval.digest.to_string()),
        (vec!["ana".to_owned()], waiting["digest"].as_str().unwrap().to_owned())
    );
    all.approve("ana", 1).await.refused(409, "proposal.not_open");
}

#[tokio::test]
async fn taking_back_never_waits() {
    let all = Protected::new(World::open().await.with_rollout().await).await;
    let held = all.post("olga", "/rollouts/support-1/hold", json!({})).await.expect(200);
    assert_eq!(held["rollout"]["phase"], "held");
    all.post("olga", "/rollouts/support-1/resume", json!({})).await.expect(200);
    let killed = all.post("olga", "/features/support/kill", json!({ "killed": true })).await.expect(200);
    assert_eq!(killed["changed"], true);
    all.post("olga", "/features/support/kill", json!({ "killed": false })).await.expect(200);
    let back = all.post("olga", "/rollback", json!({ "subject": "support" })).await.expect(200);
    assert!(back["revision"].is_u64(), "{back}");
    let text = json!({ "kind": "system_prompt", "name": "support", "content": { "text": "Third." } });
    all.post("ed", "/artifacts", text).await.expect(201);
    assert_eq!(all.get("ed", "/proposals").await["proposals"], json!([]));
}

#[tokio::test]
async fn weakening_the_protection_is_a_proposal_too() {
    let all = Protected::new(World::open().await).await;
    let strict = json!({ "approvals_min": 2 });
    all.put("adam", "/environments/production", strict).await.expect(202);
    all.approve("adam", 1).await.refused(403, "proposal.own");
    all.approve("ana", 1).await.expect(200);
    all.put("adam", "/environments/production", json!({ "protected": false })).await.expect(202);
    let one = all.approve("ana", 2).await.expect(200);
    assert_eq!((&one["state"], &one["approvals_min"]), (&json!("open"), &json!(2)));
    all.approve("ana", 2).await.expect(200);
    assert_eq!(all.get("vera", "/proposals/2").await["state"], "open", "one person counts once");
    all.put("adam", "/people/olga", json!({ "roles": { "production": "approver" } })).await.expect(200);
    assert_eq!(all.approve("olga", 2).await.expect(200)["state"], "applied");
    assert_eq!(all.get("vera", "/environments/production").await["protected"], false);
}

#[tokio::test]
async fn a_proposal_brings_its_version_and_starts_its_rollout_with_the_approval() {
    let all = Protected::new(World::open().await.with_feature().await).await;
    let made = all.post("ed", "/proposals", concise()).await.expect(201);
    assert_eq!(made["waits_for"], json!(["ana"]));
    let version = &made["versions"][0];
    assert_eq!(
        (&version["from"], &version["reference"]),
        (&json!("system_prompt/support@1"), &json!("system_prompt/support@3"))
    );
    assert_eq!((&version["words_added"], &version["words_removed"]), (&json!(4), &json!(2)));
    assert_eq!(made["rollout"]["stages"][0]["kind"], "canary");
    let versions = async || {
        all.get("ed", "/artifacts/system_prompt/support").await["versions"].as_array().unwrap().len()
    };
    assert_eq!(versions().await, 2);

    all.post("ana", "/proposals/1/comment", json!({ "text": "keep the greeting" })).await.expect(200);
    let seen = made["digest"].clone();
    let mut edited = concise();
    edited["publish"][0]["content"]["text"] = "Hello! Be brief and kind.".into();
    all.put("ana", "/proposals/1", json!({ "request": edited })).await.refused(403, "proposal.not_yours");
    all.put("ed", "/proposals/1", json!({ "request": edited })).await.expect(200);
    all.post("ana", "/proposals/1/approve", json!({ "digest": seen })).await.refused(409, "proposal.edited");

    let later = all.world.clock.fetch_add(3_600_000_000, Ordering::SeqCst) + 3_600_000_000;
    assert_eq!(all.approve("ana", 1).await.expect(200)["state"], "applied");
    assert_eq!(versions().await, 3);
    let rollout = all.get("ed", "/rollouts/support-1").await;
    assert_eq!((&rollout["phase"], &rollout["started_at"]), (&json!("running"), &json!(later)));
}

#[tokio::test]
async fn approval_is_exact_and_not_of_ones_own_version() {
    let all = Protected::new(World::open().await.with_feature().await).await;
    let text = json!({ "kind": "system_prompt", "name": "support", "content": { "text": "By ana." } });
    all.post("ana", "/artifacts", text).await.expect(201);
    let start =
        json!({ "rollout": { "change": { "support": { "system_prompt": "system_prompt/support@3" } } } });
    all.post("ed", "/proposals", start).await.expect(201);
    all.approve("ana", 1).await.refused(403, "proposal.own");
    all.approve("adam", 1).await.expect(200);
}

#[tokio::test]
async fn what_changed_underneath_is_shown_and_never_overwritten() {
    let all = Protected::new(World::open().await.with_feature().await).await;
    all.post("ed", "/proposals", concise()).await.expect(201);
    let mut other = concise();
    other["publish"][0]["content"]["text"] = "Another way.".into();
    all.post("olga", "/proposals", other).await.expect(201);
    assert_eq!(all.get("vera", "/proposals/1").await["conflicts"], json!([]));
    all.approve("ana", 2).await.expect(200);

    let conflicts = all.get("vera", "/proposals/1").await["conflicts"].clone();
    assert_eq!(conflicts[0]["key"], "artifact/system_prompt/support@3", "{conflicts}");
    all.approve("ana", 1).await.refused(409, "proposal.conflict");
    all.put("ed", "/proposals/1", json!({ "recompute": true })).await.refused(409, "rollout.overlap");
    all.post("olga", "/rollback", json!({ "subject": "support" })).await.expect(200);
    let again = all.put("ed", "/proposals/1", json!({ "recompute": true })).await.expect(200);
    assert_eq!((&again["conflicts"], &again["approvals"]), (&json!([]), &json!([])));
    assert_eq!(all.approve("ana", 1).await.expect(200)["state"], "applied");
}

#[tokio::test]
async fn a_command_whose_ground_moved_is_void() {
    let all = Protected::new(World::open().await).await;
    let channel = |host: &str| json!({ "url": format!("https://{host}/x"), "secret_name": "x" });
    all.put("ed", "/channels/oncall", channel("one.example.com")).await.expect(202);
    all.put("olga", "/channels/oncall", channel("two.example.com")).await.expect(202);
    all.approve("ana", 2).await.expect(200);
    all.approve("ana", 1).await.refused(409, "proposal.conflict");
    let void = all.get("vera", "/proposals/1").await;
    assert_eq!(void["state"], "void");
    assert!(void["reason"].as_str().unwrap().contains("channel/oncall was changed by revision"), "{void}");
}

#[tokio::test]
async fn a_held_proposal_waits_for_a_command_and_a_draft_for_its_author() {
    let all = Protected::new(World::open().await.with_feature().await).await;
    let mut body = concise();
    (body["draft"], body["hold"]) = (true.into(), true.into());
    all.post("ed", "/proposals", body).await.expect(201);
    all.approve("ana", 1).await.refused(409, "proposal.not_open");
    all.post("olga", "/proposals/1/submit", json!({})).await.refused(403, "proposal.not_yours");
    all.post("ed", "/proposals/1/submit", json!({})).await.expect(200);
    all.post("ed", "/proposals/1/apply", json!({})).await.refused(409, "proposal.not_approved");
    let approved = all.approve("ana", 1).await.expect(200);
    assert_eq!((&approved["state"], &approved["waits_for"]), (&json!("open"), &json!([])));
    assert_eq!(all.post("ed", "/proposals/1/apply", json!({})).await.expect(200)["state"], "applied");
    all.post("ed", "/proposals/1/withdraw", json!({})).await.refused(409, "proposal.not_open");
}

#[tokio::test]
async fn without_protection_a_proposal_needs_nobody() {
    let world = World::open().await.with_feature().await;
    let flag = world.put("/flags/beta", flag()).await;
    assert_ne!(flag.status, 202, "{}", flag.text);
    let body =
        json!({ "rollout": { "change": { "support": { "system_prompt": "system_prompt/support@2" } } } });
    assert_eq!(world.post("/proposals", body).await.expect(201)["waits_for"], json!(["approver"]));
    assert_eq!(world.post("/proposals/1/apply", json!({})).await.expect(200)["state"], "applied");
}
