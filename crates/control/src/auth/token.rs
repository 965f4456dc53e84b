//! Tokens as text: how one is made, how one is sent, how two hashes are compared. Keeps none.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{HeaderMap, header};
use serinus_domain::digest::Digest;
use subtle::ConstantTimeEq as _;

/// What every token begins with, so that one in a log or a repository is recognised.
pub(super) const PREFIX: &str = "srn_";

/// A new token. Its text is shown once and never kept.
pub struct Minted {
    /// What its owner sends.
    pub text: String,
    /// What is stored.
    pub hash: Digest,
}

/// Makes the token `srn_<id>_<secret>` out of 256 bits of chance. The id must not contain `_`.
pub fn mint(id: &str, chance: [u128; 2]) -> Minted {
    let secret = format!("{:032x}{:032x}", chance[0], chance[1]);
    let hash = Digest::of(secret.as_bytes());
    Minted { text: format!("{PREFIX}{id}_{secret}"), hash }
}

/// The id and the secret of a token's text.
pub(super) fn split(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix(PREFIX)?.split_once('_')
}

/// Compares in a time that does not depend on where the two differ.
pub(super) fn same(a: &Digest, b: &Digest) -> bool {
    a.0.ct_eq(&b.0).into()
}

/// The key in a request's headers in the form that most clients send it in.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, value) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| value.trim())
}

/// The key in a request's headers, in any of the forms that clients send one.
pub(super) fn presented(headers: &HeaderMap) -> Option<String> {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some((scheme, value)) = text(header::AUTHORIZATION).and_then(|value| value.trim().split_once(' '))
    {
        if scheme.eq_ignore_ascii_case("bearer") {
            return Some(value.trim().to_owned());
        }
        if scheme.eq_ignore_ascii_case("basic") {
            let decoded = String::from_utf8(BASE64_STANDARD.decode(value.trim()).ok()?).ok()?;
            return decoded.split_once(':').map(|(_, password)| password.to_owned());
        }
    }
    text(header::HeaderName::from_static("x-api-key")).map(|value| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minted_token_is_found_in_every_form() {
        let minted = mint("a1", [1, 2]);
        let (id, secret) = split(&minted.text).unwrap();
        assert_eq!((id, Digest::of(secret.as_bytes())), ("a1", minted.hash));
        let basic = BASE64_STANDARD.encode(format!("public:{}", minted.text));
        for (name, value) in [
            ("authorization", format!("Bearer {}", minted.text)),
            ("authorization", format!("bearer  {}", minted.text)),
            ("authorization", format!("Basic {basic}")),
            ("x-api-key", minted.text.clone()),
        ] {
            let headers = HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]);
            assert_eq!(presented(&headers).as_deref(), Some(minted.text.as_str()), "{name}: {value}");
        }
        assert!(presented(&HeaderMap::new()).is_none());
        assert!(split("sk-abc").is_none());
    }
}
