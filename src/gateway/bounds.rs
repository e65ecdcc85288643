//! Cuts what a row could not hold.

use crate::channel::{Changed, Inbound, InboundMessage};
use crate::model::content::Content;

/// Longer than any id a provider gives.
pub(super) const LONGEST_ID: usize = 512;
/// Longer than any text a provider lets a customer write.
const LONGEST_TEXT: usize = 65_536;

/// Cuts what a row could not hold, so that one absurd value cannot make the whole
/// webhook fail for ever.
pub(super) fn bounded(item: Inbound) -> Inbound {
    let is_long = |id: &String| id.len() > LONGEST_ID;
    match item {
        Inbound::Message(message) => match bounded_message(message) {
            Some(message) => Inbound::Message(message),
            None => Inbound::Ignored("message with an id too long to be one".to_owned()),
        },
        Inbound::Echo(message) => match bounded_message(message) {
            Some(message) => Inbound::Echo(message),
            None => Inbound::Ignored("echo with an id too long to be one".to_owned()),
        },
        Inbound::Status(report) if is_long(&report.provider_message_id) => {
            Inbound::Ignored("status with an id too long to be one".to_owned())
        }
        Inbound::Status(report) => Inbound::Status(report),
        Inbound::Watermark(watermark) if is_long(&watermark.address.0) => {
            Inbound::Ignored("watermark of an id too long to be one".to_owned())
        }
        Inbound::Watermark(watermark) => Inbound::Watermark(watermark),
        Inbound::Consent(consent) if is_long(&consent.address.0) => {
            Inbound::Ignored("consent of an id too long to be one".to_owned())
        }
        Inbound::Consent(consent) => Inbound::Consent(consent),
        Inbound::NumberChange(mut change) => {
            change.known_as.retain(|id| !is_long(id));
            if is_long(&change.number) {
                return Inbound::Ignored("number too long to be one".to_owned());
            }
            Inbound::NumberChange(change)
        }
        Inbound::Change(mut change) => {
            if is_long(&change.provider_message_id) || is_long(&change.key) {
                return Inbound::Ignored("change of an id too long to be one".to_owned());
            }
            match &mut change.what {
                Changed::Edited(content) => bound(content),
                Changed::Reaction(emoji) => cut(emoji, 100),
                Changed::Deleted => {}
            }
            Inbound::Change(change)
        }
        Inbound::Notice(mut notice) => {
            if [&notice.account, &notice.number]
                .into_iter()
                .flatten()
                .any(is_long)
            {
                return Inbound::Ignored("notice of an id too long to be one".to_owned());
            }
            cut(&mut notice.code, 100);
            Inbound::Notice(notice)
        }
        Inbound::Handover(handover) if is_long(&handover.person.address.0) => {
            Inbound::Ignored("handover of an id too long to be one".to_owned())
        }
        Inbound::Handover(handover) => Inbound::Handover(handover),
        // No word of it is longer than a row holds.
        Inbound::Template(report) => Inbound::Template(report),
        Inbound::Ignored(what) => Inbound::Ignored(what),
    }
}

fn bounded_message(mut message: InboundMessage) -> Option<InboundMessage> {
    let is_long = |id: &String| id.len() > LONGEST_ID;
    let from = &mut message.from;
    from.identities.retain(|identity| !is_long(&identity.value));
    if is_long(&message.provider_message_id) || is_long(&from.address.0) {
        return None;
    }
    message.reply_to = message.reply_to.filter(|id| !is_long(id));
    bound(&mut message.content);
    Some(message)
}

/// Cuts the words of a content to what a row holds.
fn bound(content: &mut Content) {
    if let Content::Text(text) = content {
        cut(&mut text.text, LONGEST_TEXT);
    } else if let Content::Unsupported(what) = content {
        cut(&mut what.provider_type, 100);
    } else if let Some(media) = content.media_mut() {
        for text in [
            &mut media.caption,
            &mut media.filename,
            &mut media.mime_type,
            &mut media.sha256,
        ]
        .into_iter()
        .flatten()
        {
            cut(text, LONGEST_TEXT);
        }
    }
}

/// Shortens a text to a number of characters.
fn cut(text: &mut String, most: usize) {
    if let Some((at, _)) = text.char_indices().nth(most) {
        text.truncate(at);
    }
}

/// A profile name, cut to what a list can show.
pub(super) fn shown_name(name: &str) -> String {
    name.chars().take(200).collect()
}
