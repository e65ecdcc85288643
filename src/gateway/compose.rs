//! What is stored of what a client asks for: the content, filled where it is a template,
//! made what the channel carries or held against that, and split where the provider needs
//! several.

use super::Error;
use super::recipient::Resolved;
use super::schedule::check_time;
use super::send::{Draft, Send};
use crate::channel::{Adaptation, Adapter, Invalid, Profile, Refused, adapt, templates};
use crate::model::choice;
use crate::model::content::{Content, Reply, Template};
use crate::model::id::{EventId, MessageId};
use crate::model::message::{Adapted, Change};
use crate::model::template::{APPROVED, TemplateDraft, TemplateRecord, TemplateRef};
use crate::model::time::Timestamp;
use crate::store::accept::{Part, RefersTo};
use std::rc::Rc;

/// Most messages that a content is made.
const MOST_PARTS: usize = 50;

/// A message as it is to be stored.
pub(super) struct Composed {
    /// One, or several that follow each other.
    pub contents: Vec<Content>,
    pub changes: Vec<Change>,
    /// What was numbered in them.
    choices: Vec<Reply>,
    template: Option<Rc<TemplateRecord>>,
    refers_to: RefersTo,
    refers_by: &'static str,
    pub is_always_allowed: bool,
}

/// The same in the forms of the database.
pub(super) struct Written {
    pub id: MessageId,
    pub content: String,
    pub event: EventId,
    pub parts: Vec<Part>,
    pub adapted: Option<String>,
    pub choices: Option<String>,
    pub template: Option<(crate::model::id::TemplateId, i64)>,
    pub refers_to: RefersTo,
    pub refers_by: &'static str,
}

/// Fills, adapts or checks, and splits.
pub(super) fn compose(
    adapter: &dyn Adapter,
    resolved: &Resolved,
    send: &Send,
    now: Timestamp,
) -> Result<Composed, Error> {
    let profile = adapter.profile();
    let given = filled(adapter, resolved, send)?;
    if send.expires_at.is_some_and(|at| at <= now) {
        return Err(Error::invalid("/expiresAt", "must lie in the future"));
    }
    if let Some(at) = send.scheduled_at {
        check_time(at, send.expires_at, now)?;
        if given.contents.iter().any(Content::is_sign) {
            let detail = "cannot be given with a reaction, a mark or typing: they are of now";
            return Err(Error::invalid("/scheduledAt", detail));
        }
    }
    let mut changes = Vec::new();
    let mut contents = Vec::new();
    let mut choices = Vec::new();
    let mut refers = (RefersTo::Nothing, "/replyTo");
    let several = given.contents.len() > 1;
    if several {
        changes.push(told("/content", "are several messages"));
    }
    if given.is_plain {
        let detail = "this channel has no templates: what it says is sent without";
        changes.push(told("/content/type", detail));
    }
    for (at, content) in given.contents.into_iter().enumerate() {
        let place = match at {
            _ if given.is_plain => Place::Template,
            at if several => Place::At(at),
            _ => Place::Only,
        };
        let adapted = carried(profile, content, send.adapts);
        let adapted = adapted.map_err(|refusal| refused(refusal, |at| place.of(at)))?;
        // What answers a message is the first of them.
        if at == 0 {
            let first = adapted.contents.first().ok_or(Error::Internal)?;
            refers = reference(profile, first, send, &mut changes)?;
        }
        let places = adapted.changes.into_iter().map(|change| place.of(change));
        changes.extend(places.map(|at| told(at.pointer, at.detail)));
        choices.extend(adapted.choices);
        for content in adapted.contents {
            let Some(split) = adapter.split(&content) else {
                contents.push(content);
                continue;
            };
            let at = place.of(split.change);
            let change = told(at.pointer, at.detail);
            if !changes.contains(&change) {
                changes.push(change);
            }
            contents.extend(split.parts);
        }
    }
    if send.adapts && contents.len() > MOST_PARTS {
        let many = contents.len();
        let detail = format!("must become at most {MOST_PARTS} messages; it would be {many}");
        return Err(Error::invalid("/content", detail));
    }
    let (refers_to, refers_by) = refers;
    Ok(Composed {
        is_always_allowed: contents.iter().all(Content::is_always_allowed),
        contents,
        changes,
        choices,
        template: given.template,
        refers_to,
        refers_by,
    })
}

/// Where a content stands in the request.
#[derive(Clone, Copy)]
enum Place {
    Only,
    At(usize),
    /// It is what a template says: its fields are none of the request's.
    Template,
}

impl Place {
    /// A field of the content as one of the request.
    fn of(self, field: Invalid) -> Invalid {
        let Invalid { pointer, detail } = field;
        match self {
            Place::Only => Invalid::new(format!("/content{pointer}"), detail),
            Place::At(at) => Invalid::new(format!("/content/{at}{pointer}"), detail),
            Place::Template => {
                let detail = format!("{} {detail}", pointer.trim_start_matches('/'));
                Invalid::new("/content", detail.trim_start())
            }
        }
    }
}

fn told(pointer: impl Into<String>, detail: impl Into<String>) -> Change {
    Change {
        pointer: pointer.into(),
        detail: detail.into(),
    }
}

/// A content as the channel carries it: adapted, if it may be, else as it is or not at all.
fn carried(profile: &Profile, content: Content, adapts: bool) -> Result<Adaptation, Refused> {
    let adapted = if adapts {
        adapt(profile, &content)?
    } else {
        Adaptation {
            contents: vec![content],
            ..Adaptation::default()
        }
    };
    for content in &adapted.contents {
        profile.check(content)?;
    }
    Ok(adapted)
}

/// A channel's refusal, with what makes a field of the content one of the request.
fn refused(refused: Refused, field: impl FnOnce(Invalid) -> Invalid) -> Error {
    match refused {
        Refused::Unsupported(of) => Error::UnsupportedContent(field(of)),
        Refused::Invalid(of) => Error::Invalid(vec![field(of)]),
    }
}

/// A channel's refusal of the one content of a request.
pub(super) fn refused_content(refusal: Refused) -> Error {
    refused(refusal, |field| Place::Only.of(field))
}

impl Composed {
    /// Nothing, for what else there is to say of a message whose content is wrong.
    pub fn nothing() -> Self {
        Self {
            contents: vec![],
            changes: vec![],
            choices: vec![],
            template: None,
            refers_to: RefersTo::Nothing,
            refers_by: "/replyTo",
            is_always_allowed: false,
        }
    }

    /// With ids of messages, and of the events that may tell of them.
    pub fn written(
        &self,
        fresh: impl Fn() -> MessageId,
        fresh_event: impl Fn() -> EventId,
    ) -> Result<Written, Error> {
        let mut ids: Vec<MessageId> = self.contents.iter().map(|_| fresh()).collect();
        // Lists go by ids: in the order of their turns.
        ids.sort_unstable();
        let adapted = (!self.changes.is_empty()).then(|| Adapted {
            changes: self.changes.clone(),
            parts: ids.clone(),
        });
        let json = |value: &Content| serde_json::to_string(value).map_err(|_| Error::Internal);
        let mut parts = Vec::new();
        for (id, content) in ids.into_iter().zip(&self.contents) {
            parts.push(Part {
                id,
                content: json(content)?,
                event: fresh_event(),
            });
        }
        let first = if parts.is_empty() {
            Part {
                id: fresh(),
                content: String::new(),
                event: fresh_event(),
            }
        } else {
            parts.remove(0)
        };
        Ok(Written {
            id: first.id,
            content: first.content,
            event: first.event,
            parts,
            adapted: adapted
                .map(|adapted| serde_json::to_string(&adapted))
                .transpose()
                .map_err(|_| Error::Internal)?,
            choices: (!self.choices.is_empty()).then(|| choice::stored(&self.choices).to_string()),
            template: self.template.as_ref().map(|it| (it.id, it.version)),
            refers_to: self.refers_to,
            refers_by: self.refers_by,
        })
    }
}

/// The message that this one is about, and the field that names it.
fn reference(
    profile: &Profile,
    content: &Content,
    send: &Send,
    changes: &mut Vec<Change>,
) -> Result<(RefersTo, &'static str), Error> {
    if content.is_sign() && send.reply_to.is_some() {
        let detail = format!("cannot be given with {}", content.kind());
        return Err(Error::invalid("/replyTo", detail));
    }
    if content.is_sign() {
        let named = content.marks();
        let unnamed = if profile.marks_name_a_message {
            RefersTo::LastReceived
        } else {
            RefersTo::Nothing
        };
        return Ok((
            named.map_or(unnamed, RefersTo::Message),
            "/content/messageId",
        ));
    }
    match send.reply_to {
        None => Ok((RefersTo::Nothing, "/replyTo")),
        Some(id) if profile.replies => Ok((RefersTo::Message(id), "/replyTo")),
        Some(_) if send.adapts => {
            let detail = "is left out: messages of this channel name no other";
            changes.push(told("/replyTo", detail));
            Ok((RefersTo::Nothing, "/replyTo"))
        }
        Some(_) => Err(Error::UnsupportedContent(Invalid::new(
            "/replyTo",
            "is not carried by this channel: its messages name no other",
        ))),
    }
}

/// What a client asks for, with no placeholder left.
struct Given {
    contents: Vec<Content>,
    template: Option<Rc<TemplateRecord>>,
    /// It is what a template says, on a channel that has none.
    is_plain: bool,
}

/// The content as given, or the template that was meant, filled.
fn filled(adapter: &dyn Adapter, resolved: &Resolved, send: &Send) -> Result<Given, Error> {
    let given = |contents| Given {
        contents,
        template: None,
        is_plain: false,
    };
    let draft = match &send.content {
        Draft::Content(content) => return Ok(given(vec![content.clone()])),
        Draft::Several(contents) => return Ok(given(contents.clone())),
        Draft::Template(draft) => draft,
    };
    let is_plain = send.adapts && adapter.templates().is_none();
    let elsewhere = if is_plain { templates() } else { None };
    let Some(templates) = adapter.templates().or(elsewhere) else {
        return Err(Error::UnsupportedContent(Invalid::new(
            "/content/type",
            "this channel has no templates",
        )));
    };
    let template = meant(resolved, draft)?;
    let filled = templates.fill(&template, draft).map_err(|invalid| {
        Error::TemplateMismatch(Invalid::new(
            format!("/content{}", invalid.pointer),
            invalid.detail,
        ))
    })?;
    if is_plain {
        return Ok(Given {
            contents: vec![templates.plain(&template, &filled)],
            template: None,
            is_plain,
        });
    }
    let content = Content::Template(Template {
        id: template.id,
        key: template.key.clone(),
        name: template.name.clone(),
        language: template.language.clone(),
        components: filled.components,
        text: filled.text,
    });
    Ok(Given {
        contents: vec![content],
        template: Some(template),
        is_plain,
    })
}

/// The one template that a reference means on the channel, approved.
///
/// A language that is asked for is never replaced by another. Where none is, it is the
/// channel's default, else the first that was listed of those that are approved: a further
/// one does not take its place.
fn meant(resolved: &Resolved, draft: &TemplateDraft) -> Result<Rc<TemplateRecord>, Error> {
    let (pointer, language) = match &draft.template {
        TemplateRef::Id(_) => ("/content/id", None),
        TemplateRef::Key { language, .. } => ("/content/key", language.as_deref()),
        TemplateRef::Name { language, .. } => ("/content/name", language.as_deref()),
    };
    let refused = |pointer: &str, detail: String| {
        Err(Error::TemplateNotApproved(Invalid::new(pointer, detail)))
    };
    let candidates = &resolved.templates;
    let in_language = |language: &str| candidates.iter().find(|it| it.language == language);
    let default = resolved.channel.settings.default_language.as_deref();
    let template = match (language, candidates.as_slice()) {
        (_, []) => {
            let detail = "is no template of this channel; sync its templates if it is new";
            return refused(pointer, detail.to_owned());
        }
        (Some(language), candidates) => {
            let Some(template) = in_language(language) else {
                let there: Vec<&str> = candidates.iter().map(|it| it.language.as_str()).collect();
                let detail = format!("is none of its languages: {}", there.join(", "));
                return refused("/content/language", detail);
            };
            template
        }
        (None, [first, ..]) => default
            .and_then(in_language)
            .or_else(|| candidates.iter().find(|it| it.status == APPROVED))
            .unwrap_or(first),
    };
    if template.status == APPROVED {
        return Ok(Rc::clone(template));
    }
    let status = template.status.to_lowercase();
    refused(
        pointer,
        format!("is {status} in {} and may not be sent", template.language),
    )
}
