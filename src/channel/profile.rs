//! What a channel can carry, as data: the same table refuses a message, is published at
//! `/v1/capabilities`, and is printed in `docs/content.md`.

use super::Invalid;
use crate::model::channel::Rate;
use crate::model::content::{Content, Measure, Size};
use crate::model::json;
use serde::Serialize;
use serde_json::{Value, json};

/// What a channel can carry.
#[derive(Debug)]
pub struct Profile {
    /// By the names of `Content::capability`; what is missing is not carried.
    pub capabilities: &'static [Capability],
    /// Whether a message can name the one it answers.
    pub replies: bool,
    /// Whether a mark or a sign of typing must name a message of the customer's.
    pub marks_name_a_message: bool,
    /// Whether there is no provider: an accepted message is sent.
    pub is_local: bool,
    pub pacing: Pacing,
}

/// How fast a provider takes messages. What is faster waits; it never fails.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pacing {
    /// Microseconds between two messages of a sender; 0 where nothing is known.
    pub sender_us: i64,
    /// At least so much for audio and video.
    pub media_us: i64,
    /// To one recipient.
    pub chat: Rate,
    /// To a group or a public channel.
    pub group: Rate,
    /// The provider's codes of a throttle that is about one recipient only.
    #[serde(skip)]
    pub chat_throttles: &'static [&'static str],
}

impl Pacing {
    /// No limit but the provider's own word.
    pub const NONE: Pacing = Pacing::per_second(0);

    /// The rate of a recipient: groups and public channels of Telegram's begin so.
    #[must_use]
    pub fn to(&self, address: &str) -> Rate {
        if address.starts_with(['-', '@']) {
            self.group
        } else {
            self.chat
        }
    }

    /// So many messages of a sender a second; 0 for any number.
    pub const fn per_second(count: i64) -> Self {
        let every_us = if count == 0 { 0 } else { 1_000_000 / count };
        Self {
            sender_us: every_us,
            media_us: 0,
            chat: Rate::NONE,
            group: Rate::NONE,
            chat_throttles: &[],
        }
    }
}

/// One kind of content, and what is limited about it.
#[derive(Debug)]
pub struct Capability {
    pub kind: &'static str,
    /// By the names of `Measure::field`.
    pub limits: &'static [(&'static str, Limit)],
}

impl Capability {
    pub const fn new(kind: &'static str, limits: &'static [(&'static str, Limit)]) -> Self {
        Self { kind, limits }
    }
}

/// How much of one thing, in the provider's own unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    Characters(usize),
    /// Of UTF-8.
    Bytes(usize),
    /// Of a list.
    Items(usize),
    OneOf(&'static [&'static str]),
    /// What the file behind an address may be; only the provider sees it.
    File {
        mime_types: &'static [&'static str],
        most_bytes: u64,
    },
    /// The channel does not carry it.
    Absent,
    /// It becomes a message of its own behind this one, within the limits of a text.
    Apart,
}

impl Limit {
    /// Whether a kind of file, its parameters aside, is one of some, which may stand for a
    /// family.
    #[must_use]
    pub fn is_one(kind: &str, some: &[&str]) -> bool {
        is_one(kind, some)
    }
}

/// Why a content cannot be sent on a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The channel carries no such thing.
    Unsupported(Invalid),
    /// There is too much of it, or it is none.
    Invalid(Invalid),
}

impl Profile {
    #[must_use]
    pub fn capability(&self, kind: &str) -> Option<&'static Capability> {
        self.capabilities.iter().find(|it| it.kind == kind)
    }

    /// The limit of a field of a kind of content.
    #[must_use]
    pub fn limit(&self, kind: &str, field: &str) -> Option<Limit> {
        let limits = self.capability(kind)?.limits;
        limits.iter().find(|it| it.0 == field).map(|it| it.1)
    }

    /// Checks a content against what the provider takes. Pointers are relative
    /// to the content.
    pub fn check(&self, content: &Content) -> Result<(), Refused> {
        if matches!(
            content,
            Content::Reply(_) | Content::Order(_) | Content::Unsupported(_)
        ) {
            let detail = "is for inbound messages only";
            return Err(Refused::Invalid(Invalid::new("/type", detail)));
        }
        let name = content.capability();
        if self.capability(name).is_none() {
            return Err(self.refusal(content, name));
        }
        content
            .check()
            .map_err(|wrong| Refused::Invalid(Invalid::new(wrong.pointer, wrong.detail)))?;
        let first = self.misfits(content).into_iter().next();
        first.map_or(Ok(()), |(_, refused)| Err(refused))
    }

    /// What of a content is beyond its limits, by the names of `Measure::field`; nothing of a
    /// kind that is not carried at all.
    pub(super) fn misfits(&self, content: &Content) -> Vec<(&'static str, Refused)> {
        let kind = content.capability();
        let measures = content.measures().into_iter();
        measures
            .filter_map(|measure| {
                let limit = self.limit(kind, measure.field)?;
                let refused = self.check_measure(limit, &measure).err()?;
                Some((measure.field, refused))
            })
            .collect()
    }

    fn refusal(&self, content: &Content, name: &str) -> Refused {
        let pointer = match name {
            "interactive.urlButtons" if self.capability("interactive.buttons").is_some() => {
                return Refused::Unsupported(Invalid::new(
                    "/buttons",
                    "this channel has no buttons that open a page beside others; use ctaUrl",
                ));
            }
            _ if name == content.kind() => "/type",
            _ => "/kind",
        };
        let what = name.rsplit('.').next().unwrap_or(name);
        Refused::Unsupported(Invalid::new(
            pointer,
            format!("this channel does not carry {what}"),
        ))
    }

    pub(super) fn check_measure(&self, limit: Limit, measure: &Measure<'_>) -> Result<(), Refused> {
        let too_much = |most: usize, unit: &str, is: usize| {
            Err(Refused::Invalid(Invalid::new(
                measure.pointer.as_str(),
                format!("must be at most {most} {unit}; it has {is}"),
            )))
        };
        match (limit, measure.size) {
            (Limit::Absent, _) => Err(Refused::Unsupported(Invalid::new(
                measure.pointer.as_str(),
                "is not carried by this channel",
            ))),
            (Limit::Characters(most), Size::Text(text) | Size::Url(text)) => {
                let is = text.chars().count();
                if is <= most {
                    Ok(())
                } else {
                    too_much(most, "characters", is)
                }
            }
            (Limit::Bytes(most), Size::Text(text) | Size::Url(text)) => {
                let is = text.len();
                if is <= most {
                    Ok(())
                } else {
                    too_much(most, "bytes", is)
                }
            }
            (Limit::Items(most), Size::Items(is)) if is > most => too_much(most, "items", is),
            (Limit::OneOf(words), Size::Text(text)) if !words.contains(&text) => {
                Err(Refused::Invalid(Invalid::new(
                    measure.pointer.as_str(),
                    format!("must be one of {}", words.join(" ")),
                )))
            }
            (Limit::File { mime_types, .. }, Size::Mime(kind)) if !is_one(kind, mime_types) => {
                Err(Refused::Invalid(Invalid::new(
                    measure.pointer.as_str(),
                    format!("must be one of {}", mime_types.join(", ")),
                )))
            }
            // It is sent as a text.
            (Limit::Apart, Size::Text(_)) => match self.limit("text", "text") {
                Some(limit) => self.check_measure(limit, measure),
                None => Ok(()),
            },
            (
                Limit::Characters(_)
                | Limit::Bytes(_)
                | Limit::Items(_)
                | Limit::OneOf(_)
                | Limit::File { .. }
                | Limit::Apart,
                _,
            ) => Ok(()),
        }
    }

    /// Its kinds of content with their limits, as they are published.
    #[must_use]
    pub fn published(&self) -> Value {
        let kinds = self.capabilities.iter().map(|capability| {
            let limits = capability.limits.iter();
            let limits =
                limits.map(|(field, limit)| ((*field).to_owned(), json!(Published::from(*limit))));
            let limits = Value::Object(json::object(limits));
            (capability.kind.to_owned(), limits)
        });
        Value::Object(json::object(kinds))
    }
}

/// Whether a kind of file, its parameters aside, is one of some, which may stand for a
/// family.
fn is_one(kind: &str, some: &[&str]) -> bool {
    let kind = kind
        .split(';')
        .next()
        .unwrap_or("")
        .trim()
        .to_ascii_lowercase();
    let family = kind.split('/').next().unwrap_or("");
    some.iter().any(|it| match it.strip_suffix("/*") {
        Some("*") => kind.contains('/'),
        Some(of) => of == family,
        None => *it == kind,
    })
}

/// A limit as it is published.
#[derive(Serialize)]
#[serde(rename_all = "camelCase", untagged)]
enum Published {
    #[serde(rename_all = "camelCase")]
    Most {
        max: usize,
        unit: &'static str,
    },
    #[serde(rename_all = "camelCase")]
    OneOf {
        one_of: &'static [&'static str],
    },
    #[serde(rename_all = "camelCase")]
    File {
        mime_types: &'static [&'static str],
        max_bytes: u64,
    },
    Carried {
        carried: &'static str,
    },
}

impl From<Limit> for Published {
    fn from(limit: Limit) -> Self {
        match limit {
            Limit::Characters(max) => Published::Most {
                max,
                unit: "characters",
            },
            Limit::Bytes(max) => Published::Most { max, unit: "bytes" },
            Limit::Items(max) => Published::Most { max, unit: "items" },
            Limit::OneOf(one_of) => Published::OneOf { one_of },
            Limit::File {
                mime_types,
                most_bytes,
            } => Published::File {
                mime_types,
                max_bytes: most_bytes,
            },
            Limit::Absent => Published::Carried { carried: "no" },
            Limit::Apart => Published::Carried {
                carried: "asOwnMessage",
            },
        }
    }
}
