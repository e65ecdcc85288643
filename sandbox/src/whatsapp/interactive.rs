//! Messages to press something on.
//!
//! <https://developers.facebook.com/docs/whatsapp/cloud-api/messages/interactive-reply-buttons-messages>

use std::collections::BTreeSet;

use super::content::file;
use super::field::Part;
use super::payment;
use crate::graph::Refusal;
use crate::shown::{Choice, ChoiceSort, Shown};

/// What a type may have above its body, and how it is acted on.
struct Rules {
    headers: &'static [&'static str],
    footer: bool,
    body_characters: usize,
    needs_body: bool,
}

impl Rules {
    fn of(kind: &str) -> Self {
        let headers: &[&str] = match kind {
            "list" | "product_list" => &["text"],
            "location_request_message" | "product" | "catalog_message" | "order_status" => &[],
            _ => &["text", "image", "video", "document"],
        };
        Self {
            headers,
            footer: kind != "location_request_message",
            body_characters: if kind == "list" { 4096 } else { 1024 },
            needs_body: kind != "product",
        }
    }
}

/// Types that are only looked at from outside: their actions need a catalog or a flow.
const OPAQUE: [&str; 4] = ["catalog_message", "flow", "product", "product_list"];
const KINDS: [&str; 6] = [
    "button",
    "cta_url",
    "list",
    "location_request_message",
    payment::DETAILS,
    payment::STATUS,
];

/// Checks a message of type `interactive`. Answers its words and what may be pressed.
pub(super) fn interactive(message: &Part<'_>) -> Result<Shown, Refusal> {
    let part = message.part(
        "interactive",
        &["type", "header", "body", "footer", "action"],
    )?;
    let kind = part.text("type", 64)?;
    if !KINDS.contains(&kind) && !OPAQUE.contains(&kind) {
        return Err(part.invalid("type", "is not a known type."));
    }
    let rules = Rules::of(kind);
    let header = header(&part, rules.headers)?;
    let body = match part.maybe_part("body", &["text"])? {
        Some(body) => Some(body.text("text", rules.body_characters)?),
        None if rules.needs_body => return Err(part.missing("body")),
        None => None,
    };
    let footer = match part.maybe_part("footer", &["text"])? {
        Some(_) if !rules.footer => return Err(part.invalid("footer", "is not allowed here.")),
        Some(footer) => Some(footer.text("text", 60)?),
        None => None,
    };
    if !part.has("action") {
        return Err(part.missing("action"));
    }
    let (said, choices) = match kind {
        "button" => (None, buttons(&part)?),
        "list" => (None, list(&part)?),
        "cta_url" => (None, vec![link(&part)?]),
        "location_request_message" => {
            part.part("action", &["name"])?
                .one_of("name", &["send_location"])?;
            let ask = Choice::new(ChoiceSort::Location, "Send location", "");
            (None, vec![ask])
        }
        payment::DETAILS => payment::details(&part)?,
        payment::STATUS => payment::status(&part)?,
        _ => (None, Vec::new()),
    };
    let lines = [header, body, said.as_deref(), footer];
    Ok(Shown::lines(kind, lines).with(choices))
}

fn header<'a>(part: &Part<'a>, allowed: &[&str]) -> Result<Option<&'a str>, Refusal> {
    let known = ["type", "text", "image", "video", "document"];
    let Some(header) = part.maybe_part("header", &known)? else {
        return Ok(None);
    };
    if allowed.is_empty() {
        return Err(part.invalid("header", "is not allowed here."));
    }
    let kind = header.one_of("type", allowed)?;
    let other = known.iter().find(|name| **name != "type" && **name != kind);
    if let Some(other) = other.filter(|name| header.has(name)) {
        return Err(header.invalid(other, &format!("does not go with a header of type {kind}.")));
    }
    match kind {
        "text" => header.text("text", 60).map(Some),
        "document" => file(&header.part(kind, &["id", "link", "filename"])?).map(Some),
        _ => file(&header.part(kind, &["id", "link"])?).map(Some),
    }
}

fn buttons(part: &Part<'_>) -> Result<Vec<Choice>, Refusal> {
    let action = part.part("action", &["buttons"])?;
    let (mut ids, mut titles) = (BTreeSet::new(), BTreeSet::new());
    let mut choices = Vec::new();
    for button in action.parts("buttons", 3, &["type", "reply"])? {
        button.one_of("type", &["reply"])?;
        let reply = button.part("reply", &["id", "title"])?;
        let (id, title) = (reply.text("id", 256)?, reply.text("title", 20)?);
        if id.trim() != id {
            return Err(reply.invalid("id", "must not begin or end with a space."));
        }
        if !ids.insert(id) {
            return Err(reply.invalid("id", "is there twice."));
        }
        if !titles.insert(title) {
            return Err(reply.invalid("title", "is there twice."));
        }
        choices.push(Choice::new(ChoiceSort::Reply, title, id));
    }
    Ok(choices)
}

fn list(part: &Part<'_>) -> Result<Vec<Choice>, Refusal> {
    let action = part.part("action", &["button", "sections"])?;
    action.text("button", 20)?;
    let sections = action.parts("sections", 10, &["title", "rows"])?;
    let mut ids = BTreeSet::new();
    let mut choices = Vec::new();
    for section in &sections {
        if sections.len() > 1 || section.has("title") {
            section.text("title", 24)?;
        }
        for row in section.parts("rows", 10, &["id", "title", "description"])? {
            let id = row.text("id", 200)?;
            if !ids.insert(id) {
                return Err(row.invalid("id", "is there twice."));
            }
            let mut choice = Choice::new(ChoiceSort::Row, row.text("title", 24)?, id);
            choice.description = row.maybe_text("description", 72)?.map(str::to_owned);
            choices.push(choice);
        }
    }
    if choices.len() > 10 {
        return Err(action.invalid("sections", "has more than 10 rows."));
    }
    Ok(choices)
}

fn link(part: &Part<'_>) -> Result<Choice, Refusal> {
    let action = part.part("action", &["name", "parameters"])?;
    action.one_of("name", &["cta_url"])?;
    let link = action.part("parameters", &["display_text", "url"])?;
    let title = link.text("display_text", 20)?;
    Ok(Choice::new(ChoiceSort::Link, title, link.link("url")?))
}
