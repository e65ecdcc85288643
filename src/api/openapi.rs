//! `GET /openapi.json`: this API, described. Made from `openapi.yaml`.

use super::CONTENT_TYPE;
use bytes::Bytes;
use http::header::ACCESS_CONTROL_ALLOW_ORIGIN;
use http::{HeaderValue, Response};

const JSON: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/openapi.json"));

/// For everybody, and for the pages of other sites that show such documents.
pub fn show() -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(JSON));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::table;
    use serde_json::Value;
    use std::collections::BTreeSet;

    #[test]
    fn every_route_is_described_and_every_description_is_a_route() {
        let api: Value = serde_json::from_slice(JSON).expect("JSON");
        let paths = api["paths"].as_object().expect("paths");
        let described: BTreeSet<String> = paths
            .iter()
            .flat_map(|(path, item)| {
                let methods = item.as_object().into_iter().flat_map(|item| item.keys());
                let methods = methods.filter(|name| *name != "parameters");
                methods.map(move |method| format!("{} {path}", method.to_uppercase()))
            })
            .collect();
        let routes: BTreeSet<String> = table()
            .iter()
            .flat_map(|(path, methods)| {
                let methods = methods.iter();
                methods.map(move |(method, _)| format!("{method} {path}"))
            })
            .collect();
        assert_eq!(described, routes);
    }

    #[test]
    fn it_tells_the_version_that_healthz_tells() {
        let api: Value = serde_json::from_slice(JSON).expect("JSON");
        assert_eq!(api["info"]["version"], env!("CARGO_PKG_VERSION"));
    }
}
