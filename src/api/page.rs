//! `?limit=` and `&cursor=`, and the page they give.

use super::Call;
use super::reading::number;
use crate::gateway::{Error, Page};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

const DEFAULT_LIMIT: i64 = 20;

/// What a client asked of a list. Cursors are opaque: base64url of ours.
pub struct Paging {
    pub limit: i64,
    pub cursor: Option<String>,
}

impl Paging {
    pub fn of(call: &Call<'_>) -> Result<Self, Error> {
        let limit = number(call, "limit", DEFAULT_LIMIT, 1..=100)?;
        let cursor = match call.query("cursor") {
            None => None,
            Some(text) => Some(
                URL_SAFE_NO_PAD
                    .decode(text)
                    .ok()
                    .and_then(|bytes| String::from_utf8(bytes).ok())
                    .ok_or_else(|| Error::invalid("/cursor", "is not a cursor of this list"))?,
            ),
        };
        Ok(Self { limit, cursor })
    }

    /// The id to go on after, of lists whose cursor is one.
    pub fn after<Id>(&self, parse: impl Fn(&str) -> Option<Id>) -> Result<&str, Error> {
        match self.cursor.as_deref() {
            None => Ok(""),
            Some(cursor) if parse(cursor).is_some() => Ok(cursor),
            Some(_) => Err(Error::invalid("/cursor", "is not a cursor of this list")),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed<T> {
    data: Vec<T>,
    next_cursor: Option<String>,
}

impl<T> From<Page<T>> for Listed<T> {
    fn from(page: Page<T>) -> Self {
        Self {
            data: page.items,
            next_cursor: page.next.map(|cursor| URL_SAFE_NO_PAD.encode(cursor)),
        }
    }
}

impl<T> Listed<T> {
    /// A list that is one page for good.
    pub fn whole(data: Vec<T>) -> Self {
        Self {
            data,
            next_cursor: None,
        }
    }
}
