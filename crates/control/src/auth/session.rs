//! Signed-in browsers: a secret in a cookie that no script reads and no other site sends. In memory: a restart signs out.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use http::{HeaderMap, header};
use serinus_domain::digest::Digest;
use tokio::time::Instant;

use super::Subject;

/// The cookie's name.
pub const SESSION_COOKIE: &str = "serinus_session";
/// A working day; then the browser signs in again.
const SESSION_AGE_MAX: Duration = Duration::from_secs(12 * 3600);
/// Signed-in browsers; beyond them the oldest is signed out.
const SESSIONS_MAX: usize = 1024;

/// Who is signed in, by the hash of the cookie's secret: a lookup by hash leaks nothing of the secret by its time.
#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<Digest, (Subject, Instant)>>);

impl Sessions {
    /// Signs in; answers the cookie's secret.
    pub fn open(&self, subject: Subject, chance: [u128; 2]) -> String {
        let secret = format!("{:032x}{:032x}", chance[0], chance[1]);
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, (_, opened)| opened.elapsed() < SESSION_AGE_MAX);
        if sessions.len() >= SESSIONS_MAX
            && let Some(oldest) =
                sessions.iter().min_by_key(|(_, (_, opened))| *opened).map(|(hash, _)| *hash)
        {
            sessions.remove(&oldest);
        }
        sessions.insert(Digest::of(secret.as_bytes()), (subject, Instant::now()));
        secret
    }

    /// Who is signed in with this cookie.
    pub fn subject(&self, headers: &HeaderMap) -> Option<Subject> {
        let hash = hash_of(headers)?;
        let sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (subject, opened) = sessions.get(&hash)?;
        (opened.elapsed() < SESSION_AGE_MAX).then(|| subject.clone())
    }

    /// Signs out.
    pub fn close(&self, headers: &HeaderMap) {
        if let Some(hash) = hash_of(headers) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&hash);
        }
    }
}

fn hash_of(headers: &HeaderMap) -> Option<Digest> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == SESSION_COOKIE).map(|(_, secret)| Digest::of(secret.as_bytes()))
}

/// The header that sets the cookie.
pub(crate) fn cookie(secret: &str) -> String {
    let age_s = SESSION_AGE_MAX.as_secs();
    format!("{SESSION_COOKIE}={secret}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age_s}")
}

/// The header that takes it away.
pub(crate) fn expired_cookie() -> String {
    format!("{SESSION_COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0")
}
