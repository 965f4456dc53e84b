//! A proposal as it is shown: who made it, what it changes, what changed under it since, whom it waits for.

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;
use serde_json::Value;
use serinus_domain::{
    bundle::Contents,
    digest::Digest,
    entity::{ArtifactDoc, ArtifactRef, Content, Document, LayerKind, ModelContent, RolloutDoc},
    proposal::{Proposal, Standing},
    revision::{Change, RevisionNumber},
    snapshot::Snapshot,
    units::{MicroUsd, Timestamp},
};
use utoipa::ToSchema;

use super::{
    artifact_view::{cost, sent_text},
    rollout_view::RolloutView,
};
use crate::{
    append::{Activation, Base},
    error::ApiError,
    proposal::{self, words},
    state::App,
    token_count::{self, TokenCount},
};

/// A proposal in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProposalSummary {
    /// Its number.
    pub id: u64,
    /// Where it is looked at.
    pub url: String,
    /// Who made it.
    pub author: String,
    /// Why.
    pub message: String,
    /// `draft`, `open`, `applied`, `withdrawn` or `void`.
    pub state: String,
    /// What an approval has to name.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// Who was asked to look.
    pub reviewers: Vec<String>,
    /// How many agreed to what it says now.
    pub approvals: usize,
    /// Whether approval alone does not apply it.
    pub hold: bool,
    /// When it was made.
    #[schema(value_type = i64)]
    pub created_at: Timestamp,
}

impl From<Proposal> for ProposalSummary {
    fn from(proposal: Proposal) -> Self {
        let approvals = proposal.approvals.iter().filter(|given| given.digest == proposal.digest).count();
        Self {
            id: proposal.id,
            url: format!("/p/{}", proposal.id),
            state: state(&proposal.standing).to_owned(),
            author: proposal.author,
            message: proposal.message,
            digest: proposal.digest,
            reviewers: proposal.reviewers,
            approvals,
            hold: proposal.hold,
            created_at: proposal.created_at,
        }
    }
}

const fn state(standing: &Standing) -> &'static str {
    match standing {
        Standing::Draft => "draft",
        Standing::Open => "open",
        Standing::Applied { .. } => "applied",
        Standing::Withdrawn => "withdrawn",
        Standing::Void { .. } => "void",
    }
}

/// Proposals.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProposalList {
    /// Latest first.
    pub proposals: Vec<ProposalSummary>,
}

/// One person's agreement.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApprovalView {
    /// Who.
    pub person: String,
    /// When.
    #[schema(value_type = i64)]
    pub at: Timestamp,
}

/// What somebody said.
#[derive(Debug, Serialize, ToSchema)]
pub struct CommentView {
    /// Who.
    pub who: String,
    /// When.
    #[schema(value_type = i64)]
    pub at: Timestamp,
    /// What.
    pub text: String,
}

/// Something that changed under a proposal.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConflictView {
    /// Which document.
    pub key: String,
    /// The revision that put it as it is now.
    #[schema(value_type = u64)]
    pub revision: RevisionNumber,
    /// What is in the way.
    pub reason: String,
}

/// A document that a proposal changes.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProposedChange {
    /// Which.
    pub key: String,
    /// `create`, `change` or `retire`.
    pub verb: String,
    /// As it is now; of an applied proposal, as that left it.
    #[schema(value_type = Option<Object>)]
    pub before: Option<Value>,
    /// As it would be.
    #[schema(value_type = Option<Object>)]
    pub after: Option<Value>,
}

/// A new version beside the one that is served in its place.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProposedVersion {
    /// The new version.
    #[schema(value_type = String)]
    pub reference: ArtifactRef,
    /// The one before.
    #[schema(value_type = Option<String>)]
    pub from: Option<ArtifactRef>,
    /// What it says.
    #[schema(value_type = Option<Object>)]
    pub content: Option<Value>,
    /// What the one before says.
    #[schema(value_type = Option<Object>)]
    pub content_before: Option<Value>,
    /// Words that only the new one has.
    pub words_added: usize,
    /// Words that only the old one has.
    pub words_removed: usize,
    /// Of a content that is sent with every call: its tokens, as the rollout's model counts them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<TokenCount>,
    /// Of the one before, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_before: Option<TokenCount>,
    /// Where that model's price is known: what these tokens cost in a thousand calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>)]
    pub cost_per_1000_calls_micro_usd: Option<MicroUsd>,
}

/// A proposal.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProposalView {
    /// Its number.
    pub id: u64,
    /// Where it is looked at.
    pub url: String,
    /// Who made it.
    pub author: String,
    /// Why.
    pub message: String,
    /// `draft`, `open`, `applied`, `withdrawn` or `void`.
    pub state: String,
    /// The revision that it became.
    #[schema(value_type = Option<u64>)]
    pub revision: Option<RevisionNumber>,
    /// Why it is void.
    pub reason: Option<String>,
    /// The head that it was made against.
    #[schema(value_type = u64)]
    pub base: RevisionNumber,
    /// What an approval has to name.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// Who was asked to look.
    pub reviewers: Vec<String>,
    /// Who agreed to what it says now.
    pub approvals: Vec<ApprovalView>,
    /// How many have to.
    pub approvals_min: u32,
    /// Whom it waits for: reviewers who have not agreed yet, `approver` for anybody who may, nobody where that is empty.
    pub waits_for: Vec<String>,
    /// What was said.
    pub comments: Vec<CommentView>,
    /// Whether approval alone does not apply it.
    pub hold: bool,
    /// When it was made.
    #[schema(value_type = i64)]
    pub created_at: Timestamp,
    /// What changed under it since it was made: it cannot be applied before its author has looked.
    pub conflicts: Vec<ConflictView>,
    /// What it changes.
    pub changes: Vec<ProposedChange>,
    /// New versions, and versions that a rollout brings into use, each beside what is served in its place.
    pub versions: Vec<ProposedVersion>,
    /// The rollout that it starts, with the rules in force.
    pub rollout: Option<RolloutView>,
    /// What its author should know; said once, where it is made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Of one that was applied just now: where that is in effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activation: Option<Activation>,
}

impl ProposalView {
    /// A proposal against the head of now.
    pub(crate) async fn of(app: &App, proposal: Proposal) -> Result<Self, ApiError> {
        let base = proposal::base_of(app, &proposal).await?;
        let conflicts = proposal::conflicts(app, &proposal, &base);
        let rules = proposal::rules(&base.snapshot);
        let (revision, reason) = match &proposal.standing {
            Standing::Applied { revision } => (Some(*revision), None),
            Standing::Void { reason } => (None, Some(reason.clone())),
            Standing::Draft | Standing::Open | Standing::Withdrawn => (None, None),
        };
        let starts = started(&proposal.changes);
        let now = app.now();
        let valid = proposal.approvals.iter().filter(|given| given.digest == proposal.digest);
        Ok(Self {
            waits_for: waits_for(&proposal, rules.approvals_min),
            versions: counted(versions(&proposal, &starts, &base), model(&proposal, &starts, &base)).await,
            changes: proposal.changes.iter().map(|change| proposed(change, &base.snapshot)).collect(),
            conflicts: conflicts
                .into_iter()
                .map(|one| ConflictView {
                    key: one.key.to_string(),
                    revision: one.revision,
                    reason: one.reason,
                })
                .collect(),
            approvals: valid
                .map(|given| ApprovalView { person: given.person.clone(), at: given.at })
                .collect(),
            approvals_min: rules.approvals_min.max(1),
            comments: proposal
                .comments
                .into_iter()
                .map(|one| CommentView { who: one.who, at: one.at, text: one.text })
                .collect(),
            rollout: starts.first().map(|doc| RolloutView::new(doc, None, &BTreeMap::new(), now)),
            id: proposal.id,
            url: format!("/p/{}", proposal.id),
            author: proposal.author,
            message: proposal.message,
            state: state(&proposal.standing).to_owned(),
            revision,
            reason,
            base: proposal.base,
            digest: proposal.digest,
            reviewers: proposal.reviewers,
            hold: proposal.hold,
            created_at: proposal.created_at,
            warnings: Vec::new(),
            activation: None,
        })
    }
}

fn waits_for(proposal: &Proposal, approvals_min: u32) -> Vec<String> {
    if proposal.standing != Standing::Open || proposal.is_approved(approvals_min) {
        return Vec::new();
    }
    let agreed = |id: &String| {
        proposal.approvals.iter().any(|given| given.person == *id && given.digest == proposal.digest)
    };
    let asked: Vec<_> = proposal.reviewers.iter().filter(|id| !agreed(id)).cloned().collect();
    if asked.is_empty() { vec!["approver".to_owned()] } else { asked }
}

fn proposed(change: &Change, head: &Snapshot) -> ProposedChange {
    let before = head.get(change.key()).map(|stored| stored.body.clone());
    let (verb, after) = match (change, &before) {
        (Change::Retire { .. }, _) => ("retire", None),
        (Change::Put { body, .. }, Some(_)) => ("change", Some(body.clone())),
        (Change::Put { body, .. }, None) => ("create", Some(body.clone())),
    };
    ProposedChange { key: change.key().to_string(), verb: verb.to_owned(), before, after }
}

fn document(change: &Change) -> Option<Document> {
    match change {
        Change::Put { body, .. } => Document::from_value(body),
        Change::Retire { .. } => None,
    }
}

fn started(changes: &[Change]) -> Vec<RolloutDoc> {
    let rollout = |document| match document {
        Document::Rollout(doc) => Some(*doc),
        _ => None,
    };
    changes.iter().filter_map(document).filter_map(rollout).collect()
}

/// What a rollout brings into use beside what it replaces; of a version that no rollout names, the one before it in its series.
fn versions(proposal: &Proposal, starts: &[RolloutDoc], base: &Base) -> Vec<ProposedVersion> {
    let brought: BTreeMap<_, _> = proposal
        .changes
        .iter()
        .filter_map(document)
        .filter_map(|document| match document {
            Document::Artifact(doc) => Some((doc.reference(), doc)),
            _ => None,
        })
        .collect();
    let mut pairs: BTreeMap<ArtifactRef, Option<ArtifactRef>> = BTreeMap::new();
    for doc in starts {
        for (feature, layers) in &doc.spec.change {
            for (layer, to) in &layers.0 {
                let from = doc.spec.baseline.get(feature).and_then(|baseline| baseline.get(*layer));
                pairs.insert(to.clone(), from.cloned().filter(|from| from != to));
            }
        }
    }
    for reference in brought.keys() {
        let before = || {
            base.snapshot.versions(reference.kind, reference.name.as_str()).last().map(|doc| doc.reference())
        };
        pairs.entry(reference.clone()).or_insert_with(before);
    }
    let content = |reference: &ArtifactRef| {
        let doc = brought.get(reference).or_else(|| base.snapshot.artifact(reference))?;
        content_of(doc, &base.contents)
    };
    pairs
        .into_iter()
        .map(|(reference, from)| {
            let (after, before) = (content(&reference), from.as_ref().and_then(content));
            let texts = (text(before.as_ref()), text(after.as_ref()));
            let (words_added, words_removed) = words::counted(&texts.0, &texts.1);
            ProposedVersion {
                reference,
                from,
                content: after,
                content_before: before,
                words_added,
                words_removed,
                tokens: None,
                tokens_before: None,
                cost_per_1000_calls_micro_usd: None,
            }
        })
        .collect()
}

/// The versions with what they come to in tokens and money.
async fn counted(mut versions: Vec<ProposedVersion>, model: Option<ModelContent>) -> Vec<ProposedVersion> {
    let count = async |reference: &ArtifactRef, content: Option<&Value>| {
        let sent = sent_text(&Content::parse(reference.kind, content?).ok()?)?;
        token_count::count(sent, model.as_ref().map(|model| model.model.clone())).await
    };
    for one in &mut versions {
        one.tokens = count(&one.reference, one.content.as_ref()).await;
        one.tokens_before = count(&one.reference, one.content_before.as_ref()).await;
        let priced = one.tokens.as_ref().zip(model.as_ref());
        one.cost_per_1000_calls_micro_usd = priced.and_then(|(tokens, model)| cost(tokens, model));
    }
    versions
}

/// The model that the rollout's candidate calls.
fn model(proposal: &Proposal, starts: &[RolloutDoc], base: &Base) -> Option<ModelContent> {
    let candidate = starts.first()?.spec.candidate.values().next()?;
    let reference = candidate.get(LayerKind::Model)?;
    let brought = proposal.changes.iter().filter_map(document).find_map(|document| match document {
        Document::Artifact(doc) if doc.reference() == *reference => Some(doc),
        _ => None,
    });
    let doc = brought.or_else(|| base.snapshot.artifact(reference).cloned())?;
    match Content::parse(doc.artifact_kind, &content_of(&doc, &base.contents)?).ok()? {
        Content::Model(model) => Some(model),
        _ => None,
    }
}

fn content_of(doc: &ArtifactDoc, contents: &Contents) -> Option<Value> {
    contents.held.get(&doc.content).map(|content: &Arc<Value>| Value::clone(content))
}

/// What people read of a content: a prompt's text, everything else as it is written.
fn text(content: Option<&Value>) -> String {
    let Some(content) = content else { return String::new() };
    let prose = content.get("text").or_else(|| content.get("instructions")).and_then(Value::as_str);
    prose.map_or_else(|| serde_json::to_string_pretty(content).unwrap_or_default(), str::to_owned)
}
