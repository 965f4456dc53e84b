//! Whether a request was sent from another site's page, and whether it was sent to this machine by its own name.
//! Guards what is let in without a secret against cross-site requests and DNS rebinding.

use std::net::IpAddr;

use http::{HeaderMap, Uri, header};

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Whether a browser says that another origin's page sent this.
pub(super) fn is_foreign(headers: &HeaderMap) -> bool {
    if !headers.contains_key(header::ORIGIN) {
        return false;
    }
    let origin = text(headers, header::ORIGIN).and_then(|origin| origin.parse::<Uri>().ok());
    let authority = origin.as_ref().and_then(Uri::authority).map(|authority| authority.as_str());
    authority.is_none() || authority != text(headers, header::HOST)
}

/// Whether the request names its host by a loopback name or address.
pub(super) fn is_loopback(headers: &HeaderMap) -> bool {
    let Some(host) = text(headers, header::HOST).and_then(|host| host.parse::<http::uri::Authority>().ok())
    else {
        return false;
    };
    let name = host.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(host: &str, origin: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("host", host.parse().unwrap());
        if !origin.is_empty() {
            headers.insert("origin", origin.parse().unwrap());
        }
        headers
    }

    #[test]
    fn only_this_machine_by_its_own_name() {
        for (host, loopback) in [
            ("localhost:7171", true),
            ("LOCALHOST", true),
            ("127.0.0.1:7171", true),
            ("127.9.9.9", true),
            ("[::1]:7171", true),
            ("evil.example:7171", false),
            ("127.0.0.1.evil.example", false),
            ("localhost.evil.example", false),
            ("10.0.0.1", false),
        ] {
            assert_eq!(is_loopback(&headers(host, "")), loopback, "{host}");
        }
        assert!(!is_loopback(&HeaderMap::new()));
    }

    #[test]
    fn another_origin_is_foreign() {
        for (origin, foreign) in [
            ("", false),
            ("http://127.0.0.1:7171", false),
            ("http://127.0.0.1:7172", true),
            ("http://evil.example", true),
            ("null", true),
        ] {
            assert_eq!(is_foreign(&headers("127.0.0.1:7171", origin)), foreign, "{origin}");
        }
    }
}
