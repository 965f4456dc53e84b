//! The official OpenFeature SDK for Rust with its OFREP provider, unchanged, against the real binary. Looks only at what an application
//! sees; that provider says `STATIC` for every reason.

use open_feature::{Client, EvaluationContext, EvaluationErrorCode, OpenFeature};
use open_feature_ofrep::{OfrepOptions, OfrepProvider};
use reqwest::header::{AUTHORIZATION, HeaderMap};
use serde_json::{Value, json};
use serinus_testkit::Serinus;

use crate::world::binary;

async fn flags(serinus: &Serinus) {
    let on_off = |kind: &str, on: Value, off: Value| json!({"kind": kind, "variants": {"on": on, "off": off}, "default": "on"});
    let gold =
        json!({"when": {"equals": {"attribute": "plan", "value": "gold"}}, "serve": {"variant": "on"}});
    let mut beta = on_off("boolean", json!(true), json!(false));
    (beta["default"], beta["rules"]) = (json!("off"), json!([gold]));
    let mut gone = on_off("string", json!("x"), json!("y"));
    gone["disabled"] = json!(true);
    let split = json!([{"serve": {"split": [{"variant": "on", "share_ppm": 500_000}, {"variant": "off", "share_ppm": 500_000}]}}]);
    let mut half = on_off("string", json!("a"), json!("b"));
    half["rules"] = split;
    for (key, body) in [
        ("dark-mode", on_off("boolean", json!(true), json!(false))),
        ("banner", on_off("string", json!("Welcome"), json!(""))),
        ("ratio", on_off("number", json!(2), json!(0.5))),
        ("limit", on_off("number", json!(42), json!(1))),
        ("theme", on_off("object", json!({"colour": "blue", "depth": 2}), json!({}))),
        ("beta", beta),
        ("gone", gone),
        ("half", half),
    ] {
        serinus.api.put(&format!("/flags/{key}"), &body).await;
    }
}

/// A client of its own: the SDK keeps one provider for each name.
async fn client(serinus: &Serinus, name: &str, token: &str) -> Client {
    let headers = HeaderMap::from_iter([(AUTHORIZATION, format!("Bearer {token}").parse().unwrap())]);
    let base_url = std::fs::read_to_string(serinus.data().join("address")).unwrap().trim().to_owned();
    let provider = OfrepProvider::new(OfrepOptions { base_url, headers, ..OfrepOptions::default() });
    let provider = provider.await.unwrap();
    let mut sdk = OpenFeature::singleton_mut().await;
    sdk.set_named_provider(name, provider).await;
    sdk.create_named_client(name)
}

#[tokio::test]
async fn every_kind_is_evaluated_and_errors_leave_the_default() {
    let serinus = binary().start().await;
    flags(&serinus).await;
    let token = serinus.api.post("/tokens", &json!({"name": "app", "scopes": ["evaluate"]})).await;
    let client = client(&serinus, "app", token["secret"].as_str().unwrap()).await;
    let somebody = |key: &str| EvaluationContext::default().with_targeting_key(key);
    let ana = somebody("ana");

    let dark = client.get_bool_details("dark-mode", Some(&ana), None).await.unwrap();
    assert_eq!((dark.value, dark.variant.as_deref()), (true, Some("on")));
    assert_eq!(client.get_string_value("banner", Some(&ana), None).await.unwrap(), "Welcome");
    assert_eq!(client.get_int_value("limit", Some(&ana), None).await.unwrap(), 42);
    // A whole number of a flag that has fractions as well.
    assert!((client.get_float_value("ratio", Some(&ana), None).await.unwrap() - 2.0).abs() < f64::EPSILON);
    let theme: open_feature::StructValue = client.get_struct_value("theme", Some(&ana), None).await.unwrap();
    assert_eq!(theme.fields["colour"].as_str(), Some("blue"));
    assert_eq!(theme.fields["depth"].as_i64(), Some(2));

    let gold = ana.clone().with_custom_field("plan", "gold");
    assert!(client.get_bool_value("beta", Some(&gold), None).await.unwrap());
    assert!(!client.get_bool_value("beta", Some(&ana), None).await.unwrap());
    let mut shares = std::collections::BTreeMap::new();
    for n in 0..60 {
        let user = somebody(&format!("user-{n}"));
        let value = client.get_string_value("half", Some(&user), None).await.unwrap();
        assert_eq!(client.get_string_value("half", Some(&user), None).await.unwrap(), value);
        *shares.entry(value).or_insert(0) += 1;
    }
    assert!(shares.len() == 2 && shares.values().all(|count| (15..=45).contains(count)), "{shares:?}");

    let absent = client.get_bool_value("absent", Some(&ana), None).await.unwrap_err();
    assert_eq!(absent.code, EvaluationErrorCode::FlagNotFound);
    // This provider reports a disabled flag, which has no value, and a wrong type as a value that it cannot parse.
    for key in ["gone", "dark-mode"] {
        let refused = client.get_string_value(key, Some(&ana), None).await.unwrap_err();
        assert_eq!(refused.code, EvaluationErrorCode::ParseError, "{key}");
        assert_eq!(client.get_string_value(key, Some(&ana), None).await.unwrap_or("mine".into()), "mine");
    }
    let nobody =
        client.get_string_value("half", Some(&EvaluationContext::default()), None).await.unwrap_err();
    assert_eq!(nobody.code, EvaluationErrorCode::InvalidContext);
}

#[tokio::test]
async fn without_a_good_token_nothing_is_evaluated() {
    let serinus = binary().start().await;
    flags(&serinus).await;
    // Open on this machine until there is a token.
    serinus.api.post("/tokens", &json!({"name": "app", "scopes": ["evaluate"]})).await;
    let client = client(&serinus, "stranger", "nonsense").await;
    let refused = client.get_bool_value("dark-mode", None, None).await.unwrap_err();
    assert!(matches!(refused.code, EvaluationErrorCode::General(_)), "{refused:?}");
}
