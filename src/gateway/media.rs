//! Files: handed out to clients, copied where there is a bucket, taken in from clients.
//! Bytes are streamed; none of them is held whole.

use super::deliver::Hint;
use super::guard::check_url;
use super::multipart;
use super::{Error, Gateway, Opened, Pieces, Ports, Push, Queue, next};
use crate::channel::{FileRef, Reason, SendError, adapter};
use crate::model::access::Key;
use crate::model::channel::Channel;
use crate::model::content::Content;
use crate::model::id::{ChannelId, MediaId, MessageId, WorkspaceId};
use crate::model::json;
use crate::model::template::TemplateDraft;
use crate::model::time::{HOUR_MS, MINUTE_MS, Timestamp};
use crate::store::media;
use crate::store::{DatabaseError, Rows, Statement};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};
use std::rc::Rc;
use url::Url;

/// The largest file that is taken or passed on.
pub const LARGEST: u64 = 100 * 1024 * 1024;
/// Most redirects followed to a file.
const MOST_HOPS: usize = 5;
/// Most times that a file is tried to be copied.
const MOST_COPIES: i64 = 5;

/// A file as stored.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct MediaRow {
    pub workspace_id: WorkspaceId,
    pub id: MediaId,
    channel_id: Option<ChannelId>,
    reference: Option<String>,
    pub mime_type: Option<String>,
    pub filename: Option<String>,
    size_bytes: Option<i64>,
    stored_at: Option<i64>,
    copies: i64,
}

impl MediaRow {
    /// Under which the bucket holds it.
    pub fn place(&self) -> String {
        place(self.workspace_id, self.id)
    }
}

fn place(workspace: WorkspaceId, id: MediaId) -> String {
    format!("{workspace}/{id}")
}

/// A file that is handed out; its bytes are with the ports.
pub struct Served {
    /// 200, 206 or 416.
    pub status: StatusCode,
    pub mime_type: String,
    pub filename: Option<String>,
    /// As the source gave them, of a part or of all.
    pub length: Option<HeaderValue>,
    pub range: Option<HeaderValue>,
}

/// A file that a client put here.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredMedia {
    pub id: MediaId,
    /// Where providers fetch it, without a key.
    pub url: String,
    pub mime_type: String,
    pub filename: Option<String>,
    pub size_bytes: u64,
    pub created_at: Timestamp,
}

/// Why an address gives no file.
pub(super) enum NotOpened {
    Silent,
    /// It leads on to where nobody may call, or nowhere.
    Astray,
}

impl<P: Ports> Gateway<P> {
    /// Hands out a file of a workspace.
    pub async fn media(
        &self,
        key: &Key,
        id: MediaId,
        range: Option<&HeaderValue>,
    ) -> Result<Served, Error> {
        let mut rows = self
            .read(key, vec![media::get(key.workspace_id, id)])
            .await?;
        let row: Option<MediaRow> = next(&mut rows).first()?;
        self.serve(row.ok_or(Error::not_found("media"))?, range)
            .await
    }

    /// Hands out a file that a client put here, to whoever has its link.
    pub async fn linked_media(
        &self,
        link: &str,
        range: Option<&HeaderValue>,
    ) -> Result<Served, Error> {
        let rows = self.batch(vec![media::by_link(link)]).await?;
        let row: Option<MediaRow> = next(&mut rows.into_iter()).first()?;
        let row = row.filter(|row| row.stored_at.is_some());
        self.serve(row.ok_or(Error::not_found("media"))?, range)
            .await
    }

    async fn serve(&self, row: MediaRow, range: Option<&HeaderValue>) -> Result<Served, Error> {
        let opened = if row.stored_at.is_some() {
            let opened = self.ports.open_stored(&row.place(), range).await;
            opened.map_err(|_| Error::Unavailable)?
        } else {
            None
        };
        let opened = match opened {
            Some(opened) => opened,
            None => self.open_at_provider(&row, range).await?,
        };
        let header = |name| opened.headers.get(name).cloned();
        let told = header(header::CONTENT_TYPE);
        let told = told.and_then(|value| value.to_str().ok().map(str::to_owned));
        let served = Served {
            status: opened.status,
            mime_type: row
                .mime_type
                .or(told)
                .unwrap_or_else(|| "application/octet-stream".to_owned()),
            filename: row.filename,
            // What was encoded is decoded by now.
            length: header(header::CONTENT_LENGTH).filter(|_| !is_encoded(&opened.headers)),
            range: header(header::CONTENT_RANGE),
        };
        self.ports.answer_with(opened.stream);
        Ok(served)
    }

    /// Opens a file at the provider of its channel.
    ///
    /// 1. The channel, whose credentials it takes.
    /// 2. Where the file is, where the provider has to be asked.
    /// 3. The bytes, over redirects that are checked one by one.
    async fn open_at_provider(
        &self,
        row: &MediaRow,
        range: Option<&HeaderValue>,
    ) -> Result<Opened<P::Stream>, Error> {
        let gone = || Error::not_found("media");
        let reference = row.reference.as_deref().ok_or_else(gone)?;
        let reference: FileRef = json::parse(reference).map_err(|_| gone())?;
        let id = row.channel_id.ok_or_else(gone)?;
        let channel = self.find_channel_now(id, self.now()).await?;
        let channel = channel.filter(|channel| channel.workspace_id == row.workspace_id);
        let channel: Rc<Channel> = channel.ok_or_else(gone)?;
        let adapter = adapter(channel.kind).ok_or(Error::Internal)?;
        let files = adapter.files().ok_or_else(gone)?;
        let origins = &self.config.origins;
        let address = match reference {
            FileRef::Url(url) => url,
            FileRef::Id(id) => {
                let question = files.locate(origins, &channel, &id).ok_or_else(gone)?;
                let deadline = self.config.provider_timeout_ms;
                let answer = self.ports.fetch(question, deadline).await;
                let answer = answer.map_err(|_| Error::ProviderSilent)?;
                files.located(&answer).map_err(not_located)?
            }
        };
        let request = files.download(origins, &channel, &address);
        let mut request = request.ok_or_else(|| {
            self.ports
                .log("media.other_host", json!({ "channel": channel.id }));
            gone()
        })?;
        if let Some(range) = range {
            request.headers_mut().insert(header::RANGE, range.clone());
        }
        let opened = self.follow(request).await;
        let opened = opened.map_err(|_| Error::ProviderSilent)?;
        match opened.status {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {}
            StatusCode::NOT_FOUND | StatusCode::GONE => return Err(gone()),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(Error::ProviderRejected {
                    message: "the file could not be fetched with the channel's token".to_owned(),
                    provider_code: Some(opened.status.as_u16().to_string()),
                });
            }
            _ => return Err(Error::ProviderSilent),
        }
        if is_page(&opened.headers) && row.mime_type.as_deref().is_some_and(|it| it != "text/html")
        {
            // Meta shows a page where it refuses.
            return Err(Error::ProviderSilent);
        }
        Ok(opened)
    }

    /// Opens an address over its redirects. Each leads to where this deployment may call, and
    /// none gets the credentials of the one before.
    pub(super) async fn follow(
        &self,
        request: Request<Bytes>,
    ) -> Result<Opened<P::Stream>, NotOpened> {
        let mut request = request;
        for _ in 0..MOST_HOPS {
            let from = request.uri().to_string();
            let range = request.headers().get(header::RANGE).cloned();
            let deadline = self.config.provider_timeout_ms;
            let opened = self.ports.open(request, deadline).await;
            let opened = opened.map_err(|_| NotOpened::Silent)?;
            if !opened.status.is_redirection() {
                return Ok(opened);
            }
            let to = opened.headers.get(header::LOCATION);
            let to = to.and_then(|to| to.to_str().ok());
            let to = to.and_then(|to| Url::parse(&from).ok()?.join(to).ok());
            let to = to.ok_or(NotOpened::Astray)?;
            let to = check_url(
                to.as_str(),
                &self.config.public_url,
                self.config.allow_insecure_webhooks,
            )
            .map_err(|_| NotOpened::Astray)?;
            let mut next = Request::get(to);
            if let Some(range) = range {
                next = next.header(header::RANGE, range);
            }
            request = next.body(Bytes::new()).map_err(|_| NotOpened::Astray)?;
        }
        Err(NotOpened::Astray)
    }

    /// Takes in a file: the body of the request, or the one in it.
    ///
    /// 1. Where it starts, and what it says it is.
    /// 2. Its row, which hands out nothing yet.
    /// 3. The bytes, then the row again.
    pub async fn take_media(
        &self,
        key: &Key,
        content_type: &str,
        filename: Option<String>,
    ) -> Result<StoredMedia, Error> {
        let body = self.ports.body().ok_or(Error::Internal)?;
        match multipart::boundary(content_type) {
            None if content_type
                .trim_start()
                .to_ascii_lowercase()
                .starts_with("multipart/") =>
            {
                Err(Error::invalid(
                    "/headers/content-type",
                    "must be multipart/form-data with its boundary, or what the file is",
                ))
            }
            None => {
                self.put_media(key, Box::pin(body), content_type, filename)
                    .await
            }
            Some(boundary) => {
                let file = multipart::file(Box::pin(body), &boundary).await?;
                let name = file.filename.or(filename);
                self.put_media(key, file.body, &file.mime_type, name).await
            }
        }
    }

    /// Takes in a file of the request that is being answered.
    async fn put_media(
        &self,
        key: &Key,
        body: Pieces,
        mime_type: &str,
        filename: Option<String>,
    ) -> Result<StoredMedia, Error> {
        if !self.ports.has_bucket() {
            return Err(Error::NoBucket);
        }
        let now = self.now();
        let id: MediaId = self.fresh(now);
        let link = format!("{}{}", self.token(), self.token());
        let put = media::put(
            key.workspace_id,
            id,
            &link,
            mime_type,
            filename.as_deref(),
            now,
        );
        self.batch(vec![put]).await?;
        let place = place(key.workspace_id, id);
        let size = self.ports.store(&place, mime_type, body, LARGEST).await?;
        let stored = media::stored(
            key.workspace_id,
            id,
            i64::try_from(size).unwrap_or(i64::MAX),
            now,
        );
        self.batch(vec![stored]).await?;
        Ok(StoredMedia {
            id,
            url: self.link_url(&link),
            mime_type: mime_type.to_owned(),
            filename,
            size_bytes: size,
            created_at: now,
        })
    }

    /// The same of the files that fill a template: those of its components must be there,
    /// while a variable may be any text.
    pub(super) async fn link_template(
        &self,
        workspace: WorkspaceId,
        draft: &mut TemplateDraft,
    ) -> Result<(), Error> {
        let mut links = Vec::new();
        for (at, component) in draft.components.iter_mut().flatten().enumerate() {
            let pointer = format!("/content/components/{at}");
            for_each_link(component, pointer, &mut |pointer, link| {
                links.push((Some(pointer), link));
            });
        }
        let variables = draft.variables.iter_mut().flat_map(Map::values_mut);
        links.extend(variables.map(|value| (None, value)));
        let id = |value: &Json| value.as_str().and_then(MediaId::parse);
        links.retain(|(_, value)| id(value).is_some());
        let named: Vec<MediaId> = links.iter().filter_map(|(_, value)| id(value)).collect();
        if named.is_empty() {
            return Ok(());
        }
        let rows = self.batch(vec![media::links(workspace, &named)]).await?;
        let rows: Vec<Linked> = next(&mut rows.into_iter()).read()?;
        for (pointer, value) in links {
            match (rows.iter().find(|row| Some(row.id) == id(value)), pointer) {
                (Some(row), _) => *value = Json::from(self.link_url(&row.link)),
                (None, None) => {}
                (None, pointer) => {
                    return Err(Error::NotFound {
                        what: "media",
                        pointer,
                    });
                }
            }
        }
        Ok(())
    }

    /// Puts the links of files that clients put here in the place of their ids.
    pub(super) async fn link_files(
        &self,
        workspace: WorkspaceId,
        content: &mut Content,
    ) -> Result<(), Error> {
        let named: Vec<MediaId> = content
            .files_mut()
            .into_iter()
            .filter_map(|(_, url)| MediaId::parse(url))
            .collect();
        if named.is_empty() {
            return Ok(());
        }
        let rows = self.batch(vec![media::links(workspace, &named)]).await?;
        let rows: Vec<Linked> = next(&mut rows.into_iter()).read()?;
        for (pointer, url) in content.files_mut() {
            let Some(id) = MediaId::parse(url) else {
                continue;
            };
            let row = rows.iter().find(|row| row.id == id);
            let row = row.ok_or_else(|| Error::NotFound {
                what: "media",
                pointer: Some(format!("/content{pointer}")),
            })?;
            *url = self.link_url(&row.link);
        }
        // What is known of a file need not be said again.
        if let (Some(media), [only]) = (content.media_mut(), rows.as_slice()) {
            media.mime_type = media.mime_type.take().or(only.mime_type.clone());
            media.filename = media.filename.take().or(only.filename.clone());
        }
        Ok(())
    }

    pub(super) fn link_url(&self, link: &str) -> String {
        format!("{}/media/{link}", self.config.public_url)
    }

    /// Keeps the files put here that a message's contents link to, given as JSON, for as long after
    /// the moment at which it is sent as if they were put here then.
    pub(super) fn keep_files<'a>(
        &self,
        workspace: WorkspaceId,
        message: MessageId,
        contents: impl Iterator<Item = &'a str>,
        sent_at: Timestamp,
    ) -> Option<Statement> {
        let base = self.link_url("");
        let links: Vec<&str> = contents
            .flat_map(|content| content.split(&base).skip(1))
            .filter_map(|rest| {
                rest.split(|next: char| !next.is_ascii_alphanumeric())
                    .next()
            })
            .collect();
        (!links.is_empty()).then(|| media::keep(workspace, message, &links, sent_at))
    }

    /// Where a file that customers sent is handed out.
    pub(super) fn media_url(&self, id: MediaId) -> String {
        format!("{}/v1/media/{id}", self.config.public_url)
    }

    /// When the files of what comes now are to be copied, if there is a bucket.
    pub(super) fn copy_due_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.ports.has_bucket().then_some(now)
    }

    /// Hints at files that are to be copied.
    pub(super) async fn push_copies(&self, files: Vec<(WorkspaceId, MediaId)>) {
        let pushes: Vec<Push> = files
            .into_iter()
            .map(|(workspace, media)| Hint::Media { workspace, media }.push(0))
            .collect();
        self.push(Queue::Outbound, pushes).await;
    }

    /// Copies one file, if that is still to be done.
    pub(super) async fn copy(
        &self,
        workspace: WorkspaceId,
        id: MediaId,
    ) -> Result<(), DatabaseError> {
        let now = self.now();
        let claim = media::claim_copy(workspace, id, now, again(now));
        let rows = self.batch(vec![claim]).await?;
        self.copy_claimed(next(&mut rows.into_iter())).await
    }

    /// Copies what is due and was not copied when it came.
    pub(super) async fn copy_due(&self, limit: i64) -> Result<(), DatabaseError> {
        if !self.ports.has_bucket() {
            return Ok(());
        }
        let now = self.now();
        let claim = media::claim_copies(now, again(now), limit);
        let rows = self.batch(vec![claim]).await?;
        self.copy_claimed(next(&mut rows.into_iter())).await
    }

    async fn copy_claimed(&self, rows: Rows) -> Result<(), DatabaseError> {
        for row in rows.read::<MediaRow>()? {
            let copied = self.copy_one(&row).await;
            let now = self.now();
            let statement = match copied {
                Ok(size) => {
                    let size = i64::try_from(size).unwrap_or(i64::MAX);
                    media::stored(row.workspace_id, row.id, size, now)
                }
                // It is gone, or nobody may have it, or it was tried often enough.
                Err(Error::NotFound { .. } | Error::TooLarge) => {
                    media::not_copied(row.workspace_id, row.id)
                }
                // A token that is refused now may be replaced.
                Err(Error::ProviderRejected { .. }) if row.copies < MOST_COPIES => {
                    let later = now.plus_ms(row.copies * 6 * HOUR_MS);
                    media::copy_later(row.workspace_id, row.id, later)
                }
                Err(_) if row.copies >= MOST_COPIES => media::not_copied(row.workspace_id, row.id),
                Err(_) => continue,
            };
            self.batch(vec![statement]).await?;
        }
        Ok(())
    }

    async fn copy_one(&self, row: &MediaRow) -> Result<u64, Error> {
        if row
            .size_bytes
            .is_some_and(|size| u64::try_from(size).is_ok_and(|size| size > LARGEST))
        {
            return Err(Error::TooLarge);
        }
        let opened = self.open_at_provider(row, None).await?;
        let told = opened.headers.get(header::CONTENT_TYPE);
        let told = told.and_then(|value| value.to_str().ok());
        let mime_type = row.mime_type.as_deref().or(told);
        let mime_type = mime_type.unwrap_or("application/octet-stream").to_owned();
        let place = row.place();
        let body: Pieces = Box::pin(opened.stream);
        Ok(self.ports.store(&place, &mime_type, body, LARGEST).await?)
    }

    /// Empties the bucket of what is kept no longer.
    pub(super) async fn discard_media(
        &self,
        statement: crate::store::Statement,
    ) -> Result<(), Error> {
        #[derive(Deserialize)]
        struct Row {
            workspace_id: WorkspaceId,
            id: MediaId,
        }
        let rows = self.batch(vec![statement]).await?;
        let rows: Vec<Row> = next(&mut rows.into_iter()).read()?;
        if rows.is_empty() {
            return Ok(());
        }
        let places = rows.iter().map(|row| place(row.workspace_id, row.id));
        self.ports.discard(places.collect()).await?;
        let files: serde_json::Value = rows
            .iter()
            .map(|row| json!([row.workspace_id, row.id]))
            .collect();
        self.batch(media::discarded(&files)).await?;
        Ok(())
    }
}

/// A file that a client put here, as messages name it.
#[derive(Deserialize)]
struct Linked {
    id: MediaId,
    link: String,
    mime_type: Option<String>,
    filename: Option<String>,
}

/// Every `link` in a template's component, with where it stands.
fn for_each_link<'a>(
    json: &'a mut Json,
    pointer: String,
    each: &mut impl FnMut(String, &'a mut Json),
) {
    match json {
        Json::Object(fields) => {
            for (name, value) in fields {
                let pointer = format!("{pointer}/{name}");
                if name == "link" {
                    each(pointer, value);
                } else {
                    for_each_link(value, pointer, each);
                }
            }
        }
        Json::Array(items) => {
            for (at, value) in items.iter_mut().enumerate() {
                for_each_link(value, format!("{pointer}/{at}"), each);
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

/// When a copy that came to nothing is tried again.
fn again(now: Timestamp) -> Timestamp {
    now.plus_ms(10 * MINUTE_MS)
}

pub(super) fn is_encoded(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_ENCODING)
        .is_some_and(|encoding| encoding != "identity")
}

fn is_page(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    kind.and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.to_ascii_lowercase().starts_with("text/html"))
}

/// What it means that a provider does not say where a file is.
fn not_located(error: SendError) -> Error {
    let refused = |reason: Reason| Error::ProviderRejected {
        message: reason.message,
        provider_code: reason.provider_code,
    };
    match error {
        SendError::Rejected(_) => Error::not_found("media"),
        SendError::Unclear(_) | SendError::Temporary(_) | SendError::Throttled { .. } => {
            Error::ProviderSilent
        }
        SendError::Unauthorized(reason) => refused(reason),
    }
}
