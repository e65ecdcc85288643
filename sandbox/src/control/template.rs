//! Meta's review of a message template.

use serde::Deserialize;

use super::{Error, Played, play, yes};
use crate::account::Account;
use crate::callback::Callback;
use crate::state::Shared;
use crate::whatsapp;

/// What a template becomes, to be told to the business account's webhook.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TemplateStatus {
    pub name: String,
    pub language: String,
    /// `APPROVED`, `REJECTED`, `PAUSED`, `DISABLED` or another of Meta's. `DELETED` takes it off the list.
    pub status: String,
    /// Absent: `INVALID_FORMAT` for a rejection, else `NONE`.
    #[serde(default)]
    pub reason: Option<String>,
    #[serde(default = "yes")]
    pub deliver: bool,
    #[serde(default)]
    pub retry: bool,
}

impl TemplateStatus {
    pub fn new(
        name: impl Into<String>,
        language: impl Into<String>,
        status: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            language: language.into(),
            status: status.into(),
            reason: None,
            deliver: true,
            retry: false,
        }
    }
}

pub(crate) async fn template_status(
    shared: &Shared,
    waba_id: &str,
    update: TemplateStatus,
) -> Result<Played, Error> {
    const STATUSES: [&str; 10] = [
        "APPROVED",
        "ARCHIVED",
        "DELETED",
        "DISABLED",
        "IN_APPEAL",
        "LIMIT_EXCEEDED",
        "PAUSED",
        "PENDING",
        "PENDING_DELETION",
        "REJECTED",
    ];
    let account = shared.accounts.number_of(waba_id);
    let account = account.ok_or_else(|| Error::UnknownAccount(waba_id.to_owned()))?;
    let Account::Whatsapp(number) = &*account else {
        return Err(Error::UnknownAccount(waba_id.to_owned()));
    };
    if !STATUSES.contains(&update.status.as_str()) {
        let why = format!("status must be one of {}", STATUSES.join(", "));
        return Err(Error::Invalid(why));
    }
    let otherwise = match update.status.as_str() {
        "REJECTED" => "INVALID_FORMAT",
        _ => "NONE",
    };
    let reason = update.reason.as_deref().unwrap_or(otherwise);
    let template = shared
        .templates
        .review(
            waba_id,
            &update.name,
            &update.language,
            &update.status,
            reason,
        )
        .ok_or(Error::UnknownTemplate)?;
    let payload = whatsapp::template_status(number, &template, &update.status, reason)
        .ok_or_else(|| Error::Invalid("the template's id must be a number".to_owned()))?;
    let callback = Callback::new(&account, &payload);
    Ok(play(shared, callback, u32::from(update.deliver), update.retry).await)
}
