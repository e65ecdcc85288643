//! What WhatsApp carries.
//! <https://developers.facebook.com/docs/whatsapp/cloud-api/reference/messages>

use super::super::profile::Limit::{Absent, Apart, Characters, File, Items};
use super::super::profile::{Capability, Limit, Pacing, Profile};
use crate::model::channel::Rate;

const MB: u64 = 1024 * 1024;
const BODY: Limit = Characters(1024);
const CAPTION: Limit = Characters(1024);
const LINE: Limit = Characters(60);
const TITLE: Limit = Characters(20);
const REFERENCE: Limit = Characters(35);
const PLACE: Limit = Characters(1000);

pub static PROFILE: Profile = Profile {
    capabilities: &[
        Capability::new("text", &[("text", Characters(4096))]),
        Capability::new("image", &[("url", IMAGE), ("caption", CAPTION)]),
        Capability::new("video", &[("url", VIDEO), ("caption", CAPTION)]),
        Capability::new("audio", &[("url", AUDIO), ("caption", Apart)]),
        Capability::new(
            "document",
            &[
                ("url", DOCUMENT),
                ("caption", CAPTION),
                ("filename", Characters(240)),
            ],
        ),
        Capability::new(
            "sticker",
            &[("url", STICKER), ("caption", Absent), ("likeHeart", Absent)],
        ),
        Capability::new("location", &[("name", PLACE), ("address", PLACE)]),
        Capability::new("contacts", &[]),
        Capability::new(
            "interactive.buttons",
            &[
                ("header.text", LINE),
                ("body", BODY),
                ("footer", LINE),
                ("buttons", Items(3)),
                ("buttons.title", TITLE),
                ("buttons.sameTitle", Absent),
                ("buttons.id", Characters(256)),
            ],
        ),
        Capability::new(
            "interactive.list",
            &[
                ("header.text", LINE),
                ("header.image", Absent),
                ("header.video", Absent),
                ("header.document", Absent),
                ("body", Characters(4096)),
                ("footer", LINE),
                ("list.button", TITLE),
                ("list.sections", Items(10)),
                ("list.sections.title", Characters(24)),
                ("list.rows", Items(10)),
                ("list.rows.id", Characters(200)),
                ("list.rows.title", Characters(24)),
                ("list.rows.description", Characters(72)),
            ],
        ),
        Capability::new(
            "interactive.ctaUrl",
            &[
                ("header.text", LINE),
                ("body", BODY),
                ("footer", LINE),
                ("ctaUrl.text", TITLE),
            ],
        ),
        Capability::new(
            "interactive.locationRequest",
            &[("header", Absent), ("body", BODY), ("footer", Absent)],
        ),
        Capability::new("template", &[]),
        Capability::new("reaction", &[("emoji", Characters(16))]),
        Capability::new("markSeen", &[]),
        Capability::new("typing", &[("off", Absent)]),
        Capability::new(
            "paymentRequest",
            &[
                ("bodyText", BODY),
                ("referenceId", REFERENCE),
                ("pix.code", Characters(2048)),
                ("pix.merchantName", LINE),
                ("pix.key", Characters(120)),
                ("items.retailerId", Characters(100)),
                ("items.name", LINE),
                ("tax.description", LINE),
            ],
        ),
        Capability::new(
            "orderStatus",
            &[
                ("bodyText", BODY),
                ("referenceId", REFERENCE),
                ("description", Characters(120)),
            ],
        ),
    ],
    replies: true,
    marks_name_a_message: true,
    is_local: false,
    pacing: Pacing {
        // The pair rule: a burst of 45, then one every six seconds.
        chat: Rate::new(6_000_000, 45),
        group: Rate::new(6_000_000, 45),
        chat_throttles: &["131056"],
        ..Pacing::per_second(80)
    },
};

const IMAGE: Limit = File {
    mime_types: &["image/jpeg", "image/png"],
    most_bytes: 5 * MB,
};
const VIDEO: Limit = File {
    mime_types: &["video/mp4", "video/3gpp"],
    most_bytes: 16 * MB,
};
const AUDIO: Limit = File {
    mime_types: &[
        "audio/aac",
        "audio/amr",
        "audio/mpeg",
        "audio/mp4",
        "audio/ogg",
    ],
    most_bytes: 16 * MB,
};
const DOCUMENT: Limit = File {
    mime_types: &["*/*"],
    most_bytes: 100 * MB,
};
const STICKER: Limit = File {
    mime_types: &["image/webp"],
    most_bytes: 500 * 1024,
};
