//! `GET /whatsapp-templates/{channelId}`.

use super::{Answer, Call, Listed, MOST, auth, id, json_response};
use crate::gateway::{Error, Gateway, Ports};
use crate::model::access::Scope;
use crate::model::channel::ChannelKind;
use crate::model::id::{ChannelId, TemplateId};
use crate::model::template::TemplateRecord;
use http::StatusCode;
use serde::Serialize;
use serde_json::Value;

#[derive(Serialize)]
struct Template {
    id: TemplateId,
    name: String,
    language: String,
    category: String,
    status: String,
    components: Vec<Value>,
}

impl From<TemplateRecord> for Template {
    fn from(template: TemplateRecord) -> Self {
        Self {
            id: template.id,
            name: template.name,
            language: template.language,
            category: template.category,
            status: template.status,
            components: template.components,
        }
    }
}

/// Lists the templates of a WhatsApp channel by name and language, a thousand at most.
pub async fn list<P: Ports>(gateway: &Gateway<P>, call: &Call<'_>) -> Answer {
    const WHAT: &str = "WhatsApp channel";
    let key = auth::key(gateway, call, Some(Scope::TemplatesRead)).await?;
    let channel = id(call, ChannelId::parse, WHAT)?;
    let (channel, templates) = gateway.templates_of(&key, channel, MOST).await?;
    if channel.kind != ChannelKind::Whatsapp {
        return Err(Error::not_found(WHAT).into());
    }
    let data: Vec<Template> = templates.into_iter().map(Template::from).collect();
    Ok(json_response(StatusCode::OK, &Listed { data }))
}
