//! Reading what providers send as they really send it: numbers as text and the
//! reverse, absent fields, empty strings.

use crate::model::time::Timestamp;
use serde_json::Value;

/// A webhook's body as JSON. What is not quite JSON, for a text in it was cut in the
/// middle of a character, is read with that character replaced: one broken text must
/// not hide what is beside it.
pub fn json(body: &[u8]) -> Option<Value> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    if let Ok(value) = serde_json::from_slice(body) {
        return Some(value);
    }
    let text = String::from_utf8_lossy(body);
    serde_json::from_str(&mend_surrogates(&text)).ok()
}

/// Replaces `\uD800` to `\uDFFF` escapes that are not a pair.
fn mend_surrogates(text: &str) -> String {
    let unit = |text: &str| {
        let digits = text.strip_prefix("\\u")?.get(..4)?;
        u16::from_str_radix(digits, 16).ok()
    };
    let mut mended = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        mended.push_str(before);
        let is_high = unit(escape).is_some_and(|unit| (0xD800..0xDC00).contains(&unit));
        let follows = escape.get(6..).and_then(unit);
        let length = match unit(escape) {
            Some(_) if is_high && follows.is_some_and(|unit| (0xDC00..0xE000).contains(&unit)) => {
                12
            }
            Some(0xD800..=0xDFFF) => {
                mended.push_str("\\uFFFD");
                rest = escape.get(6..).unwrap_or("");
                continue;
            }
            Some(_) => 6,
            // Another escape: the backslash and what it escapes.
            None => 1 + escape.chars().nth(1).map_or(0, char::len_utf8),
        };
        let (whole, after) = escape.split_at_checked(length).unwrap_or((escape, ""));
        mended.push_str(whole);
        rest = after;
    }
    mended.push_str(rest);
    mended
}

/// Text, or a number as its digits; `None` when absent, empty or something else.
pub fn text(value: Option<&Value>) -> Option<String> {
    let text = match value? {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    (!text.is_empty()).then_some(text)
}

/// The digits of a number as people write it.
pub fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// A whole number, also one written as text.
pub fn integer(value: Option<&Value>) -> Option<i64> {
    let value = value?;
    value
        .as_i64()
        .or_else(|| value.as_str()?.trim().parse().ok())
}

/// A number, also one written as text, as JSON writes it.
pub fn number(value: Option<&Value>) -> Option<f64> {
    let value = value?;
    value
        .as_f64()
        .or_else(|| json(value.as_str()?.as_bytes())?.as_f64())
}

/// A moment given as seconds or milliseconds since 1970 (number or text) or as
/// ISO 8601. Zero and below are no moment.
pub fn moment(value: Option<&Value>) -> Option<Timestamp> {
    /// Seconds of the year 5138: above it the unit must be milliseconds.
    const MOST_SECONDS: i64 = 100_000_000_000;
    let value = value?;
    let Some(number) = integer(Some(value)) else {
        return iso(value.as_str()?.trim());
    };
    match number {
        ..=0 => None,
        1..MOST_SECONDS => Some(Timestamp::from_s(number)),
        MOST_SECONDS.. => Some(Timestamp::from_ms(number)),
    }
}

/// ISO 8601, also with an offset without its colon.
fn iso(text: &str) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(text).or_else(|| {
        let (hours, minutes) = text.split_at_checked(text.len().checked_sub(2)?)?;
        Timestamp::parse_rfc3339(&format!("{hours}:{minutes}"))
    })
}

/// The items of an array; none when it is absent or something else.
pub fn items(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

/// What is kept of an object whose fields are the provider's to choose: those that are
/// neither many nor long, and of what is in them the same; of a long text its beginning.
/// `None` where it is no object, or nothing is left.
pub fn kept(value: Option<&Value>) -> Option<Value> {
    let value = value.filter(|value| value.is_object())?;
    within(value, 3, &mut { MOST_KEPT })
}

/// Bytes of JSON that are kept of what one provider tells beside something.
const MOST_KEPT: usize = 20_000;

/// What of a value fits into the room there is, so many levels deep.
fn within(value: &Value, depth: u8, room: &mut usize) -> Option<Value> {
    const MOST: usize = 20;
    const LONGEST_NAME: usize = 64;
    const LONGEST: usize = 1_000;
    let kept = match value {
        Value::Null => return None,
        Value::Object(fields) if depth > 0 => {
            let kept = fields.iter().filter_map(|(name, field)| {
                if name.len() > LONGEST_NAME || field.is_null() {
                    return None;
                }
                *room = room.checked_sub(written(name))?;
                Some((name.clone(), within(field, depth - 1, room)?))
            });
            let kept = crate::model::json::object(kept.take(MOST));
            return (!kept.is_empty()).then_some(Value::Object(kept));
        }
        Value::Array(items) if depth > 0 && written(items) > LONGEST => {
            let kept = items
                .iter()
                .filter_map(|item| within(item, depth - 1, room));
            let kept: Vec<Value> = kept.take(MOST).collect();
            return (!kept.is_empty()).then_some(Value::Array(kept));
        }
        // An address that is cut is none.
        Value::String(text) if written(text) > LONGEST && text.contains(' ') => {
            let end = text.floor_char_boundary(LONGEST - 100);
            Value::from(text.get(..end)?)
        }
        Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => value.clone(),
    };
    let length = written(&kept);
    if length > LONGEST {
        return None;
    }
    *room = room.checked_sub(length)?;
    Some(kept)
}

/// Bytes of a value as JSON.
fn written(value: &(impl serde::Serialize + ?Sized)) -> usize {
    serde_json::to_string(value).map_or(usize::MAX, |json| json.len())
}

/// What a provider tells beside what somebody says, under names of ours: the metadata of a
/// message. `None` where nothing is told.
pub fn metadata<'a>(told: impl IntoIterator<Item = (&'a str, Option<&'a Value>)>) -> Option<Value> {
    let mut room = MOST_KEPT;
    let told = told.into_iter();
    let told = told.filter_map(|(name, value)| {
        let kept = within(value?, 3, &mut room)?;
        Some((name.to_owned(), kept))
    });
    let told = crate::model::json::object(told);
    (!told.is_empty()).then_some(Value::Object(told))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_text_cut_within_a_character_hides_nothing_beside_it() {
        let read =
            super::json(br#"{"a":"x\ud83d","b":"\ud83d\ude00","c":"\\ud83d","d":"\udc00\n"}"#);
        let mended = json!({"a": "x\u{FFFD}", "b": "😀", "c": "\\ud83d", "d": "\u{FFFD}\n"});
        assert_eq!(read, Some(mended));
        assert_eq!(
            super::json(b"{\"a\":\"\xff\"}"),
            Some(json!({"a": "\u{FFFD}"}))
        );
        for broken in [&b"{"[..], b"", b"\\", b"{\"a\":\"\\u"] {
            assert_eq!(super::json(broken), None);
        }
    }

    #[test]
    fn numbers_and_text_stand_in_for_each_other() {
        assert_eq!(text(Some(&json!(17))), Some("17".to_owned()));
        assert_eq!(
            text(Some(&json!(184_719_329_217_930_001_u64))),
            Some("184719329217930001".to_owned())
        );
        assert_eq!(integer(Some(&json!("17"))), Some(17));
        assert_eq!(text(Some(&json!(" "))), None);
        for given in [
            json!(-46.633_309),
            json!("-46.633309"),
            json!(" -46.633309 "),
        ] {
            assert_eq!(number(Some(&given)), Some(-46.633_309));
        }
        for none in [
            json!("NaN"),
            json!("inf"),
            json!("1e400"),
            json!("\"1\""),
            json!("here"),
        ] {
            assert_eq!(number(Some(&none)), None);
        }
    }

    #[test]
    fn what_is_kept_is_bounded_whatever_it_is_made_of() {
        let nested = |depth: usize| {
            let mut value = json!({ "a": 1 });
            for _ in 0..depth {
                let fields = (0..40).map(|at| (format!("{}{at}", "\"".repeat(60)), value.clone()));
                value = Value::Object(fields.collect());
            }
            value
        };
        for value in [nested(1), nested(2), nested(3)] {
            let kept = kept(Some(&value)).map_or(0, |kept| kept.to_string().len());
            assert!((1_000..25_000).contains(&kept), "{kept}");
        }
        let long = "word ".repeat(400);
        let address = format!("https://cdn.example/{}", "a".repeat(1_200));
        let links: Vec<String> = (0..40)
            .map(|at| format!("https://shop.example/{at}/{}", "b".repeat(60)))
            .collect();
        let told = json!({ "quote": long, "url": address, "links": links, "none": null, "inner": { "url": address } });
        let kept = kept(Some(&told)).expect("something");
        let names: Vec<&String> = kept.as_object().expect("an object").keys().collect();
        assert_eq!(names, ["links", "quote"]);
        assert_eq!(kept["links"].as_array().map(Vec::len), Some(20));
        assert_eq!(kept["quote"].as_str().map(str::len), Some(900));
        assert_eq!(super::kept(Some(&json!({ "inner": {} }))), None);
        assert_eq!(super::kept(Some(&json!([1]))), None);
    }

    #[test]
    fn moments_come_as_seconds_milliseconds_and_iso() {
        let at = Some(Timestamp::from_s(1_700_000_000));
        assert_eq!(moment(Some(&json!("1700000000"))), at);
        assert_eq!(moment(Some(&json!(1_700_000_000_000_i64))), at);
        assert_eq!(moment(Some(&json!("2023-11-14T22:13:20Z"))), at);
        assert_eq!(moment(Some(&json!("2023-11-14T23:13:20+0100"))), at);
        assert_eq!(moment(Some(&json!(0))), None);
        for none in ["soon", "é", "", "+", "2023-11-14"] {
            assert_eq!(moment(Some(&json!(none))), None);
        }
    }
}
