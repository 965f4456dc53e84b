//! Proposals: making, showing, discussing, approving and applying them. What may be approved by whom is the domain's word.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use serinus_domain::{
    decide::{NewLayer, Proposed, PublishRequest, Rejection, propose},
    digest::Digest,
    entity::{ArtifactKind, LayerKind},
    id::{ArtifactName, FeatureKey},
    limits::COMMENTS_MAX,
    lint,
    proposal::{Comment, Proposal, Standing},
    snapshot::Snapshot,
};
use serinus_store::Blobs;
use utoipa::ToSchema;

use super::{
    artifacts::RequirementBody,
    proposal_view::{ProposalList, ProposalSummary, ProposalView},
    rollout_spec::RolloutRequest,
};
use crate::{
    append::{Base, at_head, signed},
    auth::{Identity, Scope},
    error::ApiError,
    extract::{Approver, Body, Commenter, Key, Params, Reader, Writer, invalid_key, typed},
    proposal,
    state::App,
};

/// A version to publish with the rollout that brings it into use.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewLayer)]
pub struct NewLayerBody {
    /// Of which feature.
    #[schema(value_type = String)]
    pub feature: FeatureKey,
    /// Which layer.
    #[schema(value_type = String)]
    pub layer: LayerKind,
    /// The series; the one that the feature serves where not given.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub name: Option<ArtifactName>,
    /// The content, in the shape of its kind.
    #[schema(value_type = Object)]
    pub content: Value,
    /// Its needs.
    #[serde(default)]
    pub requires: Vec<RequirementBody>,
}

/// A change to propose: versions and the rollout that brings them into use.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProposeBody {
    /// The rollout that approval starts; its change may leave out what `publish` adds.
    pub rollout: RolloutRequest,
    /// Versions that are not published yet.
    #[serde(default)]
    pub publish: Vec<NewLayerBody>,
    /// Why.
    #[serde(default)]
    pub message: String,
    /// Who is asked to look.
    #[serde(default)]
    pub reviewers: Vec<String>,
    /// Whether approval alone does not apply it.
    #[serde(default)]
    pub hold: bool,
    /// Whether it is not for review yet.
    #[serde(default)]
    pub draft: bool,
}

/// Proposes new versions and the rollout that brings them into use, as one change.
#[utoipa::path(post, path = "/proposals", tag = "proposals", request_body = ProposeBody,
    responses((status = 201, body = ProposalView)))]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Writer(who): Writer,
    Body(request): Body<Value>,
) -> Result<Response, ApiError> {
    let body: ProposeBody = typed(&request)?;
    let (reviewers, hold, is_draft) = (body.reviewers.clone(), body.hold, body.draft);
    known_reviewers(&app, &reviewers)?;
    let (base, proposed) = compose(&app, &who, body).await?;
    let warnings = proposed.warnings.clone();
    let draft = signed(proposed.draft, &who);
    let made = proposal::record(&app, draft, &base.snapshot, |proposal| {
        proposal.request = Some(request.clone());
        proposal.reviewers.clone_from(&reviewers);
        proposal.hold = hold;
        if is_draft {
            proposal.standing = Standing::Draft;
        }
    })
    .await?;
    let view = ProposalView { warnings, ..ProposalView::of(&app, made).await? };
    Ok((StatusCode::CREATED, Json(view)).into_response())
}

/// What is asked for on the head, with its blobs stored.
async fn compose(app: &App, who: &Identity, body: ProposeBody) -> Result<(Base, Proposed), ApiError> {
    let base = at_head(app).await?;
    let message = if body.message.is_empty() { body.rollout.message.clone() } else { body.message };
    lint::message(&message).map_err(|reason| Rejection::new("proposal.invalid", reason))?;
    let layer = |one: NewLayerBody| {
        let publish = PublishRequest {
            kind: ArtifactKind::Layer(one.layer),
            name: series(&base.snapshot, &one)?,
            content: one.content,
            requires: one.requires.into_iter().map(Into::into).collect(),
            message: message.clone(),
            actor: who.actor.clone(),
        };
        Ok(NewLayer { publish, feature: one.feature, layer: one.layer })
    };
    let layers = body.publish.into_iter().map(layer).collect::<Result<Vec<_>, ApiError>>()?;
    let mut start = body.rollout.into_domain(&who.actor)?;
    start.message = message;
    let proposed = propose(&base.snapshot, &base.contents, &layers, &start, app.now())?;
    for blob in &proposed.blobs {
        Blobs::put(app.store(), blob).await?;
    }
    Ok((base, proposed))
}

/// The series that a feature's layer comes from; one of the feature's own name where it has none.
fn series(snapshot: &Snapshot, one: &NewLayerBody) -> Result<ArtifactName, ApiError> {
    let served = snapshot.feature(&one.feature).and_then(|feature| feature.control.get(one.layer));
    match (&one.name, served) {
        (Some(name), _) => Ok(name.clone()),
        (None, Some(reference)) => Ok(reference.name.clone()),
        (None, None) => ArtifactName::new(one.feature.as_str()).map_err(|refused| invalid_key(&refused)),
    }
}

/// Which proposals.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ProposalParams {
    /// `draft`, `open`, `applied`, `withdrawn` or `void`.
    #[serde(default)]
    pub state: Option<String>,
}

/// Lists proposals, latest first.
#[utoipa::path(get, path = "/proposals", tag = "proposals", params(ProposalParams),
    responses((status = 200, body = ProposalList)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    _: Reader,
    Params(params): Params<ProposalParams>,
) -> Result<Json<ProposalList>, ApiError> {
    let all = proposal::all(&app).await?.into_iter().rev().map(ProposalSummary::from);
    let wanted = |one: &ProposalSummary| params.state.as_ref().is_none_or(|state| one.state == *state);
    Ok(Json(ProposalList { proposals: all.filter(wanted).collect() }))
}

/// Shows a proposal, with what changed under it since it was made.
#[utoipa::path(get, path = "/proposals/{id}", tag = "proposals", params(("id" = u64, Path)),
    responses((status = 200, body = ProposalView)))]
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    _: Reader,
    Key(id): Key<u64>,
) -> Result<Json<ProposalView>, ApiError> {
    let found = proposal::find(&app, id).await?;
    Ok(Json(ProposalView::of(&app, found).await?))
}

/// What is to change of a proposal; what is left out stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ProposalEdit)]
pub struct EditBody {
    /// Another change in its place. Whoever had approved has to look again.
    #[serde(default)]
    #[schema(value_type = Option<ProposeBody>)]
    pub request: Option<Value>,
    /// Whether the same change is computed again on what there is now.
    #[serde(default)]
    pub recompute: bool,
    /// Why.
    #[serde(default)]
    pub message: Option<String>,
    /// Who is asked to look.
    #[serde(default)]
    pub reviewers: Option<Vec<String>>,
    /// Whether approval alone does not apply it.
    #[serde(default)]
    pub hold: Option<bool>,
}

/// Edits a draft or an open proposal.
#[utoipa::path(put, path = "/proposals/{id}", tag = "proposals", params(("id" = u64, Path)),
    request_body = EditBody, responses((status = 200, body = ProposalView)))]
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    Writer(who): Writer,
    Key(id): Key<u64>,
    Body(body): Body<EditBody>,
) -> Result<Json<ProposalView>, ApiError> {
    known_reviewers(&app, body.reviewers.as_deref().unwrap_or_default())?;
    let before = proposal::find(&app, id).await?;
    its_author(&before, &who)?;
    let request = body.request.clone().or_else(|| before.request.clone().filter(|_| body.recompute));
    if body.recompute && request.is_none() {
        let text = format!("proposal {id} was made by a command: withdraw it, and give the command again");
        return Err(Rejection::new("proposal.not_computed", text).into());
    }
    let recomputed = match &request {
        Some(request) => {
            let mut asked: ProposeBody = typed(request)?;
            if let Some(message) = &body.message {
                asked.message.clone_from(message);
            }
            Some(compose(&app, &who, asked).await?)
        }
        None => None,
    };
    let edited = proposal::change(&app, id, |proposal| {
        editable(proposal)?;
        if let Some((base, proposed)) = &recomputed {
            let draft = signed(proposed.draft.clone(), &who);
            proposal.message.clone_from(&draft.message);
            proposal.edit(draft, &base.snapshot);
            proposal.request.clone_from(&request);
        } else if let Some(message) = &body.message {
            lint::message(message).map_err(|reason| Rejection::new("proposal.invalid", reason))?;
            proposal.message.clone_from(message);
        }
        proposal.reviewers =
            body.reviewers.clone().unwrap_or_else(|| std::mem::take(&mut proposal.reviewers));
        proposal.hold = body.hold.unwrap_or(proposal.hold);
        Ok(())
    })
    .await?;
    Ok(Json(ProposalView::of(&app, edited).await?))
}

/// Hands a draft in for review.
#[utoipa::path(post, path = "/proposals/{id}/submit", tag = "proposals", params(("id" = u64, Path)),
    responses((status = 200, body = ProposalView)))]
pub(crate) async fn submit(
    State(app): State<Arc<App>>,
    Writer(who): Writer,
    Key(id): Key<u64>,
) -> Result<Json<ProposalView>, ApiError> {
    let submitted = proposal::change(&app, id, |proposal| {
        its_author(proposal, &who)?;
        editable(proposal)?;
        proposal.standing = Standing::Open;
        Ok(())
    })
    .await?;
    Ok(Json(ProposalView::of(&app, submitted).await?))
}

/// An approval of exactly what the digest names.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApproveBody {
    /// The digest of what was looked at.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// Whether it is to be applied later, by a command of its own.
    #[serde(default)]
    pub hold: bool,
}

/// Approves a proposal. With enough approvals it is applied at once, unless it is held.
#[utoipa::path(post, path = "/proposals/{id}/approve", tag = "proposals", params(("id" = u64, Path)),
    request_body = ApproveBody, responses((status = 200, body = ProposalView)))]
pub(crate) async fn approve(
    State(app): State<Arc<App>>,
    Approver(who): Approver,
    Key(id): Key<u64>,
    Body(body): Body<ApproveBody>,
) -> Result<Json<ProposalView>, ApiError> {
    let Some(person) = &who.person else {
        let detail = "approving takes a person: sign in by a link of `serinus person add`, a token cannot";
        return Err(ApiError::request(StatusCode::FORBIDDEN, "proposal.person", detail));
    };
    let now = app.now();
    let base = at_head(&app).await?;
    let approved = proposal::change(&app, id, |proposal| {
        proposal.approve(person, &body.digest, &base.snapshot, now)?;
        proposal.hold |= body.hold;
        Ok(())
    })
    .await?;
    tracing::info!(proposal.id = id, "{person} approved proposal {id}");
    if approved.hold || !approved.is_approved(proposal::rules(&base.snapshot).approvals_min) {
        return Ok(Json(ProposalView::of(&app, approved).await?));
    }
    carry_out(&app, &who, &approved).await
}

/// Applies an open proposal that has its approvals; in an environment that is not protected it takes none.
#[utoipa::path(post, path = "/proposals/{id}/apply", tag = "proposals", params(("id" = u64, Path)),
    responses((status = 200, body = ProposalView)))]
pub(crate) async fn apply(
    State(app): State<Arc<App>>,
    Writer(who): Writer,
    Key(id): Key<u64>,
) -> Result<Json<ProposalView>, ApiError> {
    let found = proposal::find(&app, id).await?;
    let rules = proposal::rules(&at_head(&app).await?.snapshot);
    if found.standing != Standing::Open {
        return Err(not_open(&found));
    }
    if rules.protected && !found.is_approved(rules.approvals_min) {
        let text = format!(
            "proposal {id} is not approved yet: `serinus approve {id}` by somebody else than {}",
            found.author
        );
        return Err(Rejection::new("proposal.not_approved", text).into());
    }
    carry_out(&app, &who, &found).await
}

async fn carry_out(app: &App, who: &Identity, approved: &Proposal) -> Result<Json<ProposalView>, ApiError> {
    let (applied, activation) = proposal::apply(app, who, approved).await?;
    Ok(Json(ProposalView { activation, ..ProposalView::of(app, applied).await? }))
}

/// What somebody thinks.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CommentBody {
    /// In their words.
    pub text: String,
}

/// Comments on a proposal.
#[utoipa::path(post, path = "/proposals/{id}/comment", tag = "proposals", params(("id" = u64, Path)),
    request_body = CommentBody, responses((status = 200, body = ProposalView)))]
pub(crate) async fn comment(
    State(app): State<Arc<App>>,
    Commenter(who): Commenter,
    Key(id): Key<u64>,
    Body(body): Body<CommentBody>,
) -> Result<Json<ProposalView>, ApiError> {
    if body.text.trim().is_empty() {
        return Err(Rejection::new("proposal.invalid", "comment is empty: say something").into());
    }
    lint::message(&body.text).map_err(|reason| Rejection::new("proposal.invalid", reason))?;
    let now = app.now();
    let commented = proposal::change(&app, id, |proposal| {
        if proposal.comments.len() >= COMMENTS_MAX {
            let text = format!("proposal {id} has {COMMENTS_MAX} comments: go on elsewhere");
            return Err(Rejection::new("proposal.invalid", text).into());
        }
        proposal.comments.push(Comment { who: who.actor.clone(), at: now, text: body.text.clone() });
        Ok(())
    })
    .await?;
    Ok(Json(ProposalView::of(&app, commented).await?))
}

/// Takes a proposal back.
#[utoipa::path(post, path = "/proposals/{id}/withdraw", tag = "proposals", params(("id" = u64, Path)),
    responses((status = 200, body = ProposalView)))]
pub(crate) async fn withdraw(
    State(app): State<Arc<App>>,
    Writer(who): Writer,
    Key(id): Key<u64>,
) -> Result<Json<ProposalView>, ApiError> {
    let withdrawn = proposal::change(&app, id, |proposal| {
        its_author(proposal, &who)?;
        editable(proposal)?;
        proposal.standing = Standing::Withdrawn;
        Ok(())
    })
    .await?;
    Ok(Json(ProposalView::of(&app, withdrawn).await?))
}

fn its_author(proposal: &Proposal, who: &Identity) -> Result<(), ApiError> {
    if proposal.author == who.actor || who.may(Scope::Admin) {
        return Ok(());
    }
    let detail =
        format!("proposal {} is {}'s: comment on it, or make one of your own", proposal.id, proposal.author);
    Err(ApiError::request(StatusCode::FORBIDDEN, "proposal.not_yours", detail))
}

fn editable(proposal: &Proposal) -> Result<(), ApiError> {
    match proposal.standing {
        Standing::Draft | Standing::Open => Ok(()),
        Standing::Applied { .. } | Standing::Withdrawn | Standing::Void { .. } => Err(not_open(proposal)),
    }
}

fn not_open(proposal: &Proposal) -> ApiError {
    let text = format!("proposal {} is {}: make another", proposal.id, proposal.words());
    Rejection::new("proposal.not_open", text).into()
}

fn known_reviewers(app: &App, reviewers: &[String]) -> Result<(), ApiError> {
    let environment = &app.control.environment;
    let may = |id: &String| {
        let person = app.control.auth.person(id).filter(|person| !person.disabled);
        let role = person.and_then(|person| person.roles.get(environment).copied());
        role.is_some_and(|role| role.scopes().iter().any(|scope| scope.grants(Scope::Approve)))
    };
    reviewers.iter().find(|id| !may(id)).map_or(Ok(()), |id| {
        let id: String = id.chars().take(80).collect();
        let text = format!("reviewer \"{id}\" may not approve in {environment}: see `serinus person list`");
        Err(Rejection::new("proposal.invalid", text).into())
    })
}
