//! Customers who write.

use serde::Deserialize;
use serde_json::Value;

use super::media::{InboundMedia, gather, one_or_more};
use super::{Error, Played, find, once, play, yes};
use crate::account::{Account, digits};
use crate::callback::Callback;
use crate::files;
use crate::media::Given;
use crate::messaging::{Inbox, Pressed};
use crate::phones::{Phone, PhoneMessage, Side};
use crate::shown::{Choice, ChoiceSort, Shown};
use crate::state::{Shared, lock, now};
use crate::twilio::Keyword;
use crate::{messaging, telegram, twilio, whatsapp};

/// A customer's text or file, to be played as the provider would.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inbound {
    /// The account's id, number, username or bot token.
    pub account: String,
    /// The person's number, user id or chat id.
    pub from: String,
    #[serde(default)]
    pub name: Option<String>,
    /// The text, or the title of what was pressed, or the caption of the file.
    #[serde(default)]
    pub text: String,
    /// A file, or for Messenger, Instagram and SMS an array of several.
    #[serde(default, deserialize_with = "one_or_more")]
    pub media: Vec<InboundMedia>,
    /// The payload of the quick reply the person pressed. Messenger and Instagram only.
    #[serde(default)]
    pub quick_reply: Option<String>,
    /// The payload of the button the person pressed. Messenger and Instagram only.
    #[serde(default)]
    pub postback: Option<String>,
    /// The provider's id of the message this one answers.
    #[serde(default)]
    pub reply_to: Option<String>,
    /// The provider's time, Unix seconds. Absent: now.
    #[serde(default)]
    pub timestamp: Option<i64>,
    /// How often the same bytes are posted.
    #[serde(default = "once")]
    pub copies: u32,
    /// `false` only builds the callback.
    #[serde(default = "yes")]
    pub deliver: bool,
    /// Tries again, as the provider does, until the gateway takes it.
    #[serde(default)]
    pub retry: bool,
    /// More of the same, to other accounts of the provider, posted in one body as the first account's. Meta only.
    #[serde(default)]
    pub also: Vec<Inbound>,
}

impl Inbound {
    pub fn new(
        account: impl Into<String>,
        from: impl Into<String>,
        text: impl Into<String>,
    ) -> Self {
        Self {
            account: account.into(),
            from: from.into(),
            name: None,
            text: text.into(),
            media: Vec::new(),
            quick_reply: None,
            postback: None,
            reply_to: None,
            timestamp: None,
            copies: once(),
            deliver: true,
            retry: false,
            also: Vec::new(),
        }
    }

    /// A file instead of a text.
    pub fn media(account: impl Into<String>, from: impl Into<String>, media: InboundMedia) -> Self {
        let mut inbound = Self::new(account, from, "");
        inbound.media.push(media);
        inbound
    }

    async fn deed(&self, shared: &Shared, account: &Account) -> Result<Deed<'_>, Error> {
        let media = gather(shared, account, self).await?;
        if self.text.is_empty() && media.is_empty() {
            return Err(Error::Invalid("there is no text and no media".to_owned()));
        }
        Ok(Deed {
            from: &self.from,
            name: self.name.as_deref(),
            said: Said::of(self, media),
            reply_to: self.reply_to.as_deref(),
            timestamp: self.timestamp,
        })
    }
}

pub(crate) async fn inbound(shared: &Shared, inbound: Inbound) -> Result<Played, Error> {
    let account = find(shared, &inbound.account)?;
    let others = inbound.also.iter().map(|other| {
        let other_account = find(shared, &other.account)?;
        let has_entries = account.app_secret().is_some();
        if has_entries && other_account.provider() == account.provider() {
            Ok((other_account, other))
        } else {
            Err(Error::NotWithThisProvider)
        }
    });
    let others = others.collect::<Result<Vec<_>, _>>()?;
    let (message_id, mut payload) =
        compose(shared, &account, &inbound.deed(shared, &account).await?)?;
    for (account, other) in others {
        let deed = other.deed(shared, &account).await?;
        let (_, mut more) = compose(shared, &account, &deed)?;
        let entries = more["entry"].as_array_mut().map(std::mem::take);
        if let Some(all) = payload["entry"].as_array_mut() {
            all.extend(entries.unwrap_or_default());
        }
    }
    let callback = Callback::new(&account, &payload);
    let copies = if inbound.deliver { inbound.copies } else { 0 };
    let mut played = play(shared, callback, copies, inbound.retry).await;
    played.provider_message_id = Some(message_id);
    Ok(played)
}

/// What a person did, to be told as the provider tells it.
pub(super) struct Deed<'a> {
    pub from: &'a str,
    pub name: Option<&'a str>,
    pub said: Said,
    pub reply_to: Option<&'a str>,
    /// Unix seconds. Absent: now.
    pub timestamp: Option<i64>,
}

pub(super) enum Said {
    Text(String),
    Media {
        files: Vec<Given>,
        caption: Option<String>,
    },
    /// Something on a message the business sent, if it is known on which.
    Pressed {
        choice: Choice,
        on: Option<Box<PhoneMessage>>,
    },
}

impl Said {
    fn of(inbound: &Inbound, files: Vec<Given>) -> Said {
        if !files.is_empty() {
            let mut captions = inbound.media.iter().map(|media| media.caption.clone());
            let caption = captions.find_map(|caption| caption);
            let text = Some(&inbound.text).filter(|text| !text.is_empty());
            let caption = caption.or_else(|| text.cloned());
            return Said::Media { files, caption };
        }
        let payload = |sort, payload: &String| Said::Pressed {
            choice: Choice::new(sort, inbound.text.clone(), payload.clone()),
            on: None,
        };
        match (&inbound.quick_reply, &inbound.postback) {
            (Some(reply), _) => payload(ChoiceSort::QuickReply, reply),
            (None, Some(postback)) => payload(ChoiceSort::Postback, postback),
            (None, None) => Said::Text(inbound.text.clone()),
        }
    }
}

/// Puts what a person did on their phone. Answers its id and the payload that tells of it.
pub(super) fn compose(
    shared: &Shared,
    account: &Account,
    deed: &Deed<'_>,
) -> Result<(String, Value), Error> {
    match account {
        Account::Whatsapp(number) => {
            let person = phone_digits(deed.from)?;
            let message_id = whatsapp::message_id(shared, &person);
            let said = match &deed.said {
                Said::Text(text) => whatsapp::Said::Text(text.clone()),
                Said::Media { files, caption } => {
                    let file = files.first().ok_or(Error::NotWithThisProvider)?;
                    let told = whatsapp::received(shared, number, file, caption.as_deref());
                    let (kind, content) = told.ok_or(Error::NotWithThisProvider)?;
                    whatsapp::Said::Media(kind, content)
                }
                Said::Pressed { choice, .. } => {
                    whatsapp::Said::pressed(choice).ok_or(Error::NotWithThisProvider)?
                }
            };
            let reply_to = deed.reply_to.map(str::to_owned).or(deed.pressed_on());
            let shown = deed.shown(shared, said.kind());
            let name = arrive(shared, account, &person, deed, shown, |_| {
                message_id.clone()
            });
            let message = whatsapp::Inbound {
                message_id: message_id.clone(),
                person,
                name,
                said,
                at: deed.at(),
                reply_to,
            };
            Ok((message_id, whatsapp::inbound(number, &message)))
        }
        Account::Messenger(_) | Account::Instagram(_) => {
            let inbox = Inbox::of(account).ok_or(Error::NotWithThisProvider)?;
            let person = deed.from;
            if person.is_empty() || digits(person) != *person {
                let why = "from must be a user id, which is all digits";
                return Err(Error::Invalid(why.to_owned()));
            }
            let mut attachments = Vec::new();
            let (kind, pressed) = match &deed.said {
                Said::Text(_) => ("text", None),
                Said::Media { files, .. } => {
                    for file in files {
                        let told = messaging::received(shared, &inbox, file);
                        attachments.push(told.ok_or(Error::NotWithThisProvider)?);
                    }
                    ("attachment", None)
                }
                Said::Pressed { choice, .. } if choice.sort == ChoiceSort::QuickReply => {
                    let payload = choice.value.clone();
                    ("quick_reply", Some(Pressed::QuickReply(payload)))
                }
                Said::Pressed { choice, .. } if choice.sort == ChoiceSort::Postback => {
                    ("postback", Some(Pressed::Button(choice.value.clone())))
                }
                Said::Pressed { .. } => return Err(Error::NotWithThisProvider),
            };
            let message_id = messaging::message_id(shared, inbox.platform);
            let shown = deed.shown(shared, kind);
            arrive(shared, account, person, deed, shown, |_| message_id.clone());
            let message = messaging::Inbound {
                message_id: message_id.clone(),
                person: person.to_owned(),
                text: deed.words(),
                attachments,
                pressed,
                at_ms: milliseconds(deed.timestamp),
                reply_to: deed.reply_to.map(str::to_owned),
            };
            Ok((message_id, messaging::inbound(&inbox, &message)))
        }
        Account::Telegram(bot) => {
            let invalid = |_| Error::Invalid("from must be a chat id".to_owned());
            let chat = deed.from.parse::<i64>().map_err(invalid)?;
            let said = match &deed.said {
                Said::Text(text) => telegram::Said::Text(text.clone()),
                Said::Media { files, caption } => {
                    let file = files.first().ok_or(Error::NotWithThisProvider)?;
                    let (kind, fields) = telegram::received(shared, bot, file);
                    // Stickers have none.
                    let caption = caption.clone().filter(|_| kind != "sticker");
                    telegram::Said::Media(kind, fields, caption)
                }
                Said::Pressed { choice, on } => {
                    let on = on.as_ref().map(|message| &message.object);
                    let query = shared.ids.number();
                    telegram::Said::pressed(choice, on, &query, chat)
                        .ok_or(Error::NotWithThisProvider)?
                }
            };
            let mut message_id = 0;
            let shown = deed.shown(shared, said.kind());
            let query = said.query().map(str::to_owned);
            let id = query.clone();
            let name = arrive(shared, account, &chat.to_string(), deed, shown, |phone| {
                id.unwrap_or_else(|| {
                    message_id = phone.next_message_id();
                    message_id.to_string()
                })
            });
            let update = telegram::Inbound {
                update_id: shared.ids.next_update(&bot.username),
                message_id,
                chat,
                name,
                said,
                at: deed.at(),
                reply_to: deed.reply_to.and_then(|id| id.parse().ok()),
            };
            let id = query.unwrap_or_else(|| message_id.to_string());
            Ok((id, telegram::inbound(&update)))
        }
        Account::Sms(number) => {
            let files = match &deed.said {
                Said::Text(_) => &[][..],
                Said::Media { files, .. } => files,
                Said::Pressed { .. } => return Err(Error::NotWithThisProvider),
            };
            let text = deed.words();
            let from = format!("+{}", phone_digits(deed.from)?);
            let message_sid = twilio::message_sid(shared, !files.is_empty());
            let media = files
                .iter()
                .map(|file| twilio::received(shared, number, &message_sid, file));
            let media = media.collect::<Vec<_>>();
            let shown = deed.shown(shared, if media.is_empty() { "text" } else { "media" });
            arrive(shared, account, &from, deed, shown, |_| message_sid.clone());
            match Keyword::of(&text) {
                Some(Keyword::Stop) => opt_out(shared, account, &from, true),
                Some(Keyword::Start) => opt_out(shared, account, &from, false),
                Some(Keyword::Help) | None => {}
            }
            let message = twilio::Inbound {
                message_sid: message_sid.clone(),
                from,
                text,
                media,
            };
            Ok((message_sid, twilio::inbound(number, &message)))
        }
    }
}

impl Deed<'_> {
    fn at(&self) -> i64 {
        self.timestamp.unwrap_or_else(|| now().timestamp())
    }

    /// The text, the caption, or the title of what was pressed.
    fn words(&self) -> String {
        match &self.said {
            Said::Text(text) => text.clone(),
            Said::Media { caption, .. } => caption.clone().unwrap_or_default(),
            Said::Pressed { choice, .. } => choice.title.clone(),
        }
    }

    /// What the phone shows: of a file its name, where it can be seen, and its caption.
    fn shown(&self, shared: &Shared, kind: &str) -> Shown {
        let words = self.words();
        let Said::Media { files, .. } = &self.said else {
            return Shown::new(kind, words);
        };
        let lines = files.iter().flat_map(|given| {
            let url = files::url(&shared.base_url, &given.file);
            [given.filename.clone(), Some(url)]
        });
        let lines: Vec<_> = lines.chain([Some(words)]).collect();
        Shown::lines(kind, lines.iter().map(Option::as_deref))
    }

    fn pressed_on(&self) -> Option<String> {
        match &self.said {
            Said::Text(_) | Said::Media { .. } => None,
            Said::Pressed { on, .. } => on.as_ref().map(|message| message.id.clone()),
        }
    }
}

/// Puts what a person did on their phone. Answers the name the person goes by.
fn arrive(
    shared: &Shared,
    account: &Account,
    person: &str,
    deed: &Deed<'_>,
    shown: Shown,
    message_id: impl FnOnce(&mut Phone) -> String,
) -> String {
    let mut phones = lock(&shared.phones);
    let phone = phones.open(account.provider(), account.key(), person);
    phone.last_inbound = phone.last_inbound.max(Some(deed.at()));
    if let Some(name) = deed.name {
        name.clone_into(&mut phone.name);
    }
    let name = phone.name.clone();
    let message = PhoneMessage::new(message_id(phone), Side::Customer, shown)
        .replying_to(deed.reply_to.map(str::to_owned).or(deed.pressed_on()));
    lock(&shared.received).note(account.key(), &message.id);
    phones.push(account.key(), person, message);
    name
}

pub(super) fn phone_digits(number: &str) -> Result<String, Error> {
    let digits = digits(number);
    if digits.is_empty() {
        return Err(Error::Invalid("from must be a phone number".to_owned()));
    }
    Ok(digits)
}

fn opt_out(shared: &Shared, account: &Account, person: &str, opted_out: bool) {
    let mut phones = lock(&shared.phones);
    let phone = phones.open(account.provider(), account.key(), person);
    phone.opted_out = opted_out;
}

pub(super) fn milliseconds(timestamp: Option<i64>) -> i64 {
    let seconds = timestamp.map(|seconds| seconds.saturating_mul(1000));
    seconds.unwrap_or_else(|| now().timestamp_millis())
}
