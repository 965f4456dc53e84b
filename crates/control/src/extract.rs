//! What a handler may ask for: a body, a query or a key, each strict and each with a refusal that names the field; and who asks,
//! as one type per scope, so that a handler's signature says what it takes to be let in.

use std::{str::FromStr, sync::Arc};

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Request, rejection::BytesRejection},
};
use http::{StatusCode, request::Parts};
use serde::de::DeserializeOwned;
use serinus_domain::{
    id::{ArtifactName, InvalidKey},
    limits::CONTROL_BYTES_MAX,
};

use crate::{
    auth::{Identity, Scope},
    error::ApiError,
    state::App,
};

/// A JSON body.
pub(crate) struct Body<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        let bytes = Bytes::from_request(request, app).await.map_err(|refused| unread(&refused))?;
        // An empty body stands for an object without members: every verb has defaults.
        parse(if bytes.is_empty() { b"{}" } else { &bytes }).map(Self)
    }
}

fn unread(refused: &BytesRejection) -> ApiError {
    if refused.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let detail = format!("request body is too large: send at most {CONTROL_BYTES_MAX} bytes");
        return ApiError::request(StatusCode::PAYLOAD_TOO_LARGE, "request.too_large", detail);
    }
    let detail = "request body broke off: send it again".to_owned();
    ApiError::request(StatusCode::BAD_REQUEST, "request.incomplete", detail)
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|refused| {
        let path = refused.path().to_string();
        let inner = refused.into_inner();
        if !inner.is_data() {
            return invalid_json(&inner);
        }
        let place = if path == "." { String::new() } else { format!("{path}: ") };
        ApiError::request(StatusCode::BAD_REQUEST, "request.invalid", format!("request body: {place}{inner}"))
    })?;
    reader.end().map_err(|refused| invalid_json(&refused))?;
    Ok(value)
}

fn invalid_json(refused: &serde_json::Error) -> ApiError {
    let detail = format!("request body is no valid JSON: {refused}");
    ApiError::request(StatusCode::BAD_REQUEST, "request.invalid_json", detail)
}

/// The members of a query string.
pub(crate) struct Params<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<Arc<App>> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, ApiError> {
        let query = axum::extract::Query::<T>::try_from_uri(&parts.uri).map_err(|refused| {
            let detail = refused.to_string();
            ApiError::request(StatusCode::BAD_REQUEST, "request.invalid_query", detail)
        })?;
        Ok(Self(query.0))
    }
}

/// The one key in a path.
pub(crate) struct Key<T>(pub T);

impl<T> FromRequestParts<Arc<App>> for Key<T>
where
    T: FromStr + Send,
    T::Err: std::fmt::Display,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let path =
            Path::<String>::from_request_parts(parts, app).await.map_err(|refused| invalid_key(&refused))?;
        path.0.parse().map(Self).map_err(|refused: T::Err| invalid_key(&refused))
    }
}

/// A person's handle, in the alphabet of keys.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct Handle(String);

impl Handle {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Handle {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for Handle {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        // Keys of every kind share one alphabet.
        match ArtifactName::new(text) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(InvalidKey { given, .. }) => Err(InvalidKey { kind: "person", given }.to_string()),
        }
    }
}

/// A value that was read as JSON already, as a body is read.
pub(crate) fn typed<T: DeserializeOwned>(value: &serde_json::Value) -> Result<T, ApiError> {
    serde_path_to_error::deserialize(value).map_err(|refused| {
        let detail = format!("request body: {}: {}", refused.path(), refused.inner());
        ApiError::request(StatusCode::BAD_REQUEST, "request.invalid", detail)
    })
}

/// A path with something in it that names nothing.
pub(crate) fn invalid_key(refused: &impl std::fmt::Display) -> ApiError {
    ApiError::request(StatusCode::BAD_REQUEST, "request.invalid_key", refused.to_string())
}

macro_rules! callers {
    ($($(#[$doc:meta])* $name:ident $(($identity:ident))? needs $scope:ident;)*) => {$(
        $(#[$doc])*
        pub(crate) struct $name $((pub $identity))?;

        impl FromRequestParts<Arc<App>> for $name {
            type Rejection = ApiError;

            async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
                let identity = app.control.auth.check(&parts.headers, Scope::$scope).await?;
                Ok(callers!(@made $name identity $($identity)?))
            }
        }
    )*};
    (@made $name:ident $value:ident Identity) => { $name($value) };
    (@made $name:ident $value:ident) => {{
        drop($value);
        $name
    }};
}

callers! {
    /// Somebody who may look.
    Reader needs Read;
    /// Somebody who may look, and says what they think.
    Commenter(Identity) needs Read;
    /// Somebody who may declare.
    Writer(Identity) needs Write;
    /// Somebody who may move and take back what runs.
    Operator(Identity) needs Operate;
    /// Somebody who may report what was observed.
    Recorder needs Record;
    /// Somebody who may agree to what others propose.
    Approver(Identity) needs Approve;
}

/// Somebody who may let others in, which is a matter of the home environment whichever is asked.
pub(crate) struct Administrator(pub Identity);

impl FromRequestParts<Arc<App>> for Administrator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        Ok(Self(app.control.auth.check_administrator(&parts.headers).await?))
    }
}
