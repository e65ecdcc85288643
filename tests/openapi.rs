//! What `GET /openapi.json` says beyond the answers themselves, which every test holds to it.

use crate::support::World;
use http::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn everybody_may_read_it_pages_of_other_sites_too() {
    let world = World::new().await;
    let reply = world.bare(Method::GET, "/openapi.json", &[], "").await;
    assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let api = reply.expect(200);
    assert_eq!(api["openapi"], "3.1.0");
    assert_eq!(api["servers"], json!([{ "url": "/" }]));
}

/// What each operation says a key must have, for its method and path.
fn scopes(api: &Value) -> Vec<(Method, String, &str)> {
    let paths = api["paths"].as_object().expect("paths");
    let all = paths.iter().flat_map(|(path, item)| {
        let operations = item.as_object().expect("operations");
        operations.iter().filter_map(move |(method, operation)| {
            let scope = operation["security"][0]["key"][0].as_str()?;
            let method = method.to_uppercase().parse().expect("a method");
            Some((method, path.clone(), scope))
        })
    });
    all.collect()
}

#[tokio::test]
async fn a_key_without_the_scope_that_is_described_is_refused_for_it() {
    let world = World::new().await;
    let scopeless = json!({ "name": "scopeless", "scopes": [] });
    let made = world.post("/v1/api-keys", scopeless).await.expect(201);
    let bearer = format!("Bearer {}", made["key"].as_str().expect("a key"));
    let api = world.get("/openapi.json").await;
    let scopes = scopes(&api);
    assert!(scopes.len() > 70, "{scopes:?}");
    for (method, path, scope) in scopes {
        let id = "01a1f7f8-3000-7000-8000-000000000000";
        let path = ["{id}", "{delivery}", "{log}"]
            .iter()
            .fold(path, |path, name| path.replace(name, id));
        let headers = [("authorization", bearer.as_str())];
        let reply = world.bare(method.clone(), &path, &headers, "{}").await;
        let told = reply.expect(403).to_string();
        assert!(told.contains(scope), "{method} {path}: {told}");
    }
}
