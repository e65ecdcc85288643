//! `/v1/templates`, and what a channel's provider has of them.

use super::super::page::{Listed, Paging};
use super::{Answer, Call, choice, id, json_response, parse, wire};
use crate::api::no_content;
use crate::gateway::{Gateway, Ports};
use crate::model::access::{Key, Scope};
use crate::model::id::{ChannelId, TemplateId};
use http::StatusCode;

#[derive(Clone, Copy, Debug)]
pub enum Action {
    Sync,
    Create,
    List,
    Show,
    Patch,
    Delete,
}

impl Action {
    pub fn scope(self) -> Scope {
        match self {
            Action::List | Action::Show => Scope::TemplatesRead,
            Action::Sync | Action::Create | Action::Patch | Action::Delete => Scope::TemplatesWrite,
        }
    }
}

pub async fn handle<P: Ports>(
    gateway: &Gateway<P>,
    action: Action,
    call: &Call<'_>,
    key: &Key,
) -> Answer {
    let template = || id(call, TemplateId::parse, "template");
    match action {
        Action::Sync => {
            let channel = id(call, ChannelId::parse, "channel")?;
            let synced = gateway.sync_templates(key, channel).await?;
            Ok(json_response(StatusCode::OK, &synced))
        }
        Action::Create => {
            let new = wire::create_template(parse(call)?)?;
            let template = gateway.create_template(key, &new).await?;
            Ok(json_response(StatusCode::CREATED, &template))
        }
        Action::List => {
            let paging = Paging::of(call)?;
            let channel = choice(call, "channelId", ChannelId::parse)?;
            let after = paging.after(TemplateId::parse)?;
            let page = gateway
                .list_templates(key, channel, after, paging.limit)
                .await?;
            Ok(json_response(StatusCode::OK, &Listed::from(page)))
        }
        Action::Show => {
            let template = gateway.template(key, template()?).await?;
            Ok(json_response(StatusCode::OK, &template))
        }
        Action::Patch => {
            // What is not there is not found, whatever the body.
            let template = gateway.template(key, template()?).await?;
            let patch = wire::patch_template(parse(call)?)?;
            let template = gateway.patch_template(key, &template, &patch).await?;
            Ok(json_response(StatusCode::OK, &template))
        }
        Action::Delete => {
            gateway.delete_template(key, template()?).await?;
            Ok(no_content())
        }
    }
}
