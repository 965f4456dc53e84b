//! People: adding them, giving them roles, and the links that they sign in with. A link is shown once and never kept.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serinus_domain::{
    decide::Rejection,
    id::EnvironmentKey,
    limits::KEY_BYTES_MAX,
    units::{Millis, Timestamp},
};
use serinus_store::{Desk, Paper, Token, Tokens};
use utoipa::ToSchema;

use crate::{
    auth::{HOME, Identity, PERSON, Person, Role, mint},
    error::ApiError,
    extract::{Administrator, Body, Handle, Key},
    state::App,
};

/// The longest address that mail systems carry.
const EMAIL_BYTES_MAX: usize = 254;

/// A person to add.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPerson {
    /// The handle that revisions name them by.
    #[schema(value_type = String)]
    pub id: Handle,
    /// As others call them; the handle where not given.
    #[serde(default)]
    pub name: Option<String>,
    /// Their address. It never enters the log.
    #[serde(default)]
    pub email: Option<String>,
    /// What they may do, by environment.
    #[serde(default)]
    pub roles: Option<BTreeMap<String, Role>>,
    /// How long the sign-in link lasts; for ever where not given.
    #[serde(default)]
    pub expires_in_ms: Option<u64>,
}

/// What is to change of a person; what is left out stays.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PersonEdit)]
pub struct PersonBody {
    /// As others call them.
    #[serde(default)]
    pub name: Option<String>,
    /// Their address. It never enters the log.
    #[serde(default)]
    pub email: Option<String>,
    /// What they may do, by environment; in place of what they might.
    #[serde(default)]
    pub roles: Option<BTreeMap<String, Role>>,
    /// Whether they are kept out.
    #[serde(default)]
    pub disabled: Option<bool>,
}

/// A person.
#[derive(Debug, Serialize, ToSchema)]
pub struct PersonView {
    /// The handle that revisions name them by.
    pub id: String,
    /// As others call them.
    pub name: String,
    /// Their address.
    pub email: String,
    /// What they may do, by environment.
    pub roles: BTreeMap<String, Role>,
    /// Whether they are kept out.
    pub disabled: bool,
    /// When they were added.
    #[schema(value_type = i64)]
    pub created_at: Timestamp,
}

impl From<Person> for PersonView {
    fn from(person: Person) -> Self {
        let Person { id, name, email, roles, disabled, created_at } = person;
        Self { id, name, email, roles, disabled, created_at }
    }
}

/// Every person.
#[derive(Debug, Serialize, ToSchema)]
pub struct PersonList {
    /// In the order of their handles.
    pub people: Vec<PersonView>,
}

/// A way in that was just made.
#[derive(Serialize, ToSchema)]
pub struct LinkMade {
    /// Whose.
    pub person: PersonView,
    /// What they send, or sign in with. Shown this once.
    pub secret: String,
    /// Where a browser signs in with it, from the server's address.
    pub path: String,
    /// When it ends.
    #[schema(value_type = Option<i64>)]
    pub expires_at: Option<Timestamp>,
}

/// Lists every person.
#[utoipa::path(get, path = "/people", tag = "people", responses((status = 200, body = PersonList)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    _: Administrator,
) -> Result<Json<PersonList>, ApiError> {
    Ok(Json(PersonList { people: all(&app).await?.into_iter().map(|(_, person)| person.into()).collect() }))
}

/// Shows a person.
#[utoipa::path(get, path = "/people/{id}", tag = "people", params(("id" = String, Path)),
    responses((status = 200, body = PersonView)))]
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    _: Administrator,
    Key(id): Key<Handle>,
) -> Result<Json<PersonView>, ApiError> {
    Ok(Json(find(&app, id.as_str()).await?.1.into()))
}

/// Adds a person and makes the link that they sign in with. The first one ends the open access from this machine.
#[utoipa::path(post, path = "/people", tag = "people", request_body = NewPerson,
    responses((status = 201, body = LinkMade)))]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Administrator(who): Administrator,
    Body(body): Body<NewPerson>,
) -> Result<Response, ApiError> {
    let NewPerson { id, name, email, roles, expires_in_ms } = body;
    let id = id.as_str();
    let mut person = Person {
        id: id.to_owned(),
        name: id.to_owned(),
        email: String::new(),
        roles: BTreeMap::new(),
        disabled: false,
        created_at: app.now(),
    };
    change(&app, &mut person, &PersonBody { name, email, roles, disabled: None })?;
    if !write(&app, 0, &person).await? {
        let detail = format!("person \"{id}\" exists: change them, or choose another handle");
        return Err(ApiError::request(StatusCode::CONFLICT, "person.exists", detail));
    }
    tracing::info!(person.id = id, "{} added {id}", who.actor);
    let made = link_for(&app, person, expires_in_ms).await?;
    Ok((StatusCode::CREATED, Json(made)).into_response())
}

/// Changes a person; what is left out stays.
#[utoipa::path(put, path = "/people/{id}", tag = "people", params(("id" = String, Path)),
    request_body = PersonBody, responses((status = 200, body = PersonView)))]
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    Administrator(who): Administrator,
    Key(id): Key<Handle>,
    Body(body): Body<PersonBody>,
) -> Result<Json<PersonView>, ApiError> {
    let (paper, before) = find(&app, id.as_str()).await?;
    let mut person = before.clone();
    change(&app, &mut person, &body)?;
    keeps_an_admin(&app, &before, &person).await?;
    if !write(&app, paper.version, &person).await? {
        let detail =
            format!("person \"{}\" was changed by somebody else just now: look, then repeat", person.id);
        return Err(ApiError::request(StatusCode::CONFLICT, "person.conflict", detail));
    }
    app.control.auth.forget();
    tracing::info!(person.id = person.id, "{} changed {}", who.actor, person.id);
    Ok(Json(person.into()))
}

/// When a new link ends.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkBody {
    /// How long it lasts; for ever where not given.
    #[serde(default)]
    pub expires_in_ms: Option<u64>,
}

/// Makes a new sign-in link and revokes the old ones, with every browser that is signed in by them.
#[utoipa::path(post, path = "/people/{id}/link", tag = "people", params(("id" = String, Path)),
    request_body = LinkBody, responses((status = 201, body = LinkMade)))]
pub(crate) async fn link(
    State(app): State<Arc<App>>,
    Administrator(who): Administrator,
    Key(id): Key<Handle>,
    Body(body): Body<LinkBody>,
) -> Result<Response, ApiError> {
    let (_, person) = find(&app, id.as_str()).await?;
    let made = link_for(&app, person, body.expires_in_ms).await?;
    tracing::info!(person.id = made.person.id, "{} made a sign-in link for {}", who.actor, made.person.id);
    Ok((StatusCode::CREATED, Json(made)).into_response())
}

/// Gives a person a role, as the maker of an environment gets one in it.
pub(crate) async fn grant(app: &App, who: &Identity, environment: &str, role: Role) -> Result<(), ApiError> {
    let Some(id) = &who.person else { return Ok(()) };
    let (paper, mut person) = find(app, id).await?;
    person.roles.insert(environment.to_owned(), role);
    // Somebody who changed the person at the same moment decided on their roles.
    write(app, paper.version, &person).await?;
    app.control.auth.forget();
    Ok(())
}

async fn link_for(app: &App, person: Person, expires_in_ms: Option<u64>) -> Result<LinkMade, ApiError> {
    let (home, now) = (app.control.auth.home(), app.now());
    let old = Tokens::all(home).await?;
    let old =
        old.iter().filter(|token| token.person.as_ref() == Some(&person.id) && token.revoked_at.is_none());
    // The new one first: a failure in between leaves a way in, not a person locked out.
    let id = format!("{:016x}", app.random() as u64);
    let minted = mint(&id, [app.random(), app.random()]);
    let expires_at = expires_in_ms.map(|span| Timestamp(now.0.saturating_add(Millis(span).as_micros())));
    let token = Token {
        id,
        hash: minted.hash,
        name: format!("link of {}", person.id),
        scopes: Vec::new(),
        created_at: now,
        revoked_at: None,
        person: Some(person.id.clone()),
        environment: None,
        expires_at,
    };
    Tokens::put(home, &token).await?;
    for token in old {
        Tokens::revoke(home, &token.id, now).await?;
    }
    app.control.auth.forget();
    let path = format!("/#k={}", minted.text);
    Ok(LinkMade { person: person.into(), secret: minted.text, path, expires_at })
}

fn change(app: &App, person: &mut Person, body: &PersonBody) -> Result<(), ApiError> {
    let invalid = |reason: String| {
        let detail = format!("person \"{}\": {reason}", person.id);
        Err(ApiError::request(StatusCode::UNPROCESSABLE_ENTITY, "person.invalid", detail))
    };
    let bounded = |text: &str, bytes_max| text.len() <= bytes_max && !text.contains(char::is_control);
    if body.name.as_ref().is_some_and(|name| name.trim().is_empty() || !bounded(name, KEY_BYTES_MAX)) {
        return invalid(format!("name: use 1 to {KEY_BYTES_MAX} bytes"));
    }
    let address = |text: &str| {
        text.is_empty() || text.split_once('@').is_some_and(|(a, b)| !a.is_empty() && !b.is_empty())
    };
    if body.email.as_ref().is_some_and(|email| !bounded(email, EMAIL_BYTES_MAX) || !address(email)) {
        return invalid("email is no address: write it as ana@example.com".into());
    }
    for environment in body.roles.iter().flat_map(BTreeMap::keys) {
        let known = app.control.environments.keys();
        if EnvironmentKey::new(environment).is_err() || !known.contains(environment) {
            return invalid(format!(
                "environment \"{environment}\" does not exist: there are {}",
                known.join(", ")
            ));
        }
    }
    person.name = body.name.clone().unwrap_or_else(|| std::mem::take(&mut person.name));
    person.email = body.email.clone().unwrap_or_else(|| std::mem::take(&mut person.email));
    person.roles = body.roles.clone().unwrap_or_else(|| std::mem::take(&mut person.roles));
    person.disabled = body.disabled.unwrap_or(person.disabled);
    Ok(())
}

/// Somebody has to stay who can let others in, and who can change an environment's rules.
async fn keeps_an_admin(app: &App, before: &Person, after: &Person) -> Result<(), ApiError> {
    let lost: Vec<_> = before
        .roles
        .keys()
        .map(String::as_str)
        .chain([HOME])
        .filter(|key| before.administers(key) && !after.administers(key))
        .collect();
    if lost.is_empty() {
        return Ok(());
    }
    let others = all(app).await?;
    let alone =
        |key: &&str| !others.iter().any(|(_, person)| person.id != before.id && person.administers(key));
    lost.into_iter().find(alone).map_or(Ok(()), |key| {
        let text =
            format!("person \"{}\" is the last admin of {key}: make somebody else one first", before.id);
        Err(Rejection::new("person.last_admin", text).into())
    })
}

async fn all(app: &App) -> Result<Vec<(Paper, Person)>, ApiError> {
    let papers = Desk::papers(app.control.auth.home(), PERSON).await?;
    Ok(papers.into_iter().filter_map(|paper| Person::of(&paper).map(|person| (paper, person))).collect())
}

async fn find(app: &App, id: &str) -> Result<(Paper, Person), ApiError> {
    let paper = Desk::paper(app.control.auth.home(), PERSON, id).await?;
    paper.and_then(|paper| Person::of(&paper).map(|person| (paper, person))).ok_or_else(|| {
        let detail = format!("person \"{id}\" does not exist: see `serinus person list`");
        ApiError::unknown("person.unknown", detail)
    })
}

async fn write(app: &App, expected: u64, person: &Person) -> Result<bool, ApiError> {
    let body = serde_json::to_value(person).unwrap_or_default();
    Ok(Desk::write(app.control.auth.home(), PERSON, &person.id, expected, &body, app.now()).await?)
}
