//! A workspace with its key, and channels connected on both sides.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use patchbay_sandbox::{
    Account, Call, CallFilter, Inbound, Instagram, Messenger, Played, Sandbox, Sms, Telegram,
    WhatsApp,
};
use serde_json::{Value, json};

use super::http::{Api, Reply};
use super::subscriber::Subscriber;
use super::{Gateway, SECRET, SOON, WORD, eventually, unique};

/// A workspace and its key. Calls on it are calls with that key.
pub struct Tenant {
    pub id: String,
    pub key: String,
    pub sandbox: Sandbox,
    api: Api,
}

impl Deref for Tenant {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.api
    }
}

/// The site whose pages hold the web chats of these tests.
pub const SITE: &str = "https://shop.example";

/// Somebody on a web chat.
pub struct Visitor {
    pub id: String,
    api: Api,
    base: String,
}

impl Visitor {
    pub async fn writes(&self, words: &str) -> Value {
        let content = json!({"type": "text", "text": format!("{words} {WORD}")});
        self.posts(&content).await.expect(201)
    }

    pub async fn posts(&self, content: &Value) -> Reply {
        let body = json!({
            "clientMessageId": format!("from-the-page-{}", unique()),
            "content": content,
        });
        let posted = self
            .api
            .request(reqwest::Method::POST, &format!("{}/messages", self.base))
            .header("origin", SITE)
            .json(&body);
        Reply::of(posted).await
    }

    /// What is there after a seq, waiting so many seconds for something.
    pub async fn reads(&self, after: u64, wait_s: u32) -> Vec<Value> {
        let path = format!("{}/messages?after={after}&wait={wait_s}", self.base);
        let polled = self
            .api
            .request(reqwest::Method::GET, &path)
            .header("origin", SITE);
        let page = Reply::of(polled).await.expect(200);
        page["data"].as_array().expect("a list").clone()
    }

    pub async fn has_read(&self, seq: u64) {
        let read = self
            .api
            .request(reqwest::Method::POST, &format!("{}/read", self.base))
            .header("origin", SITE)
            .json(&json!({"seq": seq}));
        let reply = Reply::of(read).await;
        assert!((200..300).contains(&reply.status), "{}", reply.text);
    }
}

/// A connected sender.
pub struct Channel {
    pub id: String,
    pub inbound_url: String,
    /// What the sandbox knows the account by.
    pub account: String,
    pub identifier: String,
    /// What it was connected with.
    pub credentials: Value,
}

impl Tenant {
    /// A new tenant of the shared gateway.
    pub async fn new() -> Self {
        Self::of(Gateway::shared().await).await
    }

    pub async fn of(gateway: &Gateway) -> Self {
        let name = json!({"name": format!("Workspace {}", unique())});
        let workspace = gateway
            .admin
            .post("/v1/workspaces", &name)
            .await
            .expect(201);
        let id = string(&workspace, "id");
        let key = issue_key(gateway, &id, &json!({"name": "Test"})).await;
        Self {
            api: gateway.admin.with_token(&key),
            sandbox: gateway.sandbox.clone(),
            id,
            key,
        }
    }

    /// The same workspace with a further key, made from `body`.
    pub async fn with_key(&self, gateway: &Gateway, body: &Value) -> Api {
        self.api
            .with_token(issue_key(gateway, &self.id, body).await)
    }

    /// A WhatsApp number whose provider does as it is told by `change`.
    pub async fn whatsapp_with(&self, change: impl FnOnce(&mut WhatsApp)) -> Channel {
        let number = unique();
        let phone_number_id = format!("10000000000{number}");
        let identifier = format!("+55997123{number}1");
        let mut account = Account::whatsapp(
            &phone_number_id,
            format!("EAA{SECRET}{number}"),
            format!("{SECRET}-app-secret-{number}"),
        );
        account.verify_token = Some(format!("{SECRET}-verify-{number}"));
        account.display_phone_number = identifier.trim_start_matches('+').to_owned();
        account.status_delay_ms = 20;
        change(&mut account);
        let credentials = json!({
            "phoneNumberId": phone_number_id,
            "wabaId": account.waba_id,
            "accessToken": account.access_token,
            "appSecret": account.app_secret,
            "verifyToken": account.verify_token,
        });
        let known_as = (identifier.as_str(), phone_number_id);
        self.connect_account("whatsapp", known_as, credentials, account, |account| {
            &mut account.callback_url
        })
        .await
    }

    pub async fn whatsapp(&self) -> Channel {
        self.whatsapp_with(|_| {}).await
    }

    /// A bot that anybody may be written to by.
    pub async fn telegram(&self) -> Channel {
        self.telegram_with(|bot| bot.require_start = false).await
    }

    pub async fn telegram_with(&self, change: impl FnOnce(&mut Telegram)) -> Channel {
        let number = unique();
        let username = format!("test_{number}_bot");
        let mut account = Account::telegram(format!("70{number}:AA{SECRET}{number}"), &username);
        account.secret_token = Some(format!("{SECRET}-secret-{number}"));
        change(&mut account);
        let credentials = json!({
            "botToken": account.bot_token,
            "secretToken": account.secret_token,
        });
        let known_as = (username.as_str(), username.clone());
        self.connect_account("telegram", known_as, credentials, account, |account| {
            &mut account.callback_url
        })
        .await
    }

    /// A Page that anybody may be written to by within its window.
    pub async fn messenger(&self) -> Channel {
        self.messenger_with(|_| {}).await
    }

    pub async fn messenger_with(&self, change: impl FnOnce(&mut Messenger)) -> Channel {
        let number = unique();
        let page_id = format!("3000000000{number}");
        let mut account = Account::messenger(
            &page_id,
            format!("EAAP{SECRET}{number}"),
            format!("{SECRET}-page-secret-{number}"),
        );
        account.verify_token = Some(format!("{SECRET}-verify-{number}"));
        account.status_delay_ms = 20;
        change(&mut account);
        let credentials = json!({
            "pageId": page_id,
            "accessToken": account.access_token,
            "appSecret": account.app_secret,
            "verifyToken": account.verify_token,
        });
        let known_as = (page_id.as_str(), page_id.clone());
        self.connect_account("messenger", known_as, credentials, account, |account| {
            &mut account.callback_url
        })
        .await
    }

    pub async fn instagram_with(&self, change: impl FnOnce(&mut Instagram)) -> Channel {
        let number = unique();
        let account_id = format!("1784000000{number}");
        let username = format!("test.shop_{number}");
        let mut account = Account::instagram(
            &account_id,
            format!("IGAA{SECRET}{number}"),
            format!("{SECRET}-instagram-secret-{number}"),
        );
        account.verify_token = Some(format!("{SECRET}-verify-{number}"));
        account.username = username.clone();
        account.status_delay_ms = 20;
        change(&mut account);
        let credentials = json!({
            "accountId": account_id,
            "accessToken": account.access_token,
            "appSecret": account.app_secret,
            "verifyToken": account.verify_token,
        });
        let known_as = (username.as_str(), account_id);
        self.connect_account("instagram", known_as, credentials, account, |account| {
            &mut account.callback_url
        })
        .await
    }

    pub async fn instagram(&self) -> Channel {
        self.instagram_with(|_| {}).await
    }

    pub async fn sms(&self) -> Channel {
        self.sms_with(|_| {}).await
    }

    pub async fn sms_with(&self, change: impl FnOnce(&mut Sms)) -> Channel {
        let number = unique();
        let identifier = format!("+55997123{number}2");
        let mut account = Account::sms(
            format!("AC{number:032x}"),
            format!("{SECRET}-twilio-{number}"),
            &identifier,
        );
        account.status_delay_ms = 20;
        change(&mut account);
        let credentials = json!({
            "provider": "twilio",
            "accountSid": account.account_sid,
            "authToken": account.auth_token,
        });
        let known_as = (identifier.as_str(), identifier.clone());
        self.connect_account("sms", known_as, credentials, account, |account| {
            &mut account.callback_url
        })
        .await
    }

    /// A web chat for the pages of `SITE`, and the public key that they hold.
    pub async fn webchat(&self) -> (Channel, String) {
        let body = json!({
            "type": "webchat",
            "name": "Test webchat",
            "credentials": {},
            "settings": {"allowedOrigins": [SITE]},
        });
        let made = self.post("/v1/channels", &body).await.expect(201);
        let channel = Channel {
            id: string(&made, "id"),
            inbound_url: string(&made, "inboundUrl"),
            identifier: string(&made, "identifier"),
            account: String::new(),
            credentials: json!({}),
        };
        (channel, string(&made, "publicKey"))
    }

    /// Somebody who opens a web chat.
    pub async fn visitor(&self, public_key: &str) -> Visitor {
        let base = format!("/webchat/{public_key}");
        let opened = self
            .without_token()
            .request(reqwest::Method::POST, &format!("{base}/sessions"))
            .header("origin", SITE)
            .json(&json!({"name": "Ana"}));
        let opened = Reply::of(opened).await.expect(201);
        Visitor {
            id: string(&opened, "visitorId"),
            api: self.with_token(string(&opened, "token")),
            base,
        }
    }

    /// Connects an account on both sides: by its identifier, and by what the sandbox knows it
    /// by. The provider comes first, for it is asked about the credentials.
    async fn connect_account<A: Clone + Into<Account>>(
        &self,
        kind: &str,
        (identifier, known_as): (&str, String),
        credentials: Value,
        mut account: A,
        callback_url: fn(&mut A) -> &mut Option<String>,
    ) -> Channel {
        let register = |account: A| self.sandbox.register_account(account).expect("an account");
        register(account.clone());
        let channel = self.connect(kind, identifier, known_as, credentials).await;
        *callback_url(&mut account) = Some(channel.inbound_url.clone());
        register(account);
        channel
    }

    async fn connect(
        &self,
        kind: &str,
        identifier: &str,
        account: String,
        credentials: Value,
    ) -> Channel {
        let body = json!({
            "type": kind,
            "name": format!("Test {kind}"),
            "identifier": identifier,
            "credentials": credentials,
        });
        let channel = self.post("/v1/channels", &body).await.expect(201);
        Channel {
            id: string(&channel, "id"),
            inbound_url: string(&channel, "inboundUrl"),
            identifier: identifier.to_owned(),
            account,
            credentials,
        }
    }

    /// A subscriber to all events.
    pub async fn subscriber(&self) -> Subscriber {
        self.subscriber_to(&json!({"events": ["*"]})).await
    }

    /// A subscriber as `body` describes it, all but its URL.
    pub async fn subscriber_to(&self, body: &Value) -> Subscriber {
        let name = format!("subscriber-{}", unique());
        let mut body = body.clone();
        body["url"] = json!(self.sandbox.subscriber_url(&name));
        let endpoint = self.post("/v1/webhooks", &body).await.expect(201);
        Subscriber::new(self.sandbox.clone(), name, &string(&endpoint, "secret"))
    }

    /// A customer writes; the gateway takes it.
    pub async fn hears(&self, channel: &Channel, from: &str, text: &str) -> Played {
        let inbound = Inbound::new(&channel.account, from, text);
        let played = self.sandbox.inbound(inbound).await.expect("an account");
        assert_eq!(played.callback_status, Some(200), "{played:?}");
        played
    }

    /// A customer's message as its provider would post it, but nobody posts it.
    pub async fn unheard(&self, channel: &Channel, from: &str, text: &str) -> Played {
        let mut inbound = Inbound::new(&channel.account, from, text);
        inbound.deliver = false;
        self.sandbox.inbound(inbound).await.expect("an account")
    }

    /// Posts a provider's callback, again or for the first time.
    pub async fn post_callback(&self, played: &Played) -> Reply {
        let url = played.url.as_deref().expect("a callback URL");
        let mut request = self.without_token().request(reqwest::Method::POST, url);
        for (name, value) in &played.headers {
            request = request.header(name, value);
        }
        Reply::of(request.body(played.body.clone())).await
    }

    /// Sends a text to an address; answers its message's id.
    pub async fn sends(&self, channel: &Channel, to: &str, words: &str) -> String {
        let body = text(channel, to, words);
        let message = self.post("/v1/messages", &body).await.expect(202);
        string(&message, "id")
    }

    pub async fn message(&self, id: &str) -> Value {
        self.get(&format!("/v1/messages/{id}")).await.expect(200)
    }

    pub async fn becomes(&self, id: &str, status: &str) -> Value {
        self.becomes_within(SOON, id, status).await
    }

    /// The message once it has the status.
    pub async fn becomes_within(&self, patience: Duration, id: &str, status: &str) -> Value {
        eventually(patience, &format!("the message is {status}"), async || {
            let message = self.message(id).await;
            if message["status"] == status {
                Ok(message)
            } else {
                Err(message.to_string())
            }
        })
        .await
    }

    /// The one conversation of this workspace, once it is there.
    pub async fn conversation(&self) -> Value {
        eventually(SOON, "there is a conversation", async || {
            let list = self.list("/v1/conversations").await;
            match list.as_slice() {
                [only] => Ok(only.clone()),
                other => Err(format!("{} conversations", other.len())),
            }
        })
        .await
    }

    /// The calls the provider got for a person, oldest first.
    pub fn calls(&self, person: &str) -> Vec<Arc<Call>> {
        self.sandbox.calls(&CallFilter {
            recipient: Some(person.to_owned()),
            ..CallFilter::default()
        })
    }

    /// The texts the provider took on for a person, in their order.
    pub fn accepted(&self, person: &str) -> Vec<String> {
        self.calls(person)
            .iter()
            .filter(|call| call.accepted)
            .map(|call| call.text.clone().unwrap_or_default())
            .collect()
    }
}

/// The body that sends a text. Its words have the one in them by which the log is searched.
pub fn text(channel: &Channel, to: &str, words: &str) -> Value {
    json!({
        "from": channel.id,
        "to": to,
        "content": {"type": "text", "text": format!("{words} {WORD}")},
    })
}

/// The statuses of a message's history, in their order.
pub fn statuses(message: &Value) -> Vec<&str> {
    let history = message["statusHistory"].as_array();
    history
        .into_iter()
        .flatten()
        .filter_map(|entry| entry["status"].as_str())
        .collect()
}

async fn issue_key(gateway: &Gateway, workspace: &str, body: &Value) -> String {
    let path = format!("/v1/workspaces/{workspace}/api-keys");
    let made = gateway.admin.post(&path, body).await.expect(201);
    string(&made, "key")
}

#[track_caller]
fn string(value: &Value, field: &str) -> String {
    let text = value[field].as_str();
    text.unwrap_or_else(|| panic!("no {field} in {value}"))
        .to_owned()
}
