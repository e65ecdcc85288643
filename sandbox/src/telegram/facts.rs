//! Which parameters each method has, and of what type.
//!
//! Telegram passes over a parameter it does not know; here it is refused, since it is somebody's mistake.
//!
//! <https://core.telegram.org/bots/api#available-methods>

/// The type of a parameter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Text,
    Integer,
    Float,
    Flag,
    Object,
    Array,
    /// A file's id, its address, or the file itself in a form.
    File,
    /// A chat's id or its `@name`.
    Chat,
}

use Kind::{Array, Chat, File, Flag, Float, Integer, Object, Text};

type Facts = &'static [(&'static str, Kind)];

const SEND: Facts = &[
    ("business_connection_id", Text),
    ("chat_id", Chat),
    ("message_thread_id", Integer),
    ("direct_messages_topic_id", Integer),
    ("disable_notification", Flag),
    ("protect_content", Flag),
    ("allow_paid_broadcast", Flag),
    ("message_effect_id", Text),
    ("suggested_post_parameters", Object),
    ("reply_parameters", Object),
    ("reply_markup", Object),
];
const CAPTION: Facts = &[
    ("caption", Text),
    ("parse_mode", Text),
    ("caption_entities", Array),
];
const PLACE: Facts = &[("latitude", Float), ("longitude", Float)];

/// The parameters of a method that sends a message of a kind.
pub(super) fn of_send(kind: &str) -> Vec<Facts> {
    let own: &[Facts] = match kind {
        "text" => &[&[
            ("text", Text),
            ("parse_mode", Text),
            ("entities", Array),
            ("link_preview_options", Object),
        ]],
        "photo" => &[
            CAPTION,
            &[
                ("photo", File),
                ("show_caption_above_media", Flag),
                ("has_spoiler", Flag),
            ],
        ],
        "video" => &[
            CAPTION,
            &[
                ("video", File),
                ("duration", Integer),
                ("width", Integer),
                ("height", Integer),
                ("thumbnail", File),
                ("cover", File),
                ("start_timestamp", Integer),
                ("show_caption_above_media", Flag),
                ("has_spoiler", Flag),
                ("supports_streaming", Flag),
            ],
        ],
        "audio" => &[
            CAPTION,
            &[
                ("audio", File),
                ("duration", Integer),
                ("performer", Text),
                ("title", Text),
                ("thumbnail", File),
            ],
        ],
        "voice" => &[CAPTION, &[("voice", File), ("duration", Integer)]],
        "document" => &[
            CAPTION,
            &[
                ("document", File),
                ("thumbnail", File),
                ("disable_content_type_detection", Flag),
            ],
        ],
        "animation" => &[
            CAPTION,
            &[
                ("animation", File),
                ("duration", Integer),
                ("width", Integer),
                ("height", Integer),
                ("thumbnail", File),
                ("show_caption_above_media", Flag),
                ("has_spoiler", Flag),
            ],
        ],
        "sticker" => &[&[("sticker", File), ("emoji", Text)]],
        "location" => &[
            PLACE,
            &[
                ("horizontal_accuracy", Float),
                ("live_period", Integer),
                ("heading", Integer),
                ("proximity_alert_radius", Integer),
            ],
        ],
        "venue" => &[
            PLACE,
            &[
                ("title", Text),
                ("address", Text),
                ("foursquare_id", Text),
                ("foursquare_type", Text),
                ("google_place_id", Text),
                ("google_place_type", Text),
            ],
        ],
        _ => &[&[
            ("phone_number", Text),
            ("first_name", Text),
            ("last_name", Text),
            ("vcard", Text),
        ]],
    };
    [&[SEND], own].concat()
}

pub(super) const SET_WEBHOOK: Facts = &[
    ("url", Text),
    ("certificate", File),
    ("ip_address", Text),
    ("max_connections", Integer),
    ("allowed_updates", Array),
    ("drop_pending_updates", Flag),
    ("secret_token", Text),
];
pub(super) const DELETE_WEBHOOK: Facts = &[("drop_pending_updates", Flag)];
pub(super) const GET_FILE: Facts = &[("file_id", Text)];
pub(super) const SEND_CHAT_ACTION: Facts = &[
    ("business_connection_id", Text),
    ("chat_id", Chat),
    ("message_thread_id", Integer),
    ("action", Text),
];
pub(super) const SET_MESSAGE_REACTION: Facts = &[
    ("chat_id", Chat),
    ("message_id", Integer),
    ("reaction", Array),
    ("is_big", Flag),
];
pub(super) const ANSWER_CALLBACK_QUERY: Facts = &[
    ("callback_query_id", Text),
    ("text", Text),
    ("show_alert", Flag),
    ("url", Text),
    ("cache_time", Integer),
];

/// What `sendChatAction` may show.
pub(super) const ACTIONS: [&str; 11] = [
    "typing",
    "upload_photo",
    "record_video",
    "upload_video",
    "record_voice",
    "upload_voice",
    "upload_document",
    "choose_sticker",
    "find_location",
    "record_video_note",
    "upload_video_note",
];

/// <https://core.telegram.org/bots/api#reactiontypeemoji>
pub(super) const REACTIONS: &str = "❤ 👍 👎 🔥 🥰 👏 😁 🤔 🤯 😱 🤬 😢 🎉 🤩 🤮 💩 🙏 👌 🕊 🤡 🥱 🥴 😍 🐳 \
    ❤\u{200d}🔥 🌚 🌭 💯 🤣 ⚡ 🍌 🏆 💔 🤨 😐 🍓 🍾 💋 🖕 😈 😴 😭 🤓 👻 👨\u{200d}💻 👀 🎃 🙈 😇 😨 🤝 ✍ 🤗 \
    🫡 🎅 🎄 ☃ 💅 🤪 🗿 🆒 💘 🙉 🦄 😘 💊 🙊 😎 👾 🤷\u{200d}♂ 🤷 🤷\u{200d}♀ 😡";
