//! Moments and spans, in whole milliseconds. The clock itself is a port.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub const SECOND_MS: i64 = 1_000;
pub const MINUTE_MS: i64 = 60 * SECOND_MS;
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// A moment: Unix time in milliseconds. Stored as an integer, shown to clients
/// as RFC 3339 in UTC with milliseconds and `Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// 9999-12-31T23:59:59.999Z: the last moment RFC 3339 can spell.
const LAST_MS: i64 = 253_402_300_799_999;

impl Timestamp {
    /// A moment from Unix milliseconds, held within years 1970 to 9999.
    #[must_use]
    pub fn from_ms(ms: i64) -> Self {
        Self(ms.clamp(0, LAST_MS))
    }

    #[must_use]
    pub fn from_s(seconds: i64) -> Self {
        Self::from_ms(seconds.saturating_mul(SECOND_MS))
    }

    #[must_use]
    pub fn ms(self) -> i64 {
        self.0
    }

    /// Whole seconds, as signatures carry them.
    #[must_use]
    pub fn s(self) -> i64 {
        self.0 / SECOND_MS
    }

    #[must_use]
    pub fn plus_ms(self, ms: i64) -> Self {
        Self::from_ms(self.0.saturating_add(ms))
    }

    /// Whole seconds until a moment in milliseconds, rounded up; 0 when it is past.
    #[must_use]
    pub fn seconds_until(self, ms: i64) -> u32 {
        let left = ms.saturating_sub(self.0).max(0);
        u32::try_from(left.saturating_add(SECOND_MS - 1) / SECOND_MS).unwrap_or(u32::MAX)
    }

    /// RFC 3339 in UTC, such as `2026-11-20T08:00:00.000Z`.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        DateTime::<Utc>::from_timestamp_millis(self.0)
            .unwrap_or(DateTime::<Utc>::UNIX_EPOCH)
            .to_rfc3339_opts(SecondsFormat::Millis, true)
    }

    /// Reads RFC 3339 with any offset; `None` when it is not.
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let at = DateTime::parse_from_rfc3339(text).ok()?.timestamp_millis();
        (0..=LAST_MS).contains(&at).then_some(Self(at))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_rfc3339())
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse_rfc3339(&text).ok_or_else(|| {
            serde::de::Error::custom("must be an RFC 3339 time such as 2026-11-20T08:00:00Z")
        })
    }
}

/// Serde for a column of Unix milliseconds.
pub mod column {
    use super::Timestamp;
    use serde::{Deserialize, Deserializer};

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        i64::deserialize(deserializer).map(Timestamp::from_ms)
    }

    /// The same for a column that may be NULL.
    pub mod option {
        use super::Timestamp;
        use serde::{Deserialize, Deserializer};

        pub fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<Timestamp>, D::Error> {
            Ok(Option::<i64>::deserialize(deserializer)?.map(Timestamp::from_ms))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_reads_back_what_it_writes() {
        let at = Timestamp::from_ms(1_795_000_000_123);
        assert_eq!(at.to_rfc3339(), "2026-11-18T11:06:40.123Z");
        assert_eq!(Timestamp::parse_rfc3339(&at.to_rfc3339()), Some(at));
    }

    #[test]
    fn an_offset_is_understood_and_a_date_alone_is_not() {
        let at = Timestamp::parse_rfc3339("2026-11-18T12:06:40.123+01:00");
        assert_eq!(at, Some(Timestamp::from_ms(1_795_000_000_123)));
        assert_eq!(Timestamp::parse_rfc3339("2026-11-18"), None);
    }

    #[test]
    fn moments_outside_the_calendar_are_held_at_its_ends() {
        assert_eq!(
            Timestamp::from_s(i64::MAX).to_rfc3339(),
            "9999-12-31T23:59:59.999Z"
        );
        assert_eq!(Timestamp::from_ms(-5).ms(), 0);
    }
}
