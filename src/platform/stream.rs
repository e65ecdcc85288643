//! Bodies on their way: handed on as they come, or read piece by piece. None is ever held
//! whole.

use super::fetch::{LONGEST_ANSWER, abort_after, head_of_answer};
use super::wire;
use crate::gateway::{Broken, NoAnswer, Opened, Pieces};
use bytes::Bytes;
use futures_util::StreamExt;
use http::{Request, Response, StatusCode};
use std::pin::Pin;
use std::task::{Context, Poll};
use worker::js_sys::{Array, Uint8Array};
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::wasm_bindgen_futures::JsFuture;
use worker::web_sys::{self, AbortController, AbortSignal, ReadableStream};

/// No file takes longer.
const LONGEST_MS: u32 = 5 * 60 * 1000;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch, js_namespace = AbortSignal, js_name = any)]
    fn abort_with(signals: &Array) -> Result<AbortSignal, JsValue>;
}

/// A body that nobody has read from yet, or one that is being read.
pub enum Stream {
    Unread(Option<ReadableStream>),
    Read(Pin<Box<dyn futures_util::Stream<Item = Result<Bytes, Broken>>>>),
}

impl Stream {
    /// The runtime's own stream, if nothing was read from it: it is then handed on without
    /// a byte of it coming here.
    pub fn into_unread(self) -> Option<ReadableStream> {
        match self {
            Stream::Unread(stream) => stream,
            Stream::Read(pieces) => readable(pieces),
        }
    }
}

impl futures_util::Stream for Stream {
    type Item = Result<Bytes, Broken>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match &mut *self {
                Stream::Read(pieces) => return pieces.as_mut().poll_next(context),
                Stream::Unread(None) => return Poll::Ready(None),
                Stream::Unread(unread) => {
                    let pieces = match unread.take() {
                        Some(stream) => pieces(stream),
                        None => return Poll::Ready(None),
                    };
                    *self = Stream::Read(pieces);
                }
            }
        }
    }
}

fn pieces(stream: ReadableStream) -> Pieces {
    let bytes = wasm_streams::ReadableStream::from_raw(stream).into_stream();
    Box::pin(bytes.map(|piece| {
        let piece: Uint8Array = piece
            .ok()
            .and_then(|piece| piece.dyn_into().ok())
            .ok_or(Broken)?;
        Ok(Bytes::from(piece.to_vec()))
    }))
}

/// A body of ours as the runtime's stream.
fn readable(pieces: Pieces) -> Option<ReadableStream> {
    let pieces = pieces.map(|piece| match piece {
        Ok(piece) => Ok(JsValue::from(Uint8Array::from(piece.as_ref()))),
        Err(Broken) => Err(JsValue::from_str("the body broke off")),
    });
    Some(wasm_streams::ReadableStream::from_stream(pieces).into_raw())
}

/// Gives an answer as soon as its head is there.
pub async fn open(request: Request<Bytes>, deadline_ms: u32) -> Result<Opened<Stream>, NoAnswer> {
    let init = wire::head(&request).map_err(|_| NoAnswer)?;
    let raw = ask(&request.uri().to_string(), &init, deadline_ms).await?;
    Ok(Opened {
        status: StatusCode::from_u16(raw.status()).map_err(|_| NoAnswer)?,
        headers: wire::headers(&raw.headers()),
        stream: Stream::Unread(raw.body()),
    })
}

/// Sends a body that is still on its way, and reads the answer.
pub async fn upload(
    request: Request<Bytes>,
    body: Pieces,
    length: Option<u64>,
    deadline_ms: u32,
) -> Result<Response<Bytes>, NoAnswer> {
    let init = wire::head(&request).map_err(|_| NoAnswer)?;
    let body = readable(body).ok_or(NoAnswer)?;
    let body = match length {
        Some(length) => fixed(&body, length).map_err(|_| NoAnswer)?,
        None => body,
    };
    init.set_body(body.as_ref());
    let raw = ask(&request.uri().to_string(), &init, deadline_ms).await?;
    let answer = wire::answer(&raw, LONGEST_ANSWER).await;
    answer.map_err(|_| NoAnswer)
}

/// The same stream, of a length that is told beforehand.
fn fixed(body: &ReadableStream, length: u64) -> Result<ReadableStream, JsValue> {
    let length = u32::try_from(length).map_err(|_| JsValue::NULL)?;
    let through = worker::worker_sys::FixedLengthStream::new(length)?;
    let transform: &web_sys::TransformStream = through.unchecked_ref();
    let readable = transform.readable();
    // What breaks here breaks the request that reads the other end.
    let piped = body.pipe_to(&transform.writable());
    worker::wasm_bindgen_futures::spawn_local(async move {
        let _ = JsFuture::from(piped).await;
    });
    Ok(readable)
}

/// Makes a request that is given up where its answer does not begin by the deadline, and
/// in any case after five minutes.
async fn ask(
    url: &str,
    init: &web_sys::RequestInit,
    deadline_ms: u32,
) -> Result<web_sys::Response, NoAnswer> {
    let controller = AbortController::new().map_err(|_| NoAnswer)?;
    let longest = abort_after(LONGEST_MS).map_err(|_| NoAnswer)?;
    let signals = Array::of2(&controller.signal(), &longest);
    init.set_signal(Some(&abort_with(&signals).map_err(|_| NoAnswer)?));
    let asked = head_of_answer(url, init);
    let waited = super::timer::sleep(deadline_ms);
    futures_util::pin_mut!(asked, waited);
    match futures_util::future::select(asked, waited).await {
        futures_util::future::Either::Left((answer, _)) => answer.map_err(|_| NoAnswer),
        futures_util::future::Either::Right(_) => {
            controller.abort();
            Err(NoAnswer)
        }
    }
}
