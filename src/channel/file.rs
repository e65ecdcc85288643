//! Files that customers send: where their provider keeps them, and how they are fetched.
//! A channel's credentials go to its provider's own hosts and to nobody else.

use super::{Origins, SendError};
use crate::model::channel::Channel;
use bytes::Bytes;
use http::{Request, Response, header};
use serde::{Deserialize, Serialize};
use url::Url;

/// Where a provider keeps a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileRef {
    /// It has to be asked for the address.
    Id(String),
    Url(String),
}

/// What a provider knows of fetching files. Stateless.
pub trait Files: Sync {
    /// Asks for the address of a file; `None` where there is nobody to ask.
    fn locate(&self, origins: &Origins, channel: &Channel, id: &str) -> Option<Request<Bytes>>;

    /// Reads the provider's complete answer to `locate`: what `download` takes.
    fn located(&self, response: &Response<Bytes>) -> Result<String, SendError>;

    /// Fetches the bytes; `None` where the address is not one at which the provider keeps
    /// files.
    fn download(
        &self,
        origins: &Origins,
        channel: &Channel,
        address: &str,
    ) -> Option<Request<Bytes>>;
}

/// A GET, with an `Authorization` where there is one.
pub fn get(url: &str, authorization: Option<&str>) -> Option<Request<Bytes>> {
    let mut request = Request::get(url);
    if let Some(authorization) = authorization {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    request.body(Bytes::new()).ok()
}

/// Whether an address is on the very host, scheme and port of an origin.
pub fn is_at(address: &str, origin: &str) -> bool {
    match (Url::parse(address), Url::parse(origin)) {
        (Ok(address), Ok(origin)) => address.origin() == origin.origin(),
        _ => false,
    }
}

/// Whether an address is on https and on one of these domains, or below one.
pub fn is_below(address: &str, domains: &[&str]) -> bool {
    let Ok(url) = Url::parse(address) else {
        return false;
    };
    let host = url.domain().unwrap_or("").to_ascii_lowercase();
    let is_plain = url.scheme() == "https"
        && url.port().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    is_plain
        && domains.iter().any(|domain| {
            host.strip_suffix(domain)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_providers_by_its_host_alone() {
        let domains = ["fbsbx.com"];
        assert!(is_below("https://lookaside.fbsbx.com/a?b=c", &domains));
        assert!(is_below("https://fbsbx.com/", &domains));
        for other in [
            "http://lookaside.fbsbx.com/a",
            "https://lookaside.fbsbx.com:8443/a",
            "https://evilfbsbx.com/",
            "https://fbsbx.com.evil.example/",
            "https://user@lookaside.fbsbx.com/",
            "https://evil.example/?lookaside.fbsbx.com",
            "https://evil.example#.fbsbx.com",
            "fbsbx.com",
            "",
        ] {
            assert!(!is_below(other, &domains), "{other}");
        }
        assert!(is_at("http://127.0.0.1:1/a/b", "http://127.0.0.1:1/v23.0"));
        assert!(!is_at("http://127.0.0.1:2/a", "http://127.0.0.1:1"));
        assert!(!is_at("https://127.0.0.1:1/a", "http://127.0.0.1:1"));
    }
}
