//! A chat-completions request to who asks, for which feature, and with what input; everything of ours is taken out of the body.
//! Knows nothing of pins, bundles or providers.

use std::{collections::BTreeMap, sync::Arc};

use axum::http::HeaderMap;
use serde_json::{Map, Value};
use serinus_domain::{
    compile::{Compiled, CompiledFeature},
    context::{Attributes, Context},
    id::{CategoryKey, UnitHash},
};

use crate::{error::Refused, pseudonym::Pseudonyms};

/// The members of `serinus` in the body.
const OURS: [&str; 6] = ["session", "user", "task", "category", "attributes", "variables"];

/// Who asks.
#[derive(Debug)]
pub(crate) struct Asker {
    pub context: Context,
    /// The pseudonym of the session.
    pub session: Option<UnitHash>,
    pub category: Option<CategoryKey>,
}

/// What is rendered; shared with the shadow, which renders the same.
#[derive(Debug)]
pub(crate) struct Input {
    pub messages: Vec<Value>,
    pub variables: BTreeMap<String, Value>,
    /// The body's other members, unknown ones included.
    pub params: Map<String, Value>,
}

/// A request that can be answered.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub feature: Arc<CompiledFeature>,
    pub asker: Asker,
    pub input: Arc<Input>,
    pub stream: bool,
    /// Whether the client itself asked for the usage of a stream.
    pub wants_usage: bool,
}

/// Reads and checks a request against the features of one snapshot.
pub(crate) fn admit(
    compiled: &Compiled,
    pseudonyms: &Pseudonyms,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Admitted, Refused> {
    let mut members = match serde_json::from_slice(body).map_err(|reason| Refused::invalid_json(&reason))? {
        Value::Object(members) => members,
        _ => return Err(Refused::invalid_body()),
    };
    let model = match members.remove("model") {
        Some(Value::String(model)) => model,
        Some(_) => return Err(ill_typed("model", "a string, the key of a feature")),
        None => return Err(missing("model", "the key of a feature")),
    };
    let feature = compiled.features.get(model.as_str()).cloned().ok_or_else(|| {
        Refused::feature_not_found(&model, compiled.features.keys().map(|key| key.as_str()))
    })?;
    let messages = match members.remove("messages") {
        Some(Value::Array(messages)) if messages.iter().all(Value::is_object) && !messages.is_empty() => {
            messages
        }
        Some(_) => return Err(ill_typed("messages", "a list of at least one message object")),
        None => return Err(missing("messages", "a list of messages")),
    };
    let stream = match members.remove("stream") {
        Some(Value::Bool(stream)) => stream,
        None | Some(Value::Null) => false,
        Some(_) => return Err(ill_typed("stream", "true or false")),
    };
    let wants_usage = members
        .get("stream_options")
        .and_then(|options| options.get("include_usage"))
        .is_some_and(|asked| *asked == Value::Bool(true));
    let mut ours = match members.remove("serinus") {
        Some(Value::Object(ours)) => ours,
        None | Some(Value::Null) => Map::new(),
        Some(_) => return Err(ill_typed("serinus", "an object")),
    };
    let variables = object(&mut ours, "variables")?.into_iter().collect();
    let asker = asker(ours, &members, headers, pseudonyms)?;
    // Ours alone at this surface: a provider of chat completions would refuse it.
    members.remove("conversation");
    let input = Arc::new(Input { messages, variables, params: members });
    Ok(Admitted { feature, asker, input, stream, wants_usage })
}

fn asker(
    mut ours: Map<String, Value>,
    members: &Map<String, Value>,
    headers: &HeaderMap,
    pseudonyms: &Pseudonyms,
) -> Result<Asker, Refused> {
    let attributes = object(&mut ours, "attributes")?;
    let attributes = Attributes::new(attributes).map_err(|refused| Refused::context(&refused))?;
    let (task, session) = (text(&mut ours, "task")?, text(&mut ours, "session")?);
    let user = match text(&mut ours, "user")? {
        Some(user) => Some(user),
        None => header(headers, "x-serinus-user")?.or_else(|| member_text(members.get("user"))),
    };
    // The order in which a session is looked for; the first that is there counts. A task is a session of its own.
    let session = match task.or(session) {
        Some(session) => Some(session),
        None => header(headers, "x-serinus-session")?
            .or_else(|| conversation(members))
            .or_else(|| member_text(members.get("metadata").and_then(|metadata| metadata.get("session_id"))))
            .or_else(|| user.clone()),
    };
    let category = match text(&mut ours, "category")? {
        Some(category) => Some(category),
        None => header(headers, "x-serinus-category")?,
    };
    if let Some(unknown) = ours.keys().next() {
        let name: String = unknown.chars().take(80).collect();
        let message = format!("serinus.{name} is not a member: use {}", OURS.join(", "));
        return Err(Refused::member(&format!("serinus.{name}"), "unknown_member", message));
    }
    let category = category.map(|key| CategoryKey::new(&key)).transpose();
    let category = category
        .map_err(|refused| Refused::member("serinus.category", "invalid_category", refused.to_string()))?;
    let context = Context::new(session.as_deref(), user.as_deref(), attributes);
    let context = context.map_err(|refused| Refused::context(&refused))?;
    let session = context.session.as_deref().map(|id| pseudonyms.of(id));
    Ok(Asker { context, session, category })
}

/// `conversation` as the Responses API has it: an id, or an object with one.
fn conversation(members: &Map<String, Value>) -> Option<String> {
    let given = members.get("conversation")?;
    member_text(Some(given)).or_else(|| member_text(given.get("id")))
}

/// A member of somebody else's; one of another type is none of our business.
fn member_text(value: Option<&Value>) -> Option<String> {
    value?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn text(ours: &mut Map<String, Value>, name: &str) -> Result<Option<String>, Refused> {
    match ours.remove(name) {
        Some(Value::String(text)) => Ok(Some(text)),
        None | Some(Value::Null) => Ok(None),
        Some(_) => Err(ill_typed(&format!("serinus.{name}"), "a string")),
    }
}

fn object(ours: &mut Map<String, Value>, name: &str) -> Result<Map<String, Value>, Refused> {
    match ours.remove(name) {
        Some(Value::Object(object)) => Ok(object),
        None | Some(Value::Null) => Ok(Map::new()),
        Some(_) => Err(ill_typed(&format!("serinus.{name}"), "an object")),
    }
}

fn header(headers: &HeaderMap, name: &str) -> Result<Option<String>, Refused> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => Ok(Some(text.to_owned())),
        Err(_) => Err(Refused::header(name, "is not UTF-8: send plain text")),
    }
}

fn ill_typed(param: &str, expected: &str) -> Refused {
    Refused::member(param, "invalid_type", format!("{param} is not {expected}: send {expected}"))
}

fn missing(param: &str, expected: &str) -> Refused {
    Refused::member(param, "missing_required_parameter", format!("{param} is missing: send {expected}"))
}
