//! The dashboard's files, embedded when this was built, with the headers that browsers need to keep it and its users safe.
//! Knows nothing of what the dashboard does.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use rust_embed::RustEmbed;

use crate::error::Problem;

/// What `npm run build` made of `ui/`.
#[derive(RustEmbed)]
#[folder = "../../ui/dist"]
struct Files;

const INDEX: &str = "index.html";
/// Whatever the page needs comes from here: nothing inline, nothing framed, nothing sent elsewhere.
const CONTENT_SECURITY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Answers whatever no route does: a file, the dashboard's own page for its own paths, or "no such path".
pub(crate) async fn fallback(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    let readable = method == Method::GET || method == Method::HEAD;
    if !readable || is_api(path) {
        return not_found(uri.path());
    }
    if let Some(file) = Files::get(path) {
        return answer(path, &file, &headers);
    }
    match Files::get(INDEX) {
        Some(index) if is_page(path) => answer(INDEX, &index, &headers),
        None if path.is_empty() => no_dashboard(),
        _ => not_found(uri.path()),
    }
}

/// Whether the dashboard has a page there. Its roots are named because keys may hold dots: /artifacts/model/qwen2.5-7b is no file.
fn is_page(path: &str) -> bool {
    const ROOTS: [&str; 10] =
        ["r", "f", "p", "flags", "artifacts", "interactions", "proposals", "revisions", "settings", "setup"];
    path.is_empty() || ROOTS.contains(&path.split('/').next().unwrap_or(path))
}

fn is_api(path: &str) -> bool {
    ["api", "v1", "ofrep"]
        .iter()
        .any(|root| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// A path that nothing answers.
pub(crate) fn not_found(path: &str) -> Response {
    let path: String = path.chars().take(200).collect();
    let detail = format!("nothing answers {path}: the API is described at /api/openapi.json");
    Problem::new(StatusCode::NOT_FOUND, "request.unknown_path", detail).into_response()
}

fn no_dashboard() -> Response {
    let detail = "this build has no dashboard: build it with Node.js in ui/, or use the API at /api/v1";
    Problem::new(StatusCode::NOT_FOUND, "dashboard.not_built", detail).into_response()
}

fn answer(path: &str, file: &rust_embed::EmbeddedFile, headers: &HeaderMap) -> Response {
    // The build names every asset by its content; the page that names the assets is asked for anew each time.
    let cache = if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let hash = file.metadata.sha256_hash();
    let tag = format!("\"{}\"", hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect::<String>());
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|given| given.as_bytes() == tag.as_bytes());
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        file.data.clone().into_owned().into_response()
    };
    let fixed = [
        (header::CACHE_CONTROL, cache),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_TYPE, content_type(path)),
    ];
    for (name, value) in fixed {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("json" | "map" | "webmanifest") => "application/json",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
