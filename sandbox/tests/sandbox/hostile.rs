use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::common::*;
use patchbay_sandbox::{FetchFilter, How, Sandbox};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};

async fn ask(sandbox: &Sandbox, how: How) -> Response {
    let client = Client::builder().redirect(Policy::none()).build().unwrap();
    let asked = client.get(sandbox.hostile_url(how)).send().await;
    asked.unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    let value = response.headers().get(name);
    value.map_or("", |value| value.to_str().unwrap())
}

fn requests(sandbox: &Sandbox, how: How) -> u64 {
    let counts = sandbox.hostile();
    let found = counts.iter().find(|count| count.how == how);
    found.map_or(0, |count| count.requests)
}

#[tokio::test]
async fn a_redirect_leads_where_nobody_should_follow() {
    let sandbox = sandbox().await;
    let landing = format!("{}/hostile/landing", sandbox.url());
    let cases = [
        (How::Redirect, landing.as_str()),
        (How::RedirectLoopback, landing.as_str()),
        (How::RedirectPrivate, "http://10.0.0.1/image.png"),
        (
            How::RedirectMetadata,
            "http://169.254.169.254/latest/meta-data/",
        ),
    ];

    for (how, to) in cases {
        let redirect = ask(&sandbox, how).await;
        assert_eq!(
            (redirect.status().as_u16(), header(&redirect, "location")),
            (302, to)
        );
        assert_eq!(requests(&sandbox, how), 1);
    }

    assert_eq!(requests(&sandbox, How::Landing), 0);
    let elsewhere = format!("{}?to=http://[::1]/", sandbox.hostile_url(How::Redirect));
    let client = Client::builder().redirect(Policy::none()).build().unwrap();
    let redirect = client.get(elsewhere).send().await.unwrap();
    assert_eq!(header(&redirect, "location"), "http://[::1]/");
}

#[tokio::test]
async fn a_chain_ends_after_so_many_steps_and_a_loop_never() {
    let sandbox = sandbox().await;
    let client = Client::builder().redirect(Policy::limited(20)).build();
    let client = client.unwrap();

    let chain = client.get(sandbox.hostile_url(How::RedirectChain));
    let image = chain.send().await.unwrap();
    let endless = client.get(sandbox.hostile_url(How::RedirectLoop)).send();

    assert_eq!(header(&image, "content-type"), "image/png");
    assert_eq!(requests(&sandbox, How::RedirectChain), 11);
    assert!(endless.await.unwrap_err().is_redirect());
    assert_eq!(requests(&sandbox, How::RedirectLoop), 21);
}

#[tokio::test]
async fn less_may_come_than_was_stated() {
    let sandbox = sandbox().await;

    let response = ask(&sandbox, How::LengthTooLong).await;

    assert_eq!(header(&response, "content-length"), "1000");
    assert!(response.bytes().await.is_err());
    assert_eq!(sandbox.hostile()[0].bytes, 400);
}

#[tokio::test]
async fn more_may_come_than_was_stated() {
    let sandbox = sandbox().await;
    let host = sandbox.url().replace("http://", "");

    let received = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(&host).unwrap();
        let request = "GET /hostile/length-too-short HTTP/1.1\r\nHost: a.example\r\n\r\n";
        stream.write_all(request.as_bytes()).unwrap();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        received
    });
    let received = received.await.unwrap();

    let text = String::from_utf8_lossy(&received);
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-length: 400"), "{head}");
    assert_eq!(body.len(), 1000);
}

#[tokio::test]
async fn an_endless_body_ends_only_with_its_reader() {
    let sandbox = sandbox().await;

    let mut response = ask(&sandbox, How::Endless).await;
    let mut read = 0;
    while read < 10_000_000 {
        read += response.chunk().await.unwrap().unwrap().len();
    }
    drop(response);

    tokio::time::sleep(Duration::from_millis(100)).await;
    let bytes = sandbox.hostile()[0].bytes;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(bytes >= 10_000_000);
    assert_eq!(sandbox.hostile()[0].bytes, bytes);
}

#[tokio::test]
async fn a_slow_body_comes_byte_by_byte() {
    let sandbox = sandbox().await;

    let mut response = ask(&sandbox, How::Slow).await;
    let first = response.chunk().await.unwrap().unwrap();
    let second = tokio::time::timeout(Duration::from_millis(300), response.chunk());

    assert_eq!(first.len(), 1);
    assert!(second.await.is_err());
}

#[tokio::test]
async fn a_body_may_be_something_else_than_it_says() {
    let sandbox = sandbox().await;
    let cases = [
        (How::HtmlAsImage, 200, "image/png", "<!doctype html>"),
        (How::Html, 200, "text/html", "<!doctype html>"),
        (How::Svg, 200, "image/svg+xml", "<svg"),
        (How::Error, 500, "text/plain; charset=utf-8", "Internal"),
        (How::NotFound, 404, "text/plain; charset=utf-8", "Not Found"),
    ];

    for (how, status, kind, begin) in cases {
        let response = ask(&sandbox, how).await;
        assert_eq!(response.status(), status, "{how:?}");
        assert_eq!(header(&response, "content-type"), kind);
        assert!(response.text().await.unwrap().starts_with(begin), "{how:?}");
    }
}

#[tokio::test]
async fn a_chunked_body_states_no_length() {
    let sandbox = sandbox().await;

    let response = ask(&sandbox, How::Chunked).await;

    assert_eq!(response.content_length(), None);
    assert_eq!(header(&response, "transfer-encoding"), "chunked");
    assert!(response.bytes().await.unwrap().starts_with(b"\x89PNG"));
}

#[tokio::test]
async fn a_bomb_is_small_and_says_that_it_is_compressed() {
    let sandbox = sandbox().await;

    let response = ask(&sandbox, How::GzipBomb).await;

    assert_eq!(header(&response, "content-encoding"), "gzip");
    let bytes = response.bytes().await.unwrap();
    assert!(bytes.starts_with(b"\x1f\x8b\x08") && bytes.len() < 700_000);
    // The trailer states the length of what comes out.
    let length = bytes[bytes.len() - 4..].try_into().unwrap();
    assert_eq!(u32::from_le_bytes(length), 103_200_001);
}

#[tokio::test]
async fn who_asked_a_hostile_host_is_kept_too() {
    let sandbox = sandbox().await;
    let url = format!("{}/a.png", sandbox.hostile_url(How::Landing));

    reqwest::get(url).await.unwrap();

    let fetches = sandbox.fetches(&FetchFilter {
        via: Some("hostile".to_owned()),
        ..FetchFilter::default()
    });
    assert_eq!(fetches[0].path, "/hostile/landing/a.png");
    let unknown = reqwest::get(format!("{}/hostile/kindness", sandbox.url()));
    assert_eq!(unknown.await.unwrap().status(), 404);
}
