//! Scheduled changes: declaring, reading and cancelling them. A loop makes them when they are due.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use serinus_domain::{
    decide::{self, Rejection, cancel_schedule, described, put_schedule, schedules},
    entity::{DocKey, Planned, ScheduleDoc, ScheduleState},
    id::{FeatureKey, FlagKey, RolloutKey, ScheduleKey, SegmentKey},
    revision::RevisionNumber,
    units::Timestamp,
};
use utoipa::ToSchema;

use super::{
    features::{FeatureBody, Stored},
    flag_body::FlagBody,
    lists::Lists,
    segments::SegmentBody,
};
use crate::{
    append::{Base, Gate, OnConflict, Plan, commit},
    error::ApiError,
    extract::{Body, Key, Reader, Writer},
    state::App,
};

/// What is to be done.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
#[schema(as = Planned)]
pub enum PlannedBody {
    /// The flag is to read like this.
    PutFlag {
        /// The flag.
        #[schema(value_type = String)]
        flag: FlagKey,
        /// As it is to read.
        definition: Box<FlagBody>,
    },
    /// The flag is to answer, or to answer the caller's default, as its definition then is.
    SetFlag {
        /// The flag.
        #[schema(value_type = String)]
        flag: FlagKey,
        /// Whether it is to be disabled.
        disabled: bool,
    },
    /// The feature is to read like this.
    PutFeature {
        /// The feature.
        #[schema(value_type = String)]
        feature: FeatureKey,
        /// As it is to read.
        definition: Box<FeatureBody>,
    },
    /// The segment is to read like this.
    PutSegment {
        /// The segment.
        #[schema(value_type = String)]
        segment: SegmentKey,
        /// As it is to read.
        definition: Box<SegmentBody>,
    },
    /// A held rollout is to go on.
    Resume {
        /// The rollout.
        #[schema(value_type = String)]
        rollout: RolloutKey,
    },
}

impl PlannedBody {
    fn to_domain(&self, base: &Base, lists: &mut Lists<'_>) -> Result<Planned, Rejection> {
        Ok(match self {
            Self::PutFlag { flag, definition } => {
                let salt = base.snapshot.flag(flag).map(|before| before.salt.clone()).unwrap_or_default();
                Planned::PutFlag { flag: Box::new(definition.to_doc(flag, salt, lists)?) }
            }
            Self::SetFlag { flag, disabled } => Planned::SetFlag { flag: flag.clone(), disabled: *disabled },
            Self::PutFeature { feature, definition } => {
                let killed = base.snapshot.feature(feature).is_some_and(|before| before.killed);
                Planned::PutFeature { feature: Box::new(definition.to_doc(feature, killed, lists)?) }
            }
            Self::PutSegment { segment, definition } => {
                Planned::PutSegment { segment: Box::new(definition.to_doc(segment, lists)?) }
            }
            Self::Resume { rollout } => Planned::Resume { rollout: rollout.clone() },
        })
    }

    fn shown(planned: &Planned) -> Self {
        match planned {
            Planned::PutFlag { flag } => {
                Self::PutFlag { flag: flag.key.clone(), definition: Box::new(FlagBody::shown(flag, None)) }
            }
            Planned::SetFlag { flag, disabled } => Self::SetFlag { flag: flag.clone(), disabled: *disabled },
            Planned::PutFeature { feature } => {
                Self::PutFeature { feature: feature.key.clone(), definition: Box::new((&**feature).into()) }
            }
            Planned::PutSegment { segment } => Self::PutSegment {
                segment: segment.key.clone(),
                definition: Box::new(SegmentBody::shown(segment)),
            },
            Planned::Resume { rollout } => Self::Resume { rollout: rollout.clone() },
        }
    }
}

/// A change that is to be made later.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleBody {
    /// When, in microseconds since the epoch.
    #[schema(value_type = i64)]
    pub at: Timestamp,
    /// What.
    pub planned: PlannedBody,
    /// Why.
    #[serde(default)]
    pub message: String,
}

/// A scheduled change as it stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScheduleView {
    /// Its key.
    #[schema(value_type = String)]
    pub key: ScheduleKey,
    /// When it is due.
    #[schema(value_type = i64)]
    pub at: Timestamp,
    /// What.
    pub planned: PlannedBody,
    /// The same in words.
    pub summary: String,
    /// Why.
    pub message: String,
    /// Who declared it.
    pub author: String,
    /// The head that it was declared against.
    #[schema(value_type = u64)]
    pub base: RevisionNumber,
    /// `waiting`, `done` or `failed`.
    pub state: String,
    /// Why it failed, and the way out.
    pub failure: Option<String>,
}

impl From<&ScheduleDoc> for ScheduleView {
    fn from(doc: &ScheduleDoc) -> Self {
        let (state, failure) = match &doc.state {
            ScheduleState::Waiting => ("waiting", None),
            ScheduleState::Done => ("done", None),
            ScheduleState::Failed { reason } => ("failed", Some(reason.clone())),
        };
        Self {
            key: doc.key.clone(),
            at: doc.at,
            planned: PlannedBody::shown(&doc.planned),
            summary: described(&doc.planned),
            message: doc.message.clone(),
            author: doc.author.clone(),
            base: doc.base,
            state: state.to_owned(),
            failure,
        }
    }
}

/// Every scheduled change.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScheduleList {
    /// In the order of their keys.
    pub schedules: Vec<ScheduleView>,
}

/// Declares a change that is to be made later. In a protected environment it is the declaration that is approved.
#[utoipa::path(put, path = "/schedules/{key}", tag = "schedules", params(("key" = String, Path)),
    request_body = ScheduleBody, responses((status = 200, body = Stored)))]
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    Writer(who): Writer,
    Key(key): Key<ScheduleKey>,
    Body(body): Body<ScheduleBody>,
) -> Result<Json<Stored>, ApiError> {
    let done = commit(&app, &who, (Gate::Review, OnConflict::Tell), |base, now| {
        let mut lists = Lists::new(&base.contents);
        let doc = ScheduleDoc {
            key: key.clone(),
            at: body.at,
            planned: body.planned.to_domain(base, &mut lists)?,
            base: base.snapshot.revision,
            message: body.message.clone(),
            author: who.actor.clone(),
            state: ScheduleState::Waiting,
        };
        let draft = Some(put_schedule(&base.snapshot, &base.contents, &doc, &who.actor, now)?);
        Ok(Plan { draft, blobs: lists.blobs, value: () })
    })
    .await?;
    Ok(Stored::of(key.to_string(), &DocKey::schedule(&key), done))
}

/// Takes a change off the calendar. Never waits for approval: nothing changes by it.
#[utoipa::path(delete, path = "/schedules/{key}", tag = "schedules", params(("key" = String, Path)),
    responses((status = 200, body = Stored)))]
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    Writer(who): Writer,
    Key(key): Key<ScheduleKey>,
) -> Result<Json<Stored>, ApiError> {
    let done = commit(&app, &who, (Gate::Free, OnConflict::Retry), |base, _| {
        Ok(Plan::new(cancel_schedule(&base.snapshot, &key, &who.actor)?, ()))
    })
    .await?;
    Ok(Stored::of(key.to_string(), &DocKey::schedule(&key), done))
}

/// Lists every scheduled change, those that were made or failed as well.
#[utoipa::path(get, path = "/schedules", tag = "schedules", responses((status = 200, body = ScheduleList)))]
pub(crate) async fn list(State(app): State<Arc<App>>, _: Reader) -> Json<ScheduleList> {
    let active = app.active();
    Json(ScheduleList { schedules: schedules(&active.snapshot).map(Into::into).collect() })
}

/// Shows a scheduled change.
#[utoipa::path(get, path = "/schedules/{key}", tag = "schedules", params(("key" = String, Path)),
    responses((status = 200, body = ScheduleView)))]
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    _: Reader,
    Key(key): Key<ScheduleKey>,
) -> Result<Json<ScheduleView>, ApiError> {
    let active = app.active();
    let doc = decide::schedule(&active.snapshot, &key).ok_or_else(|| {
        let text = format!("schedule \"{key}\" does not exist: see `serinus schedule list`");
        ApiError::unknown("schedule.unknown", text)
    })?;
    Ok(Json(doc.into()))
}
