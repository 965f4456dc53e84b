//! OpenFeature's remote evaluation: single, bulk, and notifications. Takes its requests apart by itself, since a router with its layers
//! costs more than an evaluation. Knows nothing of prompts being rendered for calls, of providers, or of who may call.

mod cors;
mod etag;
mod evaluate;
mod events;
mod fault;
mod input;
mod prepared;
mod value;

use std::{borrow::Cow, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use percent_encoding::percent_decode_str;
use serde_json::json;
use serinus_domain::{context::Context, id::EnvironmentKey, resolve::Asking};

pub(crate) use prepared::{Preparation, Prepared};

use crate::{
    admit::Asker,
    gateway::Gateway,
    ofrep::{
        etag::NotBefore,
        evaluate::{Evaluated, Scope, decide_flag, evaluate_feature, write_flag},
        fault::Fault,
        input::read_context,
        prepared::Entry,
    },
    pin_cache::Known,
    pseudonym::Seal,
    session::Saved,
};

const FLAGS: &str = "/ofrep/v1/evaluate/flags";
/// How long a re-fetch waits for a state that another node has told its client of.
const BEHIND: Duration = Duration::from_secs(2);
/// Bytes that hold the answer for most flags.
const ONE: usize = 512;

/// What a path asks for.
#[derive(Debug, PartialEq)]
enum Asked<'a> {
    Everything,
    One(Cow<'a, str>),
    Events,
}

impl<'a> Asked<'a> {
    fn of(path: &'a str) -> Option<Self> {
        if path == events::PATH {
            return Some(Self::Events);
        }
        let rest = path.strip_prefix(FLAGS)?;
        match rest.strip_prefix('/') {
            None => rest.is_empty().then_some(Self::Everything),
            Some("") => Some(Self::Everything),
            // Decoded once; some clients do not encode at all, so that what looks like more of a path is the key as well.
            Some(key) => Some(Self::One(percent_decode_str(key).decode_utf8_lossy())),
        }
    }
}

/// Whether a request is for notifications, which bring a token of their own and name their environment in the query.
pub fn is_notification(uri: &Uri) -> bool {
    uri.path() == events::PATH
}

/// The environment that a request for notifications names.
pub fn environment_of(uri: &Uri) -> Option<String> {
    let query = form_urlencoded::parse(uri.query()?.as_bytes());
    query.filter(|(name, _)| name == "environment").map(|(_, value)| value.into_owned()).last()
}

pub(crate) async fn routed(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    evaluation(&gateway, request).await
}

/// Answers a request under `/ofrep/`. Who may ask is for the caller to have checked, but for notifications and preflights.
pub async fn evaluation(gateway: &Arc<Gateway>, request: Request) -> Response {
    let origin = cors::origin(gateway, request.headers());
    let answered = if request.method() == Method::OPTIONS {
        Ok(cors::preflight(origin.is_some()))
    } else {
        answer(gateway, request).await
    };
    let mut response = answered.unwrap_or_else(IntoResponse::into_response);
    if let Some(origin) = origin {
        cors::allow(response.headers_mut(), origin);
    }
    response
}

/// The refusal of a request under `/ofrep/` by whoever checks who may ask, in the shape that its clients read.
pub fn evaluation_refused(
    gateway: &Gateway,
    asked: &HeaderMap,
    status: StatusCode,
    details: &str,
) -> Response {
    let mut response = Fault::refused(status, details).into_response();
    if let Some(origin) = cors::origin(gateway, asked) {
        cors::allow(response.headers_mut(), origin);
    }
    response
}

async fn answer(gateway: &Arc<Gateway>, request: Request) -> Result<Response, Fault> {
    let (parts, body) = request.into_parts();
    let asked = Asked::of(parts.uri.path()).ok_or_else(Fault::no_such_path)?;
    let method = if asked == Asked::Events { Method::GET } else { Method::POST };
    if parts.method != method {
        return Err(Fault::method(&method));
    }
    match asked {
        Asked::Events => events::open(gateway, &parts.uri, &parts.headers),
        Asked::One(key) => single(gateway, &key, body).await.map_err(|fault| fault.of(&key)),
        Asked::Everything => Box::pin(bulk(gateway, &parts.uri, &parts.headers, body)).await,
    }
}

/// One flag or feature. A feature is pinned, and its unit enrolled, before it is answered.
async fn single(gateway: &Arc<Gateway>, key: &str, body: Body) -> Result<Response, Fault> {
    let _permit = gateway.enter().ok_or_else(Fault::overloaded)?;
    let context = read_context(gateway, body).await?;
    gateway.counters.evaluations.one();
    // INVARIANT(one-snapshot): loaded once for the evaluation.
    let prepared = gateway.prepared();
    let mut out = Vec::with_capacity(ONE);
    let saved = match prepared.get(key).ok_or_else(|| Fault::not_found(key))? {
        Entry::Flag(flag) => {
            let decided = decide_flag(flag, &Asking::new(&context))?;
            write_flag(&flag.text, &decided, &mut out);
            Saved::Durable
        }
        Entry::Feature(feature) => {
            let asker = asker(gateway, context);
            let scope = Scope { gateway, prepared: &prepared, asker: &asker };
            // On its own, so that what flags wait in stays small.
            Box::pin(evaluate_feature(&scope, feature, &mut out)).await?
        }
    };
    let mut response = json_response(StatusCode::OK, out);
    if saved == Saved::InMemory {
        response.headers_mut().insert("x-serinus-warning", HeaderValue::from_static("pin-not-durable"));
    }
    Ok(response)
}

/// All flags and features. Respects pins and makes none: a prefetch is no exposure.
async fn bulk(gateway: &Arc<Gateway>, uri: &Uri, headers: &HeaderMap, body: Body) -> Result<Response, Fault> {
    let _permit = gateway.enter().ok_or_else(Fault::overloaded)?;
    let context = read_context(gateway, body).await?;
    // INVARIANT(one-snapshot): loaded once for all of them.
    let prepared = new_enough(gateway, &NotBefore::of(uri)).await?;
    gateway.counters.evaluations.add(prepared.entries.len() as u64);
    let (asker, known) = if prepared.has_features {
        let asker = asker(gateway, context);
        let known = gateway.sessions.known(asker.session, gateway.now()).await;
        (asker, known)
    } else {
        (Asker { context, session: None, category: None }, Arc::<Known>::default())
    };
    let evaluated = Evaluated::all(&Scope { gateway, prepared: &prepared, asker: &asker }, &known);
    let etag = evaluated.etag();
    let mut response = if etag::matches(headers, &etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let version = prepared.head.compiled.revision;
        let mut out = Vec::with_capacity(prepared.size_hint);
        out.extend_from_slice(b"{\"flags\":[");
        evaluated.write(&mut out);
        out.extend_from_slice(format!("],\"metadata\":{{\"version\":\"{version}\",").as_bytes());
        out.extend_from_slice(&gateway.bulk_ending);
        json_response(StatusCode::OK, out)
    };
    if let Ok(etag) = HeaderValue::try_from(etag) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    Ok(response)
}

/// What ends every bulk answer of an environment, after the version.
pub(crate) fn bulk_ending(environment: &EnvironmentKey, seal: &Seal) -> Vec<u8> {
    let uri = events::request_uri(environment, seal);
    let streams = json!([{"type": "sse", "endpoint": {"requestUri": uri}}]);
    format!("\"flagSetId\":{}}},\"eventStreams\":{streams}}}", json!(environment.as_str())).into_bytes()
}

/// The state to answer from: this node's, once it is not older than what a client was told of by another one.
async fn new_enough(gateway: &Gateway, asked: &NotBefore) -> Result<Arc<Prepared>, Fault> {
    let mut activated = gateway.live.subscribe();
    let reached = async {
        loop {
            let prepared = gateway.prepared();
            if asked.met(&prepared) {
                return Some(prepared);
            }
            activated.changed().await.ok()?;
        }
    };
    let late = || {
        let have = gateway.prepared().head.compiled.revision;
        Fault::behind(&format!("this node is at revision {have}, behind what was asked for: try again"))
    };
    tokio::time::timeout(BEHIND, reached).await.ok().flatten().ok_or_else(late)
}

fn asker(gateway: &Gateway, context: Context) -> Asker {
    let session = context.session.as_deref().map(|id| gateway.pseudonyms.of(id));
    Asker { context, session, category: None }
}

fn json_response(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let one = |key: &'static str| Some(Asked::One(key.into()));
        for (path, asked) in [
            ("/ofrep/v1/evaluate/flags", Some(Asked::Everything)),
            ("/ofrep/v1/evaluate/flags/", Some(Asked::Everything)),
            ("/ofrep/v1/evaluate/flags/a.b-c_d", one("a.b-c_d")),
            ("/ofrep/v1/evaluate/flags/a%2Fb%2520c", one("a/b%20c")),
            ("/ofrep/v1/evaluate/flags/a/b", one("a/b")),
            ("/ofrep/v1/evaluate/flagsy", None),
            ("/ofrep/v1/configuration", None),
            ("/ofrep/v1/events", Some(Asked::Events)),
        ] {
            assert_eq!(Asked::of(path), asked, "{path}");
        }
    }
}
