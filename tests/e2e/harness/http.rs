//! Requests to the gateway and what it answers.

use std::collections::BTreeMap;

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;

/// The gateway's API as one caller reaches it.
#[derive(Clone)]
pub struct Api {
    client: Client,
    origin: String,
    token: Option<String>,
}

impl Api {
    pub fn new(origin: String, token: impl Into<String>) -> Self {
        let client = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(std::time::Duration::from_secs(60))
            .build()
            .expect("a client");
        Self {
            client,
            origin,
            token: Some(token.into()),
        }
    }

    /// The same API for another caller.
    pub fn with_token(&self, token: impl Into<String>) -> Self {
        Self {
            token: Some(token.into()),
            ..self.clone()
        }
    }

    pub fn without_token(&self) -> Self {
        Self {
            token: None,
            ..self.clone()
        }
    }

    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// A request to make by hand. `path` may be a whole URL.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}{path}", self.origin)
        };
        let request = self.client.request(method, url);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub async fn get(&self, path: &str) -> Reply {
        Reply::of(self.request(Method::GET, path)).await
    }

    pub async fn try_get(&self, path: &str) -> reqwest::Result<Reply> {
        Reply::try_of(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        Reply::of(self.request(Method::POST, path).json(body)).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Reply {
        Reply::of(self.request(Method::PATCH, path).json(body)).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        Reply::of(self.request(Method::DELETE, path)).await
    }

    /// The items of a list's first page.
    pub async fn list(&self, path: &str) -> Vec<Value> {
        let page = self.get(path).await.expect(200);
        page["data"].as_array().expect("a list").clone()
    }
}

/// What was answered.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    /// Null where the text is not JSON.
    pub body: Value,
}

impl Reply {
    pub async fn of(request: RequestBuilder) -> Self {
        Self::try_of(request).await.expect("an answer")
    }

    pub async fn try_of(request: RequestBuilder) -> reqwest::Result<Self> {
        let response = request.send().await?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let text = response.text().await?;
        let body = serde_json::from_str(&text).unwrap_or_default();
        Ok(Self {
            status,
            headers,
            text,
            body,
        })
    }

    /// The body of an answer with this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.body
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub fn is_replay(&self) -> bool {
        self.header("idempotency-replayed") == Some("true")
    }

    /// The numbers of `x-cost`.
    pub fn cost(&self) -> BTreeMap<String, u32> {
        let cost = self.header("x-cost").expect("x-cost");
        cost.split(';')
            .filter_map(|part| {
                let (name, number) = part.split_once('=')?;
                Some((name.trim().to_owned(), number.trim().parse().ok()?))
            })
            .collect()
    }

    /// Checks that this is a refusal in the form all refusals have.
    #[track_caller]
    pub fn assert_problem(&self, status: u16, code: &str) {
        let Self { body, text, .. } = self;
        assert_eq!(
            (self.status, body["code"].as_str()),
            (status, Some(code)),
            "{text}"
        );
        let content_type = self.header("content-type").unwrap_or_default();
        assert!(
            content_type.starts_with("application/problem+json"),
            "{content_type}: {text}"
        );
        assert_eq!(body["status"], status, "{text}");
        for field in ["type", "title", "detail"] {
            let value = body[field].as_str().unwrap_or_default();
            assert!(!value.is_empty(), "{field} in {text}");
        }
        let request_id = self.header("x-request-id");
        assert!(request_id.is_some_and(|id| !id.is_empty()), "x-request-id");
        assert_eq!(body["requestId"].as_str(), request_id, "{text}");
    }

    /// The pointers of `errors`.
    pub fn pointers(&self) -> Vec<&str> {
        let errors = self.body["errors"].as_array();
        errors
            .into_iter()
            .flatten()
            .filter_map(|error| error["pointer"].as_str())
            .collect()
    }
}
