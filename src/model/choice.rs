//! Choices that were numbered in a text, and the texts that choose among them.

use super::content::{Content, Reply};
use serde_json::{Value, json};

/// Characters of the longest text that is taken for an answer.
const LONGEST: usize = 256;
/// Digits of the longest number that is.
const LONGEST_NUMBER: usize = 3;

/// What a text says as an answer, so that two that mean the same are the same: a number
/// without the dot behind it, or the words in lower case. `None` where it is too long.
#[must_use]
pub fn said(text: &str) -> Option<String> {
    let text = text.trim();
    if text.is_empty() || text.chars().nth(LONGEST).is_some() {
        return None;
    }
    let bare = text.strip_suffix('.').unwrap_or(text);
    if number(bare).is_some() {
        return Some(bare.to_owned());
    }
    Some(text.to_lowercase())
}

/// The same of a content: only a text answers.
#[must_use]
pub fn said_by(content: &Content) -> Option<String> {
    if let Content::Text(text) = content {
        said(&text.text)
    } else {
        None
    }
}

/// Choices as a message keeps them. A title that is another's too, or another's number,
/// chooses nothing.
#[must_use]
pub fn stored(choices: &[Reply]) -> Value {
    let titles: Vec<Option<String>> = choices.iter().map(|it| said(&it.title)).collect();
    let is_number = |said: &str| number(said).is_some_and(|at| at <= choices.len());
    choices
        .iter()
        .zip(&titles)
        .map(|(reply, title)| {
            let others = titles.iter().filter(|other| *other == title).count();
            let title = title.as_deref();
            let title = title.filter(|said| others == 1 && !is_number(said));
            json!({ "said": title, "reply": Content::Reply(reply.clone()) })
        })
        .collect()
}

/// A number as it stands before a choice: from 1, without zeros before it.
fn number(text: &str) -> Option<usize> {
    let is_one = text.len() <= LONGEST_NUMBER
        && !text.starts_with('0')
        && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_one { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_said_with_or_without_its_dot_and_words_in_any_case() {
        for text in ["2", "2.", " 2 ", "\n2.\t"] {
            assert_eq!(said(text).as_deref(), Some("2"), "{text:?}");
        }
        for (text, expected) in [
            (" YES ", "yes"),
            ("ÇA VA", "ça va"),
            ("2.5", "2.5"),
            ("02", "02"),
            ("2..", "2.."),
            (".", "."),
            ("1234.", "1234."),
        ] {
            assert_eq!(said(text).as_deref(), Some(expected), "{text:?}");
        }
        assert_eq!(said(" \n"), None);
        assert_eq!(said(&"x".repeat(257)), None);
    }

    #[test]
    fn a_title_that_does_not_tell_a_choice_from_another_chooses_nothing() {
        let reply = |title: &str| Reply {
            id: title.to_owned(),
            title: title.to_owned(),
            description: None,
        };
        let titles = ["Buy", "buy ", "1", "9", "No"];
        let stored = stored(&titles.map(reply));
        let said: Vec<&Value> = (0..titles.len()).map(|at| &stored[at]["said"]).collect();
        assert_eq!(
            said,
            [
                &Value::Null,
                &Value::Null,
                &Value::Null,
                &json!("9"),
                &json!("no")
            ]
        );
        assert_eq!(
            stored[4]["reply"],
            json!({ "type": "reply", "id": "No", "title": "No" })
        );
    }
}
