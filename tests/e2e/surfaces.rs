//! Every channel through every surface that can carry it: out to the provider and back as events in that surface's
//! style.

use serde_json::{Value, json};

use crate::harness::{Channel, SOON, Subscriber, Tenant, WORD, eventually, person, run, text};

/// A subscriber in each of the four styles.
struct Listeners {
    standard: Subscriber,
    visito: Subscriber,
    chatt2me: Subscriber,
    cloove: Subscriber,
}

const VISITO: &str = "X-Visito-Signature";
const CHATT2ME: &str = "X-hub-Signature";
const CLOOVE: &str = "Cloove-Signature";

impl Listeners {
    async fn of(tenant: &Tenant) -> Self {
        let styled = async |style: &str| {
            let body = json!({"events": ["message.*"], "style": style});
            tenant.subscriber_to(&body).await
        };
        Self {
            standard: styled("standard").await,
            visito: styled("visito").await,
            chatt2me: styled("chatt2me").await,
            cloove: styled("cloove").await,
        }
    }

    /// A customer's text reaches every style.
    async fn hear(&self, channel: &Channel, kind: &str, from: &str, words: &str) {
        let events = self.standard.receives("message.received", 1).await;
        let data = &events[0].data;
        assert_eq!(data["message"]["content"]["text"], words);
        let conversation = &data["conversation"]["id"];

        let is_text = |body: &Value| body["message"]["text"] == words;
        let told = self.visito.receives_styled(VISITO, words, is_text).await;
        assert_eq!(told["channel"]["id"], channel.id);
        assert_eq!(told["channel"]["type"], kind);
        assert_eq!(&told["conversation"]["id"], conversation);
        assert_eq!(told["message"]["type"], "text");

        let is_text = |body: &Value| body["content"]["text"] == words;
        let told = self
            .chatt2me
            .receives_styled(CHATT2ME, words, is_text)
            .await;
        let name = if kind == "webchat" {
            "web-chatt2me"
        } else {
            kind
        };
        assert_eq!(told["eventType"], "Message");
        assert_eq!(told["channelId"], channel.id);
        assert_eq!(told["channel"], name);
        assert_eq!(told["from"], from);
        assert_eq!(told["messageId"], data["message"]["id"]);

        let is_text = |body: &Value| body["data"]["message"]["text"] == words;
        let told = self.cloove.receives_styled(CLOOVE, words, is_text).await;
        assert_eq!(told["type"], "message.received");
        assert_eq!(told["environment"], "live");
        assert_eq!(&told["data"]["conversation"]["id"], conversation);
    }

    /// That a message was sent reaches every style.
    async fn hear_of(&self, message: &str, status: &str) {
        let kind = format!("message.{status}");
        let what = format!("{kind} of {message}");
        eventually(SOON, &what, async || {
            let events = self.standard.of(&kind);
            let ids: Vec<String> = events
                .iter()
                .map(|event| event.data["message"]["id"].to_string())
                .collect();
            if ids.contains(&format!("\"{message}\"")) {
                Ok(())
            } else {
                Err(ids.join(", "))
            }
        })
        .await;
        let is_it =
            |body: &Value| body["message"]["id"] == message && body["message"]["status"] == status;
        self.visito.receives_styled(VISITO, &what, is_it).await;
        let is_it = |body: &Value| {
            body["eventType"] == "MessageStatus"
                && body["messageId"] == message
                && body["status"] == status
        };
        self.chatt2me.receives_styled(CHATT2ME, &what, is_it).await;
        let is_it = |body: &Value| body["type"] == kind && body["data"]["message"]["id"] == message;
        self.cloove.receives_styled(CLOOVE, &what, is_it).await;
    }
}

/// A text by each surface that sends on a channel: the id each gave it.
async fn send_by_all(
    tenant: &Tenant,
    channel: &Channel,
    kind: &str,
    to: &str,
    listeners: &Listeners,
) -> Vec<(String, String)> {
    let events = listeners.standard.receives("message.received", 1).await;
    let conversation = events[0].data["conversation"]["id"]
        .as_str()
        .expect("an id");
    let contact = events[0].data["contact"]["id"].as_str().expect("an id");
    let mut sent = Vec::new();
    let mut keep = |words: &str, id: &Value| {
        let id = id.as_str().unwrap_or_else(|| panic!("no id: {id}"));
        sent.push((format!("{words} {WORD}"), id.to_owned()));
    };

    let body = text(channel, to, "by the native surface");
    let answer = tenant.post("/v1/messages", &body).await.expect(202);
    keep("by the native surface", &answer["id"]);

    let words = format!("by Visito's surface {WORD}");
    let body = json!({"type": "text", "to": conversation, "text": {"text": words}});
    let answer = tenant.post("/m2m/v1/messages", &body).await.expect(200);
    assert_eq!(answer["conversation"], conversation);
    keep("by Visito's surface", &answer["id"]);

    let name = if kind == "webchat" {
        "web-chatt2me"
    } else {
        kind
    };
    let words = format!("by Chatt2.me's surface {WORD}");
    let body = json!({"from": channel.id, "to": to, "content": {"text": words}});
    let path = format!("/v1/communication/{name}/message");
    let answer = tenant.post(&path, &body).await.expect(200);
    // Behind the two before it, or sent before the answer.
    let status = answer["status"].as_str().expect("a status");
    assert!(["sent", "enqueued"].contains(&status), "{answer}");
    keep("by Chatt2.me's surface", &answer["messageId"]);

    if ["whatsapp", "messenger", "instagram"].contains(&kind) {
        let body = json!({
            "contact": {"id": contact}, "workspace": {"id": tenant.id},
            "textMessage": format!("by WhautoChat's surface {WORD}"),
        });
        let path = format!("/v1/messages/{kind}/sendtext");
        let answer = tenant.post(&path, &body).await.expect(200);
        assert!(answer["error"].is_null(), "{answer}");
        keep("by WhautoChat's surface", &answer["id"]);
    }
    if kind == "whatsapp" {
        let body = json!({"text": format!("by Cloove's surface {WORD}")});
        let path = format!("/v1/messaging/conversations/{conversation}/messages");
        let answer = tenant.post(&path, &body).await.expect(201);
        keep("by Cloove's surface", &answer["data"]["id"]);
    }
    sent
}

/// Out and back on one channel, the customer writing first.
async fn out_and_back(tenant: &Tenant, channel: &Channel, kind: &str, status: &str) {
    let listeners = Listeners::of(tenant).await;
    let somebody = if kind == "sms" {
        format!("+{}", person())
    } else {
        person()
    };
    let words = format!("Hello, {kind} {WORD}");
    tenant.hears(channel, &somebody, &words).await;
    listeners.hear(channel, kind, &somebody, &words).await;

    let sent = send_by_all(tenant, channel, kind, &somebody, &listeners).await;
    for (_, id) in &sent {
        tenant.becomes(id, status).await;
        listeners.hear_of(id, "sent").await;
        if status != "sent" {
            listeners.hear_of(id, status).await;
        }
    }
    let words: Vec<&str> = sent.iter().map(|(words, _)| words.as_str()).collect();
    assert_eq!(tenant.accepted(&somebody), words);
}

#[test]
fn the_api_describes_itself_to_whoever_asks() {
    run(async {
        let tenant = Tenant::new().await;
        let reply = tenant.without_token().get("/openapi.json").await;
        assert_eq!(reply.header("content-type"), Some("application/json"));
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
        let api = reply.expect(200);
        assert_eq!(api["openapi"], "3.1.0");
        let send = &api["paths"]["/v1/messages"]["post"];
        assert_eq!(send["operationId"], "sendMessage");
    });
}

#[test]
fn whatsapp_is_carried_by_all_five_surfaces() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.whatsapp().await;
        out_and_back(&tenant, &channel, "whatsapp", "delivered").await;
    });
}

#[test]
fn messenger_is_carried_by_four_surfaces() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.messenger().await;
        out_and_back(&tenant, &channel, "messenger", "delivered").await;
    });
}

#[test]
fn instagram_is_carried_by_four_surfaces() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant
            .instagram_with(|account| account.auto_read = true)
            .await;
        out_and_back(&tenant, &channel, "instagram", "read").await;
    });
}

#[test]
fn telegram_is_carried_by_three_surfaces() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.telegram().await;
        out_and_back(&tenant, &channel, "telegram", "sent").await;
    });
}

#[test]
fn sms_is_carried_by_three_surfaces() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.sms().await;
        out_and_back(&tenant, &channel, "sms", "delivered").await;
    });
}

#[test]
fn web_chat_is_carried_by_three_surfaces() {
    run(async {
        let tenant = Tenant::new().await;
        let (channel, public_key) = tenant.webchat().await;
        let listeners = Listeners::of(&tenant).await;
        let visitor = tenant.visitor(&public_key).await;
        visitor.writes("Hello, webchat").await;
        let words = format!("Hello, webchat {WORD}");
        listeners
            .hear(&channel, "webchat", &visitor.id, &words)
            .await;

        let sent = send_by_all(&tenant, &channel, "webchat", &visitor.id, &listeners).await;
        for (_, id) in &sent {
            listeners.hear_of(id, "sent").await;
        }
        let polled = visitor.reads(1, 0).await;
        let texts: Vec<&str> = polled
            .iter()
            .filter_map(|message| message["content"]["text"].as_str())
            .collect();
        let words: Vec<&str> = sent.iter().map(|(words, _)| words.as_str()).collect();
        assert_eq!(texts, words);
        let last = polled.last().and_then(|message| message["seq"].as_u64());
        visitor.has_read(last.expect("a seq")).await;
        for (_, id) in &sent {
            tenant.becomes(id, "read").await;
            listeners.hear_of(id, "read").await;
        }
    });
}

#[test]
fn a_visitor_who_waits_is_answered_as_soon_as_there_is_something() {
    run(async {
        let tenant = Tenant::new().await;
        let (channel, public_key) = tenant.webchat().await;
        let visitor = tenant.visitor(&public_key).await;
        let started = tokio::time::Instant::now();
        let (polled, _) = tokio::join!(visitor.reads(0, 20), async {
            tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
            tenant.sends(&channel, &visitor.id, "There you are").await
        });
        let waited = started.elapsed();
        assert_eq!(polled.len(), 1, "{polled:?}");
        assert!(waited.as_secs() < 15, "{waited:?}");
    });
}

/// The template every demo account has, and its text once it is filled.
const FILLED: &str = "Hi Ana, order 1234 arrives Friday.";

#[test]
fn a_template_goes_out_by_every_surface_that_sends_templates_though_the_customer_never_wrote() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.whatsapp().await;
        let sync = format!("/v1/channels/{}/templates/sync", channel.id);
        tenant.post(&sync, &json!({})).await.expect(200);
        let path = format!("/v1/templates?channelId={}&limit=100", channel.id);
        let templates = tenant.list(&path).await;
        let template = templates
            .iter()
            .find(|template| template["key"] == "order_shipped")
            .expect("the template");
        assert_eq!(template["status"], "APPROVED");
        let id = template["id"].as_str().expect("an id");
        let path = format!("/v1/templates/{id}");
        let names = json!({"variables": ["name", "order_id", "eta"]});
        tenant.patch(&path, &names).await.expect(200);
        let components = json!([{"type": "body", "parameters": [
            {"type": "text", "text": "Ana"}, {"type": "text", "text": "1234"}, {"type": "text", "text": "Friday"},
        ]}]);
        let variables = json!({"name": "Ana", "order_id": "1234", "eta": "Friday"});

        let mut sends: Vec<(String, String, Value, u16)> = Vec::new();
        let mut add = |path: &str, body: &dyn Fn(&str) -> Value, status| {
            let somebody = person();
            sends.push((path.to_owned(), somebody.clone(), body(&somebody), status));
        };
        add(
            "/v1/messages",
            &|to| {
                json!({
                    "from": channel.id, "to": to,
                    "content": {"type": "template", "key": "order_shipped", "variables": variables},
                })
            },
            202,
        );
        add(
            "/v1/messages",
            &|to| {
                json!({
                    "from": channel.id, "to": to,
                    "content": {
                        "type": "template", "name": "order_shipped", "language": "en_US", "components": components,
                    },
                })
            },
            202,
        );
        add(
            &format!("/whatsapp-templates/{}/send", channel.id),
            &|to| {
                json!({
                    "to": to,
                    "template": {"name": "order_shipped", "language": {"code": "en_US"}, "components": components},
                })
            },
            200,
        );
        add(
            "/v1/communication/whatsapp/message",
            &|to| {
                json!({
                    "from": channel.identifier, "to": to,
                    "content": {"template": {"id": id, "components": components}},
                })
            },
            200,
        );
        add(
            "/v1/messages/whatsapp/sendtemplate",
            &|to| {
                json!({
                    "recepient": {"phoneNumber": to}, "workspace": {"id": tenant.id},
                    "template": "order_shipped", "variables": variables,
                })
            },
            200,
        );
        add(
            "/v1/messaging/messages/template",
            &|to| {
                json!({
                    "business_whatsapp_number_id": channel.id, "phone": format!("+{to}"),
                    "template_key": "order_shipped", "customer_name": "Ana", "variables": variables,
                })
            },
            201,
        );
        for (path, somebody, body, status) in sends {
            tenant.post(&path, &body).await.expect(status);
            eventually(SOON, &format!("{path} reached the provider"), async || {
                let texts = tenant.accepted(&somebody);
                if texts == [FILLED] {
                    Ok(())
                } else {
                    Err(format!("{texts:?} {:?}", tenant.calls(&somebody)))
                }
            })
            .await;
        }
    });
}
