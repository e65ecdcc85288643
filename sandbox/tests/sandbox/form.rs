//! Forms with files, as clients write them.

use serde_json::Value;

/// A form in the making.
#[derive(Clone)]
pub struct Form(Vec<u8>);

const BOUNDARY: &str = "----FormBoundary7MA4YWxkTrZu0gW";

impl Form {
    pub fn new() -> Self {
        Self(Vec::new())
    }

    pub fn text(mut self, name: &str, text: &str) -> Self {
        let head =
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
        for part in [head.as_str(), text, "\r\n"] {
            self.0.extend_from_slice(part.as_bytes());
        }
        self
    }

    pub fn file(mut self, name: &str, filename: &str, kind: &str, bytes: &[u8]) -> Self {
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"; \
             filename=\"{filename}\"\r\nContent-Type: {kind}\r\n\r\n"
        );
        for part in [head.as_bytes(), bytes, b"\r\n"] {
            self.0.extend_from_slice(part);
        }
        self
    }

    /// Posts the form. Answers the status and the body.
    pub async fn post(self, url: &str, token: Option<&str>) -> (u16, Value) {
        let mut body = self.0;
        body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        let mut request = reqwest::Client::new().post(url);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        let request = request.header("content-type", kind).body(body);
        let response = request.send().await.expect("an answer");
        (
            response.status().as_u16(),
            response.json().await.expect("JSON"),
        )
    }
}
