//! Configuration as files: planning and applying what a directory describes, and describing what is there. Knows nothing of files
//! themselves, and decides nothing: what has to change is asked of the domain.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serinus_domain::{
    decide::Rejection,
    desired::{self, Desired, Plan as Planned, Step, Verb},
    digest::Digest,
    entity::DocKey,
    lint,
    revision::{Revision, RevisionNumber},
    snapshot::Snapshot,
    units::Timestamp,
};
use serinus_store::LogReader;
use similar::TextDiff;
use utoipa::ToSchema;

use crate::{
    append::{Activation, Base, Gate, OnConflict, Plan, at_head, commit},
    auth::{Identity, Scope},
    error::ApiError,
    extract::{Body, Reader, Writer},
    state::App,
};

/// What revisions that come from files are marked with.
const FILES: &str = "files";
/// Lines of a text around what changed in it.
const CONTEXT_LINES: usize = 2;
/// Revisions that a conflict names.
const NAMED_MAX: usize = 5;

/// A description to compare with what is there.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanBody {
    /// What the files describe.
    #[schema(value_type = Object)]
    pub desired: Desired,
}

/// A description to make true.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplyBody {
    /// What the files describe.
    #[schema(value_type = Object)]
    pub desired: Desired,
    /// The digest of the plan that was looked at: something else is then refused.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub digest: Option<Digest>,
    /// The head that it was made against, so that a refusal can name what changed.
    #[serde(default)]
    #[schema(value_type = Option<u64>)]
    pub base: Option<RevisionNumber>,
    /// Why.
    #[serde(default)]
    pub message: String,
    /// The commit that the files are of.
    #[serde(default)]
    pub commit: Option<String>,
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepVerb {
    /// A version is published.
    Publish,
    /// A document that was not there is made.
    Create,
    /// A document reads otherwise.
    Change,
    /// A document is taken away.
    Retire,
    /// It is as described already.
    Keep,
}

impl From<Verb> for StepVerb {
    fn from(verb: Verb) -> Self {
        match verb {
            Verb::Publish => Self::Publish,
            Verb::Create => Self::Create,
            Verb::Change => Self::Change,
            Verb::Retire => Self::Retire,
            Verb::Keep => Self::Keep,
        }
    }
}

/// A change that was made past the files.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Outside {
    /// By which revision.
    #[schema(value_type = u64)]
    pub revision: RevisionNumber,
    /// Who.
    pub actor: String,
    /// Why.
    pub message: String,
    /// When.
    #[schema(value_type = i64)]
    pub at: Timestamp,
}

/// A step of a plan.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PlanStep {
    /// What it does.
    pub verb: StepVerb,
    /// To which document, by its key; of a version, its reference.
    pub subject: String,
    /// What differs, a line each.
    pub detail: Vec<String>,
    /// Of a text: what differs in it, as a unified diff.
    pub lines: Vec<String>,
    /// Who changed the document last, where that was not by files: this step would overwrite it.
    pub outside: Option<Outside>,
}

/// What it takes to be as described.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlanView {
    /// The digest of what changes.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// The head that it was made against.
    #[schema(value_type = u64)]
    pub base: RevisionNumber,
    /// Every step that changes something.
    pub steps: Vec<PlanStep>,
    /// How many things are as described already.
    pub kept: usize,
    /// Documents that are there and not described: they stay as they are.
    pub unmanaged: Vec<String>,
}

/// What applying came to.
#[derive(Debug, Serialize, ToSchema)]
pub struct Applied {
    /// What was done.
    pub steps: Vec<PlanStep>,
    /// How many things were as described already.
    pub kept: usize,
    /// The revision; none where nothing had to change.
    #[schema(value_type = Option<u64>)]
    pub revision: Option<RevisionNumber>,
    /// Where that is in effect.
    pub activation: Option<Activation>,
}

/// Says what it takes to be as described; changes nothing.
#[utoipa::path(post, path = "/plan", tag = "files", request_body = PlanBody,
    responses((status = 200, body = PlanView)))]
pub(crate) async fn plan(
    State(app): State<Arc<App>>,
    Reader: Reader,
    Body(body): Body<PlanBody>,
) -> Result<Json<PlanView>, ApiError> {
    let Base { snapshot, contents } = at_head(&app).await?;
    let planned = desired::plan(&snapshot, &contents, &body.desired, "plan", app.now()).map_err(all_of)?;
    let kept = planned.steps.iter().filter(|step| step.verb == Verb::Keep).count();
    let steps = steps_of(&app, &snapshot, &planned.steps).await?;
    let unmanaged = planned.unmanaged.iter().map(DocKey::to_string).collect();
    Ok(Json(PlanView { digest: planned.digest, base: snapshot.revision, steps, kept, unmanaged }))
}

/// Makes what is described true, as one revision. Describing what is there changes nothing.
#[utoipa::path(post, path = "/apply", tag = "files", request_body = ApplyBody,
    responses((status = 200, body = Applied)))]
pub(crate) async fn apply(
    State(app): State<Arc<App>>,
    Writer(who): Writer,
    Body(body): Body<ApplyBody>,
) -> Result<Json<Applied>, ApiError> {
    lint::message(&body.message).map_err(|reason| Rejection::new("request.invalid", reason))?;
    let since = match (body.digest, body.base) {
        (Some(_), Some(base)) => LogReader::read(app.store(), base, NAMED_MAX).await?,
        _ => Vec::new(),
    };
    let done = commit(&app, &who, (Gate::Review, OnConflict::Tell), |base, now| {
        let planned = desired::plan(&base.snapshot, &base.contents, &body.desired, &who.actor, now);
        let planned = planned.map_err(all_of)?;
        if body.digest.is_some_and(|seen| seen != planned.digest) {
            return Err(drifted(&since, &planned));
        }
        check_rules(&who, &planned)?;
        let draft = planned.draft.map(|mut draft| {
            if !body.message.is_empty() {
                draft.message.clone_from(&body.message);
            }
            draft.provenance.via = Some(FILES.to_owned());
            draft.provenance.commit.clone_from(&body.commit);
            draft
        });
        Ok(Plan { draft, blobs: planned.blobs, value: planned.steps })
    })
    .await?;
    let kept = done.value.iter().filter(|step| step.verb == Verb::Keep).count();
    let steps = done.value.iter().filter(|step| step.verb != Verb::Keep).map(|step| shown(step, None));
    let steps = steps.collect();
    Ok(Json(Applied { steps, kept, revision: done.revision, activation: done.activation }))
}

/// Describes what is there, in the form that `plan` and `apply` take. Addresses of channels and lists of people stay behind.
#[utoipa::path(get, path = "/export", tag = "files", responses((status = 200, body = Object)))]
pub(crate) async fn export(State(app): State<Arc<App>>, _: Reader) -> Result<Json<Value>, ApiError> {
    let Base { snapshot, contents } = at_head(&app).await?;
    let described = desired::export(&snapshot, &contents);
    Ok(Json(serde_json::to_value(described).unwrap_or_default()))
}

/// Several refusals as one that names all.
pub(crate) fn all_of(refused: Vec<Rejection>) -> Rejection {
    let code = refused.first().map_or("desired.invalid", |first| first.code);
    let texts: Vec<_> = refused.into_iter().map(|one| one.message).collect();
    Rejection::new(code, texts.join("\n"))
}

fn drifted(since: &[Revision], planned: &Planned) -> Rejection {
    let named: Vec<_> = since
        .iter()
        .map(|revision| {
            let body = &revision.body;
            let keys: Vec<_> = body.changes.iter().map(|change| change.key().as_str()).collect();
            format!("revision {} by {} changed {}", body.number, body.actor, keys.join(", "))
        })
        .collect();
    let what = if named.is_empty() {
        "the files differ from those that were planned".into()
    } else {
        named.join("; ")
    };
    let text = format!(
        "this is not what was planned any more: {what}; plan again, the digest is now {}",
        planned.digest.short()
    );
    Rejection::new("desired.drift", text)
}

/// Who may describe everything else may not take an environment's protection off.
fn check_rules(who: &Identity, planned: &Planned) -> Result<(), Rejection> {
    let rules = DocKey::environment();
    let touches = |step: &&Step| step.subject == rules.as_str() && step.verb != Verb::Keep;
    if planned.steps.iter().find(touches).is_some() && !who.may(Scope::Admin) {
        return Err(needs_admin());
    }
    Ok(())
}

/// The refusal to change an environment's rules.
pub(crate) fn needs_admin() -> Rejection {
    let text = "the environment's own rules change: that takes the scope \"admin\"; leave them as they are, or ask who has it";
    Rejection::new("environment.needs_admin", text)
}

/// The steps that change something, each with who changed the same past the files.
async fn steps_of(app: &App, snapshot: &Snapshot, steps: &[Step]) -> Result<Vec<PlanStep>, ApiError> {
    let mut all = Vec::new();
    for step in steps.iter().filter(|step| step.verb != Verb::Keep) {
        let stored = snapshot.get(&DocKey::stored(&step.subject)).map(|stored| stored.revision.0);
        let outside = match stored.and_then(|number| number.checked_sub(1)) {
            Some(before) => outside(&LogReader::read(app.store(), RevisionNumber(before), 1).await?),
            None => None,
        };
        all.push(shown(step, outside));
    }
    Ok(all)
}

fn outside(found: &[Revision]) -> Option<Outside> {
    let body = &found.first()?.body;
    (body.provenance.via.as_deref() != Some(FILES)).then(|| Outside {
        revision: body.number,
        actor: body.actor.clone(),
        message: body.message.clone(),
        at: body.at,
    })
}

/// A step as it is shown.
pub(crate) fn shown(step: &Step, outside: Option<Outside>) -> PlanStep {
    let secret = step.subject.starts_with("channel/");
    // Webhook paths are often secrets.
    let detail = step.detail.iter().map(|line| match line.strip_prefix("url: ") {
        Some(_) if secret => "url: another address".to_owned(),
        _ => line.clone(),
    });
    let lines = if step.verb == Verb::Publish { text_lines(step) } else { Vec::new() };
    PlanStep {
        verb: step.verb.into(),
        subject: step.subject.clone(),
        detail: detail.collect(),
        lines,
        outside,
    }
}

fn text_lines(step: &Step) -> Vec<String> {
    let text = |value: &Option<Value>| {
        let value = value.as_ref()?;
        match value.get("text").or_else(|| value.get("instructions")).and_then(Value::as_str) {
            Some(text) => Some(format!("{text}\n")),
            None => serde_json::to_string_pretty(value).ok().map(|text| text + "\n"),
        }
    };
    let (Some(before), Some(after)) = (text(&step.before), text(&step.after)) else { return Vec::new() };
    let diff = TextDiff::from_lines(&before, &after);
    let unified = diff.unified_diff().context_radius(CONTEXT_LINES).to_string();
    unified.lines().map(str::to_owned).collect()
}
