//! Values of headers that have parameters.
//!
//! <https://www.rfc-editor.org/rfc/rfc9110#name-parameters>

/// A parameter of a header's value, with or without quotes.
pub(crate) fn parameter(value: &str, name: &str) -> Option<String> {
    let mut rest = value;
    loop {
        let (_, parameters) = rest.split_once(';')?;
        let (key, after) = parameters.split_once('=')?;
        let is_wanted = key.trim().eq_ignore_ascii_case(name);
        let Some(quoted) = after.strip_prefix('"') else {
            let plain = after.split(';').next().unwrap_or_default();
            if is_wanted {
                return Some(plain.trim().to_owned());
            }
            rest = after;
            continue;
        };
        let (text, after) = unquoted(quoted);
        if is_wanted {
            return Some(text);
        }
        rest = after;
    }
}

/// A text up to its closing quote, and what follows. A backslash keeps a quote from closing.
fn unquoted(quoted: &str) -> (String, &str) {
    let mut text = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (text, &quoted[at + 1..]),
            '\\' if quoted[at + 1..].starts_with(['"', '\\']) => {
                text.extend(characters.next().map(|(_, escaped)| escaped));
            }
            other => text.push(other),
        }
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_found_with_or_without_quotes() {
        let value = r#"form-data; name=a; Filename="b \"c\"; d=e.png"; d = f"#;

        assert_eq!(parameter(value, "name").as_deref(), Some("a"));
        assert_eq!(
            parameter(value, "filename").as_deref(),
            Some("b \"c\"; d=e.png")
        );
        assert_eq!(parameter(value, "d").as_deref(), Some("f"));
        assert_eq!(parameter(value, "e"), None);
    }
}
