use std::time::Duration;

use crate::common::*;
use patchbay_sandbox::{Fault, FaultMode};
use serde_json::json;

#[tokio::test]
async fn a_reset_gives_the_client_no_answer() {
    let sandbox = open_window().await;
    sandbox.fault(Fault::new(PERSON, FaultMode::Reset).times(1));

    let broken = send(&sandbox, &text(PERSON, "Hi")).await.unwrap_err();

    assert!(broken.is_request() && !broken.is_timeout(), "{broken:?}");
    assert_eq!(sandbox.accepted_count(), 0);
    let (status, _) = answer(&sandbox, &text(PERSON, "Hi")).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn a_reset_after_acceptance_still_brings_the_statuses() {
    let sandbox = open_window().await;
    sandbox.fault(Fault::new(PERSON, FaultMode::AcceptReset).times(1));

    send(&sandbox, &text(PERSON, "Hi")).await.unwrap_err();

    assert_eq!(sandbox.accepted_count(), 1);
    hooks(&sandbox, 2).await;
}

#[tokio::test]
async fn a_hang_is_left_unanswered() {
    let sandbox = open_window().await;
    sandbox.fault(Fault::new("*", FaultMode::Hang).times(1));
    sandbox.fault(Fault::new("*", FaultMode::HangAccepted).times(1));

    for accepted in [0, 1] {
        let broken = send(&sandbox, &text(PERSON, "Hi")).await.unwrap_err();
        assert!(broken.is_timeout(), "{broken:?}");
        assert_eq!(sandbox.accepted_count(), accepted);
    }
}

#[tokio::test]
async fn a_truncated_answer_breaks_in_the_middle() {
    let sandbox = open_window().await;
    sandbox.fault(Fault::new(PERSON, FaultMode::Truncate).times(1));

    let response = send(&sandbox, &text(PERSON, "Hi")).await.unwrap();

    assert_eq!(response.status(), 200);
    let broken = response.bytes().await.unwrap_err();
    assert!(!broken.is_timeout(), "{broken:?}");
    assert_eq!(sandbox.accepted_count(), 1);
}

#[tokio::test]
async fn refusals_carry_the_providers_code() {
    let sandbox = open_window().await;
    let cases = [
        (Fault::new(PERSON, FaultMode::Fail), 400, 131_026),
        (
            Fault::new(PERSON, FaultMode::Fail).code(131_049),
            400,
            131_049,
        ),
        (Fault::new(PERSON, FaultMode::Throttle), 400, 130_429),
        (
            Fault::new(PERSON, FaultMode::Throttle)
                .code(131_056)
                .status(429),
            429,
            131_056,
        ),
        (Fault::new(PERSON, FaultMode::Unauthorized), 401, 190),
        (
            Fault::new(PERSON, FaultMode::CodedServerError),
            500,
            131_000,
        ),
    ];

    for (fault, status, code) in cases {
        sandbox.fault(fault.times(1));
        let (answered, body) = answer(&sandbox, &text(PERSON, "Hi")).await;
        assert_eq!((answered, &body["error"]["code"]), (status, &json!(code)));
    }
    assert_eq!(sandbox.accepted_count(), 0);
    assert!(sandbox.faults().is_empty());
}

#[tokio::test]
async fn a_server_error_is_a_page_without_a_code() {
    let sandbox = open_window().await;
    sandbox.fault(Fault::new(PERSON, FaultMode::ServerError).status(503));

    let response = send(&sandbox, &text(PERSON, "Hi")).await.unwrap();

    assert_eq!(response.status(), 503);
    assert!(
        response.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/html")
    );
}

#[tokio::test]
async fn a_message_may_fail_after_it_was_accepted() {
    let sandbox = open_window().await;
    sandbox.fault(Fault::new(PERSON, FaultMode::FailLater));

    let (status, _) = answer(&sandbox, &text(PERSON, "Hi")).await;

    assert_eq!(status, 200);
    let hooks = hooks(&sandbox, 1).await;
    let report = &hooks[0]["entry"][0]["changes"][0]["value"]["statuses"][0];
    assert_eq!(report["status"], "failed");
    assert_eq!(report["errors"][0]["code"], 131_026);
}

#[tokio::test]
async fn a_throttled_bot_is_told_how_long_to_wait() {
    let sandbox = started_bot().await;
    sandbox.fault(
        Fault::new(CHAT, FaultMode::Throttle)
            .retry_after(14)
            .times(1),
    );

    let (status, body) = method(
        &sandbox,
        "sendMessage",
        &json!({"chat_id": CHAT, "text": "Hi"}),
    )
    .await;

    assert_eq!(status, 429);
    assert_eq!(body["parameters"]["retry_after"], 14);
    assert_eq!(body["description"], "Too Many Requests: retry after 14");
}

#[tokio::test]
async fn a_blocked_bot_is_forbidden() {
    let sandbox = started_bot().await;
    sandbox.fault(Fault::new(CHAT, FaultMode::Fail));

    let (status, body) = method(
        &sandbox,
        "sendMessage",
        &json!({"chat_id": CHAT, "text": "Hi"}),
    )
    .await;

    assert_eq!(status, 403);
    assert_eq!(
        body["description"],
        "Forbidden: bot was blocked by the user"
    );
}

#[tokio::test]
async fn a_slow_answer_comes_late() {
    let sandbox = open_window().await;
    sandbox.fault(Fault::new(PERSON, FaultMode::Slow).delay_ms(150));
    let began = tokio::time::Instant::now();

    let (status, _) = answer(&sandbox, &text(PERSON, "Hi")).await;

    assert_eq!(status, 200);
    assert!(began.elapsed() >= Duration::from_millis(150));
}
