//! What needs somebody, and what goes on: one page's worth. Decides nothing; says which command answers what.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Serialize;
use serinus_domain::{
    entity::HoldReason,
    proposal::{Proposal, Standing},
    revision::RevisionNumber,
    units::Timestamp,
};
use serinus_store::{Active, LogReader, NodeReport, Nodes};
use utoipa::ToSchema;

use super::{
    features::FeatureView,
    rollout_view::RolloutSummary,
    rollouts::{summaries, summary},
};
use crate::{error::ApiError, extract::Reader, proposal, state::App};

/// Something that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Need {
    /// What it is about.
    pub subject: String,
    /// What is the matter.
    pub sentence: String,
    /// The commands that answer it: one of them, the likeliest first.
    pub commands: Vec<String>,
}

/// One page's worth.
#[derive(Debug, Serialize, ToSchema)]
pub struct Overview {
    /// What waits for a person; empty is good.
    pub needs: Vec<Need>,
    /// Rollouts, latest start first.
    pub rollouts: Vec<RolloutSummary>,
    /// Every feature.
    pub features: Vec<FeatureView>,
    /// The environment's name.
    pub environment: String,
    /// The log's head.
    #[schema(value_type = u64)]
    pub head: RevisionNumber,
    /// How much faster than the wall's the server's clock runs.
    pub clock_factor: f64,
    /// The server's clock.
    #[schema(value_type = i64)]
    pub now_at: Timestamp,
}

/// Shows what needs somebody and what goes on.
#[utoipa::path(get, path = "/overview", tag = "overview", responses((status = 200, body = Overview)))]
pub(crate) async fn overview(State(app): State<Arc<App>>, _: Reader) -> Result<Json<Overview>, ApiError> {
    let active = app.active();
    let head = LogReader::head(app.store()).await?.number;
    let nodes = Nodes::nodes(app.store()).await?;
    let mut needs = held(&app, &active);
    needs.extend(lagging(&nodes, head));
    needs.extend(broken(&active));
    needs.extend(proposed(&app).await?);
    Ok(Json(Overview {
        needs,
        rollouts: summaries(&app, &active.snapshot),
        features: active.snapshot.features().map(|doc| FeatureView::new(doc, &active)).collect(),
        environment: app.control.environment.clone(),
        head,
        clock_factor: app.control.clock_factor,
        now_at: app.now(),
    }))
}

/// Holds that do not end by themselves.
fn held(app: &App, active: &Active) -> Vec<Need> {
    let waits = |reason| match reason {
        HoldReason::Evidence | HoldReason::CommonCause => false,
        HoldReason::Operator
        | HoldReason::Guardrail
        | HoldReason::SampleRatio
        | HoldReason::Deadline
        | HoldReason::Measurement => true,
    };
    let held = active
        .snapshot
        .rollouts()
        .filter(|doc| doc.state.hold.as_ref().is_some_and(|hold| waits(hold.reason)));
    held.map(|doc| Need {
        subject: doc.key.to_string(),
        sentence: summary(app, doc).sentence,
        commands: ["rollout resume", "rollback"].map(|verb| format!("serinus {verb} {}", doc.key)).into(),
    })
    .collect()
}

/// Nodes that say why they do not serve the head. One that is merely on its way says nothing.
fn lagging(nodes: &[NodeReport], head: RevisionNumber) -> Vec<Need> {
    let behind = nodes.iter().filter(|node| node.revision < head);
    let refused = behind.filter_map(|node| Some((node, node.refusal.as_ref()?)));
    refused
        .map(|(node, reason)| Need {
            subject: node.node.clone(),
            sentence: format!("Serves revision {} of {head}: {reason}", node.revision),
            commands: vec![format!("serinus revisions show {}", node.revision.next())],
        })
        .collect()
}

/// Proposals that wait for a second person.
async fn proposed(app: &App) -> Result<Vec<Need>, ApiError> {
    let open = proposal::all(app).await?.into_iter().filter(|one| one.standing == Standing::Open);
    let need = |one: Proposal| {
        let whom = if one.reviewers.is_empty() {
            "somebody who may approve".into()
        } else {
            one.reviewers.join(" and ")
        };
        Need {
            subject: format!("proposal {}", one.id),
            sentence: format!("{} proposes: {}; it waits for {whom}", one.author, one.message),
            commands: vec![
                format!("serinus proposal show {}", one.id),
                format!("serinus approve {}", one.id),
            ],
        }
    };
    Ok(open.map(need).collect())
}

fn broken(active: &Active) -> Vec<Need> {
    let need = |diagnostic: &serinus_domain::compile::Diagnostic| Need {
        subject: diagnostic.subject.clone(),
        sentence: diagnostic.reason.clone(),
        commands: vec!["serinus status".into()],
    };
    active.compiled.diagnostics.iter().map(need).collect()
}
