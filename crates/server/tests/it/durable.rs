//! What was acknowledged survives: a crash right after the answer, and a stop that was asked for.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use serinus_testkit::{Persona, Reply, Turn, eventually};

use crate::world::{CANDIDATE, CONTROL, arm, endless_ab, provider, serinus, sessions, turns, variants};

#[tokio::test]
async fn acknowledged_is_durable() {
    let provider = provider().await;
    let mut serinus = serinus(&provider, 1).await;
    serinus.api.feature("support", CONTROL, json!({"capture_ppm": 1_000_000})).await;
    let rollout = serinus.api.rollout(&["support"], CANDIDATE, json!({"stages": endless_ab()})).await;
    for round in 0..3 {
        let api = &serinus.api;
        let here = sessions(&format!("round{round}"), 12);
        let served = turns(api, "support", &here).await;
        let response_id = served[0].json()["id"].clone();
        // Telemetry is no acknowledgement: feedback is taken once its interaction is there.
        let thumbs = json!({"id": response_id, "thumbs": "down", "text": "no help"});
        let given = eventually("feedback taken", Duration::from_secs(5), async || {
            let answer = api.send(api.request(Method::POST, "/api/v1/feedback").json(&thumbs)).await;
            (answer.status == 202).then(|| answer.json())
        })
        .await;
        let flag = format!("flag-{round}");
        let body = json!({"kind": "boolean", "variants": {"on": true, "off": false}, "default": "on"});
        api.put(&format!("/flags/{flag}"), &body).await;
        let prompt =
            api.artifact("system_prompt", "support", json!({"text": format!("Be brief. {round}")})).await;
        let holder = api.persona(Persona::Viewer).await;
        let head = api.get("/revisions?limit=1").await["head"].clone();

        serinus.kill9().await;
        serinus.restart().await;

        let api = &serinus.api;
        assert_eq!(api.get("/revisions?limit=1").await["head"], head, "no acknowledged revision is lost");
        assert_eq!(api.get(&format!("/flags/{flag}")).await["default"], "on");
        assert_eq!(prompt, format!("system_prompt/support@{}", round + 1));
        let shown = api.get(&format!("/artifacts/system_prompt/support/{}", round + 1)).await;
        assert_eq!(shown["content"]["text"], format!("Be brief. {round}"));
        let same_token = holder.request(Method::GET, "/").build().unwrap().headers()["authorization"].clone();
        let same_holder = api.with_token(same_token.to_str().unwrap().strip_prefix("Bearer "));
        assert_eq!(same_holder.get("/rollouts").await["rollouts"][0]["key"], rollout.as_str());
        let interaction = given["interaction"].as_str().unwrap();
        let kept = api.get(&format!("/interactions/{interaction}")).await;
        let thumbs: Vec<_> = scores(&kept).filter(|score| score["name"] == "thumbs").collect();
        assert_eq!(thumbs.len(), 1, "{kept}");
        assert_eq!(thumbs[0]["value"], 0.0);
        assert_eq!(variants(&turns(api, "support", &here).await), variants(&served), "pins of round {round}");
    }
}

fn scores(interaction: &Value) -> impl Iterator<Item = &Value> {
    interaction["scores"].as_array().into_iter().flatten()
}

#[tokio::test]
async fn sticky_over_restart() {
    let provider = provider().await;
    let mut serinus = serinus(&provider, 1).await;
    serinus.api.feature("support", CONTROL, json!({})).await;
    serinus.api.rollout(&["support"], CANDIDATE, json!({"stages": endless_ab()})).await;
    let here = sessions("sticky", 40);
    let served = turns(&serinus.api, "support", &here).await;
    let arms = variants(&served);
    assert!(
        ["control", "candidate"].iter().all(|arm| arms.iter().any(|have| have == arm)),
        "both arms: {arms:?}"
    );
    for (answer, arm) in served.iter().zip(&arms) {
        let model = if arm == "control" { CONTROL } else { CANDIDATE };
        assert_eq!(answer.content(), format!("{model} speaking"), "the bundle is the variant's");
    }
    let ended = serinus.stop().await;
    assert!(ended.success(), "{ended}: {}", serinus.log());
    serinus.restart().await;
    assert_eq!(variants(&turns(&serinus.api, "support", &here).await), arms, "after a stop");
    serinus.kill9().await;
    serinus.restart().await;
    // A changed attribute moves nobody in mid-session.
    for (session, arm) in here.iter().zip(&arms) {
        let turn = Turn::new("support", "And now?")
            .session(session)
            .with("serinus", json!({"attributes": {"plan": "gold"}}));
        assert_eq!(turn.ask(&serinus.api).await.variant(), arm, "{session} after a crash");
    }
}

#[tokio::test]
async fn a_stop_loses_no_record() {
    const TURNS: u64 = 240;
    let provider = provider().await;
    let mut serinus = serinus(&provider, 1).await;
    serinus.api.feature("support", CONTROL, json!({})).await;
    let rollout = serinus.api.rollout(&["support"], CANDIDATE, json!({"stages": endless_ab()})).await;
    let here = sessions("counted", TURNS as usize);
    let mut served = variants(&turns(&serinus.api, "support", &here).await);
    // No pause: what was answered last is still on its way to the disk. One answer is even still being given.
    for model in [CONTROL, CANDIDATE] {
        provider.on(model, |_| Reply::text("one two three four five six").paced(Duration::from_millis(100)));
    }
    let api = serinus.api.clone();
    let last = async {
        let turn =
            Turn::new("support", "Slowly?").session("slow").with("stream", json!(true)).ask(&api).await;
        assert!(turn.text.ends_with("data: [DONE]\n\n"), "{}", turn.text);
        turn.variant().to_owned()
    };
    let stop = async {
        tokio::time::sleep(Duration::from_millis(250)).await;
        assert!(serinus.stop().await.success(), "{}", serinus.log());
    };
    let (last, ()) = tokio::join!(last, stop);
    served.push(last);
    serinus.restart().await;
    let count = |variant| served.iter().filter(|have| *have == variant).count() as u64;
    let expected = [count("control"), count("candidate")];
    eventually("every record that was answered", Duration::from_secs(10), async || {
        let report = serinus.api.get(&format!("/rollouts/{rollout}/report")).await;
        let counted =
            ["control", "candidate"].map(|name| arm(&report, name)["interactions"].as_u64().unwrap_or(0));
        assert!(counted.iter().sum::<u64>() <= TURNS + 1, "counted twice: {counted:?}");
        (counted == expected).then_some(())
    })
    .await;
    assert_eq!(expected.iter().sum::<u64>(), TURNS + 1);
}
