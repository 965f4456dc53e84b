//! People: which role may do what, how they get in and out, and that nobody locks everybody out.

use std::{collections::BTreeMap, sync::atomic::Ordering};

use http::Method;
use serde_json::{Value, json};

use crate::world::{World, admin_token};

/// Handles with their roles in production, least first.
pub const PEOPLE: [(&str, &str); 5] =
    [("vera", "viewer"), ("ed", "editor"), ("olga", "operator"), ("ana", "approver"), ("adam", "admin")];

/// A world with these people; answers their tokens.
pub async fn with_people(world: &World) -> BTreeMap<&'static str, String> {
    let mut tokens = BTreeMap::new();
    for (id, role) in PEOPLE {
        let email = format!("{id}@example.com");
        let body = json!({ "id": id, "name": id, "email": email, "roles": { "production": role } });
        let made = world.ask_with(&admin_token(), Method::POST, "/people", &body).await.expect(201);
        tokens.insert(id, made["secret"].as_str().unwrap().to_owned());
    }
    tokens
}

#[tokio::test]
async fn a_role_allows_what_it_says_and_no_more() {
    let world = World::open().await.with_rollout().await;
    let tokens = with_people(&world).await;
    // What it takes, from the least to the most.
    let table = [
        (0, Method::GET, "/features", json!(null)),
        (0, Method::GET, "/proposals", json!(null)),
        (1, Method::PUT, "/flags/beta", json!({ "kind": "boolean" })),
        (1, Method::POST, "/proposals", json!({})),
        (2, Method::POST, "/rollouts/support-1/hold", json!({})),
        (2, Method::POST, "/features/support/kill", json!({ "killed": true })),
        (3, Method::POST, "/proposals/1/approve", json!({})),
        (4, Method::GET, "/people", json!(null)),
        (4, Method::GET, "/tokens", json!(null)),
        (4, Method::PUT, "/environments/production", json!({})),
    ];
    for (least, method, path, body) in table {
        for (rank, (id, _)) in PEOPLE.iter().enumerate() {
            let reply = world.ask_with(&tokens[id], method.clone(), path, &body).await;
            let refused = reply.status == 403 && reply.json()["code"] == "auth.scope";
            assert_eq!(refused, rank < least, "{id} {method} {path}: {}", reply.text);
            assert_ne!(reply.status, 401, "{id} {method} {path}: {}", reply.text);
        }
    }
}

#[tokio::test]
async fn whoami_shows_the_person_and_revisions_only_the_handle() {
    let world = World::open().await;
    let tokens = with_people(&world).await;
    let who = world.ask_with(&tokens["ana"], Method::GET, "/session", &Value::Null).await.expect(200);
    assert_eq!((&who["actor"], &who["environment"]), (&json!("ana"), &json!("production")));
    assert_eq!(who["person"]["roles"], json!({ "production": "approver" }));
    let rubric = json!({ "kind": "rubric", "name": "kind", "content": { "instructions": "Is it kind?" } });
    world.ask_with(&tokens["ed"], Method::POST, "/artifacts", &rubric).await.expect(201);
    let log = world.ask_with(&tokens["vera"], Method::GET, "/revisions", &Value::Null).await;
    let (text, list) = (log.text.clone(), log.expect(200));
    assert_eq!(
        (&list["revisions"][0]["actor"], &list["revisions"][0]["cause_kind"]),
        (&json!("ed"), &json!("person"))
    );
    assert!(!text.contains("example.com"), "{text}");
}

#[tokio::test]
async fn a_link_ends_when_it_is_replaced_runs_out_or_its_person_is_kept_out() {
    let world = World::open().await;
    let tokens = with_people(&world).await;
    let admin = admin_token();
    let asks = async |token: &str| {
        world.ask_with(token, Method::GET, "/features", &Value::Null).await.status.as_u16()
    };
    assert_eq!(asks(&tokens["ana"]).await, 200);
    let link = json!({ "expires_in_ms": 60_000 });
    let made = world.ask_with(&admin, Method::POST, "/people/ana/link", &link).await.expect(201);
    let fresh = made["secret"].as_str().unwrap();
    assert_eq!((asks(&tokens["ana"]).await, asks(fresh).await), (401, 200));
    world.clock.fetch_add(60_000_000, Ordering::SeqCst);
    assert_eq!(asks(fresh).await, 401);
    world.ask_with(&admin, Method::PUT, "/people/ed", &json!({ "disabled": true })).await.expect(200);
    assert_eq!(asks(&tokens["ed"]).await, 401);
    let list = world.ask_with(&admin, Method::GET, "/people", &Value::Null).await.text;
    assert!(!list.contains("srn_"), "{list}");
}

#[tokio::test]
async fn somebody_stays_who_can_let_others_in() {
    let world = World::open().await;
    let tokens = with_people(&world).await;
    let change = async |id: &str, body: Value| {
        world.ask_with(&tokens["adam"], Method::PUT, &format!("/people/{id}"), &body).await
    };
    change("adam", json!({ "roles": { "production": "editor" } })).await.refused(409, "person.last_admin");
    change("adam", json!({ "disabled": true })).await.refused(409, "person.last_admin");
    change("ana", json!({ "roles": { "production": "admin" } })).await.expect(200);
    change("adam", json!({ "roles": { "production": "editor" } })).await.expect(200);
    change("ana", json!({ "roles": {} })).await.refused(403, "auth.scope");
    for (body, code) in [
        (json!({ "id": "an na" }), "request.invalid"),
        (json!({ "id": "zoe", "email": "nowhere" }), "person.invalid"),
        (json!({ "id": "zoe", "roles": { "mars": "admin" } }), "person.invalid"),
        (json!({ "id": "ana" }), "person.exists"),
    ] {
        let reply = world.ask_with(&admin_token(), Method::POST, "/people", &body).await;
        assert_eq!(reply.json()["code"], code, "{body}: {}", reply.text);
    }
}

#[tokio::test]
async fn an_applications_token_stays_in_its_environment() {
    let world = World::guarded().await;
    let body = json!({ "name": "app", "scopes": ["read"], "environment": "staging" });
    let unknown = world.ask_with(&admin_token(), Method::POST, "/tokens", &body).await;
    unknown.refused(422, "token.invalid");
    let token = serinus_store::Token {
        hash: serinus_control::mint("stage", [5, 6]).hash,
        id: "stage".into(),
        name: "app".into(),
        scopes: vec!["admin".into()],
        created_at: serinus_domain::units::Timestamp(0),
        revoked_at: None,
        person: None,
        environment: Some("staging".into()),
        expires_at: None,
    };
    serinus_store::Tokens::put(&*world.store, &token).await.unwrap();
    world.clock.fetch_add(1, Ordering::SeqCst);
    tokio::time::sleep(std::time::Duration::from_millis(2100)).await;
    let text = serinus_control::mint("stage", [5, 6]).text;
    for path in ["/features", "/people"] {
        world.ask_with(&text, Method::GET, path, &Value::Null).await.refused(403, "auth.environment");
    }
}
