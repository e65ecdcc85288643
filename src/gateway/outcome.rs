//! What becomes of a message after an attempt: pure decisions.

use crate::channel::{Reason, SendError};
use crate::model::channel::OnUnknownOutcome;
use crate::model::time::{DAY_MS, HOUR_MS, SECOND_MS, Timestamp};
use crate::store::outbox::CHANNEL_WAIT_MS;

/// How an attempt ended, as the sender saw it.
#[derive(Clone, Debug, PartialEq)]
pub enum Attempted {
    Accepted {
        provider_message_id: Option<String>,
    },
    Refused(SendError),
    /// Its time was up before it was tried.
    Expired,
    /// The channel is gone; no call was made.
    ChannelUnavailable,
    /// The channel waits for new credentials; no call was made.
    ChannelWaits,
}

/// What is known of a message when its next step is decided.
#[derive(Clone, Copy, Debug)]
pub struct Situation {
    pub now: Timestamp,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    /// Failed attempts before this one.
    pub failures: i64,
    pub on_unknown_outcome: OnUnknownOutcome,
    /// 0 to 255: spreads retries so that they do not come back as one wave.
    pub jitter: u8,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    Sent {
        provider_message_id: Option<String>,
    },
    /// Another try; the message keeps its turn.
    Retry {
        at: Timestamp,
        reason: Reason,
    },
    Unknown(Reason),
    Failed(Reason),
    Expired(Reason),
}

/// Temporary failures are tried again for a day, throttles for a week.
const TEMPORARY_FOR_MS: i64 = DAY_MS;
const THROTTLED_FOR_MS: i64 = 7 * DAY_MS;
const LONGEST_BACKOFF_MS: i64 = HOUR_MS;

/// Decides the next step.
#[must_use]
pub fn step(attempted: Attempted, situation: Situation) -> Step {
    match attempted {
        Attempted::Accepted {
            provider_message_id,
        } => Step::Sent {
            provider_message_id,
        },
        Attempted::Refused(SendError::Rejected(reason)) => Step::Failed(reason),
        Attempted::Refused(SendError::Temporary(reason)) => {
            let at = situation.now.plus_ms(backoff_ms(2, situation));
            let end = situation.end(TEMPORARY_FOR_MS);
            retry_until(at, end, reason, Step::Failed)
        }
        Attempted::Refused(SendError::Throttled {
            retry_after_ms,
            reason,
        }) => {
            let asked = retry_after_ms.unwrap_or(0).clamp(0, DAY_MS);
            let wait = asked.max(if retry_after_ms.is_some() {
                SECOND_MS
            } else {
                backoff_ms(4, situation)
            });
            let end = situation.end(THROTTLED_FOR_MS);
            retry_until(situation.now.plus_ms(wait), end, reason, Step::Expired)
        }
        Attempted::Refused(SendError::Unauthorized(reason)) => wait_for_channel(reason, situation),
        Attempted::ChannelWaits => wait_for_channel(
            ours(
                "channel_unavailable",
                "The channel waits for new credentials.",
            ),
            situation,
        ),
        Attempted::Refused(SendError::Unclear(reason)) => match situation.on_unknown_outcome {
            OnUnknownOutcome::Hold => Step::Unknown(reason),
            OnUnknownOutcome::Resend => {
                let at = situation.now.plus_ms(backoff_ms(2, situation));
                let end = situation.end(TEMPORARY_FOR_MS);
                retry_until(at, end, reason, Step::Failed)
            }
        },
        Attempted::Expired => {
            Step::Expired(ours("expired", "Its time was up before it could be sent."))
        }
        Attempted::ChannelUnavailable => Step::Failed(ours(
            "channel_unavailable",
            "The channel is disabled or deleted.",
        )),
    }
}

impl Situation {
    fn end(self, otherwise_ms: i64) -> Timestamp {
        self.expires_at
            .unwrap_or_else(|| self.created_at.plus_ms(otherwise_ms))
    }
}

/// Messages on a channel without credentials wait, until their own end.
fn wait_for_channel(reason: Reason, situation: Situation) -> Step {
    let at = situation.now.plus_ms(CHANNEL_WAIT_MS);
    retry_until(at, situation.end(THROTTLED_FOR_MS), reason, Step::Expired)
}

fn retry_until(at: Timestamp, end: Timestamp, reason: Reason, over: fn(Reason) -> Step) -> Step {
    if at < end {
        Step::Retry { at, reason }
    } else {
        over(reason)
    }
}

/// `base` seconds to the power of the failures so far, this one included; at most an
/// hour, ±20 %.
fn backoff_ms(base: i64, situation: Situation) -> i64 {
    let power = u32::try_from(situation.failures.saturating_add(1).clamp(1, 20)).unwrap_or(20);
    let wait = base
        .saturating_pow(power)
        .saturating_mul(SECOND_MS)
        .min(LONGEST_BACKOFF_MS);
    let spread = wait / 5;
    wait - spread + spread * 2 * i64::from(situation.jitter) / 255
}

pub(super) fn ours(code: &'static str, message: &str) -> Reason {
    Reason {
        code,
        provider_code: None,
        message: message.to_owned(),
    }
}

/// The reason of a send whose sender died or whose answer never came.
#[must_use]
pub fn no_answer() -> SendError {
    SendError::Unclear(ours(
        "outcome_unknown",
        "No complete answer came from the provider; it may have sent the message.",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn situation() -> Situation {
        Situation {
            now: Timestamp::from_ms(100_000_000_000),
            created_at: Timestamp::from_ms(100_000_000_000),
            expires_at: None,
            failures: 0,
            on_unknown_outcome: OnUnknownOutcome::Hold,
            jitter: 128,
        }
    }

    fn reason() -> Reason {
        ours("provider_rejected", "no")
    }

    #[test]
    fn a_throttle_waits_as_asked_and_never_fails() {
        let throttled = |retry_after_ms| {
            Attempted::Refused(SendError::Throttled {
                retry_after_ms,
                reason: reason(),
            })
        };
        let Step::Retry { at, .. } = step(throttled(Some(14_000)), situation()) else {
            panic!("a throttle is retried")
        };
        assert_eq!(at, situation().now.plus_ms(14_000));
        let week_old = Situation {
            created_at: situation().now.plus_ms(-7 * DAY_MS),
            ..situation()
        };
        assert!(matches!(step(throttled(None), week_old), Step::Expired(_)));
        let six_days_old = Situation {
            created_at: situation().now.plus_ms(-6 * DAY_MS),
            ..situation()
        };
        assert!(matches!(
            step(throttled(None), six_days_old),
            Step::Retry { .. }
        ));
    }

    #[test]
    fn temporary_failures_back_off_and_fail_after_a_day() {
        let temporary = || Attempted::Refused(SendError::Temporary(reason()));
        let mut last = 0;
        for failures in 0..30 {
            let situation = Situation {
                failures,
                ..situation()
            };
            let Step::Retry { at, .. } = step(temporary(), situation) else {
                panic!("within the day it is retried")
            };
            let wait = at.ms() - situation.now.ms();
            assert!(wait >= last && wait <= LONGEST_BACKOFF_MS * 6 / 5);
            last = wait;
        }
        let day_old = Situation {
            created_at: situation().now.plus_ms(-DAY_MS),
            ..situation()
        };
        assert!(matches!(step(temporary(), day_old), Step::Failed(_)));
    }

    #[test]
    fn an_unclear_outcome_is_held_or_resent_by_the_channels_setting() {
        let unclear = || Attempted::Refused(no_answer());
        assert!(matches!(step(unclear(), situation()), Step::Unknown(_)));
        let resend = Situation {
            on_unknown_outcome: OnUnknownOutcome::Resend,
            ..situation()
        };
        assert!(matches!(step(unclear(), resend), Step::Retry { .. }));
        let day_old = Situation {
            created_at: resend.now.plus_ms(-DAY_MS),
            ..resend
        };
        assert!(matches!(step(unclear(), day_old), Step::Failed(_)));
    }

    #[test]
    fn the_senders_own_end_comes_before_ours() {
        let situation = Situation {
            expires_at: Some(situation().now.plus_ms(500)),
            ..situation()
        };
        let temporary = Attempted::Refused(SendError::Temporary(reason()));
        assert!(matches!(step(temporary, situation), Step::Failed(_)));
        let throttled = Attempted::Refused(SendError::Throttled {
            retry_after_ms: Some(1_000),
            reason: reason(),
        });
        assert!(matches!(step(throttled, situation), Step::Expired(_)));
    }
}
