use std::collections::BTreeMap;

use crate::common::*;
use patchbay_sandbox::{
    Behaviour, CallFilter, Event, Fault, FaultMode, Inbound, Sandbox, StatusUpdate,
};
use serde_json::{Value, json};

async fn number_with_hook() -> Sandbox {
    let sandbox = sandbox().await;
    sandbox.register_account(sms(&sandbox)).unwrap();
    sandbox
}

async fn post_as(sandbox: &Sandbox, token: &str, fields: &[(&str, &str)]) -> (u16, Value) {
    let url = format!(
        "{}/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json",
        sandbox.twilio_base()
    );
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    let response = reqwest::Client::new()
        .post(url)
        .basic_auth(ACCOUNT_SID, Some(token))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body)
        .send()
        .await
        .expect("an answer");
    (
        response.status().as_u16(),
        response.json().await.expect("JSON"),
    )
}

async fn post(sandbox: &Sandbox, fields: &[(&str, &str)]) -> (u16, Value) {
    post_as(sandbox, AUTH_TOKEN, fields).await
}

const HI: [(&str, &str); 3] = [("To", SMS_PERSON), ("From", SMS_NUMBER), ("Body", "Hi")];

fn hi_with<'a>(name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut fields = HI.to_vec();
    fields.retain(|(known, _)| *known != name);
    fields.push((name, value));
    fields
}

fn fields_of(event: &Event) -> BTreeMap<String, String> {
    form_urlencoded::parse(event.body.as_bytes())
        .into_owned()
        .collect()
}

/// The forms a subscriber got, oldest first, once there are so many.
async fn forms(sandbox: &Sandbox, name: &str, count: usize) -> Vec<BTreeMap<String, String>> {
    for _ in 0..200 {
        let events = sandbox.events(name, 0);
        if events.len() >= count {
            return events.iter().rev().map(|event| fields_of(event)).collect();
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("{name} did not get {count} callbacks");
}

/// `X-Twilio-Signature` worked out from what was received.
fn signature(url: &str, event: &Event) -> String {
    use base64::Engine;
    use hmac::{Hmac, KeyInit, Mac};
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(AUTH_TOKEN.as_bytes()).unwrap();
    mac.update(url.as_bytes());
    for (name, value) in fields_of(event) {
        mac.update(format!("{name}{value}").as_bytes());
    }
    base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes())
}

#[tokio::test]
async fn an_accepted_text_is_answered_as_a_queued_message() {
    let sandbox = number_with_hook().await;

    let (status, body) = post(&sandbox, &HI).await;

    assert_eq!((status, &body["status"]), (201, &json!("queued")));
    let sid = body["sid"].as_str().unwrap();
    assert!(sid.starts_with("SM") && sid.len() == 34, "{sid}");
    assert_eq!(body["num_segments"], "1");
    assert_eq!(
        (&body["to"], &body["from"]),
        (&json!(SMS_PERSON), &json!(SMS_NUMBER))
    );
    let created = body["date_created"].as_str().unwrap();
    assert!(
        chrono::DateTime::parse_from_rfc2822(created).is_ok(),
        "{created}"
    );
    let phone = sandbox.phone(SMS_NUMBER, SMS_PERSON).unwrap();
    assert_eq!(
        (phone.provider, phone.messages[0].text.as_str()),
        ("sms", "Hi")
    );
    let calls = sandbox.calls(&CallFilter {
        recipient: Some("5511999999999".to_owned()),
        accepted: Some(true),
        ..CallFilter::default()
    });
    assert_eq!(calls[0].message_id.as_deref(), Some(sid));
    assert_eq!(
        calls[0].request,
        json!({"To": SMS_PERSON, "From": SMS_NUMBER, "Body": "Hi"})
    );
    assert!(!format!("{:?}", calls[0]).contains("Basic"));
}

#[tokio::test]
async fn a_wrong_token_is_refused_with_20003() {
    let sandbox = number_with_hook().await;

    let (status, body) = post_as(&sandbox, "wrong", &HI).await;

    assert_eq!(status, 401);
    assert_eq!(
        (&body["code"], &body["status"]),
        (&json!(20_003), &json!(401))
    );
    assert_eq!(
        body["more_info"],
        "https://www.twilio.com/docs/errors/20003"
    );
    assert_eq!(sandbox.accepted_count(), 0);
}

#[tokio::test]
async fn an_account_that_is_asked_who_it_is_says_so() {
    let sandbox = number_with_hook().await;
    let url = |suffix: &str| {
        format!(
            "{}/2010-04-01/Accounts/{ACCOUNT_SID}{suffix}",
            sandbox.twilio_base()
        )
    };
    let get = |url: String, token: &'static str| async move {
        let request = reqwest::Client::new().get(url);
        let response = request.basic_auth(ACCOUNT_SID, Some(token)).send().await;
        let response = response.unwrap();
        (
            response.status().as_u16(),
            response.json::<Value>().await.unwrap(),
        )
    };

    let (status, body) = get(url(".json"), AUTH_TOKEN).await;

    assert_eq!((status, &body["sid"]), (200, &json!(ACCOUNT_SID)));
    assert_eq!(body["status"], "active");
    assert!(body["friendly_name"].is_string());
    assert_eq!(get(url(".json"), "wrong").await.1["code"], 20_003);
    assert_eq!(get(url(""), AUTH_TOKEN).await.0, 404);
}

#[tokio::test]
async fn parameters_that_break_the_rules_are_refused() {
    let sandbox = number_with_hook().await;
    let long = "x".repeat(1601);
    let mut eleven = HI.to_vec();
    eleven.extend([("MediaUrl", "https://a.example/b.png"); 11]);
    let mut twice = HI.to_vec();
    twice.push(("To", SMS_PERSON));
    let cases = [
        (vec![("From", SMS_NUMBER), ("Body", "Hi")], 21_604),
        (hi_with("To", "5511999999999"), 21_211),
        (hi_with("To", "+0551199999999"), 21_211),
        (hi_with("To", SMS_NUMBER), 21_266),
        (vec![("To", SMS_PERSON), ("Body", "Hi")], 21_603),
        (hi_with("From", "Patchbay"), 21_212),
        (hi_with("From", "+14155550000"), 21_606),
        (
            vec![
                ("To", SMS_PERSON),
                ("MessagingServiceSid", "MG1"),
                ("Body", "Hi"),
            ],
            21_701,
        ),
        (vec![("To", SMS_PERSON), ("From", SMS_NUMBER)], 21_602),
        (hi_with("Body", ""), 21_602),
        (hi_with("Body", &long), 21_617),
        (hi_with("MediaUrl", "file:///etc/passwd"), 21_620),
        (eleven, 21_623),
        (hi_with("StatusCallback", "/relative"), 21_609),
        (hi_with("ContentSid", "HX1"), 21_655),
        (hi_with("ValidityPeriod", "0"), 20_001),
        (hi_with("Surprise", "1"), 20_001),
        (hi_with("body", "Hi"), 20_001),
        (twice, 20_001),
    ];

    for (fields, code) in cases {
        let (status, body) = post(&sandbox, &fields).await;
        assert_eq!((status, &body["code"]), (400, &json!(code)), "{fields:?}");
        assert!(body["message"].is_string());
    }
    assert_eq!(sandbox.accepted_count(), 0);
    let fits = "x".repeat(1600);
    assert_eq!(post(&sandbox, &hi_with("Body", &fits)).await.0, 201);
}

#[tokio::test]
async fn only_a_form_is_read() {
    let sandbox = number_with_hook().await;
    let url = format!(
        "{}/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json",
        sandbox.twilio_base()
    );

    let response = reqwest::Client::new()
        .post(url)
        .basic_auth(ACCOUNT_SID, Some(AUTH_TOKEN))
        .json(&json!({"To": SMS_PERSON, "From": SMS_NUMBER, "Body": "Hi"}))
        .send()
        .await
        .unwrap();

    let body: Value = response.json().await.unwrap();
    assert_eq!(body["code"], 21_604);
}

#[tokio::test]
async fn media_needs_no_body() {
    let sandbox = number_with_hook().await;
    let fields = [
        ("To", SMS_PERSON),
        ("From", SMS_NUMBER),
        ("MediaUrl", "https://a.example/1.png"),
        ("MediaUrl", "https://a.example/2.png"),
    ];

    let (status, body) = post(&sandbox, &fields).await;

    assert_eq!((status, &body["num_media"]), (201, &json!("2")));
    assert!(body["sid"].as_str().unwrap().starts_with("MM"));
    let calls = sandbox.calls(&CallFilter::default());
    let urls = json!(["https://a.example/1.png", "https://a.example/2.png"]);
    assert_eq!(calls[0].request["MediaUrl"], urls);
}

#[tokio::test]
async fn statuses_go_signed_to_the_status_callback() {
    let sandbox = number_with_hook().await;
    let url = format!("{}?channel=1&x=a%20b", sandbox.subscriber_url("status"));
    let with_fragment = format!("{url}#rc=2");

    let (_, sent) = post(&sandbox, &hi_with("StatusCallback", &with_fragment)).await;

    let forms = forms(&sandbox, "status", 3).await;
    let statuses: Vec<_> = forms
        .iter()
        .map(|form| form["MessageStatus"].as_str())
        .collect();
    assert_eq!(statuses, ["queued", "sent", "delivered"]);
    for form in &forms {
        assert_eq!(form["MessageSid"], sent["sid"].as_str().unwrap());
        assert_eq!(form["SmsStatus"], form["MessageStatus"]);
        assert_eq!(
            (form["To"].as_str(), form["From"].as_str()),
            (SMS_PERSON, SMS_NUMBER)
        );
        assert!(!form.contains_key("ErrorCode"));
    }
    for event in sandbox.events("status", 0) {
        assert_eq!(event.headers["x-twilio-signature"], signature(&url, &event));
    }
    assert!(sandbox.events("hook", 0).is_empty());
    let phone = sandbox.phone(SMS_NUMBER, SMS_PERSON).unwrap();
    assert_eq!(phone.messages[0].status, "delivered");
}

#[tokio::test]
async fn a_status_is_posted_once_unless_its_address_asks_for_more() {
    let sandbox = number_with_hook().await;
    for (name, fragment, count) in [("plain", "", 3), ("stubborn", "#rc=3&rp=all", 4)] {
        sandbox.subscriber(name, Behaviour::status(503).times(1));
        let url = format!("{}{fragment}", sandbox.subscriber_url(name));
        post(&sandbox, &hi_with("StatusCallback", &url)).await;

        let forms = forms(&sandbox, name, count).await;
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;

        assert_eq!(sandbox.events(name, 0).len(), count, "{name}");
        assert_eq!(forms[count - 1]["MessageStatus"], "delivered");
    }
}

#[tokio::test]
async fn a_message_may_turn_out_undeliverable() {
    let sandbox = number_with_hook().await;
    sandbox.fault(Fault::new("5511999999999", FaultMode::FailLater).code(30_003));
    let url = sandbox.subscriber_url("status");

    let (status, _) = post(&sandbox, &hi_with("StatusCallback", &url)).await;

    assert_eq!(status, 201);
    let forms = forms(&sandbox, "status", 3).await;
    assert_eq!(forms[2]["MessageStatus"], "undelivered");
    assert_eq!(forms[2]["ErrorCode"], "30003");
}

#[tokio::test]
async fn a_status_by_hand_goes_where_the_message_said() {
    let sandbox = sandbox().await;
    let mut silent = sms(&sandbox);
    silent.auto_status = false;
    sandbox.register_account(silent).unwrap();
    let url = sandbox.subscriber_url("status");
    let (_, sent) = post(&sandbox, &hi_with("StatusCallback", &url)).await;
    let mut update = StatusUpdate::new(SMS_NUMBER, sent["sid"].as_str().unwrap(), "failed");
    update.errors = Some(json!([{"code": 30_008}]));

    sandbox.status(update).await.unwrap();

    let forms = forms(&sandbox, "status", 1).await;
    assert_eq!(forms[0]["MessageStatus"], "failed");
    assert_eq!(forms[0]["ErrorCode"], "30008");
}

#[tokio::test]
async fn a_persons_text_arrives_as_a_signed_form() {
    let sandbox = number_with_hook().await;

    let played = sandbox
        .inbound(Inbound::new(SMS_NUMBER, "+55 11 99999-9999", "Olá & tchau"))
        .await
        .unwrap();

    let forms = forms(&sandbox, "hook", 1).await;
    assert_eq!(forms[0]["Body"], "Olá & tchau");
    assert_eq!(
        (forms[0]["From"].as_str(), forms[0]["To"].as_str()),
        (SMS_PERSON, SMS_NUMBER)
    );
    assert_eq!(forms[0]["MessageSid"], played.provider_message_id.unwrap());
    assert_eq!(forms[0]["NumMedia"], "0");
    assert!(!forms[0].contains_key("OptOutType"));
    let event = sandbox.events("hook", 0)[0].clone();
    let url = sandbox.subscriber_url("hook");
    assert_eq!(event.headers["x-twilio-signature"], signature(&url, &event));
    assert!(event.headers["content-type"].starts_with("application/x-www-form-urlencoded"));
}

#[tokio::test]
async fn a_person_who_wrote_stop_is_left_alone_until_they_write_start() {
    let sandbox = sandbox().await;
    let mut advanced = sms(&sandbox);
    advanced.advanced_opt_out = true;
    sandbox.register_account(advanced).unwrap();
    let write = |text: &'static str| sandbox.inbound(Inbound::new(SMS_NUMBER, SMS_PERSON, text));

    write(" stop ").await.unwrap();
    let (status, refused) = post(&sandbox, &HI).await;
    write("please start over").await.unwrap();
    let (still, _) = post(&sandbox, &HI).await;
    write("START").await.unwrap();
    let (accepted, _) = post(&sandbox, &HI).await;

    assert_eq!((status, &refused["code"]), (400, &json!(21_610)));
    assert_eq!((still, accepted), (400, 201));
    let forms = forms(&sandbox, "hook", 3).await;
    assert_eq!(forms[0]["OptOutType"], "STOP");
    assert!(!forms[1].contains_key("OptOutType"));
    assert_eq!(forms[2]["OptOutType"], "START");
}

#[tokio::test]
async fn faults_speak_twilios_language() {
    let sandbox = number_with_hook().await;
    let cases = [
        (FaultMode::Fail, 400, 21_614),
        (FaultMode::Throttle, 429, 20_429),
        (FaultMode::Unauthorized, 401, 20_003),
        (FaultMode::CodedServerError, 500, 20_500),
    ];

    for (mode, status, code) in cases {
        sandbox.fault(Fault::new(SMS_PERSON, mode).times(1));
        let (answered, body) = post(&sandbox, &HI).await;
        assert_eq!((answered, &body["code"]), (status, &json!(code)));
    }
    assert_eq!(sandbox.accepted_count(), 0);
}

#[tokio::test]
async fn segments_and_media_are_counted_and_shown() {
    let sandbox = number_with_hook().await;
    let (plain, wide) = ("x".repeat(161), "я".repeat(71));
    let mut picture = hi_with("Body", "Look");
    picture.push(("MediaUrl", "https://a.example/1.png"));

    for (body, segments) in [("Hi", "1"), (&plain, "2"), (&wide, "2")] {
        let (_, answered) = post(&sandbox, &hi_with("Body", body)).await;
        assert_eq!(answered["num_segments"], segments);
        assert_eq!(answered["num_media"], "0");
    }
    let (_, answered) = post(&sandbox, &picture).await;

    assert_eq!(answered["num_media"], "1");
    let phone = sandbox.phone(SMS_NUMBER, SMS_PERSON).unwrap();
    let last = phone.messages.back().unwrap();
    assert_eq!(last.kind, "media");
    assert_eq!(last.text, "https://a.example/1.png\nLook");
    let kind = Some("media".to_owned());
    let calls = sandbox.calls(&CallFilter {
        kind,
        ..CallFilter::default()
    });
    assert_eq!(calls.len(), 1);
}
