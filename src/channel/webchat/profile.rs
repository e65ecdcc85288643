//! What a web chat carries: all that a page can show. The page fetches files itself.

use super::super::profile::Limit::{Absent, Characters, Items};
use super::super::profile::{Capability, Limit, Pacing, Profile};

const TEXT: Limit = Characters(4096);
const CAPTION: Limit = Characters(4096);
const TITLE: Limit = Characters(80);
const ID: Limit = Characters(256);

pub static PROFILE: Profile = Profile {
    capabilities: &[
        Capability::new("text", &[("text", TEXT)]),
        Capability::new("image", &[("caption", CAPTION)]),
        Capability::new("video", &[("caption", CAPTION)]),
        Capability::new("audio", &[("caption", CAPTION)]),
        Capability::new("document", &[("caption", CAPTION)]),
        Capability::new("sticker", &[("caption", Absent), ("likeHeart", Absent)]),
        Capability::new("location", &[]),
        Capability::new("contacts", &[("contacts", Items(20))]),
        Capability::new("interactive.buttons", BUTTONS),
        Capability::new("interactive.urlButtons", BUTTONS),
        Capability::new(
            "interactive.list",
            &[
                ("header.text", TITLE),
                ("body", TEXT),
                ("footer", TITLE),
                ("list.button", TITLE),
                ("list.sections", Items(10)),
                ("list.sections.title", TITLE),
                ("list.rows", Items(50)),
                ("list.rows.id", ID),
                ("list.rows.title", TITLE),
                ("list.rows.description", Characters(256)),
            ],
        ),
        Capability::new(
            "interactive.ctaUrl",
            &[
                ("header.text", TITLE),
                ("body", TEXT),
                ("footer", TITLE),
                ("ctaUrl.text", TITLE),
            ],
        ),
        Capability::new(
            "interactive.locationRequest",
            &[("header.text", TITLE), ("body", TEXT), ("footer", TITLE)],
        ),
        Capability::new(
            "cards",
            &[
                ("cards", Items(10)),
                ("cards.title", TITLE),
                ("cards.subtitle", Characters(256)),
                ("cards.buttons", Items(5)),
                ("cards.buttons.title", TITLE),
                ("cards.buttons.id", ID),
            ],
        ),
        Capability::new("reaction", &[("emoji", Characters(16))]),
        Capability::new("markSeen", &[]),
        Capability::new("typing", &[]),
    ],
    replies: true,
    marks_name_a_message: false,
    is_local: true,
    pacing: Pacing::NONE,
};

const BUTTONS: &[(&str, Limit)] = &[
    ("header.text", TITLE),
    ("body", TEXT),
    ("footer", TITLE),
    ("buttons", Items(20)),
    ("buttons.title", TITLE),
    ("buttons.id", ID),
];
