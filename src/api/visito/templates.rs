//! `/whatsapp-templates/{channelId}`: the templates of a WhatsApp channel.

use super::{Answer, Call, Listed, MOST, auth, body, id, json_response};
use crate::gateway::{Error, Gateway, NewTemplate, Ports, TemplatePatch};
use crate::model::access::Scope;
use crate::model::channel::ChannelKind;
use crate::model::id::{ChannelId, TemplateId};
use crate::model::template::TemplateRecord;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

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

const WHAT: &str = "WhatsApp channel";

/// Submits a template, `{template}` in Meta's own shape.
pub async fn create<P: Ports>(gateway: &Gateway<P>, call: &Call<'_>) -> Answer {
    #[derive(Deserialize)]
    struct Wanted {
        template: Map<String, Value>,
    }
    let key = auth::key(gateway, call, Some(Scope::TemplatesWrite)).await?;
    let channel_id = id(call, ChannelId::parse, WHAT)?;
    // What is not there is not found, whatever the body.
    let channel = gateway
        .channel(&key, channel_id)
        .await
        .map_err(of_whatsapp)?;
    if channel.kind != ChannelKind::Whatsapp {
        return Err(Error::not_found(WHAT).into());
    }
    let wanted: Wanted = body(call)?;
    let new = NewTemplate {
        channel_id,
        description: wanted.template,
        patch: TemplatePatch::default(),
    };
    let template = gateway.create_template(&key, &new).await;
    let template = template
        .map_err(|error| of_whatsapp(error).repointed(|pointer| format!("/template{pointer}")))?;
    Ok(json_response(
        StatusCode::CREATED,
        &Template::from(template),
    ))
}

/// What is not found here is the channel.
fn of_whatsapp(error: Error) -> Error {
    if let Error::NotFound { .. } = error {
        Error::not_found(WHAT)
    } else {
        error
    }
}

/// Lists the templates of a WhatsApp channel by name and language, a thousand at most.
pub async fn list<P: Ports>(gateway: &Gateway<P>, call: &Call<'_>) -> Answer {
    let key = auth::key(gateway, call, Some(Scope::TemplatesRead)).await?;
    let channel = id(call, ChannelId::parse, WHAT)?;
    let (channel, templates) = gateway.templates_of(&key, channel, MOST).await?;
    if channel.kind != ChannelKind::Whatsapp {
        return Err(Error::not_found(WHAT).into());
    }
    let data: Vec<Template> = templates.into_iter().map(Template::from).collect();
    Ok(json_response(StatusCode::OK, &Listed { data }))
}
