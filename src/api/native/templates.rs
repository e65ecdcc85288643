//! `/v1/templates`, and taking them in from a channel's provider.

use super::super::page::{Listed, Paging};
use super::{Answer, Call, choice, id, json_response, parse, wire};
use crate::gateway::{Gateway, Ports};
use crate::model::access::{Key, Scope};
use crate::model::id::{ChannelId, TemplateId};
use http::StatusCode;

#[derive(Clone, Copy, Debug)]
pub enum Action {
    Sync,
    List,
    Show,
    Patch,
}

impl Action {
    pub fn scope(self) -> Scope {
        match self {
            Action::List | Action::Show => Scope::TemplatesRead,
            Action::Sync | Action::Patch => Scope::TemplatesWrite,
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
    }
}
