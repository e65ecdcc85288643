//! What Messenger carries.
//! <https://developers.facebook.com/docs/messenger-platform/reference/send-api>

use super::super::profile::Limit::{Absent, Apart, Characters, File, Items, OneOf};
use super::super::profile::{Capability, Limit, Pacing, Profile};
use super::super::send_api::{CARDS, CTA_URL, LIST, URL_BUTTONS};

const MB: u64 = 1024 * 1024;

pub static PROFILE: Profile = Profile {
    capabilities: &[
        Capability::new("text", &[("text", Characters(2000))]),
        Capability::new("image", &[("url", IMAGE), ("caption", Apart)]),
        Capability::new("video", &[("url", VIDEO), ("caption", Apart)]),
        Capability::new("audio", &[("url", AUDIO), ("caption", Apart)]),
        Capability::new("document", &[("url", DOCUMENT), ("caption", Apart)]),
        Capability::new(
            "interactive.buttons",
            &[
                ("header", Absent),
                ("body", Characters(2000)),
                ("footer", Absent),
                ("buttons", Items(13)),
                ("buttons.title", Characters(20)),
                ("buttons.id", Characters(1000)),
            ],
        ),
        URL_BUTTONS,
        LIST,
        CTA_URL,
        CARDS,
        Capability::new("reaction", &[("emoji", OneOf(REACTIONS))]),
        Capability::new("markSeen", &[]),
        Capability::new("typing", &[]),
    ],
    replies: true,
    marks_name_a_message: false,
    is_local: false,
    pacing: Pacing {
        media_us: 100_000,
        ..Pacing::per_second(300)
    },
};

/// Those that have a name there; see `send_api::reaction_name`.
const REACTIONS: &[&str] = &["❤️", "❤", "😆", "😮", "😢", "😠", "👍", "👎"];

const IMAGE: Limit = File {
    mime_types: &["image/jpeg", "image/png", "image/gif"],
    most_bytes: 8 * MB,
};
const VIDEO: Limit = File {
    mime_types: &["video/*"],
    most_bytes: 25 * MB,
};
const AUDIO: Limit = File {
    mime_types: &["audio/*"],
    most_bytes: 25 * MB,
};
const DOCUMENT: Limit = File {
    mime_types: &["*/*"],
    most_bytes: 25 * MB,
};
