//! A vCard: of what a contact of Telegram's has no field for.
//! <https://www.rfc-editor.org/rfc/rfc2426>

use crate::model::content::{ContactCard, ContactEmail, ContactPhone};

/// As many bytes as Telegram takes.
const LARGEST: usize = 2_048;

/// The card; `None` where a number and a name are all there is, or where it is too large.
pub fn of(card: &ContactCard) -> Option<String> {
    let has_more = card.phones.len() > 1 || !card.emails.is_empty() || card.organization.is_some();
    if !has_more {
        return None;
    }
    let name = &card.name;
    let mut lines = vec![
        "BEGIN:VCARD".to_owned(),
        "VERSION:3.0".to_owned(),
        format!(
            "N:{};{};;;",
            escaped(name.last_name.as_deref().unwrap_or("")),
            escaped(name.first_name.as_deref().unwrap_or(&name.formatted_name))
        ),
        format!("FN:{}", escaped(&name.formatted_name)),
    ];
    if let Some(organization) = &card.organization {
        lines.push(format!("ORG:{}", escaped(organization)));
    }
    for phone in &card.phones {
        lines.push(property("TEL", phone.kind.as_deref(), &phone.phone));
    }
    for email in &card.emails {
        lines.push(property("EMAIL", email.kind.as_deref(), &email.email));
    }
    lines.push("END:VCARD".to_owned());
    let text = lines.join("\r\n") + "\r\n";
    (text.len() <= LARGEST).then_some(text)
}

/// What a card says beside a name and a number.
#[derive(Debug, Default, PartialEq)]
pub struct Read {
    pub phones: Vec<ContactPhone>,
    pub emails: Vec<ContactEmail>,
    pub organization: Option<String>,
}

/// Most numbers, and most addresses, that are read of a card.
const MOST: usize = 20;

/// Reads a card as phones write it: a property on each line, those that begin with a space
/// going on with the one before.
pub fn read(card: &str) -> Read {
    let mut read = Read::default();
    let unfolded = card.replace("\r\n", "\n");
    let unfolded = unfolded.replace("\n ", "").replace("\n\t", "");
    for line in unfolded.lines() {
        let Some((head, value)) = line.split_once(':') else {
            continue;
        };
        let mut parts = head.split(';');
        let name = parts.next().unwrap_or("").rsplit('.').next().unwrap_or("");
        let is_company = name.eq_ignore_ascii_case("ORG");
        // A company, and behind it its departments.
        let value = plain(if is_company { first_part(value) } else { value });
        if value.is_empty() {
            continue;
        }
        let kind = parts.flat_map(kinds).find(|kind| is_said(kind));
        match name.to_ascii_uppercase().as_str() {
            "TEL" if read.phones.len() < MOST => {
                let phone = value.strip_prefix("tel:").unwrap_or(&value).to_owned();
                read.phones.push(ContactPhone { phone, kind });
            }
            "EMAIL" if read.emails.len() < MOST => {
                read.emails.push(ContactEmail { email: value, kind });
            }
            "ORG" => read.organization = Some(value),
            _ => {}
        }
    }
    read
}

/// The words of a `TYPE` parameter, in small letters; older cards give the word alone.
fn kinds(parameter: &str) -> Vec<String> {
    let words = match parameter.split_once('=') {
        Some((name, words)) if name.eq_ignore_ascii_case("type") => words,
        Some(_) => return vec![],
        None => parameter,
    };
    let words = words.trim_matches('"').split(',');
    words.map(str::to_ascii_lowercase).collect()
}

/// Whether a type says what a number or an address is for.
fn is_said(kind: &str) -> bool {
    !["", "pref", "voice", "internet"].contains(&kind)
}

/// What stands before the first `;` that is not escaped.
fn first_part(value: &str) -> &str {
    let mut is_escaped = false;
    let end = value.find(|next: char| {
        let is_end = next == ';' && !is_escaped;
        is_escaped = next == '\\' && !is_escaped;
        is_end
    });
    value.get(..end.unwrap_or(value.len())).unwrap_or("")
}

/// A value without its escapes.
fn plain(value: &str) -> String {
    let mut plain = String::with_capacity(value.len());
    let mut chars = value.trim().chars();
    while let Some(next) = chars.next() {
        match next {
            '\\' => match chars.next() {
                Some('n' | 'N') => plain.push('\n'),
                Some(escaped) => plain.push(escaped),
                None => {}
            },
            next => plain.push(next),
        }
    }
    plain
}

/// A line with its type, where that is a word.
fn property(name: &str, kind: Option<&str>, value: &str) -> String {
    let is_word = |kind: &&str| {
        !kind.is_empty()
            && kind
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    match kind.filter(is_word) {
        Some(kind) => format!("{name};TYPE={kind}:{}", escaped(value)),
        None => format!("{name}:{}", escaped(value)),
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | ',' | ';' => escaped.extend(['\\', c]),
            '\n' => escaped.push_str("\\n"),
            '\r' => {}
            c => escaped.push(c),
        }
    }
    escaped
}
