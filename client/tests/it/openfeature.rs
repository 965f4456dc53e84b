//! The provider behind the OpenFeature SDK's own client.

use open_feature::{EvaluationContext, EvaluationErrorCode, EvaluationReason, OpenFeature, Value as Given};
use serde_json::json;
use serinus_client::Provider;

use crate::world::{World, flag, put};

#[tokio::test]
async fn the_openfeature_client_gets_our_answers() {
    let world = World::open().await;
    let split = put(json!({
        "kind": "flag", "key": "colour", "value_kind": "string", "variants": {"r": "red", "g": "green"}, "default": "r",
        "salt": "colour", "rules": [
            {"when": {"equals": {"attribute": "plan", "value": "pro"}}, "serve": {"variant": "g"}},
            {"serve": {"split": [{"variant": "r", "share": 500_000}, {"variant": "g", "share": 500_000}]}},
        ],
    }));
    let object = put(json!({
        "kind": "flag", "key": "limits", "value_kind": "object", "variants": {"v": {"rate": 3, "names": ["a"]}}, "default": "v",
        "salt": "limits",
    }));
    world.append(vec![flag("a", true), split, object]).await;
    let mut api = OpenFeature::default();
    api.set_provider(Provider::new(world.connect())).await;
    let client = api.create_client();
    assert_eq!(api.provider_metadata().await.name, "serinus");
    let details = client.get_bool_details("a", None, None).await.unwrap();
    assert_eq!(
        (details.value, details.reason, details.variant.as_deref()),
        (true, Some(EvaluationReason::Static), Some("on"))
    );
    let session = EvaluationContext::default().with_targeting_key("s1");
    let details = client.get_string_details("colour", Some(&session), None).await.unwrap();
    assert_eq!(details.reason, Some(EvaluationReason::Split));
    let pro = session.clone().with_custom_field("plan", "pro");
    let details = client.get_string_details("colour", Some(&pro), None).await.unwrap();
    assert_eq!((details.value.as_str(), details.reason), ("green", Some(EvaluationReason::TargetingMatch)));
    let refused = client.get_bool_value("colour", Some(&pro), None).await.unwrap_err();
    assert_eq!(refused.code, EvaluationErrorCode::TypeMismatch);
    let refused = client.get_bool_value("nothing", None, None).await.unwrap_err();
    assert_eq!(refused.code, EvaluationErrorCode::FlagNotFound);
    let limits: open_feature::StructValue =
        client.get_struct_value::<open_feature::StructValue>("limits", None, None).await.unwrap();
    assert_eq!(limits.fields["rate"], Given::Int(3));
}
