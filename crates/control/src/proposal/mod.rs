//! Where proposals are kept and how they change: by compare-and-swap on their papers, so that two people who act at once both count.
//! Decides nothing about what may be approved.

pub(crate) mod words;

use std::sync::Arc;

use serinus_domain::{
    bundle::Contents,
    decide::Rejection,
    entity::{ApprovalBy, DocKey, Document, EnvironmentDoc},
    proposal::{Conflict, Proposal, Standing},
    revision::{Draft, RevisionNumber},
    snapshot::Snapshot,
};
use serinus_store::{Desk, LogReader, Paper};

use crate::{
    append::{Activation, Base, Gate, OnConflict, Plan, at_head, commit, fetch_contents},
    auth::{Identity, Scope},
    error::ApiError,
    state::App,
};

/// The kind of a proposal's paper.
const PROPOSAL: &str = "proposal";
/// How often a write that lost a race is tried again; people are slower than this.
const RETRIES_MAX: usize = 20;
/// Revisions read at once while looking for the one that a proposal became.
const BATCH: usize = 256;

/// The environment's rules.
pub(crate) fn rules(snapshot: &Snapshot) -> EnvironmentDoc {
    match snapshot.get(&DocKey::environment()).and_then(|stored| stored.document.as_ref()) {
        Some(Document::Environment(doc)) => doc.clone(),
        _ => EnvironmentDoc::default(),
    }
}

/// Whether a change has to wait for a second person. A merge is one where the rules say so: what a pipeline's token that may
/// approve applies from files, naming the commit.
pub(crate) fn waits(snapshot: &Snapshot, draft: &Draft, who: &Identity) -> bool {
    let rules = rules(snapshot);
    let merged = rules.approve == ApprovalBy::Git
        && draft.provenance.commit.is_some()
        && who.person.is_none()
        && who.may(Scope::Approve);
    rules.protected && !merged
}

/// Keeps what `draft` would have done as the next proposal. Its blobs are stored already.
pub(crate) async fn record(
    app: &App,
    draft: Draft,
    snapshot: &Snapshot,
    complete: impl Fn(&mut Proposal),
) -> Result<Proposal, ApiError> {
    for _ in 0..RETRIES_MAX {
        let last = all(app).await?.last().map_or(0, |proposal| proposal.id);
        let mut proposal = Proposal::new(last + 1, draft.clone(), snapshot, app.now());
        complete(&mut proposal);
        if write(app, 0, &proposal).await? {
            tracing::info!(proposal.id, "proposal {} by {}", proposal.id, proposal.author);
            return Ok(proposal);
        }
    }
    Err(busy(0))
}

/// Every proposal, oldest first.
pub(crate) async fn all(app: &App) -> Result<Vec<Proposal>, ApiError> {
    let papers = Desk::papers(app.store(), PROPOSAL).await?;
    let mut all: Vec<_> = papers.iter().filter_map(read).collect();
    all.sort_by_key(|proposal| proposal.id);
    Ok(all)
}

/// One proposal.
pub(crate) async fn find(app: &App, id: u64) -> Result<Proposal, ApiError> {
    Ok(found(app, id).await?.1)
}

/// Changes a proposal; `change` is asked again where somebody else was faster.
pub(crate) async fn change(
    app: &App,
    id: u64,
    change: impl Fn(&mut Proposal) -> Result<(), ApiError>,
) -> Result<Proposal, ApiError> {
    for _ in 0..RETRIES_MAX {
        let (version, mut proposal) = found(app, id).await?;
        change(&mut proposal)?;
        if write(app, version, &proposal).await? {
            return Ok(proposal);
        }
    }
    Err(busy(id))
}

/// The head with the contents that a proposal brings along.
pub(crate) async fn base_of(app: &App, proposal: &Proposal) -> Result<Base, ApiError> {
    let Base { snapshot, mut contents } = at_head(app).await?;
    fetch_contents(app, &proposal.changes, &mut contents).await?;
    Ok(Base { snapshot, contents })
}

/// What changed under an open proposal.
pub(crate) fn conflicts(app: &App, proposal: &Proposal, base: &Base) -> Vec<Conflict> {
    match proposal.standing {
        Standing::Draft | Standing::Open => {
            proposal.rebase(&base.snapshot, &base.contents, app.now()).err().unwrap_or_default()
        }
        Standing::Applied { .. } | Standing::Withdrawn | Standing::Void { .. } => Vec::new(),
    }
}

/// Applies an approved proposal. One that something came in the way of stays open where its author can compute it again, and is
/// void where not.
pub(crate) async fn apply(
    app: &App,
    who: &Identity,
    proposal: &Proposal,
) -> Result<(Proposal, Option<Activation>), ApiError> {
    let id = proposal.id;
    // A crash between the append and the word of it on the paper must not make an applied proposal look like one in conflict.
    if let Some(revision) = applied_as(app, proposal).await? {
        return Ok((applied(app, id, revision).await?, None));
    }
    let brought = base_of(app, proposal).await?.contents;
    let done = commit(app, who, (Gate::Free, OnConflict::Retry), |base, now| {
        let mut contents = Contents::clone(&base.contents);
        for (digest, content) in &brought.held {
            contents.held.entry(*digest).or_insert_with(|| Arc::clone(content));
        }
        let draft = proposal.rebase(&base.snapshot, &contents, now);
        Ok(Plan::new(draft.map_err(|conflicts| in_conflict(id, &conflicts))?, ()))
    })
    .await;
    match done {
        Ok(done) => {
            let revision = done.revision.unwrap_or(done.snapshot.revision);
            Ok((applied(app, id, revision).await?, done.activation))
        }
        Err(ApiError::Rejected(rejection)) if rejection.code == "proposal.conflict" => {
            if proposal.request.is_none() {
                let reason = rejection.message.clone();
                change(app, id, |proposal| {
                    proposal.standing = Standing::Void { reason: reason.clone() };
                    Ok(())
                })
                .await?;
            }
            Err(rejection.into())
        }
        Err(other) => Err(other),
    }
}

async fn applied(app: &App, id: u64, revision: RevisionNumber) -> Result<Proposal, ApiError> {
    change(app, id, |proposal| {
        proposal.standing = Standing::Applied { revision };
        Ok(())
    })
    .await
}

async fn applied_as(app: &App, proposal: &Proposal) -> Result<Option<RevisionNumber>, ApiError> {
    let mut after = proposal.base;
    loop {
        let batch = LogReader::read(app.store(), after, BATCH).await?;
        let Some(last) = batch.last() else { return Ok(None) };
        after = last.body.number;
        let of_it = |approval: &serinus_domain::revision::Approval| approval.proposal == proposal.id;
        let found = batch.iter().find(|one| one.body.provenance.approval.as_ref().is_some_and(of_it));
        if let Some(revision) = found {
            return Ok(Some(revision.body.number));
        }
    }
}

fn in_conflict(id: u64, conflicts: &[Conflict]) -> Rejection {
    let reasons: Vec<_> = conflicts.iter().map(|conflict| conflict.reason.as_str()).collect();
    let text = format!(
        "proposal {id} no longer fits: {}; make it again on what there is now (`serinus proposal edit {id}`, or the command)",
        reasons.join("; ")
    );
    Rejection::new("proposal.conflict", text)
}

fn read(paper: &Paper) -> Option<Proposal> {
    serde_json::from_value(paper.body.clone()).ok()
}

async fn found(app: &App, id: u64) -> Result<(u64, Proposal), ApiError> {
    let paper = Desk::paper(app.store(), PROPOSAL, &id.to_string()).await?;
    paper.as_ref().and_then(|paper| Some((paper.version, read(paper)?))).ok_or_else(|| {
        let detail = format!("proposal {id} does not exist: see `serinus proposal list`");
        ApiError::unknown("proposal.unknown", detail)
    })
}

async fn write(app: &App, expected: u64, proposal: &Proposal) -> Result<bool, ApiError> {
    let body = serde_json::to_value(proposal).unwrap_or_default();
    Ok(Desk::write(app.store(), PROPOSAL, &proposal.id.to_string(), expected, &body, app.now()).await?)
}

fn busy(id: u64) -> ApiError {
    let detail = format!("proposal {id}: others changed it {RETRIES_MAX} times in a row: try again");
    ApiError::request(http::StatusCode::CONFLICT, "proposal.busy", detail)
}
