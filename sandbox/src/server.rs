//! Serving HTTP in a way that lets a route break its connection, or say more than it announced.

use std::convert::Infallible;
use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use bytes::{Buf, Bytes};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tower_service::Service;

use crate::faults::Abort;
use crate::state::lock;

/// Serves until dropped; connections end with it.
pub(crate) async fn serve(listener: TcpListener, router: Router) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(converse(stream, router.clone()));
                }
                // Out of sockets: some will close soon.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse(stream: TcpStream, router: Router) {
    // Without it answers in small parts wait for each other; serving goes on all the same.
    let _ = stream.set_nodelay(true);
    let surplus = Arc::new(Mutex::new(Bytes::new()));
    let line = Line {
        stream,
        surplus: Arc::clone(&surplus),
    };
    let service = service_fn(move |request: http::Request<Incoming>| {
        let mut router = router.clone();
        let surplus = Arc::clone(&surplus);
        async move {
            let response = match router.call(request).await {
                Ok(response) => response,
                Err(never) => match never as Infallible {},
            };
            if let Some(Surplus(bytes)) = response.extensions().get() {
                *lock(&surplus) = bytes.clone();
            }
            // An error here closes the connection before anything is written.
            match response.extensions().get::<Abort>() {
                Some(Abort) => Err(Aborted),
                None => Ok(response),
            }
        }
    });
    // A connection that breaks, by itself or on purpose, concerns only its client.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(line), service)
        .await;
}

/// Bytes to write after an answer that closes its connection, beyond the length it states.
#[derive(Clone)]
pub(crate) struct Surplus(pub Bytes);

/// A connection that says something more before it ends.
struct Line {
    stream: TcpStream,
    surplus: Arc<Mutex<Bytes>>,
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let surplus = Arc::clone(&self.surplus);
        let mut surplus = lock(&surplus);
        while surplus.has_remaining() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &surplus))?;
            surplus.advance(written);
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[derive(Debug)]
struct Aborted;

impl fmt::Display for Aborted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is broken on purpose")
    }
}

impl std::error::Error for Aborted {}
