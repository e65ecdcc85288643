//! Message templates: read from the provider, named by clients, and found again by
//! those names when they are sent.

use super::conversations::Page;
use super::publish::DeliveryHint;
use super::send::{Send, adapter_of};
use super::template_changes::{Changes, Stored, compare, read_stored};
use super::{Error, Gateway, NoAnswer, Ports, next, view};
use crate::channel::{Reason, SendError, Templates};
use crate::model::access::Key;
use crate::model::channel::{Channel, ChannelRecord};
use crate::model::id::{ChannelId, EventId, TemplateId};
use crate::model::template::{APPROVED, ProviderTemplate, TemplateRecord};
use crate::model::time::{DAY_MS, HOUR_MS, Timestamp};
use crate::store::channels::TemplatesRead;
use crate::store::templates::{self, Change, Put};
use crate::store::{DatabaseError, Rows, Statement, channels};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::HashSet;
use std::rc::Rc;

/// What a sync found.
#[derive(Debug, Serialize)]
pub struct TemplateSync {
    /// As many as the provider lists.
    pub synced: usize,
    pub added: usize,
    pub changed: usize,
    pub removed: usize,
}

/// What a client changes of a template; `None` leaves it as it is.
#[derive(Debug, Default)]
pub struct TemplatePatch {
    pub key: Option<String>,
    pub variables: Option<Vec<String>>,
}

/// No provider lists more pages than these of one account.
const MOST_PAGES: usize = 50;
/// A template is kilobytes; a row may hold two megabytes.
const LARGEST: usize = 400_000;
/// Less than a bound parameter may hold.
const CHUNK_BYTES: usize = 900_000;
const LONGEST_VARIABLE: usize = 64;

impl<P: Ports> Gateway<P> {
    /// Takes in the templates of a channel as its provider lists them now.
    ///
    /// 1. The channel, and whether its provider has templates.
    /// 2. The provider's list, page by page.
    /// 3. What is stored; then only what differs is written, in one batch. Each row is
    ///    guarded by the version it was compared with, so the batch may run twice.
    pub async fn sync_templates(&self, key: &Key, id: ChannelId) -> Result<TemplateSync, Error> {
        let now = self.now();
        let channel = self
            .find_channel_now(id, now)
            .await?
            .filter(|channel| channel.workspace_id == key.workspace_id)
            .ok_or(Error::not_found("channel"))?;
        let Some(provider) = adapter_of(&channel)?.templates() else {
            let kind = channel.kind.name();
            return Err(Error::invalid(
                "/id",
                format!("is a channel without templates: its type is {kind}"),
            ));
        };
        self.take_in(provider, &channel, now, None).await
    }

    /// Reads the templates of the channels that `claim_due_templates` gave; gives back of
    /// how many. What comes of it is no more than a client's own sync does.
    pub(super) async fn sync_due_templates(
        &self,
        due: Rows,
        now: Timestamp,
    ) -> Result<usize, Error> {
        let due = self.read_sealed(due)?;
        let mut read = 0;
        for sealed in due {
            let channel = self.open_channel(sealed);
            let provider = adapter_of(&channel)?.templates();
            // Credentials that did not open are no credentials: nobody is asked with them.
            let Some(provider) = provider.filter(|it| !it.account(&channel).is_empty()) else {
                continue;
            };
            let is_read = channels::templates_read(&TemplatesRead {
                workspace_id: channel.workspace_id,
                id: channel.id,
                stamp: next_try(now),
                account: provider.account(&channel),
                due_at: now.plus_ms(DAY_MS),
            });
            match self.take_in(provider, &channel, now, Some(is_read)).await {
                Ok(_) => read += 1,
                Err(error) => self.ports.log(
                    "templates.not_read",
                    json!({ "channel": channel.id, "providerCode": error.provider_code() }),
                ),
            }
        }
        Ok(read)
    }

    /// Steps 2 and 3 of a sync; `also` is written with what differs.
    async fn take_in(
        &self,
        provider: &dyn Templates,
        channel: &Channel,
        now: Timestamp,
        also: Option<Statement>,
    ) -> Result<TemplateSync, Error> {
        let (listed, is_whole) = self.list_of_provider(provider, channel).await?;
        let stored = self.stored_templates(channel).await?;
        let changes = compare(&stored, &listed, is_whole, |parts| {
            provider.variables(parts)
        });
        let also = also.into_iter().collect();
        self.store_changes(channel, &changes, also, now).await?;
        Ok(TemplateSync {
            synced: listed.len(),
            added: changes.added,
            changed: changes.put.len() - changes.added,
            removed: changes.removed.len(),
        })
    }

    pub(super) async fn stored_templates(&self, channel: &Channel) -> Result<Vec<Stored>, Error> {
        let rows = self.batch(vec![templates::of_channel(channel.id)]).await?;
        Ok(read_stored(next(&mut rows.into_iter()))?)
    }

    /// Every template that the provider lists, each once; and whether these are all.
    async fn list_of_provider(
        &self,
        provider: &dyn Templates,
        channel: &Channel,
    ) -> Result<(Vec<ProviderTemplate>, bool), Error> {
        let mut listed = Vec::new();
        let mut seen = HashSet::new();
        let mut after: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let page = match provider.list(&self.config.origins, channel, after.as_deref()) {
                Err(error) => Err(error),
                Ok(request) => {
                    let deadline = self.config.provider_timeout_ms;
                    match self.ports.fetch(request, deadline).await {
                        Ok(response) => provider.listed(&response),
                        Err(NoAnswer) => return Err(Error::ProviderSilent),
                    }
                }
            };
            let (templates, further) = match page {
                Ok(page) => page,
                Err(error) => return Err(self.refused_by_provider(channel, error).await?),
            };
            listed.extend(templates.into_iter().filter(|template| {
                is_storable(template)
                    && seen.insert((template.name.clone(), template.language.clone()))
            }));
            after = further;
            if after.is_none() {
                return Ok((listed, true));
            }
        }
        Ok((listed, false))
    }

    /// What a provider's refusal means. A refused token is noted on the channel.
    pub(super) async fn refused_by_provider(
        &self,
        channel: &Channel,
        error: SendError,
    ) -> Result<Error, Error> {
        let refused = |reason: Reason| Error::ProviderRejected {
            message: reason.message,
            provider_code: reason.provider_code,
        };
        match error {
            SendError::Unclear(_) => Ok(Error::ProviderSilent),
            SendError::Throttled { reason, .. }
            | SendError::Temporary(reason)
            | SendError::Rejected(reason) => Ok(refused(reason)),
            SendError::Unauthorized(reason) => {
                let code = reason.provider_code.as_deref().unwrap_or(reason.code);
                let used = (channel.id, channel.version);
                let noted = self.refused_token(channel.workspace_id, used, code, self.now());
                let told = self.batch(noted.into()).await?.pop().unwrap_or_default();
                self.forget_channel(channel.id).await;
                self.push_deliveries(told.read()?).await;
                Ok(refused(reason))
            }
        }
    }

    /// Writes what differs and tells of it, and what is `also` to be written; gives back the
    /// rows of that.
    pub(super) async fn store_changes(
        &self,
        channel: &Channel,
        changes: &Changes<'_>,
        also: Vec<Statement>,
        now: Timestamp,
    ) -> Result<Vec<Rows>, Error> {
        let workspace = channel.workspace_id;
        let event: EventId = self.fresh(now);
        let mut batch = Vec::new();
        let mut fanned = Vec::new();
        if !changes.removed.is_empty() {
            fanned.push(1);
            batch.extend(templates::remove(workspace, &changes.removed, event, now));
        }
        if !changes.freed.is_empty() {
            let freed: Vec<&str> = changes.freed.iter().map(String::as_str).collect();
            batch.push(templates::free_keys(workspace, channel.id, &freed));
        }
        // Ids in the provider's order: where nobody chose a language, it is the first.
        let mut ids: Vec<TemplateId> = changes.put.iter().map(|_| self.fresh(now)).collect();
        ids.sort_unstable();
        let mut rows = Vec::new();
        for (put, id) in changes.put.iter().zip(ids) {
            let row = Put {
                id,
                provider_id: &put.listed.provider_id,
                key: &put.key,
                name: &put.listed.name,
                language: &put.listed.language,
                category: &put.listed.category,
                status: &put.listed.status,
                components: &put.listed.components,
                variables: &put.variables,
                version: put.version,
            };
            rows.push(serde_json::to_string(&row).map_err(|_| Error::Internal)?);
        }
        for json in chunks(rows) {
            fanned.push(batch.len() + 1);
            batch.extend(templates::put(workspace, channel.id, json, event, now));
        }
        // A further language may be the one that a name means from now on: what was
        // planned without it must be planned again.
        let has_more = changes.added > 0;
        if has_more {
            batch.push(channels::outdate(channel.id, channel.version));
        }
        let own = batch.len();
        batch.extend(also);
        if batch.is_empty() {
            return Ok(vec![]);
        }
        let mut rows = self.batch(batch).await?;
        if has_more {
            self.forget_channel(channel.id).await;
        }
        let also = rows.split_off(own.min(rows.len()));
        let mut told = Vec::new();
        for at in fanned {
            let rows = rows.get_mut(at).map(std::mem::take);
            told.extend(rows.unwrap_or_default().read::<DeliveryHint>()?);
        }
        self.push_deliveries(told).await;
        Ok(also)
    }

    pub async fn list_templates(
        &self,
        key: &Key,
        channel: Option<ChannelId>,
        after: &str,
        limit: i64,
    ) -> Result<Page<TemplateRecord>, Error> {
        #[derive(Deserialize)]
        struct End {
            id: TemplateId,
        }
        let workspace = key.workspace_id;
        let batch = vec![
            templates::list(workspace, channel, after, limit + 1),
            templates::scan_end(workspace, after),
        ];
        let mut rows = self.read(key, batch).await?;
        let found: Vec<TemplateRecord> = next(&mut rows).records()?;
        let end: Option<End> = next(&mut rows).first()?;
        Ok(Page::of(found, limit, |template| template.id.to_string())
            .or_scan_end(end.map(|end| end.id.to_string())))
    }

    pub async fn template(&self, key: &Key, id: TemplateId) -> Result<TemplateRecord, Error> {
        let statement = templates::get(key.workspace_id, id);
        let mut rows = self.read(key, vec![statement]).await?;
        one(next(&mut rows))
    }

    /// Gives a template another key, in all its languages, or its variables other names,
    /// which take the placeholders in their order.
    pub async fn patch_template(
        &self,
        key: &Key,
        template: &TemplateRecord,
        patch: &TemplatePatch,
    ) -> Result<TemplateRecord, Error> {
        if let Some(variables) = &patch.variables {
            check_variables(variables, template.variables.len())?;
        }
        let change = Change {
            key: patch.key.as_deref(),
            variables: patch.variables.as_deref(),
        };
        let mut batch = templates::change(template, key.workspace_id, &change);
        batch.push(templates::get(key.workspace_id, template.id));
        let mut rows = self.batch(batch).await?;
        let template = one(rows.pop().unwrap_or_default())?;
        if patch.key.as_ref().is_some_and(|key| *key != template.key) {
            return Err(Error::Conflict {
                detail: "another template of this channel has this key",
                pointer: Some("/key".to_owned()),
            });
        }
        if patch
            .variables
            .as_ref()
            .is_some_and(|names| *names != template.variables)
        {
            return Err(Error::Conflict {
                detail: "the template has changed meanwhile",
                pointer: Some("/variables".to_owned()),
            });
        }
        Ok(template)
    }

    /// Takes in the answer to `templates::wanted`: those of the channel. Where so many
    /// channels have the template that its own may not be among them, they are asked for.
    /// A channel without templates is given those of others, to say what they say.
    pub(super) async fn learn_templates(
        &self,
        wanted: Rows,
        channel: &Channel,
        send: &Send,
        now: Timestamp,
    ) -> Result<Vec<Rc<TemplateRecord>>, DatabaseError> {
        let Some(draft) = send.content.template() else {
            return Ok(vec![]);
        };
        if send.adapts && adapter_of(channel).is_ok_and(|it| it.templates().is_none()) {
            let others: Vec<TemplateRecord> = wanted.records()?;
            let others = others.into_iter().map(Rc::new);
            let (mut approved, others): (Vec<_>, Vec<_>) =
                others.partition(|template| template.status == APPROVED);
            approved.extend(others);
            return Ok(approved);
        }
        let wanted = if wanted.0.len() < templates::MOST_WANTED {
            wanted
        } else {
            let own = templates::wanted_of(channel.workspace_id, channel.id, &draft.template);
            next(&mut self.batch(vec![own]).await?.into_iter())
        };
        let found: Vec<TemplateRecord> = wanted.records()?;
        let own: Vec<Rc<TemplateRecord>> = found
            .into_iter()
            .filter(|template| template.channel_id == channel.id)
            .map(Rc::new)
            .collect();
        // What is not there yet may be synced any moment.
        if !own.is_empty() {
            let wanted = draft.template.clone();
            self.memory
                .keep_templates(channel.id, wanted, own.clone(), now);
        }
        Ok(own)
    }

    /// A channel, and its templates by name and language.
    pub async fn templates_of(
        &self,
        key: &Key,
        channel: ChannelId,
        limit: i64,
    ) -> Result<(view::Channel, Vec<TemplateRecord>), Error> {
        let statements = vec![
            channels::get(key.workspace_id, channel),
            templates::living_of_channel(key.workspace_id, channel, limit),
        ];
        let mut rows = self.read(key, statements).await?;
        let found: Vec<ChannelRecord> = next(&mut rows).records()?;
        let record = found
            .into_iter()
            .next()
            .ok_or(Error::not_found("channel"))?;
        let channel = view::Channel::of(record, &self.config.public_url);
        Ok((channel, next(&mut rows).records()?))
    }
}

/// Claims the channels that wait longest for their templates to be read; the last statement
/// gives them back. They are stamped before their providers are asked, so that one that
/// fails is not asked again at once.
pub(super) fn claim_due_templates(now: Timestamp, limit: i64) -> [Statement; 2] {
    channels::claim_template_syncs(now, next_try(now), limit)
}

fn next_try(now: Timestamp) -> Timestamp {
    now.plus_ms(HOUR_MS)
}

fn one(rows: Rows) -> Result<TemplateRecord, Error> {
    let found: Vec<TemplateRecord> = rows.records()?;
    found.into_iter().next().ok_or(Error::not_found("template"))
}

/// Names for placeholders: as many as there are, each its own.
pub(super) fn check_variables(variables: &[String], wanted: usize) -> Result<(), Error> {
    let is_name = |name: &String| {
        let is_right = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        (1..=LONGEST_VARIABLE).contains(&name.len()) && name.bytes().all(is_right)
    };
    let mut seen = HashSet::new();
    for (at, name) in variables.iter().enumerate() {
        let wrong = if !is_name(name) {
            "must be 1 to 64 letters, digits, dots, dashes or underscores"
        } else if !seen.insert(name) {
            "comes twice"
        } else {
            continue;
        };
        return Err(Error::invalid(format!("/variables/{at}"), wrong));
    }
    if variables.len() == wanted {
        return Ok(());
    }
    Err(Error::invalid(
        "/variables",
        format!("must name as many as the template has: {wanted}"),
    ))
}

fn is_storable(template: &ProviderTemplate) -> bool {
    let components = serde_json::to_string(&template.components);
    components.is_ok_and(|json| json.len() <= LARGEST)
}

/// Joins JSON values to arrays that each bind as one parameter.
fn chunks(rows: Vec<String>) -> Vec<String> {
    let mut arrays: Vec<String> = Vec::new();
    for row in rows {
        match arrays.last_mut() {
            Some(array) if array.len() + row.len() + 2 <= CHUNK_BYTES => {
                array.push(',');
                array.push_str(&row);
            }
            Some(_) | None => arrays.push(format!("[{row}")),
        }
    }
    for array in &mut arrays {
        array.push(']');
    }
    arrays
}
