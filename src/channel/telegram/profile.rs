//! What Telegram carries, files by their address.
//! <https://core.telegram.org/bots/api#sending-files>

use super::super::profile::Limit::{Absent, Bytes, Characters, File, Items, OneOf};
use super::super::profile::{Capability, Limit, Pacing, Profile};
use crate::model::channel::Rate;

const MB: u64 = 1024 * 1024;
const TEXT: Limit = Characters(4096);
const CAPTION: Limit = Characters(1024);
/// What a button answers with.
const DATA: Limit = Bytes(64);
/// As many as a keyboard holds.
const KEYS: Limit = Items(100);

pub static PROFILE: Profile = Profile {
    capabilities: &[
        Capability::new("text", &[("text", TEXT)]),
        Capability::new("image", &[("url", PHOTO), ("caption", CAPTION)]),
        Capability::new("video", &[("url", VIDEO), ("caption", CAPTION)]),
        Capability::new("audio", &[("url", AUDIO), ("caption", CAPTION)]),
        Capability::new("document", &[("url", DOCUMENT), ("caption", CAPTION)]),
        Capability::new(
            "sticker",
            &[("url", STICKER), ("caption", Absent), ("likeHeart", Absent)],
        ),
        Capability::new("location", &[]),
        // A message each.
        Capability::new("contacts", &[("contacts", Items(20))]),
        Capability::new("interactive.buttons", BUTTONS),
        Capability::new("interactive.urlButtons", BUTTONS),
        // Together with what the rows tell it is one text.
        Capability::new(
            "interactive.list",
            &[
                ("header", Absent),
                ("body", Characters(1400)),
                ("footer", Absent),
                ("list.sections", Items(10)),
                ("list.sections.title", Characters(64)),
                ("list.rows", Items(10)),
                ("list.rows.id", DATA),
                ("list.rows.title", Characters(64)),
                ("list.rows.description", Characters(128)),
            ],
        ),
        Capability::new(
            "interactive.ctaUrl",
            &[("header", Absent), ("body", TEXT), ("footer", Absent)],
        ),
        Capability::new(
            "interactive.locationRequest",
            &[("header", Absent), ("body", TEXT), ("footer", Absent)],
        ),
        // A message each.
        Capability::new(
            "cards",
            &[
                ("cards", Items(10)),
                ("cards.title", Characters(256)),
                ("cards.subtitle", Characters(512)),
                ("cards.imageUrl", PHOTO),
                ("cards.buttons", Items(10)),
                ("cards.buttons.id", DATA),
            ],
        ),
        Capability::new("reaction", &[("emoji", OneOf(REACTIONS))]),
        Capability::new("typing", &[("off", Absent)]),
    ],
    replies: true,
    marks_name_a_message: false,
    is_local: false,
    pacing: Pacing {
        chat: Rate::new(1_000_000, 3),
        // Never more than twenty within a minute.
        group: Rate::new(3_340_000, 3),
        chat_throttles: &["429"],
        ..Pacing::per_second(30)
    },
};

const BUTTONS: &[(&str, Limit)] = &[
    ("header", Absent),
    ("body", TEXT),
    ("footer", Absent),
    ("buttons", KEYS),
    ("buttons.id", DATA),
];

const PHOTO: Limit = File {
    mime_types: &["image/jpeg", "image/png", "image/webp"],
    most_bytes: 5 * MB,
};
const VIDEO: Limit = File {
    mime_types: &["video/mp4"],
    most_bytes: 20 * MB,
};
const AUDIO: Limit = File {
    mime_types: &["audio/mpeg", "audio/mp4", "audio/ogg"],
    most_bytes: 20 * MB,
};
const DOCUMENT: Limit = File {
    mime_types: &["application/pdf", "application/zip", "image/gif"],
    most_bytes: 20 * MB,
};
const STICKER: Limit = File {
    mime_types: &["image/webp"],
    most_bytes: 20 * MB,
};

/// <https://core.telegram.org/bots/api#reactiontypeemoji>, and the heart as keyboards
/// write it.
const REACTIONS: &[&str] = &[
    "❤",
    "❤️",
    "👍",
    "👎",
    "🔥",
    "🥰",
    "👏",
    "😁",
    "🤔",
    "🤯",
    "😱",
    "🤬",
    "😢",
    "🎉",
    "🤩",
    "🤮",
    "💩",
    "🙏",
    "👌",
    "🕊",
    "🤡",
    "🥱",
    "🥴",
    "😍",
    "🐳",
    "❤‍🔥",
    "🌚",
    "🌭",
    "💯",
    "🤣",
    "⚡",
    "🍌",
    "🏆",
    "💔",
    "🤨",
    "😐",
    "🍓",
    "🍾",
    "💋",
    "🖕",
    "😈",
    "😴",
    "😭",
    "🤓",
    "👻",
    "👨‍💻",
    "👀",
    "🎃",
    "🙈",
    "😇",
    "😨",
    "🤝",
    "✍",
    "🤗",
    "🫡",
    "🎅",
    "🎄",
    "☃",
    "💅",
    "🤪",
    "🗿",
    "🆒",
    "💘",
    "🙉",
    "🦄",
    "😘",
    "💊",
    "🙊",
    "😎",
    "👾",
    "🤷‍♂",
    "🤷",
    "🤷‍♀",
    "😡",
];
