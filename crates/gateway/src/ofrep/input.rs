//! An OFREP request to who asks: the context is read straight into attributes. Knows nothing of flags.

use std::fmt;

use axum::body::Body;
use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;
use serinus_domain::context::{AttributeValue, Attributes, Context, InvalidContext};

use crate::{
    body::{Unread, read_body},
    gateway::Gateway,
    ofrep::fault::Fault,
};

/// Reads the context; one that is left out is empty, as real clients send it.
pub(crate) async fn read_context(gateway: &Gateway, body: Body) -> Result<Context, Fault> {
    let bytes_max = gateway.limits.evaluation_bytes_max;
    let body = read_body(body, bytes_max).await.map_err(|unread| match unread {
        Unread::TooLarge => Fault::too_large(bytes_max),
        Unread::Incomplete => Fault::parse("body ended early: send all of it"),
    })?;
    Ok(parse(&body)?.at(gateway.now()))
}

fn parse(body: &[u8]) -> Result<Context, Fault> {
    let Envelope(given) = serde_json::from_slice(body).map_err(|reason| {
        Fault::parse(format!("body is no JSON object: {reason}; send an object with a context"))
    })?;
    match given {
        Given::Members(members) => members.context(),
        Given::Other => Err(Fault::invalid_context("context is not an object: send an object")),
    }
}

/// The body of which one member counts.
struct Envelope(Given);

/// What stands for the context.
enum Given {
    Members(Members),
    Other,
}

#[derive(Default)]
struct Members {
    key: Option<Value>,
    attributes: Vec<(String, Value)>,
}

impl Members {
    fn context(self) -> Result<Context, Fault> {
        let refused = |refused: InvalidContext| Fault::invalid_context(refused.to_string());
        let key = match self.key {
            Some(Value::String(key)) if key.is_empty() => None,
            Some(Value::String(key)) => Some(key),
            None | Some(Value::Null) => None,
            Some(_) => {
                return Err(Fault::invalid_context(
                    "targetingKey is not a string: send the session as a string",
                ));
            }
        };
        let attributes = Attributes::new(self.attributes).map_err(refused)?;
        let user = attributes.get("user").and_then(AttributeValue::as_str).filter(|user| !user.is_empty());
        let user = user.map(str::to_owned);
        Context::new(key.as_deref(), user.as_deref(), attributes).map_err(refused)
    }
}

struct EnvelopeVisitor;
struct GivenVisitor;

impl<'de> Deserialize<'de> for Envelope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EnvelopeVisitor)
    }
}

impl<'de> Visitor<'de> for EnvelopeVisitor {
    type Value = Envelope;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Envelope, A::Error> {
        let mut given = Given::Members(Members::default());
        while let Some(name) = map.next_key::<String>()? {
            if name == "context" {
                given = map.next_value()?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Envelope(given))
    }
}

impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(GivenVisitor)
    }
}

impl<'de> Visitor<'de> for GivenVisitor {
    type Value = Given;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a context")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Given, A::Error> {
        let mut members = Members::default();
        while let Some(name) = map.next_key::<String>()? {
            if name == "targetingKey" {
                members.key = Some(map.next_value()?);
            } else {
                members.attributes.push((name, map.next_value()?));
            }
        }
        Ok(Given::Members(members))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Given, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Given::Other)
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<Given, E> {
        Ok(Given::Other)
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Given, E> {
        Ok(Given::Other)
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Given, E> {
        Ok(Given::Other)
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Given, E> {
        Ok(Given::Other)
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Given, E> {
        Ok(Given::Other)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Given, E> {
        Ok(Given::Other)
    }
}
