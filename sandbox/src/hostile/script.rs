//! Bodies that do not come in one piece.

use std::io;
use std::iter;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::{BufMut, Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use tokio::time::Sleep;

/// What a body does next.
#[derive(Clone)]
pub(super) enum Step {
    Send(Bytes),
    Wait(Duration),
    /// Breaks the connection.
    Break,
}

/// A body that does one step after the other.
pub(super) struct Script<I> {
    steps: I,
    pause: Option<Pin<Box<Sleep>>>,
}

impl<I> Script<I> {
    pub(super) fn new(steps: I) -> Self {
        Self { steps, pause: None }
    }
}

impl<I: Iterator<Item = Step> + Unpin> http_body::Body for Script<I> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            match self.steps.next() {
                None => return Poll::Ready(None),
                Some(Step::Send(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Some(Step::Wait(time)) => self.pause = Some(Box::pin(tokio::time::sleep(time))),
                Some(Step::Break) => {
                    return Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())));
                }
            }
        }
    }
}

/// A body whose bytes are counted as they go out.
pub(super) struct Counted<F> {
    body: Body,
    count: F,
}

impl<F> Counted<F> {
    pub(super) fn new(body: Body, count: F) -> Self {
        Self { body, count }
    }
}

impl<F: FnMut(u64) + Unpin> http_body::Body for Counted<F> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(bytes) = frame.data_ref()
        {
            (self.count)(bytes.len() as u64);
        }
        Poll::Ready(frame)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A gzip file of zeros, which a decompressor makes 159 times longer.
///
/// One block with the fixed codes: a zero, then 400,000 times "258 bytes like the last one". Eight of these fill
/// thirteen bytes.
///
/// <https://www.rfc-editor.org/rfc/rfc1951>
pub(super) fn bomb() -> impl Iterator<Item = Bytes> + Unpin + Send + 'static {
    const HEAD: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\xff\x63";
    const COPIES: [u8; 13] = *b"\x18\x05\xa3\x60\x14\x8c\x82\x51\x30\x0a\x46\xc1\x28";
    const CRC32: u32 = 0x72a2_8003;
    const LENGTH: u32 = 1 + 400_000 * 258;
    let block = Bytes::from(COPIES.repeat(1000));
    let mut tail = BytesMut::from(&[0, 0][..]);
    tail.put_u32_le(CRC32);
    tail.put_u32_le(LENGTH);
    iter::once(Bytes::from_static(HEAD))
        .chain(iter::repeat_n(block, 50))
        .chain(iter::once(tail.freeze()))
}
