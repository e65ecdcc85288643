//! Templates at their provider.

use super::world::{Answer, Reply, World};
use http::Method;
use serde_json::{Value, json};

/// A template as Meta lists it.
pub fn template(name: &str, language: &str, status: &str, components: Value) -> Value {
    json!({
        "id": format!("{name}-{language}"), "name": name, "language": language, "status": status,
        "category": "UTILITY", "components": components,
    })
}

/// Components with nothing but a body.
pub fn body(text: &str) -> Value {
    json!([{ "type": "BODY", "text": text }])
}

impl World {
    /// The pages that the provider gives when it is asked next.
    pub fn provider_lists(&self, pages: &[Value]) {
        for page in pages {
            let answer = Answer::Http(200, page.clone());
            self.ports().to_questions.borrow_mut().push_back(answer);
        }
    }

    pub async fn sync(&self, channel: &str) -> Reply {
        let path = format!("/v1/channels/{channel}/templates/sync");
        self.call(Method::POST, &path, Value::Null).await
    }

    /// Syncs these templates, all there are.
    pub async fn has_templates(&self, channel: &str, templates: &[Value]) -> Value {
        self.provider_lists(&[json!({ "data": templates })]);
        self.sync(channel).await.expect(200)
    }

    /// The template of a name and a language, as listed.
    pub async fn template(&self, name: &str, language: &str) -> Value {
        let listed = self.get("/v1/templates?limit=100").await;
        let found = listed["data"].as_array().expect("a list").iter();
        let mut found = found.filter(|it| it["name"] == name && it["language"] == language);
        found.next().expect("the template").clone()
    }
}
