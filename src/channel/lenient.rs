//! Reading what providers send as they really send it: numbers as text and the
//! reverse, absent fields, empty strings.

use crate::model::time::Timestamp;
use serde_json::Value;

/// Text, or a number as its digits; `None` when absent, empty or something else.
pub fn text(value: Option<&Value>) -> Option<String> {
    let text = match value? {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    (!text.is_empty()).then_some(text)
}

/// A whole number, also one written as text.
pub fn integer(value: Option<&Value>) -> Option<i64> {
    let value = value?;
    value
        .as_i64()
        .or_else(|| value.as_str()?.trim().parse().ok())
}

/// A moment given as seconds or milliseconds since 1970 (number or text) or as
/// ISO 8601. Zero and below are no moment.
pub fn moment(value: Option<&Value>) -> Option<Timestamp> {
    /// Seconds of the year 5138: above it the unit must be milliseconds.
    const MOST_SECONDS: i64 = 100_000_000_000;
    let value = value?;
    let Some(number) = integer(Some(value)) else {
        return Timestamp::parse_rfc3339(value.as_str()?.trim());
    };
    match number {
        ..=0 => None,
        1..MOST_SECONDS => Some(Timestamp::from_s(number)),
        MOST_SECONDS.. => Some(Timestamp::from_ms(number)),
    }
}

/// The items of an array; none when it is absent or something else.
pub fn items(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_and_text_stand_in_for_each_other() {
        assert_eq!(text(Some(&json!(17))), Some("17".to_owned()));
        assert_eq!(
            text(Some(&json!(184_719_329_217_930_001_u64))),
            Some("184719329217930001".to_owned())
        );
        assert_eq!(integer(Some(&json!("17"))), Some(17));
        assert_eq!(text(Some(&json!(" "))), None);
    }

    #[test]
    fn moments_come_as_seconds_milliseconds_and_iso() {
        let at = Some(Timestamp::from_s(1_700_000_000));
        assert_eq!(moment(Some(&json!("1700000000"))), at);
        assert_eq!(moment(Some(&json!(1_700_000_000_000_i64))), at);
        assert_eq!(moment(Some(&json!("2023-11-14T22:13:20Z"))), at);
        assert_eq!(moment(Some(&json!(0))), None);
        assert_eq!(moment(Some(&json!("soon"))), None);
    }
}
