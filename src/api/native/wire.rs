//! The native surface's JSON, as clients write it.

use super::content::content;
use crate::channel::Invalid;
use crate::gateway::{
    ChannelPatch, ConnectChannel, ConversationPatch, Error, IssuedKey as Issued, NewApiKey,
    NewSubscriber, Send, is_credential,
};
use crate::model::access::{Environment, Scope};
use crate::model::channel::{ChannelKind, ChannelStatus, Credentials, OnUnknownOutcome, Settings};
use crate::model::conversation::{ConversationStatus, Mode};
use crate::model::event::{EventType, NOT_EMITTED};
use crate::model::id::{ChannelId, KeyId, MessageId};
use crate::model::message::Actor;
use crate::model::time::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Reads a JSON value as `T`; an error points at the field, below `base`.
pub fn read<T: DeserializeOwned>(json: Value, base: &str) -> Result<T, Error> {
    if !json.is_object() {
        return Err(Error::invalid(base, "must be an object"));
    }
    serde_path_to_error::deserialize(json).map_err(|error| {
        let mut pointer = base.to_owned();
        for segment in error.path() {
            use serde_path_to_error::Segment;
            match segment {
                Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
                Segment::Map { key } => {
                    pointer.push('/');
                    pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
                }
                Segment::Enum { .. } | Segment::Unknown => {}
            }
        }
        let message = error.inner().to_string();
        if let Some(field) = message
            .strip_prefix("missing field `")
            .and_then(|rest| rest.strip_suffix('`'))
        {
            return Error::invalid(format!("{pointer}/{field}"), "is required");
        }
        Error::invalid(pointer, message)
    })
}

/// A name people read: 1 to 200 characters, none of them control characters.
#[derive(Debug)]
pub struct Name(String);

impl Name {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let name = text.trim();
        let is_readable = !name.chars().any(char::is_control);
        if is_readable && (1..=200).contains(&name.chars().count()) {
            Ok(Name(name.to_owned()))
        } else {
            Err(serde::de::Error::custom(
                "must be 1 to 200 readable characters",
            ))
        }
    }
}

/// A value by its wire name, which is text and nothing else.
pub struct Named<T>(T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        serde_json::from_value(Value::from(name))
            .map(Named)
            .map_err(serde::de::Error::custom)
    }
}

#[derive(Deserialize)]
pub struct NewWorkspace {
    pub name: Name,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewKey {
    name: Name,
    scopes: Option<Vec<Named<Scope>>>,
    environment: Option<Named<Environment>>,
    expires_at: Option<Timestamp>,
}

impl From<NewKey> for NewApiKey {
    fn from(new: NewKey) -> Self {
        let mut scopes = Vec::new();
        for scope in new.scopes.map_or(Scope::ALL.to_vec(), |given| {
            given.into_iter().map(|scope| scope.0).collect()
        }) {
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        Self {
            name: new.name.0,
            scopes,
            environment: new.environment.map(|named| named.0).unwrap_or_default(),
            expires_at: new.expires_at,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IssuedKey {
    id: KeyId,
    name: String,
    prefix: String,
    scopes: Vec<Scope>,
    environment: Environment,
    key: String,
    expires_at: Option<Timestamp>,
    created_at: Timestamp,
}

impl From<Issued> for IssuedKey {
    fn from(issued: Issued) -> Self {
        Self {
            id: issued.id,
            name: issued.key.name,
            prefix: issued.secret.prefix().to_owned(),
            scopes: issued.key.scopes,
            environment: issued.key.environment,
            key: issued.secret.reveal().to_owned(),
            expires_at: issued.key.expires_at,
            created_at: issued.created_at,
        }
    }
}

/// Fields of the contract that are not built: given, they are refused.
fn refuse_unbuilt(json: &Value, base: &str, fields: &[&str]) -> Result<(), Error> {
    let given = fields
        .iter()
        .find(|field| json.get(**field).is_some_and(|value| !value.is_null()));
    match given {
        Some(field) => Err(Error::invalid(
            format!("{base}/{field}"),
            "is not supported yet",
        )),
        None => Ok(()),
    }
}

/// Settings as given: those that are absent stay as they are.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SettingsPatch {
    enforce_window: Option<bool>,
    on_unknown_outcome: Option<Named<OnUnknownOutcome>>,
}

const UNBUILT_SETTINGS: [&str; 2] = ["messagesPerSecond", "login"];

impl SettingsPatch {
    fn read(json: Option<Value>) -> Result<Option<Self>, Error> {
        let Some(json) = json.filter(|json| !json.is_null()) else {
            return Ok(None);
        };
        refuse_unbuilt(&json, "/settings", &UNBUILT_SETTINGS)?;
        read(json, "/settings").map(Some)
    }

    fn over(self, settings: Settings) -> Settings {
        Settings {
            enforce_window: self.enforce_window.unwrap_or(settings.enforce_window),
            on_unknown_outcome: self
                .on_unknown_outcome
                .map_or(settings.on_unknown_outcome, |named| named.0),
        }
    }

    /// Only what is given, by the names it is stored under.
    fn into_json(self) -> Value {
        let mut json = serde_json::Map::new();
        if let Some(enforce_window) = self.enforce_window {
            json.insert("enforceWindow".to_owned(), enforce_window.into());
        }
        if let Some(Named(outcome)) = self.on_unknown_outcome {
            json.insert("onUnknownOutcome".to_owned(), serde_json::json!(outcome));
        }
        Value::Object(json)
    }
}

/// Credentials as given. Fields that no channel has may hold anything.
fn credentials(json: Value) -> Result<Credentials, Error> {
    let Value::Object(fields) = json else {
        return Err(Error::invalid("/credentials", "must be an object"));
    };
    let mut credentials = Credentials::default();
    for (name, value) in fields {
        match value {
            Value::String(text) => {
                credentials.0.insert(name, text);
            }
            _ if is_credential(&name) => {
                return Err(Error::invalid(
                    format!("/credentials/{name}"),
                    "must be a string",
                ));
            }
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_) => {}
        }
    }
    Ok(credentials)
}

pub fn connect(mut json: Value) -> Result<ConnectChannel, Error> {
    #[derive(Deserialize)]
    struct Wire {
        #[serde(rename = "type")]
        kind: Named<ChannelKind>,
        name: Name,
        identifier: Option<Name>,
    }
    let settings = take(&mut json, "settings");
    let given = take(&mut json, "credentials");
    let wire: Wire = read(json, "")?;
    let given = given.ok_or_else(|| Error::invalid("/credentials", "is required"))?;
    let settings = SettingsPatch::read(settings)?;
    Ok(ConnectChannel {
        kind: wire.kind.0,
        name: wire.name.0,
        identifier: wire.identifier.map(|identifier| identifier.0),
        credentials: credentials(given)?,
        settings: settings.map_or_else(Settings::default, |patch| patch.over(Settings::default())),
    })
}

pub fn patch_channel(mut json: Value) -> Result<ChannelPatch, Error> {
    #[derive(Deserialize)]
    struct Wire {
        name: Option<Name>,
        status: Option<Named<ChannelStatus>>,
    }
    let settings = take(&mut json, "settings");
    let given = take(&mut json, "credentials").filter(|json| !json.is_null());
    let wire: Wire = read(json, "")?;
    let status = wire.status.map(|named| named.0);
    if status == Some(ChannelStatus::NeedsReauth) {
        return Err(Error::invalid(
            "/status",
            "may be set to connected or disabled",
        ));
    }
    Ok(ChannelPatch {
        name: wire.name.map(|name| name.0),
        credentials: given.map(credentials).transpose()?,
        settings: SettingsPatch::read(settings)?.map(SettingsPatch::into_json),
        status,
    })
}

pub fn patch_conversation(json: Value) -> Result<ConversationPatch, Error> {
    #[derive(Deserialize)]
    struct Wire {
        status: Option<Named<ConversationStatus>>,
        mode: Option<Named<Mode>>,
        #[serde(default, deserialize_with = "given")]
        assignee: Option<Option<Name>>,
    }
    let wire: Wire = read(json, "")?;
    Ok(ConversationPatch {
        status: wire.status.map(|named| named.0),
        mode: wire.mode.map(|named| named.0),
        assignee: wire.assignee.map(|name| name.map(|name| name.0)),
    })
}

/// Tells `null` from a field that is absent.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

pub fn subscribe(json: Value) -> Result<NewSubscriber, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire {
        url: String,
        events: Vec<String>,
        channel_id: Option<ChannelId>,
        style: Option<String>,
        headers: Option<BTreeMap<String, String>>,
    }
    let wire: Wire = read(json, "")?;
    match wire.style.as_deref() {
        None | Some("standard") => {}
        Some("visito" | "chatt2me" | "cloove") => {
            return Err(Error::invalid("/style", "is not supported yet"));
        }
        Some(_) => return Err(Error::invalid("/style", "must be standard")),
    }
    if wire.events.is_empty() || wire.events.len() > 50 {
        return Err(Error::invalid("/events", "must name 1 to 50 events"));
    }
    let wrong: Vec<Invalid> = wire
        .events
        .iter()
        .enumerate()
        .filter(|(_, event)| !EventType::is_filter(event))
        .map(|(at, event)| {
            let detail = if NOT_EMITTED.contains(&event.as_str()) {
                "is not emitted yet"
            } else {
                "is not an event; * and families such as message.* are"
            };
            Invalid::new(format!("/events/{at}"), detail)
        })
        .collect();
    if !wrong.is_empty() {
        return Err(Error::Invalid(wrong));
    }
    Ok(NewSubscriber {
        url: wire.url,
        events: wire.events,
        channel_id: wire.channel_id,
        headers: wire.headers.unwrap_or_default(),
    })
}

/// Most bytes of metadata, as JSON.
const MOST_METADATA: usize = 16 * 1024;

pub fn send(mut json: Value) -> Result<Send, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire {
        from: Option<String>,
        to: String,
        reply_to: Option<MessageId>,
        expires_at: Option<Timestamp>,
        metadata: Option<serde_json::Map<String, Value>>,
        actor: Option<Named<Actor>>,
        on_unsupported: Option<String>,
        client_message_id: Option<String>,
    }
    let given = take(&mut json, "content");
    refuse_unbuilt(&json, "", &["scheduledAt"])?;
    let wire: Wire = read(json, "")?;
    let content = content(given)?;
    match wire.on_unsupported.as_deref() {
        None | Some("reject") => {}
        Some("adapt") => {
            return Err(Error::invalid(
                "/onUnsupported",
                "adapt is not supported yet",
            ));
        }
        Some(_) => return Err(Error::invalid("/onUnsupported", "must be reject or adapt")),
    }
    let is_name = |id: &String| (1..=255).contains(&id.len()) && !id.chars().any(char::is_control);
    if wire
        .client_message_id
        .as_ref()
        .is_some_and(|id| !is_name(id))
    {
        return Err(Error::invalid(
            "/clientMessageId",
            "must be 1 to 255 bytes without control characters",
        ));
    }
    for (pointer, text) in [("/to", Some(&wire.to)), ("/from", wire.from.as_ref())] {
        if text.is_some_and(|text| text.trim().is_empty() || text.len() > 255) {
            return Err(Error::invalid(pointer, "must be 1 to 255 characters"));
        }
    }
    let metadata = wire
        .metadata
        .map(|metadata| Value::Object(metadata).to_string());
    if metadata
        .as_ref()
        .is_some_and(|json| json.len() > MOST_METADATA)
    {
        return Err(Error::invalid(
            "/metadata",
            "must be at most 16 KiB as JSON",
        ));
    }
    Ok(Send {
        from: wire.from,
        to: wire.to,
        content,
        reply_to: wire.reply_to,
        metadata,
        expires_at: wire.expires_at,
        actor: wire.actor.map(|named| named.0).unwrap_or_default(),
    })
}

/// Takes a field out of an object.
fn take(json: &mut Value, field: &str) -> Option<Value> {
    json.as_object_mut()?.remove(field)
}
