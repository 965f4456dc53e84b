//! Flags from other platforms' exports: read, turned into documents, put in as few revisions as they fit. Knows no format itself.

use std::sync::Arc;

use axum::{Json, extract::State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serinus_domain::{
    bundle::Contents,
    decide::{Rejection, adopt},
    digest::Digest,
    entity::{DocKey, Document, Forced, SegmentDoc},
    id::{FlagKey, SegmentKey},
    revision::RevisionNumber,
    units::Timestamp,
};
use serinus_interop::{Format, ImportError, Imported, NotCarried, import};
use utoipa::ToSchema;

use crate::{
    append::{Activation, Base, Gate, OnConflict, Plan, at_head, commit},
    error::{ApiError, Waiting},
    extract::{Body, Writer},
    state::App,
};

/// An export of another platform.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportBody {
    /// `flagd`, `unleash`, `launchdarkly`, `growthbook` or `flagsmith`.
    pub format: String,
    /// The document as it was exported.
    #[schema(value_type = Object)]
    pub document: serde_json::Value,
    /// Whether to say only what would come of it.
    #[serde(default)]
    pub dry_run: bool,
}

/// What could not be carried over as it was.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct NotCarriedView {
    /// Of what: `flag search`.
    pub subject: String,
    /// Which part.
    pub what: String,
    /// Why, and what stands in its place.
    pub why: String,
}

impl From<NotCarried> for NotCarriedView {
    fn from(NotCarried { subject, what, why }: NotCarried) -> Self {
        Self { subject, what, why }
    }
}

/// What an import comes to.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImportView {
    /// Flags that are there now.
    #[schema(value_type = Vec<String>)]
    pub flags: Vec<FlagKey>,
    /// Segments that are there now.
    #[schema(value_type = Vec<String>)]
    pub segments: Vec<SegmentKey>,
    /// What is different from where they come from.
    pub not_carried: Vec<NotCarriedView>,
    /// The revisions that it made; none where nothing changed or it was a dry run.
    #[schema(value_type = Vec<u64>)]
    pub revisions: Vec<RevisionNumber>,
    /// The proposals that it made, in the order in which they are to be approved.
    pub proposals: Vec<Waiting>,
    /// Where the last of the revisions is in effect.
    pub activation: Option<Activation>,
}

/// Imports flags and segments. Up to 512 documents are one revision; more become several, one after the other. Where a change waits
/// for a second person, they become as many proposals, to be approved in their order, and the answer is a 202.
#[utoipa::path(post, path = "/import/flags", tag = "import", request_body = ImportBody,
    responses((status = 200, body = ImportView), (status = 202, body = ImportView)))]
pub(crate) async fn flags(
    State(app): State<Arc<App>>,
    Writer(who): Writer,
    Body(body): Body<ImportBody>,
) -> Result<(StatusCode, Json<ImportView>), ApiError> {
    let imported = read(&body)?;
    let base = at_head(&app).await?;
    let mut contents = Contents { list_key: base.contents.list_key.clone(), ..Contents::default() };
    let made = documents(imported, &mut contents)?;
    let adopted = |base: &Base, now: Timestamp| {
        let mut held = Contents::clone(&base.contents);
        held.held.extend(contents.held.iter().map(|(digest, list)| (*digest, Arc::clone(list))));
        adopt(&base.snapshot, &held, &made.documents, &who.actor, now)
    };
    let mut view = ImportView::new(&made, adopted(&base, app.now())?.left_out);
    if body.dry_run {
        return Ok((StatusCode::OK, Json(view)));
    }
    // What is in the log already is no change any more: the first part that is left is the next. What only waits is one still.
    loop {
        let done = commit(&app, &who, (Gate::Review, OnConflict::Tell), |base, now| {
            let draft = adopted(base, now)?.parts.into_iter().nth(view.proposals.len());
            Ok(Plan { draft, blobs: made.lists.clone(), value: () })
        })
        .await;
        match done {
            Ok(done) if done.revision.is_none() => break,
            Ok(done) => {
                view.revisions.extend(done.revision);
                view.activation = done.activation;
            }
            Err(ApiError::Proposed(proposal)) => view.proposals.push(Waiting::from(&*proposal)),
            Err(other) => return Err(other),
        }
    }
    let status = if view.proposals.is_empty() { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(view)))
}

impl ImportView {
    fn new(made: &Made, left_out: Vec<(DocKey, Rejection)>) -> Self {
        let mut view = Self {
            flags: Vec::new(),
            segments: Vec::new(),
            not_carried: made.not_carried.iter().cloned().map(Into::into).collect(),
            revisions: Vec::new(),
            proposals: Vec::new(),
            activation: None,
        };
        for document in made.documents.iter().filter(|one| left_out.iter().all(|(key, _)| *key != one.key()))
        {
            match document {
                Document::Flag(doc) => view.flags.push(doc.key.clone()),
                Document::Segment(doc) => view.segments.push(doc.key.clone()),
                _ => {}
            }
        }
        view.not_carried.extend(left_out.into_iter().map(|(key, rejection)| NotCarriedView {
            subject: key.as_str().replacen('/', " ", 1),
            what: "the whole of it".into(),
            why: format!("{rejection}; it is left out"),
        }));
        view
    }
}

fn read(body: &ImportBody) -> Result<Imported, Rejection> {
    let refused = |refused: ImportError| Rejection::new(refused.code(), refused.to_string());
    let format: Format = body.format.parse().map_err(refused)?;
    // The document stands within the request, where it was parsed already; importers read bytes, as the command line has them.
    import(format, body.document.to_string().as_bytes()).map_err(refused)
}

/// Documents to put, with the lists of people that they name.
struct Made {
    documents: Vec<Document>,
    lists: Vec<Vec<u8>>,
    not_carried: Vec<NotCarried>,
}

/// Ids of people become lists of keyed hashes, which stand in `contents` too, so that what names them compiles.
fn documents(imported: Imported, contents: &mut Contents) -> Result<Made, Rejection> {
    let mut made = Made { documents: Vec::new(), lists: Vec::new(), not_carried: imported.not_carried };
    for segment in imported.segments {
        let included = list(&segment.included, contents, &mut made.lists)?;
        let excluded = list(&segment.excluded, contents, &mut made.lists)?;
        made.documents.push(Document::Segment(SegmentDoc {
            key: segment.key,
            description: segment.description,
            when: segment.when,
            included,
            excluded,
        }));
    }
    for mut flag in imported.flags {
        for forced in flag.forced {
            if let Some(units) = list(&forced.units, contents, &mut made.lists)? {
                flag.doc.forced.push(Forced { units, variant: forced.variant });
            }
        }
        made.documents.push(Document::Flag(flag.doc));
    }
    Ok(made)
}

fn list(
    ids: &[String],
    contents: &mut Contents,
    lists: &mut Vec<Vec<u8>>,
) -> Result<Option<Digest>, Rejection> {
    if ids.is_empty() {
        return Ok(None);
    }
    let key = contents.list_key.as_ref().ok_or_else(|| {
        Rejection::new(
            "import.no_list_key",
            "lists of people cannot be kept here: the server has no key for them",
        )
    })?;
    let blob = key.list(ids.iter().map(String::as_str));
    let digest = Digest::of(&blob);
    contents.held.insert(digest, Arc::new(serde_json::from_slice(&blob).unwrap_or_default()));
    lists.push(blob);
    Ok(Some(digest))
}
