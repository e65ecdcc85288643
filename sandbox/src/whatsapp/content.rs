//! What each type of message must carry, and what the phone shows of it.

use super::field::Part;
use super::interactive::interactive;
use crate::graph::Refusal;
use crate::shown::{Shown, place};

const CAPTION: usize = 1024;

/// Checks the content of a message of any known type but `template`.
pub(super) fn content(message: &Part<'_>, kind: &str) -> Result<Shown, Refusal> {
    match kind {
        "text" => {
            let text = message.part("text", &["body", "preview_url"])?;
            text.maybe_flag("preview_url")?;
            Ok(Shown::new(kind, text.text("body", 4096)?))
        }
        "location" => {
            let location =
                message.part("location", &["latitude", "longitude", "name", "address"])?;
            let latitude = location.degrees("latitude", 90.0)?;
            let longitude = location.degrees("longitude", 180.0)?;
            let name = location.maybe_text("name", 1000)?;
            let address = location.maybe_text("address", 1000)?;
            Ok(Shown::new(kind, place(name, address, latitude, longitude)))
        }
        "contacts" => contacts(message),
        "reaction" => {
            let reaction = message.part("reaction", &["message_id", "emoji"])?;
            let id = reaction.text("message_id", 512)?;
            if !id.starts_with("wamid.") {
                return Err(reaction.invalid("message_id", "is not a message id."));
            }
            let emoji = reaction
                .get("emoji")
                .ok_or_else(|| reaction.missing("emoji"))?;
            match emoji.as_str().filter(|emoji| is_emoji(emoji)) {
                Some(emoji) => Ok(Shown::new(kind, emoji)),
                None => Err(reaction.invalid("emoji", "must be one emoji, or an empty string.")),
            }
        }
        "interactive" => interactive(message),
        // One of the kinds of media.
        _ => {
            let known: &[&str] = match kind {
                "audio" => &["id", "link", "voice"],
                "document" => &["id", "link", "caption", "filename"],
                "sticker" => &["id", "link"],
                _ => &["id", "link", "caption"],
            };
            let media = message.part(kind, known)?;
            let source = file(&media)?;
            media.maybe_flag("voice")?;
            let name = media.maybe_text("filename", 240)?;
            let caption = media.maybe_text("caption", CAPTION)?;
            Ok(Shown::lines(kind, [name, Some(source), caption]))
        }
    }
}

/// A file by id or by link, but not by both.
pub(super) fn file<'a>(media: &Part<'a>) -> Result<&'a str, Refusal> {
    match (media.has("id"), media.has("link")) {
        (false, false) => Err(media.missing("id")),
        (true, true) => Err(media.invalid("link", "must not be there beside id.")),
        (false, true) => media.link("link"),
        (true, false) => {
            let id = media.text("id", 512)?;
            if id.bytes().all(|byte| byte.is_ascii_digit()) {
                Ok(id)
            } else {
                Err(media.invalid("id", "is not a valid whatsapp business account media id."))
            }
        }
    }
}

/// Nothing, which takes a reaction back, or one emoji with what modifies it.
fn is_emoji(text: &str) -> bool {
    let is_keycap = text.ends_with('\u{20e3}');
    let is_plain = |c: char| c.is_ascii() || c.is_alphanumeric() || c.is_whitespace();
    text.chars().count() <= 16 && (is_keycap || !text.chars().any(is_plain))
}

fn contacts(message: &Part<'_>) -> Result<Shown, Refusal> {
    let cards = message.parts(
        "contacts",
        257,
        &[
            "addresses",
            "birthday",
            "emails",
            "name",
            "org",
            "phones",
            "urls",
        ],
    )?;
    let cards = cards.iter().map(contact).collect::<Result<Vec<_>, _>>()?;
    Ok(Shown::new("contacts", cards.join("\n")))
}

fn contact(card: &Part<'_>) -> Result<String, Refusal> {
    const NAMES: [&str; 5] = ["first_name", "last_name", "middle_name", "suffix", "prefix"];
    let name = card.part("name", &[&["formatted_name"], &NAMES[..]].concat())?;
    let formatted = name.text("formatted_name", 1024)?;
    for part in NAMES {
        name.maybe_text(part, 1024)?;
    }
    if !NAMES.iter().any(|part| name.has(part)) {
        return Err(name.missing("first_name"));
    }
    if let Some(birthday) = card.maybe_text("birthday", 10)?
        && chrono::NaiveDate::parse_from_str(birthday, "%Y-%m-%d").is_err()
    {
        return Err(card.invalid("birthday", "must be written as YYYY-MM-DD."));
    }
    if let Some(org) = card.maybe_part("org", &["company", "department", "title"])? {
        texts(&org, &["company", "department", "title"])?;
    }
    let lists: [(&str, &[&str]); 3] = [
        ("emails", &["email", "type"]),
        ("urls", &["url", "type"]),
        (
            "addresses",
            &[
                "street",
                "city",
                "state",
                "zip",
                "country",
                "country_code",
                "type",
            ],
        ),
    ];
    for (name, fields) in lists {
        for item in card.maybe_parts(name, 257, fields)? {
            texts(&item, fields)?;
        }
    }
    let mut shown = vec![formatted];
    let fields = ["phone", "type", "wa_id"];
    for phone in card.maybe_parts("phones", 257, &fields)? {
        texts(&phone, &fields)?;
        shown.extend(phone.maybe_text("phone", 1024)?);
    }
    Ok(shown.join(", "))
}

fn texts(part: &Part<'_>, names: &[&str]) -> Result<(), Refusal> {
    names
        .iter()
        .try_for_each(|name| part.maybe_text(name, 1024).map(|_| ()))
}
