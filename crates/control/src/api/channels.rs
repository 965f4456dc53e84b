//! Notification channels: where pages go. Their signing secrets are named here and kept elsewhere.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use serinus_domain::{
    decide::put_channel,
    entity::{ChannelDoc, DocKey, Document},
    id::ChannelKey,
};
use utoipa::ToSchema;

use super::features::Stored;
use crate::{
    append::{Gate, OnConflict, Plan, commit},
    error::ApiError,
    extract::{Body, Key, Reader, Writer},
    state::App,
};

/// A signed webhook as it is declared.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChannelBody {
    /// Where messages are posted.
    pub url: String,
    /// The name under which the server's configuration holds the signing secret.
    pub secret_name: String,
}

/// Creates or changes a channel. The same declaration again changes nothing.
#[utoipa::path(put, path = "/channels/{key}", tag = "channels", params(("key" = String, Path)),
    request_body = ChannelBody, responses((status = 200, body = Stored)))]
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    Writer(who): Writer,
    Key(key): Key<ChannelKey>,
    Body(body): Body<ChannelBody>,
) -> Result<Json<Stored>, ApiError> {
    let at = DocKey::channel(&key);
    let doc = ChannelDoc { key: key.clone(), url: body.url, secret_name: body.secret_name };
    let done = commit(&app, &who, (Gate::Review, OnConflict::Tell), |base, _| {
        let before = base.snapshot.get(&at).and_then(|stored| stored.document.as_ref());
        if matches!(before, Some(Document::Channel(before)) if *before == doc) {
            return Ok(Plan::new(None, ()));
        }
        Ok(Plan::new(put_channel(&base.snapshot, &doc, &who.actor)?, ()))
    })
    .await?;
    Ok(Stored::of(key.to_string(), &at, done))
}

/// A channel. Of its address only the host is shown: webhook paths are often secrets themselves.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChannelView {
    /// Its key.
    #[schema(value_type = String)]
    pub key: ChannelKey,
    /// Scheme and host of where messages are posted.
    pub origin: String,
    /// The name of its signing secret.
    pub secret_name: String,
}

/// Every channel.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChannelList {
    /// In the order of their keys.
    pub channels: Vec<ChannelView>,
}

/// Lists every channel.
#[utoipa::path(get, path = "/channels", tag = "channels", responses((status = 200, body = ChannelList)))]
pub(crate) async fn list(State(app): State<Arc<App>>, _: Reader) -> Json<ChannelList> {
    let active = app.active();
    let channels = active.snapshot.documents().filter_map(|document| match document {
        Document::Channel(doc) => {
            let (key, secret_name) = (doc.key.clone(), doc.secret_name.clone());
            Some(ChannelView { key, origin: origin(&doc.url), secret_name })
        }
        _ => None,
    });
    Json(ChannelList { channels: channels.collect() })
}

fn origin(url: &str) -> String {
    let uri = url.parse::<http::Uri>().unwrap_or_default();
    match (uri.scheme_str(), uri.host(), uri.port_u16()) {
        (Some(scheme), Some(host), Some(port)) => format!("{scheme}://{host}:{port}"),
        (Some(scheme), Some(host), None) => format!("{scheme}://{host}"),
        _ => String::new(),
    }
}
