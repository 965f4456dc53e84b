//! Which node serves which revision.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Serialize;
use serinus_domain::{revision::RevisionNumber, units::Timestamp};
use serinus_store::{LogReader, NodeReport, Nodes};
use utoipa::ToSchema;

use crate::{error::ApiError, extract::Reader, state::App};

/// A node's last word.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct NodeView {
    /// Which node.
    pub node: String,
    /// What it serves.
    #[schema(value_type = u64)]
    pub revision: RevisionNumber,
    /// Since when.
    #[schema(value_type = i64)]
    pub activated_at: Timestamp,
    /// Why it does not serve a later one.
    pub refusal: Option<String>,
    /// When it last said so; one that has been silent for long is gone, not lagging.
    #[schema(value_type = i64)]
    pub seen_at: Timestamp,
}

impl From<NodeReport> for NodeView {
    fn from(report: NodeReport) -> Self {
        let NodeReport { node, revision, activated_at, refusal, seen_at } = report;
        Self { node, revision, activated_at, refusal, seen_at }
    }
}

/// Every node.
#[derive(Debug, Serialize, ToSchema)]
pub struct NodeList {
    /// In the order of their names.
    pub nodes: Vec<NodeView>,
    /// The log's head.
    #[schema(value_type = u64)]
    pub head: RevisionNumber,
}

/// Lists every node.
#[utoipa::path(get, path = "/nodes", tag = "nodes", responses((status = 200, body = NodeList)))]
pub(crate) async fn list(State(app): State<Arc<App>>, _: Reader) -> Result<Json<NodeList>, ApiError> {
    let head = LogReader::head(app.store()).await?.number;
    let mut nodes: Vec<NodeView> = Nodes::nodes(app.store()).await?.into_iter().map(Into::into).collect();
    nodes.sort_by(|a, b| a.node.cmp(&b.node));
    Ok(Json(NodeList { nodes, head }))
}
