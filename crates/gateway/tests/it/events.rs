//! Notifications that results may have changed, and counts of what was used.

use std::time::Duration;

use futures::StreamExt;
use serde_json::{Value, json};
use serinus_domain::entity::{Reach, StageKind};
use serinus_gateway::GatewayLimits;
use tokio_util::sync::CancellationToken;

use crate::world::{Node, Reply, World, stage};

fn toggle(on: bool) -> Value {
    let default = if on { "on" } else { "off" };
    json!({"key": "dark", "value_kind": "boolean", "variants": {"on": true, "off": false}, "default": default, "salt": ""})
}

async fn bulk(world: &World, node: &Node, query: &str) -> Reply {
    let url = format!("{}/ofrep/v1/evaluate/flags{query}", node.base);
    let body = json!({"context": {"targetingKey": "s1"}});
    Reply::of(world.http.post(url).json(&body).send().await.unwrap()).await
}

/// Where a bulk answer says that notifications are.
async fn address(world: &World, node: &Node) -> String {
    let answer = bulk(world, node, "").await.json();
    let [stream] = answer["eventStreams"].as_array().unwrap().as_slice() else { panic!("{answer}") };
    assert_eq!((&stream["type"], stream.get("url")), (&json!("sse"), None));
    stream["endpoint"]["requestUri"].as_str().unwrap().to_owned()
}

struct Listener {
    text: String,
    bytes: futures::stream::BoxStream<'static, reqwest::Result<bytes::Bytes>>,
}

impl Listener {
    async fn at(world: &World, node: &Node, uri: &str, last: Option<u64>) -> Self {
        let mut get = world.http.get(format!("{}{uri}", node.base));
        if let Some(last) = last {
            get = get.header("last-event-id", last);
        }
        let answer = get.send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), answer.headers()["content-type"].to_str().unwrap()),
            (200, "text/event-stream")
        );
        Self { text: String::new(), bytes: answer.bytes_stream().boxed() }
    }

    /// The next block, if one comes within half a second.
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(block);
            }
            let more = tokio::time::timeout(Duration::from_millis(500), self.bytes.next()).await.ok()??;
            self.text.push_str(std::str::from_utf8(&more.unwrap()).unwrap());
        }
    }

    /// The next notification's revision.
    async fn told(&mut self) -> Option<u64> {
        let block = self.next().await?;
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let data: Value = serde_json::from_str(field("data:")?).unwrap();
        let id = field("id:").unwrap();
        assert_eq!(
            (&data["type"], &data["etag"], field("event:")),
            (&json!("refetchEvaluation"), &json!(format!("\"cfg-{id}\"")), Some("message"))
        );
        assert!(data["lastModified"].as_i64().unwrap() > 1_700_000_000, "{data}");
        Some(id.parse().unwrap())
    }
}

#[tokio::test]
async fn changes_are_told_once_and_only_where_they_matter() {
    let world = World::new().await;
    world.flag(toggle(true)).await;
    let node = world.node().await;
    let uri = address(&world, &node).await;
    assert_eq!(uri, address(&world, &node).await, "byte for byte");
    let mut listener = Listener::at(&world, &node, &uri, None).await;
    let first = listener.next().await.unwrap();
    assert!(first.contains("retry: ") && first.contains("id: "), "{first}");
    let young = listener.told().await.expect("a change that is young may have been missed");
    world.publish("model", "c", crate::world::model_content("c")).await;
    assert_eq!(listener.told().await, None, "a version that nobody is served changes no result");
    world.flag(toggle(false)).await;
    let told = listener.told().await.expect("a flag changed");
    assert!(told > young, "{told}");
    let mut again = Listener::at(&world, &node, &uri, Some(young)).await;
    again.next().await.unwrap();
    assert_eq!(again.told().await, Some(told), "who is behind is told at once");
    let mut up_to_date = Listener::at(&world, &node, &uri, Some(told)).await;
    up_to_date.next().await.unwrap();
    assert_eq!(up_to_date.told().await, None);
    world.start(&["support"], &["model/b@1"], stage(StageKind::Ab, 100)).await;
    let started = listener.told().await.expect("a rollout started");
    world.roll_back("support", Reach::NextTurn).await;
    assert!(listener.told().await.expect("and was taken back") > started);
}

#[tokio::test]
async fn a_refetch_is_not_answered_from_before() {
    let world = World::new().await;
    world.flag(toggle(true)).await;
    let node = world.node().await;
    let head = world.live.load().snapshot.revision.0;
    let fresh =
        bulk(&world, &node, &format!("?flagConfigEtag=%22cfg-{head}%22&flagConfigLastModified=1")).await;
    assert_eq!(fresh.status, 200);
    let next = format!("?flagConfigEtag=%22cfg-{}%22", head + 1);
    let (waited, ()) = tokio::join!(bulk(&world, &node, &next), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        world.flag(toggle(false)).await;
    });
    assert_eq!((waited.status, &waited.json()["flags"][0]["value"]), (200, &json!(false)));
    let never = bulk(&world, &node, &format!("?flagConfigEtag=%22cfg-{}%22", head + 100)).await;
    assert_eq!(
        (never.status, never.header("retry-after"), &never.json()["errorCode"]),
        (503, "1", &json!("GENERAL"))
    );
}

#[tokio::test]
async fn streams_open_for_their_token_alone_and_end_with_the_node() {
    let mut world = World::new().await;
    world.limits = GatewayLimits { event_streams_max: 1, ..GatewayLimits::default() };
    let stop = CancellationToken::new();
    let node = world.node_with(|config| config.shutdown = stop.clone()).await;
    let other = world.node_with(|config| config.environment = "staging".parse().unwrap()).await;
    let uri = address(&world, &node).await;
    let get = async |uri: String| Reply::of(world.http.get(uri).send().await.unwrap()).await;
    let foreign = address(&world, &other).await.replace("staging", "production");
    for uri in [uri.trim_end_matches(|end| end != '=').to_owned(), "/ofrep/v1/events".to_owned(), foreign] {
        let refused = get(format!("{}{uri}", node.base)).await;
        assert_eq!((refused.status, &refused.json()["errorCode"]), (403, &json!("GENERAL")), "{uri}");
    }
    let mut listener = Listener::at(&world, &node, &uri, Some(u64::MAX)).await;
    assert!(listener.next().await.is_some());
    let full = get(format!("{}{uri}", node.base)).await;
    assert_eq!((full.status, full.header("retry-after")), (429, "1"));
    stop.cancel();
    assert!(listener.bytes.next().await.is_none(), "a clean end, not a broken connection");
}

#[tokio::test]
async fn uses_are_counted() {
    let world = World::new().await;
    world.flag(toggle(true)).await;
    let node = world.node().await;
    let one = format!("{}/ofrep/v1/evaluate/flags/dark", node.base);
    for _ in 0..3 {
        world.http.post(&one).json(&json!({"context": {}})).send().await.unwrap();
    }
    // What a replaced text had counted is not lost with it.
    world.flag(toggle(false)).await;
    bulk(&world, &node, "").await;
    world.turn(&node, "support", "s1").await;
    node.drained().await;
    let used = world.store.usages("").await.unwrap();
    let bundle = format!("bundle/support/{}", world.live.load().compiled.features["support"].control.id);
    let counts: Vec<_> = used.iter().map(|usage| (usage.subject.as_str(), usage.count)).collect();
    assert_eq!(
        counts,
        [
            (bundle.as_str(), 2),
            ("feature/support", 2),
            ("flag/dark", 4),
            ("variant/dark/off", 1),
            ("variant/dark/on", 3)
        ]
    );
    assert!(used.iter().all(|usage| usage.last_at.0 > 0));
}
