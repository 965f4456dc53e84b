//! Who may do what, in which form they say who they are, and that no secret comes out again.

use std::sync::Arc;

use axum::body::Body;
use http::{
    HeaderMap, Method, Request,
    header::{AUTHORIZATION, SET_COOKIE},
};
use serde_json::{Value, json};
use serinus_control::{AuthPolicy, Authenticator, Scope, mint};
use serinus_domain::units::Timestamp;
use serinus_store::{MemoryStore, Token, Tokens};

use crate::world::{Who, World, admin_token, request};

/// Every operation of the API with what it needs.
fn operations() -> Vec<(Method, String)> {
    let document: Value = serde_json::from_str(&serinus_control::openapi()).unwrap();
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let path = path
                .replace("environments/{key}", "environments/production")
                .replace("people/{id}", "people/x");
            let path = path.replace("proposals/{id}", "proposals/1");
            let path = path.replace("{number}", "1").replace("{version}", "1").replace("{kind}", "model");
            let path = path.replace("{key}", "x").replace("{name}", "x").replace("{id}", "x");
            all.push((method.to_uppercase().parse().unwrap(), path));
        }
    }
    all
}

/// Whether an operation answers without end.
fn streams(path: &str) -> bool {
    path.ends_with("/stream") || path.ends_with("/follow")
}

/// The persona that is allowed the least of those who may use an operation.
fn least(method: &Method, path: &str) -> Who {
    match (method.as_str(), path.trim_start_matches("/api/v1/")) {
        (_, path) if path.starts_with("tokens") || path.starts_with("people") => Who::Admin,
        (_, path) if path.ends_with("/redact") => Who::Admin,
        ("GET", _) | (_, "proposals/1/comment" | "artifacts/render" | "plan" | "follow/ack") => Who::Viewer,
        (_, path) if path.ends_with("/explain") => Who::Viewer,
        (_, "environments/production") => Who::Admin,
        (_, "proposals/1/approve") => Who::Approver,
        (_, "feedback" | "scores") => Who::Recorder,
        (_, "rollback" | "features/x/kill") => Who::Operator,
        (_, path) if path.starts_with("rollouts/") => Who::Operator,
        _ => Who::Publisher,
    }
}

#[tokio::test]
async fn every_operation_is_refused_to_whoever_lacks_its_scope() {
    let world = World::guarded().await;
    let mut checked = 0;
    for (method, path) in operations() {
        // Signing in, out, and asking who one is need no scope by their nature.
        if path.ends_with("/session") {
            continue;
        }
        let least = least(&method, &path);
        for who in [Who::Anonymous, Who::Viewer, Who::Publisher, Who::Operator, Who::Recorder, Who::Approver]
        {
            let reads = least == Who::Viewer && matches!(who, Who::Publisher | Who::Operator | Who::Approver);
            if who == least || reads {
                continue;
            }
            let reply = world.ask(who, method.clone(), &path, &Value::Null).await;
            let (status, code) =
                if who == Who::Anonymous { (401, "auth.missing") } else { (403, "auth.scope") };
            assert_eq!(reply.status.as_u16(), status, "{who:?} {method} {path}: {}", reply.text);
            reply.refused(status, code);
            checked += 1;
        }
    }
    assert!(checked > 100, "{checked}");
}

#[tokio::test]
async fn whoever_has_the_scope_is_let_in() {
    let world = World::guarded().await;
    for (method, path) in operations() {
        if path.ends_with("/session") || streams(&path) {
            continue;
        }
        for who in [least(&method, &path), Who::Admin] {
            let reply = world.ask(who, method.clone(), &path, &Value::Null).await;
            assert!(
                !matches!(reply.status.as_u16(), 401 | 403 | 500),
                "{who:?} {method} {path}: {}",
                reply.text
            );
        }
    }
}

#[tokio::test]
async fn the_first_token_closes_the_door_and_revoking_it_does_not_open_it() {
    let world = World::open().await;
    let made = world.post("/tokens", json!({ "name": "ana", "scopes": ["read", "write"] })).await.expect(201);
    world.ask(Who::Local, Method::GET, "/api/v1/nodes", &Value::Null).await.refused(401, "auth.missing");
    let with = |token: &str| {
        let request = Request::get("/api/v1/nodes").header("host", "10.0.0.7");
        request.header("x-api-key", token).body(Body::empty()).unwrap()
    };
    let secret = made["secret"].as_str().unwrap();
    world.send(with(secret)).await.expect(200);
    world.send(with(&secret[..secret.len() - 1])).await.refused(401, "auth.invalid");
    let path = format!("/api/v1/tokens/{}", made["id"].as_str().unwrap());
    let revoked = world.ask(Who::Admin, Method::DELETE, &path, &Value::Null).await;
    assert_eq!(revoked.status, 204);
    world.send(with(secret)).await.refused(401, "auth.invalid");
    world.ask(Who::Local, Method::GET, "/api/v1/nodes", &Value::Null).await.refused(401, "auth.missing");
    world
        .ask(Who::Admin, Method::DELETE, "/api/v1/tokens/none", &Value::Null)
        .await
        .refused(404, "token.unknown");
}

#[tokio::test]
async fn open_access_is_for_this_machine_and_its_own_pages() {
    let world = World::open().await;
    for (host, origin, key, status, code) in [
        ("localhost:7171", "", "", 200, ""),
        ("[::1]:7171", "http://[::1]:7171", "", 200, ""),
        // A provider's key that an unchanged application brings along.
        ("127.0.0.1:7171", "", "sk-abc", 200, ""),
        ("evil.example", "", "", 403, "auth.host"),
        ("127.0.0.1:7171", "http://evil.example", "", 403, "auth.origin"),
        ("127.0.0.1:7171", "null", "", 403, "auth.origin"),
        ("127.0.0.1:7171", "", "srn_a_b", 401, "auth.invalid"),
    ] {
        let mut request = Request::get("/api/v1/nodes").header("host", host);
        if !origin.is_empty() {
            request = request.header("origin", origin);
        }
        if !key.is_empty() {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let reply = world.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(reply.status.as_u16(), status, "{host} {origin} {key}: {}", reply.text);
        if status != 200 {
            reply.refused(status, code);
        }
    }
}

#[tokio::test]
async fn a_browser_signs_in_for_a_cookie_and_out_again() {
    let world = World::guarded().await;
    let key = Who::Operator.token().unwrap();
    let signed_in = world.ask(Who::Anonymous, Method::POST, "/api/v1/session", &json!({ "key": key })).await;
    let set = signed_in.headers[SET_COOKIE].to_str().unwrap().to_owned();
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Strict"), "{set}");
    assert_eq!(signed_in.expect(200)["scopes"], json!(["operate"]));
    let cookie = set.split(';').next().unwrap();
    let with = |method: Method, origin: &str| {
        let request =
            Request::builder().method(method).uri("/api/v1/session").header("host", "serinus.internal");
        request.header("cookie", cookie).header("origin", origin).body(Body::empty()).unwrap()
    };
    let who = world.send(with(Method::GET, "http://serinus.internal")).await.expect(200);
    assert_eq!((&who["actor"], &who["access"]), (&json!("operator"), &json!("token")));
    world.send(with(Method::GET, "http://evil.example")).await.refused(403, "auth.origin");
    assert_eq!(world.send(with(Method::DELETE, "http://serinus.internal")).await.status, 204);
    world.send(with(Method::GET, "http://serinus.internal")).await.refused(401, "auth.missing");
}

#[tokio::test]
async fn revisions_name_the_token_that_made_them() {
    let world = World::guarded().await;
    let body =
        json!({ "kind": "rubric", "name": "helpful", "content": { "instructions": "Is it helpful?" } });
    world.ask(Who::Publisher, Method::POST, "/api/v1/artifacts", &body).await.expect(201);
    let list = world.ask(Who::Viewer, Method::GET, "/api/v1/revisions", &Value::Null).await.expect(200);
    let made = &list["revisions"][0];
    assert_eq!((&made["actor"], &made["cause_kind"]), (&json!("publisher"), &json!("token")));
}

#[tokio::test]
async fn no_secret() {
    let world = World::guarded().await;
    let made = world
        .ask(Who::Admin, Method::POST, "/api/v1/tokens", &json!({ "name": "ci", "scopes": ["admin"] }))
        .await;
    let made = made.expect(201)["secret"].as_str().unwrap().to_owned();
    let mut secrets = vec![made, admin_token()];
    secrets.extend([Who::Viewer, Who::Operator].into_iter().filter_map(Who::token));
    let hidden: Vec<String> =
        secrets.iter().filter_map(|text| Some(text.rsplit_once('_')?.1.to_owned())).collect();
    let hashes =
        hidden.iter().map(|secret| serinus_domain::digest::Digest::of(secret.as_bytes()).to_string());
    let hidden: Vec<String> = hashes.chain(hidden.iter().cloned()).collect();
    for (method, path) in operations() {
        if streams(&path) {
            continue;
        }
        let wrong = format!("{{\"key\": \"{}x\"}}", secrets[0]).into_bytes();
        for reply in [
            world.ask(Who::Admin, method.clone(), &path, &Value::Null).await,
            world.send(request(Who::Admin, method.clone(), &path, wrong)).await,
        ] {
            for secret in &hidden {
                assert!(!reply.text.contains(secret.as_str()), "{method} {path}: {}", reply.text);
            }
        }
    }
}

#[tokio::test]
async fn the_quick_look_lets_in_nobody_whom_the_whole_one_would_not() {
    let store = Arc::new(MemoryStore::default());
    let made = |id: &str| Token {
        hash: mint(id, [1, 2]).hash,
        id: id.into(),
        name: id.into(),
        scopes: vec!["evaluate".into()],
        created_at: Timestamp(0),
        revoked_at: None,
        person: None,
        environment: None,
        expires_at: None,
    };
    let tokens = [
        made("app"),
        Token { environment: Some("staging".into()), ..made("staged") },
        Token { revoked_at: Some(Timestamp(5)), ..made("revoked") },
        Token { expires_at: Some(Timestamp(10)), ..made("over") },
        Token { expires_at: Some(Timestamp(11)), ..made("nearly") },
        Token { person: Some("ana".into()), ..made("anas") },
        Token { scopes: vec!["read".into(), "record".into()], ..made("reader") },
        Token { scopes: vec!["admin".into()], ..made("all") },
    ];
    for token in &tokens {
        Tokens::put(&*store, token).await.unwrap();
    }
    let auth = Authenticator::new(AuthPolicy::default(), store, Arc::new(|| Timestamp(10)));
    let look = |text: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, format!("Bearer {text}").parse().unwrap());
        auth.application(&headers, Scope::Evaluate)
    };
    let text = |id: &str| mint(id, [1, 2]).text;
    assert_eq!(look(&text("app")), None, "nothing was read yet");
    assert!(auth.check(&HeaderMap::new(), Scope::Evaluate).await.is_err());
    let home = Some("production".to_owned());
    let let_in =
        [("app", home.clone()), ("staged", Some("staging".into())), ("nearly", home.clone()), ("all", home)];
    for (id, environment) in let_in {
        assert_eq!(look(&text(id)), environment, "{id}");
    }
    for id in ["revoked", "over", "anas", "reader", "unheard-of"] {
        assert_eq!(look(&text(id)), None, "{id}");
    }
    assert_eq!(look(&mint("app", [1, 3]).text), None, "another secret");
    assert_eq!(look(""), None);
}
