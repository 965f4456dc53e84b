//! An OFREP request to who asks. Knows nothing of flags.

use axum::extract::Request;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::{Map, Value};
use serinus_domain::context::{Attributes, Context};

use crate::{admit::Asker, gateway::Gateway, ofrep::fault::Fault};

/// Reads the context; one that is left out is empty, as real clients send it.
pub(crate) async fn read_context(gateway: &Gateway, request: Request) -> Result<Asker, Fault> {
    let bytes_max = gateway.limits.evaluation_bytes_max;
    let body = match Limited::new(request.into_body(), bytes_max).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Err(Fault::too_large(bytes_max)),
        Err(_) => return Err(Fault::parse("body ended early: send all of it")),
    };
    let body: Value = serde_json::from_slice(&body).map_err(|reason| {
        Fault::parse(format!("body is not JSON: {reason}; send an object with a context"))
    })?;
    let Value::Object(mut body) = body else {
        return Err(Fault::parse("body is not an object: send an object with a context"));
    };
    match body.remove("context") {
        None => asker(gateway, Map::new()),
        Some(Value::Object(context)) => asker(gateway, context),
        Some(_) => Err(Fault::invalid_context("context is not an object: send an object")),
    }
}

fn asker(gateway: &Gateway, mut context: Map<String, Value>) -> Result<Asker, Fault> {
    let key = match context.remove("targetingKey") {
        Some(Value::String(key)) if key.is_empty() => None,
        Some(Value::String(key)) => Some(key),
        None | Some(Value::Null) => None,
        Some(_) => {
            return Err(Fault::invalid_context("targetingKey is not a string: send the session as a string"));
        }
    };
    let user = context.get("user").and_then(Value::as_str).filter(|user| !user.is_empty()).map(str::to_owned);
    let refused =
        |refused: serinus_domain::context::InvalidContext| Fault::invalid_context(refused.to_string());
    let attributes = Attributes::new(context).map_err(refused)?;
    let context = Context::new(key.as_deref(), user.as_deref(), attributes).map_err(refused)?;
    let session = context.session.as_deref().map(|id| gateway.pseudonyms.of(id));
    Ok(Asker { context, session, category: None })
}
