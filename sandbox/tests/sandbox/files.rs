use crate::common::*;
use patchbay_sandbox::{FetchFilter, NewFile, Sandbox};
use reqwest::Response;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

async fn put(sandbox: &Sandbox, kind: &str, query: &str, body: impl Into<reqwest::Body>) -> Value {
    let url = format!("{}/sandbox/files{query}", sandbox.url());
    let request = reqwest::Client::new().post(url);
    let response = request.header("content-type", kind).body(body).send().await;
    let response = response.unwrap();
    assert_eq!(response.status(), 201);
    response.json().await.unwrap()
}

async fn get(url: &Value, headers: &[(&str, &str)]) -> Response {
    let mut request = reqwest::Client::new().get(url.as_str().unwrap());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

#[tokio::test]
async fn a_file_is_put_as_it_is_and_read_at_its_address() {
    let sandbox = sandbox().await;

    let file = put(&sandbox, "image/png", "?filename=a%20b.png", "bytes").await;

    let sha256 = hex::encode(Sha256::digest("bytes"));
    assert_eq!(
        (&file["size"], &file["sha256"]),
        (&json!(5), &json!(sha256))
    );
    let read = get(&file["url"], &[]).await;
    let header = |name: &str| read.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "image/png");
    assert_eq!(header("content-length"), "5");
    assert_eq!(header("etag"), format!("\"{}\"", &sha256[..32]));
    assert_eq!(
        header("content-disposition"),
        "attachment; filename=\"a b.png\""
    );
    assert_eq!(read.text().await.unwrap(), "bytes");
    let named = json!(format!("{}/a.png", file["url"].as_str().unwrap()));
    assert_eq!(get(&named, &[]).await.status(), 200);
}

#[tokio::test]
async fn a_file_may_be_named_by_its_disposition() {
    let sandbox = sandbox().await;
    let url = format!("{}/sandbox/files", sandbox.url());
    let request = reqwest::Client::new().post(url);
    let request = request.header("content-disposition", "attachment; filename=\"c.txt\"");

    let file: Value = request
        .body("x")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();

    assert_eq!(file["filename"], "c.txt");
    assert_eq!(file["type"], "application/octet-stream");
}

#[tokio::test]
async fn a_described_file_is_made_up_and_always_the_same() {
    let sandbox = sandbox().await;
    let describe = |seed: u64| json!({"size": 300_000, "type": "image/png", "seed": seed});
    let mut files = Vec::new();
    for seed in [1, 1, 2] {
        let body = describe(seed).to_string();
        files.push(put(&sandbox, "application/json", "", body).await);
    }

    assert_eq!(files[0]["sha256"], files[1]["sha256"]);
    assert_ne!(files[0]["sha256"], files[2]["sha256"]);
    let bytes = get(&files[0]["url"], &[]).await.bytes().await.unwrap();
    assert_eq!(bytes.len(), 300_000);
    assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n"));
    assert_eq!(hex::encode(Sha256::digest(&bytes)), files[0]["sha256"]);
}

#[tokio::test]
async fn a_part_of_a_file_is_served_wherever_the_file_is_kept() {
    let sandbox = sandbox().await;
    let bytes: Vec<u8> = (0..600_000_u32).map(|n| (n % 251) as u8).collect();
    // Small ones are in memory, long ones on disk, described ones nowhere.
    let small = put(&sandbox, "text/plain", "", bytes[..100_000].to_vec()).await;
    let long = put(&sandbox, "text/plain", "", bytes.clone()).await;
    let made = put(&sandbox, "application/json", "", r#"{"size":600000}"#).await;
    let whole = get(&made["url"], &[]).await.bytes().await.unwrap();

    for (file, all) in [(small, &bytes[..100_000]), (long, &bytes), (made, &whole)] {
        let part = get(&file["url"], &[("range", "bytes=70000-99999")]).await;
        assert_eq!(part.status(), 206);
        let range = format!("bytes 70000-99999/{}", all.len());
        assert_eq!(part.headers()["content-range"], range.as_str());
        assert_eq!(part.bytes().await.unwrap(), all[70_000..100_000]);
        let whole = get(&file["url"], &[]).await;
        assert_eq!(whole.bytes().await.unwrap(), all);
        let beyond = get(&file["url"], &[("range", "bytes=700000-")]).await;
        assert_eq!(beyond.status(), 416);
    }
}

#[tokio::test]
async fn a_head_and_a_known_etag_get_no_body() {
    let sandbox = sandbox().await;
    let file = put(&sandbox, "text/plain", "", "hello").await;
    let url = file["url"].as_str().unwrap();

    let head = reqwest::Client::new().head(url).send().await.unwrap();
    let etag = head.headers()["etag"].to_str().unwrap();
    let known = get(&file["url"], &[("if-none-match", etag)]).await;

    assert_eq!(head.headers()["content-length"], "5");
    assert_eq!(known.status(), 304);
    let counted = sandbox.file(file["id"].as_str().unwrap()).unwrap();
    assert_eq!((counted.requests, counted.bytes), (2, 0));
}

#[tokio::test]
async fn what_was_served_is_counted_and_who_asked_is_kept() {
    let sandbox = sandbox().await;
    let file = sandbox.put_file(NewFile::bytes("text/plain", "hello").named("a.txt"));
    let file = file.await.unwrap();
    let url = json!(format!("{}?a=b", file.url));
    get(&url, &[("authorization", "Bearer leaked")])
        .await
        .text()
        .await
        .unwrap();
    get(&url, &[("range", "bytes=0-1")])
        .await
        .text()
        .await
        .unwrap();

    let counted = sandbox.file(&file.id).unwrap();
    assert_eq!((counted.requests, counted.bytes), (2, 7));
    let listed = graph_get(&format!("{}/sandbox/files", sandbox.url()), "")
        .await
        .1;
    assert_eq!(listed["data"][0]["bytes"], 7);
    let fetches = sandbox.fetches(&FetchFilter::default());
    assert_eq!(fetches[0].headers["authorization"], "Bearer leaked");
    assert_eq!(fetches[0].query.as_deref(), Some("a=b"));
    assert_eq!((fetches[1].status, fetches[1].bytes), (206, 2));
    sandbox.clear_fetches();
    assert_eq!(sandbox.file(&file.id).unwrap().requests, 0);
    assert!(sandbox.fetches(&FetchFilter::default()).is_empty());
}

#[tokio::test]
async fn nobody_reads_a_file_that_is_not_there() {
    let sandbox = sandbox().await;

    let url = json!(format!("{}/files/none", sandbox.url()));

    assert_eq!(get(&url, &[]).await.status(), 404);
    let asked = sandbox.fetches(&FetchFilter::default());
    assert_eq!((asked[0].via, asked[0].status), ("files", 404));
}
