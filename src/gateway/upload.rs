//! Handing a file over to the provider before its message, or with it: fetched once, looked
//! at, and streamed on.

use super::guard::check_url;
use super::media::{NotOpened, is_encoded};
use super::outcome::{Attempted, no_answer, ours};
use super::{Broken, Gateway, Opened, Pieces, Ports, sniff};
use crate::channel::{Adapter, Limit, Outbound, SendError, UploadFile, Uploads};
use crate::model::content::{Content, Media, MediaMode};
use crate::model::time::{MINUTE_MS, Timestamp};
use crate::store::{Rows, Statement, media, outbox};
use bytes::{Bytes, BytesMut};
use futures_util::future::{Either, select};
use futures_util::{StreamExt, stream};
use http::{Request, StatusCode, header};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::cell::OnceCell;
use std::pin::pin;
use std::rc::Rc;

/// What was done before a send.
pub(super) enum Prepared {
    Nothing,
    /// What the provider calls the file.
    Uploaded(Uploaded),
    /// The message is sent with its file, or cannot be.
    Over(Attempted),
}

/// A file that the provider has.
pub(super) struct Uploaded {
    pub provider_id: String,
    source: String,
    /// It was handed over for another message.
    is_known: bool,
}

/// Longer than any file takes, with all its redirects, and its message.
const LEASE_MS: i64 = 8 * MINUTE_MS;
const LONGEST_MS: u32 = 5 * 60 * 1000;
/// As much as tells what a file is.
const LOOKED_AT: usize = 512;

/// A file that is open and looked at.
struct Checked {
    mime_type: String,
    length: Option<u64>,
    body: Pieces,
    /// Why the body broke off, once it did.
    broke: Rc<OnceCell<SendError>>,
}

impl<P: Ports> Gateway<P> {
    /// Hands over the file of a message, where that is asked for.
    ///
    /// 1. What the provider was given before, if it still keeps it.
    /// 2. More time: a large file takes longer than a send.
    /// 3. The file, whose kind and size must be ones that the provider takes.
    /// 4. The upload, and what the provider calls it from now on.
    ///
    /// Until the last step nothing was sent: what goes wrong is tried again.
    pub(super) async fn prepare(
        &self,
        adapter: &dyn Adapter,
        send: &Outbound<'_>,
        attempt: i64,
    ) -> Prepared {
        if !says_upload(send.content, send.channel.settings.media) {
            return Prepared::Nothing;
        }
        let Some(media) = send.content.media() else {
            return Prepared::Nothing;
        };
        let Some(uploads) = adapter.uploads() else {
            return Prepared::Nothing;
        };
        match self.hand_over(adapter, uploads, send, media, attempt).await {
            Ok(prepared) => prepared,
            Err(error) => Prepared::Over(Attempted::Refused(error)),
        }
    }

    async fn hand_over(
        &self,
        adapter: &dyn Adapter,
        uploads: &dyn Uploads,
        send: &Outbound<'_>,
        media: &Media,
        attempt: i64,
    ) -> Result<Prepared, SendError> {
        #[derive(Deserialize)]
        struct Row {
            provider_id: String,
        }
        let now = self.now();
        let channel = send.channel;
        let kind = send.content.kind();
        // A channel that changed may be another account's: its files are other ones.
        let source = format!("{} {kind} {}", channel.version, media.url);
        let source = hex::encode(Sha256::digest(source));
        let known = media::uploaded(channel.id, &source, now);
        let mut rows = self.keep_claim(send, attempt, vec![known]).await?;
        if let Some(known) = rows.pop().and_then(row::<Row>) {
            return Ok(Prepared::Uploaded(Uploaded {
                provider_id: known.provider_id,
                source,
                is_known: true,
            }));
        }
        let limit = uploads.limit(kind);
        let limit = limit.or_else(|| adapter.profile().limit(kind, "url"));
        let checked = self.fetch_file(media, limit).await?;
        let boundary = format!("patchbay-{}", self.token());
        let filename = media.filename.clone();
        let filename = filename.unwrap_or_else(|| sniff::named(kind, &checked.mime_type));
        let file = UploadFile {
            mime_type: &checked.mime_type,
            filename: &filename,
        };
        let upload = uploads.upload(&self.config.origins, send, &file, &boundary)?;
        let framing = (upload.before.len() + upload.after.len()) as u64;
        let length = checked.length.map(|length| length + framing);
        let around = |bytes: Bytes| stream::iter([Ok::<Bytes, Broken>(bytes)]);
        let body: Pieces = Box::pin(
            around(upload.before)
                .chain(checked.body)
                .chain(around(upload.after)),
        );
        let answer = self
            .ports
            .upload(upload.request, body, length, LONGEST_MS)
            .await;
        // A body that broke off is no message.
        if let Some(error) = checked.broke.get() {
            return Err(error.clone());
        }
        let Ok(answer) = answer else {
            let sent = uploads.sends().then(no_answer);
            return Err(sent.unwrap_or_else(silent));
        };
        if uploads.sends() {
            let accepted = adapter.accepted(&answer)?;
            if let Ok(id) = uploads.uploaded(&answer) {
                self.keep_upload(send, uploads, &source, &id, now).await;
            }
            return Ok(Prepared::Over(Attempted::Accepted {
                provider_message_id: accepted,
            }));
        }
        // No message was sent yet, whatever the answer.
        let id = uploads.uploaded(&answer).map_err(|error| match error {
            SendError::Unclear(reason) => SendError::Temporary(reason),
            SendError::Throttled { .. }
            | SendError::Temporary(_)
            | SendError::Unauthorized(_)
            | SendError::Rejected(_) => error,
        })?;
        self.keep_upload(send, uploads, &source, &id, now).await;
        // The message itself is only sent while it is still this sender's to send.
        self.keep_claim(send, attempt, vec![]).await?;
        Ok(Prepared::Uploaded(Uploaded {
            provider_id: id,
            source,
            is_known: false,
        }))
    }

    /// Gives this sender more time, and reads along; where it is the sender no longer, it
    /// sends nothing.
    async fn keep_claim(
        &self,
        send: &Outbound<'_>,
        attempt: i64,
        reads: Vec<Statement>,
    ) -> Result<Vec<Rows>, SendError> {
        let workspace = send.channel.workspace_id;
        let until = self.now().plus_ms(LEASE_MS);
        let mut batch = vec![outbox::extend_lease(
            workspace,
            send.message_id,
            attempt,
            until,
        )];
        batch.extend(reads);
        let mut rows = self.batch(batch).await.map_err(|_| silent())?;
        if rows.is_empty() || rows.remove(0).0.is_empty() {
            return Err(silent());
        }
        Ok(rows)
    }

    /// What a refusal means of a message with a file, each of which happens once:
    ///
    /// - The file was handed over for another message before. The provider may have dropped
    ///   it, so it is handed over again.
    /// - The provider could not fetch it from its link. It is handed over instead.
    pub(super) async fn after_refusal(
        &self,
        adapter: &dyn Adapter,
        send: &Outbound<'_>,
        attempt: i64,
        uploaded: Option<&Uploaded>,
        error: SendError,
    ) -> SendError {
        let is_linked = uploaded.is_none() && send.content.media().is_some();
        let uploads = adapter.uploads().filter(|_| is_linked);
        let known = uploaded.filter(|uploaded| uploaded.is_known);
        match (error, known) {
            (SendError::Rejected(reason), None)
                if uploads.is_some_and(|uploads| uploads.is_about_link(&reason)) =>
            {
                let workspace = send.channel.workspace_id;
                let next = outbox::upload_next(workspace, send.message_id, attempt);
                match self.batch(vec![next]).await {
                    Ok(_) => silent(),
                    Err(_) => SendError::Rejected(reason),
                }
            }
            (SendError::Rejected(_), Some(known)) => {
                // Where that fails, it is forgotten after the next refusal.
                let forget = media::forget_upload(send.channel.id, &known.source);
                let _ = self.batch(vec![forget]).await;
                silent()
            }
            (error, _) => error,
        }
    }

    async fn keep_upload(
        &self,
        send: &Outbound<'_>,
        uploads: &dyn Uploads,
        source: &str,
        id: &str,
        now: Timestamp,
    ) {
        let channel = send.channel;
        let until = now.plus_ms(uploads.kept_ms());
        let keep = media::keep_upload(channel.workspace_id, channel.id, source, id, until);
        // What is not kept is uploaded again.
        let _ = self.batch(vec![keep]).await;
    }

    /// Opens the file of a message: one that a client put here, or one on the public web.
    async fn fetch_file(&self, media: &Media, limit: Option<Limit>) -> Result<Checked, SendError> {
        let opened = match self.own_file(&media.url).await? {
            Some(opened) => opened,
            None => self.public_file(&media.url).await?,
        };
        match opened.status {
            StatusCode::OK => {}
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                return Err(silent());
            }
            status => {
                let message = format!("The file's host answered HTTP {}.", status.as_u16());
                return Err(refused(&message));
            }
        }
        let header = |name| {
            opened
                .headers
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        let length = header(header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
        let length: Option<u64> = length.filter(|_| !is_encoded(&opened.headers));
        let told = header(header::CONTENT_TYPE).unwrap_or("").to_owned();
        let most = match limit {
            Some(Limit::File { most_bytes, .. }) => most_bytes,
            _ => super::LARGEST,
        };
        if length.is_some_and(|length| length > most) {
            return Err(too_large(most));
        }
        // A host that lets it trickle holds up what is sent beside it.
        let looked = pin!(peek(Box::pin(opened.stream)));
        let waited = pin!(self.ports.sleep(self.config.provider_timeout_ms));
        let (head, body) = match select(looked, waited).await {
            Either::Left((looked, _)) => looked.ok_or_else(silent)?,
            Either::Right(_) => return Err(silent()),
        };
        let given = media.mime_type.as_deref();
        let mime_type = sniff::mime_type(&head, given, &told).map_err(|it| refused(&it))?;
        if let Some(Limit::File { mime_types, .. }) = limit
            && !Limit::is_one(&mime_type, mime_types)
        {
            let message = format!(
                "The file is {mime_type}; the channel takes {}.",
                mime_types.join(", ")
            );
            return Err(refused(&message));
        }
        let broke = Rc::new(OnceCell::new());
        Ok(Checked {
            mime_type,
            length,
            body: limited(body, most, broke.clone()),
            broke,
        })
    }

    /// A file of the bucket, by its link.
    async fn own_file(&self, url: &str) -> Result<Option<Opened<P::Stream>>, SendError> {
        let own = format!("{}/media/", self.config.public_url);
        let Some(link) = url.strip_prefix(&own) else {
            return Ok(None);
        };
        let rows = self.batch(vec![media::by_link(link)]).await;
        let rows = rows.map_err(|_| silent())?.into_iter().next();
        let row = rows.and_then(row::<super::media::MediaRow>);
        let row = row.ok_or_else(|| refused("The file is not stored here any more."))?;
        let opened = self.ports.open_stored(&row.place(), None).await;
        opened.map_err(|_| silent())?.map_or_else(
            || Err(refused("The file is not stored here any more.")),
            |opened| Ok(Some(opened)),
        )
    }

    async fn public_file(&self, url: &str) -> Result<Opened<P::Stream>, SendError> {
        let url = check_url(
            url,
            &self.config.public_url,
            self.config.allow_insecure_webhooks,
        )
        .map_err(|wrong| refused(&format!("The file's address {wrong}.")))?;
        let request = Request::get(url).body(Bytes::new());
        let request = request.map_err(|_| refused("The file's address is none."))?;
        self.follow(request).await.map_err(|not| match not {
            NotOpened::Silent => silent(),
            NotOpened::Astray => refused("The file's address leads to none that may be called."),
        })
    }
}

/// Whether a content is a file that is to be handed over rather than fetched by the
/// provider; `otherwise` holds where the content does not say.
pub(super) fn says_upload(content: &Content, otherwise: MediaMode) -> bool {
    let media = content.media();
    media.is_some_and(|media| media.media.unwrap_or(otherwise) == MediaMode::Upload)
}

fn row<T: serde::de::DeserializeOwned>(rows: Rows) -> Option<T> {
    rows.first().ok()?
}

/// The beginning of a body, and all of it; `None` where it breaks off.
async fn peek(mut body: Pieces) -> Option<(Bytes, Pieces)> {
    let mut head = BytesMut::new();
    while head.len() < LOOKED_AT {
        match body.next().await {
            Some(Ok(piece)) => head.extend_from_slice(&piece),
            Some(Err(Broken)) => return None,
            None => break,
        }
    }
    let head = head.freeze();
    let again = stream::iter([Ok::<Bytes, Broken>(head.clone())]);
    Some((head, Box::pin(again.chain(body))))
}

/// A body that breaks off where it is longer than it may be.
fn limited(body: Pieces, most: u64, broke: Rc<OnceCell<SendError>>) -> Pieces {
    let mut size: u64 = 0;
    Box::pin(body.map(move |piece| {
        let error = match piece {
            Ok(piece) => {
                size += piece.len() as u64;
                if size <= most {
                    return Ok(piece);
                }
                too_large(most)
            }
            Err(Broken) => silent(),
        };
        // The first reason is the one.
        let _ = broke.set(error);
        Err(Broken)
    }))
}

fn refused(message: &str) -> SendError {
    SendError::Rejected(ours("invalid_request", message))
}

fn too_large(most: u64) -> SendError {
    refused(&format!(
        "The file is larger than the {most} bytes that the channel takes."
    ))
}

/// The file, or the provider, was not to be had just now.
fn silent() -> SendError {
    SendError::Temporary(ours(
        "provider_unavailable",
        "The file could not be handed over; nothing was sent.",
    ))
}
