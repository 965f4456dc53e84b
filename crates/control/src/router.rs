//! Every path of the control API on one page, with what surrounds them: limits, headers, caught panics.
//! Knows nothing of sockets.

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, OriginalUri, Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing,
};
use http::{HeaderValue, Method, StatusCode, header};
use serinus_domain::limits::{CONTROL_BYTES_MAX, DESIRED_BYTES_MAX};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::{
    OpenApi,
    openapi::{
        Components, ContentBuilder, Ref, RefOr, ResponseBuilder,
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouterExt as _},
    routes,
};

use crate::{
    api::{
        artifact_change, artifact_diff, artifact_render, artifact_sources, artifact_view, artifacts,
        channels, condition, desired, environments, environments_copy, explain, feature_history, features,
        flags, follow, groups, import, interactions, langfuse, measurements, nodes, overview, people,
        proposals, report, revisions, revisions_audit, revisions_revert, rollback, rollouts, schedules,
        segments, session, tokens, words,
    },
    error::{Problem, Waiting},
    spa,
    state::{App, ControlState},
    stream,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Serinus control API",
        description = "Progressive delivery for LLM features. Times are integers in microseconds since the epoch (`_at`), \
                       spans in milliseconds (`_ms`), shares in parts per million (`_ppm`), money in micro-dollars (`_micro_usd`). \
                       Refusals are application/problem+json with a stable `code`.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
        contact(),
    ),
    components(schemas(
        Problem,
        words::Comparison,
        condition::SegmentName,
        Waiting,
        stream::RevisionEvent,
        stream::ReportEvent
    ))
)]
struct Described;

/// The paths under `/api/v1`.
fn paths() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(artifacts::publish, artifacts::list))
        .routes(routes!(artifact_render::render))
        .routes(routes!(artifact_sources::import))
        .routes(routes!(artifact_sources::sources))
        .routes(routes!(artifact_view::series))
        .routes(routes!(artifact_view::version))
        .routes(routes!(artifact_diff::diff))
        .routes(routes!(artifact_change::archive))
        .routes(routes!(artifact_change::redact))
        .routes(routes!(artifact_change::label, artifact_change::unlabel))
        .routes(routes!(features::list))
        .routes(routes!(features::put, features::get))
        .routes(routes!(features::kill))
        .routes(routes!(feature_history::history))
        .routes(routes!(flags::list))
        .routes(routes!(flags::put, flags::get, flags::delete))
        .routes(routes!(explain::flag))
        .routes(routes!(explain::feature))
        .routes(routes!(segments::list))
        .routes(routes!(segments::put, segments::get, segments::delete))
        .routes(routes!(groups::list))
        .routes(routes!(groups::put))
        .routes(routes!(schedules::list))
        .routes(routes!(schedules::put, schedules::get, schedules::delete))
        .routes(routes!(import::flags))
        .routes(routes!(channels::list))
        .routes(routes!(channels::put))
        .routes(routes!(rollouts::start, rollouts::list))
        .routes(routes!(rollouts::experiment))
        .routes(routes!(rollouts::get))
        .routes(routes!(report::report))
        .routes(routes!(rollouts::hold))
        .routes(routes!(rollouts::resume))
        .routes(routes!(rollouts::advance))
        .routes(routes!(rollouts::rearm))
        .routes(routes!(rollback::rollback))
        .routes(routes!(revisions::list))
        .routes(routes!(revisions::get))
        .routes(routes!(revisions_audit::verify))
        .routes(routes!(revisions_audit::replay))
        .routes(routes!(revisions_audit::differences))
        .routes(routes!(revisions_revert::revert))
        .routes(routes!(desired::plan).layer(DefaultBodyLimit::max(DESIRED_BYTES_MAX)))
        .routes(routes!(desired::apply).layer(DefaultBodyLimit::max(DESIRED_BYTES_MAX)))
        .routes(routes!(desired::export))
        .routes(routes!(environments_copy::copy))
        .routes(routes!(environments_copy::differences))
        .routes(routes!(stream::stream))
        .routes(routes!(follow::follow))
        .routes(routes!(follow::snapshot))
        .routes(routes!(follow::ack))
        .routes(routes!(follow::clients))
        .routes(routes!(interactions::list))
        .routes(routes!(interactions::get))
        .routes(routes!(measurements::feedback))
        .routes(routes!(measurements::scores))
        .routes(routes!(tokens::create, tokens::list))
        .routes(routes!(tokens::revoke))
        .routes(routes!(nodes::list))
        .routes(routes!(overview::overview))
        .routes(routes!(people::create, people::list))
        .routes(routes!(people::put, people::get))
        .routes(routes!(people::link))
        .routes(routes!(environments::list))
        .routes(routes!(environments::put, environments::get))
        .routes(routes!(proposals::create, proposals::list))
        .routes(routes!(proposals::put, proposals::get))
        .routes(routes!(proposals::submit))
        .routes(routes!(proposals::approve))
        .routes(routes!(proposals::apply))
        .routes(routes!(proposals::comment))
        .routes(routes!(proposals::withdraw))
        .routes(routes!(session::sign_in, session::whoami, session::sign_out))
}

fn described() -> (Router<Arc<App>>, utoipa::openapi::OpenApi) {
    let (router, mut document) =
        OpenApiRouter::with_openapi(Described::openapi()).nest("/api/v1", paths()).split_for_parts();
    document.info.version = env!("CARGO_PKG_VERSION").into();
    describe_operations(&mut document);
    describe_security(&mut document);
    (router, document)
}

/// Every operation may be refused in the same form, and has a name of its own: its resource's and its function's.
fn describe_operations(document: &mut utoipa::openapi::OpenApi) {
    let schema = RefOr::Ref(Ref::from_schema_name("Problem"));
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let refusal =
        ResponseBuilder::new().description("a refusal").content("application/problem+json", content).build();
    for item in document.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            operation.responses.responses.insert("default".into(), RefOr::T(refusal.clone()));
            if let (Some(tags), Some(name)) = (&operation.tags, &operation.operation_id) {
                operation.operation_id = Some(format!("{}_{name}", tags.join("_")));
            }
        }
    }
}

fn describe_security(document: &mut utoipa::openapi::OpenApi) {
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("A token `srn_...`. On loopback none is needed until the first is made."))
        .build();
    let components = document.components.get_or_insert_with(Components::new);
    components.add_security_scheme("token", SecurityScheme::Http(bearer));
    document.security = Some(vec![SecurityRequirement::new("token", Vec::<String>::new())]);
}

/// The API's description, which the dashboard's client is generated from.
pub fn openapi() -> String {
    let (_, document) = described();
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// The control API, its description, the health check and the dashboard.
pub fn router(control: ControlState) -> Router {
    let app = App::new(control);
    let (api, _) = described();
    let text: Arc<str> = openapi().into();
    let description = move || {
        let text = Arc::clone(&text);
        async move { ([(header::CONTENT_TYPE, "application/json")], text.to_string()) }
    };
    api.route("/api/openapi.json", routing::get(description))
        .route("/healthz", routing::get(health))
        .merge(langfuse::routes())
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(spa::fallback)
        .with_state(app)
        // Innermost first: the limit must stand before a body is read, the headers on every answer, the panics around all.
        .layer(DefaultBodyLimit::max(CONTROL_BYTES_MAX))
        .layer(middleware::from_fn(guard_answers))
        .layer(CatchPanicLayer::custom(broke_down))
}

/// Says that this process answers, and which revision it serves.
async fn health(State(app): State<Arc<App>>) -> Response {
    let revision = app.active().snapshot.revision;
    axum::Json(serde_json::json!({ "status": "ok", "revision": revision })).into_response()
}

async fn method_not_allowed(method: Method, OriginalUri(uri): OriginalUri) -> Response {
    let path: String = uri.path().chars().take(200).collect();
    let detail = format!("{path} does not take {method}: the API is described at /api/openapi.json");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "request.method", detail).into_response()
}

/// Answers of the API are nobody's to keep, and never what a browser takes them to be.
async fn guard_answers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

#[expect(clippy::needless_pass_by_value, reason = "the layer calls it with what was thrown")]
fn broke_down(panic: Box<dyn std::any::Any + Send>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    tracing::error!("control: a request broke down: {text}");
    let detail = "this request met a bug: nothing else is affected, see the server's log";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "server.bug", detail).into_response()
}
