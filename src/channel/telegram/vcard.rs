//! A vCard of what `sendContact` has no field for. <https://www.rfc-editor.org/rfc/rfc2426>

use crate::model::content::ContactCard;

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
