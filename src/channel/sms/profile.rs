//! What an SMS carries; with a file it goes as an MMS, where the carrier has that.
//! <https://www.twilio.com/docs/messaging/guides/accepted-mime-types>

use super::super::profile::Limit::{Characters, File};
use super::super::profile::{Capability, Limit, Pacing, Profile};

const TEXT: Limit = Characters(1600);

pub static PROFILE: Profile = Profile {
    capabilities: &[
        Capability::new("text", &[("text", TEXT)]),
        Capability::new("image", &[("url", IMAGE), ("caption", TEXT)]),
        Capability::new("video", &[("url", VIDEO), ("caption", TEXT)]),
        Capability::new("audio", &[("url", AUDIO), ("caption", TEXT)]),
        Capability::new("document", &[("url", DOCUMENT), ("caption", TEXT)]),
    ],
    replies: false,
    marks_name_a_message: false,
    is_local: false,
    // Twilio queues what is too fast for a number, by a rate that only the account knows.
    pacing: Pacing::NONE,
};

const IMAGE: Limit = File {
    mime_types: &["image/jpeg", "image/png", "image/gif"],
    most_bytes: 5 * 1024 * 1024,
};
const VIDEO: Limit = File {
    mime_types: &["video/mp4", "video/3gpp", "video/quicktime"],
    most_bytes: 500 * 1024,
};
const AUDIO: Limit = File {
    mime_types: &["audio/mpeg", "audio/mp4", "audio/ogg", "audio/amr"],
    most_bytes: 500 * 1024,
};
const DOCUMENT: Limit = File {
    mime_types: &["application/pdf", "text/vcard", "text/csv"],
    most_bytes: 500 * 1024,
};
