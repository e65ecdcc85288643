//! The largest files pass through whole, and are never held whole.

use std::time::Duration;

use patchbay_sandbox::{FetchFilter, InboundMedia, MediaKind, StoredFile};
use reqwest::Method;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::time::sleep;

use super::file::{self, Read};
use super::outbound::{arrives, handed_over, held};
use crate::content::stage::Stage;
use crate::harness::{Gateway, Reply, Tenant, run};

const MIB: u64 = 1024 * 1024;
/// The largest file that is taken.
const LARGEST: u64 = 100 * MIB;
/// What may be on its way, or not yet collected, of a file that passes through.
const PASSING: u64 = 75 * MIB;
/// The same where the bucket is too, which is simulated in the same process. A file that is held whole takes more
/// than twice its length.
const STORING: u64 = 160 * MIB;

/// What a runtime's memory grew by at most while something was done.
struct Growth<'a> {
    gateway: &'a Gateway,
    before: u64,
}

impl<'a> Growth<'a> {
    fn begin(gateway: &'a Gateway) -> Self {
        gateway.forget_peak();
        let before = gateway.peak_memory();
        Self { gateway, before }
    }

    /// Checks that it is no more than so many bytes.
    fn end(self, what: &str, most: u64) {
        let grown = self.gateway.peak_memory().saturating_sub(self.before);
        let (before, shown) = (self.before / MIB, grown / MIB);
        println!("{what}: from {before} MiB, {shown} MiB more at the most");
        assert!(grown < most, "{what}: {shown} MiB");
    }
}

async fn large(stage: &Stage, size: u64) -> StoredFile {
    file::put(&stage.tenant.sandbox, "application/pdf", size, "large.pdf").await
}

/// Once nobody reads from the provider any more.
async fn is_quiet(stage: &Stage) {
    let served = || {
        let all = stage.tenant.sandbox.fetches(&FetchFilter::default());
        all.iter().map(|fetch| fetch.bytes).sum::<u64>()
    };
    let mut before = u64::MAX;
    while before != served() {
        before = served();
        sleep(Duration::from_secs(1)).await;
    }
}

#[test]
fn the_largest_files_pass_both_ways_without_being_held() {
    run(async {
        let gateway = Gateway::start().await;
        let stage = Stage::of(Tenant::of(&gateway).await, "whatsapp").await;
        let document = |file: &StoredFile| InboundMedia::file(MediaKind::Document, &file.id);
        // Everything once, with a small file.
        let small = large(&stage, 6 * MIB).await;
        let content = file::hears(&stage, document(&small)).await;
        file::is_copied(&stage, file::url(&content), &small).await;
        let read = Read::get(&stage.tenant, file::url(&content)).await;
        read.assert_is(&small);
        let body = handed_over(&stage, &json!({"type": "document", "url": small.url}));
        arrives(&stage, &body).await;

        let growth = Growth::begin(&gateway);
        let out = large(&stage, LARGEST).await;
        let body = handed_over(&stage, &json!({"type": "document", "url": out.url}));
        arrives(&stage, &body).await;
        let held = held(&stage, &out.sha256);
        assert_eq!(held.len(), 1);
        assert_eq!(held[0].size, Some(LARGEST));
        growth.end("handed over", PASSING);

        let growth = Growth::begin(&gateway);
        let copied = large(&stage, LARGEST).await;
        let content = file::hears(&stage, document(&copied)).await;
        is_quiet(&stage).await;
        file::is_copied(&stage, file::url(&content), &copied).await;
        growth.end("copied", STORING);

        let growth = Growth::begin(&gateway);
        let read = Read::get(&stage.tenant, file::url(&content)).await;
        read.assert_is(&copied);
        growth.end("read from the bucket", STORING);

        // What is too large to be copied is handed out all the same.
        let beyond = large(&stage, LARGEST + 1).await;
        let content = file::hears(&stage, document(&beyond)).await;
        is_quiet(&stage).await;
        let growth = Growth::begin(&gateway);
        let read = Read::get(&stage.tenant, file::url(&content)).await;
        read.assert_is(&beyond);
        growth.end("read from the provider", PASSING);

        let bytes = vec![7; usize::try_from(LARGEST).expect("it fits")];
        let sha256 = hex::encode(Sha256::digest(&bytes));
        let growth = Growth::begin(&gateway);
        let put = stage.tenant.request(Method::POST, "/v1/media");
        let put = put.header("content-type", "text/plain").body(bytes);
        let put = put.timeout(Duration::from_secs(240));
        let stored = Reply::of(put).await.expect(201);
        growth.end("put here", STORING);
        let link = stored["url"].as_str().expect("a link");
        let read = Read::get(&stage.tenant.without_token(), link).await;
        assert_eq!((read.size, read.sha256), (LARGEST, sha256));
    });
}
