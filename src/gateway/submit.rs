//! Submitting templates to the provider, and deleting them there.

use super::send::adapter_of;
use super::template_changes::compare;
use super::templates::check_variables;
use super::{Error, Gateway, NoAnswer, Ports, TemplatePatch, next};
use crate::channel::{SendError, Templates};
use crate::model::access::Key;
use crate::model::channel::Channel;
use crate::model::id::{ChannelId, TemplateId};
use crate::model::template::{ProviderTemplate, TemplateRecord};
use crate::store::{channels, templates};
use bytes::Bytes;
use http::{Request, Response};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::rc::Rc;

/// A template as a client describes it.
pub struct NewTemplate {
    pub channel_id: ChannelId,
    /// In the provider's own shape; it goes to the provider as it is.
    pub description: Map<String, Value>,
    /// What is ours: as in `TemplatePatch`.
    pub patch: TemplatePatch,
}

impl<P: Ports> Gateway<P> {
    /// Has the provider take in a template, and stores it as the provider answers.
    ///
    /// 1. The channel, the description, and what is ours: all is checked before the
    ///    provider is asked.
    /// 2. The provider. Where it does not answer it may have done it all the same: then the
    ///    next sweep reads what is there.
    /// 3. The row, as a sync would have stored it, and the key and the names that are
    ///    given. The sweep then reads it as the provider has it, on all channels of the
    ///    account.
    pub async fn create_template(
        &self,
        key: &Key,
        new: &NewTemplate,
    ) -> Result<TemplateRecord, Error> {
        let channel_not_found = Error::NotFound {
            what: "channel",
            pointer: Some("/channelId".to_owned()),
        };
        let (channel, provider) = self
            .channel_with_templates(key, new.channel_id)
            .await?
            .ok_or(channel_not_found.clone())?;
        let described = provider
            .describe(&new.description)
            .map_err(Error::Invalid)?;
        if let Some(variables) = &new.patch.variables {
            let open = provider.variables(&described.components);
            check_variables(variables, open.len())?;
        }
        let stored = self.stored_templates(&channel).await?;
        let has_key = |wanted: &String| {
            let mut others = stored.iter().filter(|it| it.is_live());
            others.any(|it| it.record.key == *wanted && it.record.name != described.name)
        };
        if new.patch.key.as_ref().is_some_and(has_key) {
            return Err(Error::Conflict {
                detail: "another template of this channel has this key",
                pointer: Some("/key".to_owned()),
            });
        }

        let request = provider.create(&self.config.origins, &channel, &new.description);
        let created = self
            .ask_provider(provider, &channel, request, |response| {
                provider.created(response, described)
            })
            .await?;

        let now = self.now();
        let listed = [created];
        let changes = compare(&stored, &listed, false, |parts| provider.variables(parts));
        let [ProviderTemplate { name, language, .. }] = &listed;
        let workspace = key.workspace_id;
        let also = vec![
            channels::expect_templates(workspace, channel.id, provider.account(&channel)),
            templates::in_language(workspace, channel.id, name, language),
        ];
        let mut rows = self.store_changes(&channel, &changes, also, now).await?;
        let found: Vec<TemplateRecord> = rows.pop().unwrap_or_default().records()?;
        // Deleted, channel and all, while the provider was asked.
        let template = found.into_iter().next().ok_or(channel_not_found)?;
        self.as_named(key, template, &new.patch).await
    }

    /// Gives a template that was just made the key and the names it is to have. Where those
    /// were taken in the meantime it keeps its own: it is made, whatever it is called.
    async fn as_named(
        &self,
        key: &Key,
        template: TemplateRecord,
        patch: &TemplatePatch,
    ) -> Result<TemplateRecord, Error> {
        let has_key = patch.key.as_ref().is_none_or(|key| *key == template.key);
        let names = patch.variables.as_ref();
        let has_names = names.is_none_or(|names| *names == template.variables);
        if has_key && has_names {
            return Ok(template);
        }
        match self.patch_template(key, &template, patch).await {
            Err(Error::Conflict { .. } | Error::Invalid(_)) => Ok(template),
            patched => patched,
        }
    }

    /// Has the provider delete a template, and then does so here, on every channel that has
    /// it.
    pub async fn delete_template(&self, key: &Key, id: TemplateId) -> Result<(), Error> {
        #[derive(Deserialize)]
        struct Row {
            provider_id: String,
        }
        let workspace = key.workspace_id;
        let statements = vec![
            templates::get(workspace, id),
            templates::provider_id(workspace, id),
        ];
        let mut rows = self.read(key, statements).await?;
        let found: Vec<TemplateRecord> = next(&mut rows).records()?;
        let row: Option<Row> = next(&mut rows).first()?;
        let (Some(template), Some(Row { provider_id })) = (found.into_iter().next(), row) else {
            return Err(Error::not_found("template"));
        };
        let (channel, provider) = self
            .channel_with_templates(key, template.channel_id)
            .await?
            .ok_or(Error::not_found("template"))?;
        if provider_id.is_empty() {
            return Err(Error::Conflict {
                detail: "the provider's id of the template is not known; sync its channel first",
                pointer: None,
            });
        }
        let name = &template.name;
        let request = provider.delete(&self.config.origins, &channel, name, &provider_id);
        self.ask_provider(provider, &channel, request, |response| {
            provider.deleted(response)
        })
        .await?;
        let removed = templates::remove_of_provider(workspace, name, &provider_id);
        self.batch(vec![removed]).await?;
        Ok(())
    }

    /// A channel of the key's workspace, and what its provider knows of templates.
    async fn channel_with_templates(
        &self,
        key: &Key,
        id: ChannelId,
    ) -> Result<Option<(Rc<Channel>, &'static dyn Templates)>, Error> {
        let found = self.find_channel_now(id, self.now()).await?;
        let Some(channel) = found.filter(|it| it.workspace_id == key.workspace_id) else {
            return Ok(None);
        };
        let Some(provider) = adapter_of(&channel)?.templates() else {
            let kind = channel.kind.name();
            return Err(Error::invalid(
                "/channelId",
                format!("is a channel without templates: its type is {kind}"),
            ));
        };
        Ok(Some((channel, provider)))
    }

    /// Asks the provider for a change. Where that fails, what is stored may not be what the
    /// provider has: the next sweep reads it.
    async fn ask_provider<T>(
        &self,
        provider: &dyn Templates,
        channel: &Channel,
        request: Result<Request<Bytes>, SendError>,
        read: impl FnOnce(&Response<Bytes>) -> Result<T, SendError>,
    ) -> Result<T, Error> {
        let asked = match request {
            Err(error) => Some(Err(error)),
            Ok(request) => {
                let deadline = self.config.provider_timeout_ms;
                match self.ports.fetch(request, deadline).await {
                    Ok(response) => Some(read(&response)),
                    Err(NoAnswer) => None,
                }
            }
        };
        if let Some(Ok(answer)) = asked {
            return Ok(answer);
        }
        let account = provider.account(channel);
        let expected = channels::expect_templates(channel.workspace_id, channel.id, account);
        self.batch(vec![expected]).await?;
        match asked {
            Some(Err(error)) => Err(self.refused_by_provider(channel, error).await?),
            Some(Ok(_)) | None => Err(Error::ProviderSilent),
        }
    }
}
