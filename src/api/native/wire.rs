//! The native surface's JSON, as clients write it.

mod channels;

pub use channels::{connect, patch_channel};

use crate::api::reading::{Name, Named, given, read, take};
use crate::api::{content, problem};
use crate::gateway::{
    ContactPatch, ConversationPatch, Draft, EndpointPatch, Error, IssuedKey as Issued, NewApiKey,
    NewContact, NewSubscriber, NewTemplate, Outcome, Recipient, Segments, Send, Sender,
    TemplatePatch, Validation, check_events,
};
use crate::model::access::{Environment, Scope};
use crate::model::contact::{Identity, IdentityKind};
use crate::model::content::{Content, MediaMode};
use crate::model::conversation::{ConversationStatus, Mode};
use crate::model::event::Style;
use crate::model::id::{ChannelId, ContactId, KeyId, MessageId};
use crate::model::message::{Actor, Change};
use crate::model::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

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

/// Reads what is ours of a new template; all else is for the provider.
pub fn create_template(json: Value) -> Result<NewTemplate, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire {
        channel_id: ChannelId,
    }
    let mut description = json.as_object().cloned().unwrap_or_default();
    for ours in ["channelId", "key", "variables"] {
        description.remove(ours);
    }
    let wire: Wire = read(json.clone(), "")?;
    Ok(NewTemplate {
        channel_id: wire.channel_id,
        description,
        patch: patch_template(json)?,
    })
}

pub fn patch_template(json: Value) -> Result<TemplatePatch, Error> {
    #[derive(Deserialize)]
    struct Wire {
        key: Option<Name>,
        variables: Option<Vec<String>>,
    }
    let wire: Wire = read(json, "")?;
    Ok(TemplatePatch {
        key: wire.key.map(|key| key.0),
        variables: wire.variables,
    })
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
    let style = style(wire.style.as_deref())?.unwrap_or_default();
    check_events(style, &wire.events)?;
    Ok(NewSubscriber {
        channel_id: wire.channel_id,
        headers: wire.headers.unwrap_or_default(),
        ..NewSubscriber::new(wire.url, wire.events, style)
    })
}

pub fn endpoint_patch(json: Value) -> Result<EndpointPatch, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire {
        url: Option<String>,
        events: Option<Vec<String>>,
        #[serde(default, deserialize_with = "given")]
        channel_id: Option<Option<ChannelId>>,
        style: Option<String>,
        headers: Option<BTreeMap<String, String>>,
        status: Option<String>,
    }
    let wire: Wire = read(json, "")?;
    let is_enabled = match wire.status.as_deref() {
        None => None,
        Some("enabled") => Some(true),
        Some("paused") => Some(false),
        Some(_) => return Err(Error::invalid("/status", "must be enabled or paused")),
    };
    Ok(EndpointPatch {
        url: wire.url,
        events: wire.events,
        channel_id: wire.channel_id,
        style: style(wire.style.as_deref())?,
        headers: wire.headers,
        is_enabled,
        ..EndpointPatch::default()
    })
}

fn style(name: Option<&str>) -> Result<Option<Style>, Error> {
    let unknown = || {
        let detail = "must be one of standard, visito, chatt2me and cloove";
        Error::invalid("/style", detail)
    };
    name.map(|name| Style::parse(name).ok_or_else(unknown))
        .transpose()
}

/// Most bytes of metadata, as JSON.
const MOST_METADATA: usize = 16 * 1024;

/// Metadata as it is kept: JSON of a bounded size.
fn metadata(given: Option<serde_json::Map<String, Value>>) -> Result<Option<String>, Error> {
    let metadata = given.map(|metadata| Value::Object(metadata).to_string());
    if metadata
        .as_ref()
        .is_some_and(|json| json.len() > MOST_METADATA)
    {
        return Err(Error::invalid(
            "/metadata",
            "must be at most 16 KiB as JSON",
        ));
    }
    Ok(metadata)
}

/// Identities as given: some, and not too many.
fn identities(given: Option<Vec<WireIdentity>>) -> Result<Vec<Identity>, Error> {
    match given.as_ref().map_or(0, Vec::len) {
        1..=20 => {}
        _ => return Err(Error::invalid("/identities", "must be 1 to 20")),
    }
    let given = given.into_iter().flatten();
    Ok(given
        .map(|identity| Identity {
            kind: identity.kind.0,
            value: identity.value,
        })
        .collect())
}

#[derive(Deserialize)]
struct WireIdentity {
    kind: Named<IdentityKind>,
    value: String,
}

pub fn new_contact(json: Value) -> Result<NewContact, Error> {
    #[derive(Deserialize)]
    struct Wire {
        name: Option<Name>,
        identities: Vec<WireIdentity>,
        metadata: Option<serde_json::Map<String, Value>>,
    }
    let wire: Wire = read(json, "")?;
    Ok(NewContact {
        name: wire.name.map(|name| name.0),
        identities: identities(Some(wire.identities))?,
        metadata: metadata(wire.metadata)?,
    })
}

pub fn patch_contact(json: Value) -> Result<ContactPatch, Error> {
    #[derive(Deserialize)]
    struct Wire {
        #[serde(default, deserialize_with = "given")]
        name: Option<Option<Name>>,
        #[serde(default, deserialize_with = "given")]
        metadata: Option<Option<serde_json::Map<String, Value>>>,
        identities: Option<Vec<WireIdentity>>,
    }
    let wire: Wire = read(json, "")?;
    Ok(ContactPatch {
        name: wire.name.map(|name| name.map(|name| name.0)),
        metadata: wire.metadata.map(metadata).transpose()?,
        identities: match wire.identities {
            None => vec![],
            given => identities(given)?,
        },
    })
}

/// The contact that another is merged into.
pub fn merge_contact(json: Value) -> Result<ContactId, Error> {
    #[derive(Deserialize)]
    struct Wire {
        into: String,
    }
    let wire: Wire = read(json, "")?;
    ContactId::parse(&wire.into).ok_or_else(|| Error::NotFound {
        what: "contact",
        pointer: Some("/into".to_owned()),
    })
}

pub fn send(mut json: Value) -> Result<Send, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire {
        from: Option<String>,
        to: String,
        reply_to: Option<MessageId>,
        scheduled_at: Option<Timestamp>,
        expires_at: Option<Timestamp>,
        metadata: Option<serde_json::Map<String, Value>>,
        actor: Option<Named<Actor>>,
        media: Option<Named<MediaMode>>,
        on_unsupported: Option<String>,
        client_message_id: Option<String>,
    }
    let given = take(&mut json, "content");
    let wire: Wire = read(json, "")?;
    let mut content = content::draft(given)?;
    // It may also stand in the content.
    if let (Some(mode), Draft::Content(content)) = (wire.media, &mut content) {
        let media = content
            .media_mut()
            .ok_or_else(|| Error::invalid("/media", "is for contents that are a file"))?;
        media.media = Some(mode.0);
    }
    let adapts = match wire.on_unsupported.as_deref() {
        None | Some("reject") => false,
        Some("adapt") => true,
        Some(_) => return Err(Error::invalid("/onUnsupported", "must be reject or adapt")),
    };
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
    let metadata = metadata(wire.metadata)?;
    Ok(Send {
        from: Sender {
            name: wire.from,
            ..Sender::default()
        },
        to: Recipient::Any(wire.to),
        content,
        reply_to: wire.reply_to,
        metadata,
        scheduled_at: wire.scheduled_at,
        expires_at: wire.expires_at,
        actor: wire.actor.map(|named| named.0).unwrap_or_default(),
        contact_name: None,
        workspace: None,
        adapts,
    })
}

/// The time that a message is moved to.
pub fn reschedule(json: Value) -> Result<Timestamp, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire {
        scheduled_at: Timestamp,
    }
    let wire: Wire = read(json, "")?;
    Ok(wire.scheduled_at)
}

/// What became of a message, by the client's word.
pub fn resolve(json: Value) -> Result<Outcome, Error> {
    #[derive(Deserialize)]
    struct Wire {
        outcome: Named<Outcome>,
    }
    let wire: Wire = read(json, "")?;
    Ok(wire.outcome.0)
}

/// What would become of a message.
#[derive(Serialize)]
pub struct Validated {
    valid: bool,
    problems: Vec<ValidationProblem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    adapted: Option<Adapted>,
    #[serde(skip_serializing_if = "Option::is_none")]
    segments: Option<Segments>,
}

#[derive(Serialize)]
struct ValidationProblem {
    code: &'static str,
    /// Of the field that is to blame, if one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<String>,
    detail: String,
}

/// As what the message would be sent.
#[derive(Serialize)]
struct Adapted {
    changes: Vec<Change>,
    parts: Vec<Content>,
}

impl From<Validation> for Validated {
    fn from(validation: Validation) -> Self {
        let mut problems = Vec::new();
        for error in validation.problems {
            let told = problem::told(&error.into());
            if told.fields.is_empty() {
                problems.push(ValidationProblem {
                    code: told.code,
                    pointer: None,
                    detail: told.detail,
                });
                continue;
            }
            problems.extend(told.fields.into_iter().map(|field| ValidationProblem {
                code: told.code,
                pointer: Some(field.pointer),
                detail: field.detail,
            }));
        }
        let adapted = (!validation.changes.is_empty()).then_some(Adapted {
            changes: validation.changes,
            parts: validation.parts,
        });
        Self {
            valid: problems.is_empty(),
            problems,
            adapted,
            segments: validation.segments,
        }
    }
}
