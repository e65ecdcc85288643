//! The bytes of files: in memory if they are few, else on disk, or made up as they are read.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use sha2::{Digest, Sha256};

/// What is read, written and hashed at one time.
pub(super) const BLOCK: usize = 64 * 1024;
/// The longest file that stays in memory.
const HELD: usize = 256 * 1024;

pub(super) enum Content {
    Held(Bytes),
    Spooled(Spool),
    /// Begins as its format does, and goes on with what the seed makes of each position.
    Generated {
        signature: &'static [u8],
        seed: u64,
    },
}

impl Content {
    /// The bytes from a position on. May read from disk.
    pub(super) fn read(&self, at: u64, length: usize) -> io::Result<Bytes> {
        match self {
            Content::Held(bytes) => {
                let from = usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
                let to = from.saturating_add(length).min(bytes.len());
                Ok(bytes.slice(from..to))
            }
            Content::Spooled(spool) => spool.read(at, length),
            Content::Generated { signature, seed } => Ok(generated(signature, *seed, at, length)),
        }
    }

    pub(super) fn is_on_disk(&self) -> bool {
        match self {
            Content::Spooled(_) => true,
            Content::Held(_) | Content::Generated { .. } => false,
        }
    }
}

fn generated(signature: &[u8], seed: u64, at: u64, length: usize) -> Bytes {
    let mut bytes = Vec::with_capacity(length + 16);
    let skipped = (at % 8) as usize;
    let mut word = at / 8;
    while bytes.len() < length + skipped {
        bytes.extend_from_slice(&mixed(seed.wrapping_add(word)).to_le_bytes());
        word += 1;
    }
    let mut bytes = Bytes::from(bytes).slice(skipped..skipped + length);
    if at < signature.len() as u64 {
        let begin = &signature[at as usize..];
        let begin = &begin[..begin.len().min(length)];
        bytes = Bytes::from([begin, &bytes[begin.len()..]].concat());
    }
    bytes
}

/// SplitMix64: a word for each position, with no need of those before it.
///
/// <https://prng.di.unimi.it/splitmix64.c>
fn mixed(position: u64) -> u64 {
    let mut word = position.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// The SHA-256 of so many bytes, read block by block.
pub(super) fn hashed(content: &Content, size: u64) -> io::Result<[u8; 32]> {
    let mut hash = Sha256::new();
    let mut at = 0;
    while at < size {
        let length = (size - at).min(BLOCK as u64);
        hash.update(content.read(at, length as usize)?);
        at += length;
    }
    Ok(hash.finalize().into())
}

/// A file on disk that goes with its owner.
pub(super) struct Spool(PathBuf);

impl Spool {
    fn create() -> io::Result<(Self, fs::File)> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("patchbay-sandbox-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        // What an earlier process of that number left behind may go.
        let _ = fs::remove_file(&path);
        let file = fs::File::create_new(&path)?;
        Ok((Self(path), file))
    }

    fn read(&self, at: u64, length: usize) -> io::Result<Bytes> {
        let mut file = fs::File::open(&self.0)?;
        file.seek(SeekFrom::Start(at))?;
        let mut bytes = Vec::with_capacity(length);
        file.take(length as u64).read_to_end(&mut bytes)?;
        Ok(Bytes::from(bytes))
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        // Nothing is lost with a file that stays in the folder for such.
        let _ = fs::remove_file(&self.0);
    }
}

/// Takes in a body as it comes, and never holds more of it than a small part.
pub(crate) struct Intake {
    /// Bytes beyond so many are counted, but not kept.
    most: u64,
    size: u64,
    buffer: Vec<u8>,
    sink: Sink,
}

#[derive(Default)]
struct Sink {
    hash: Sha256,
    spool: Option<(Spool, fs::File)>,
}

/// What was taken in.
pub(super) struct Taken {
    pub size: u64,
    /// The bytes and their hash, unless there are too many.
    pub whole: Option<(Content, [u8; 32])>,
}

impl Intake {
    pub(crate) fn new(most: u64) -> Self {
        Self {
            most,
            size: 0,
            buffer: Vec::new(),
            sink: Sink::default(),
        }
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.size += bytes.len() as u64;
        if self.size > self.most {
            self.buffer = Vec::new();
            self.sink = Sink::default();
            return Ok(());
        }
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() > HELD {
            self.spool().await?;
        }
        Ok(())
    }

    async fn spool(&mut self) -> io::Result<()> {
        let block = std::mem::take(&mut self.buffer);
        let mut sink = std::mem::take(&mut self.sink);
        self.sink = blocking(move || {
            let (spool, mut file) = match sink.spool {
                Some(open) => open,
                None => Spool::create()?,
            };
            sink.hash.update(&block);
            file.write_all(&block)?;
            sink.spool = Some((spool, file));
            Ok(sink)
        })
        .await?;
        Ok(())
    }

    pub(super) async fn finish(mut self) -> io::Result<Taken> {
        let size = self.size;
        if size > self.most {
            return Ok(Taken { size, whole: None });
        }
        if self.sink.spool.is_some() {
            self.spool().await?;
        }
        let Sink { mut hash, spool } = self.sink;
        let content = match spool {
            Some((spool, _)) => Content::Spooled(spool),
            None => {
                hash.update(&self.buffer);
                Content::Held(Bytes::from(self.buffer))
            }
        };
        let whole = Some((content, hash.finalize().into()));
        Ok(Taken { size, whole })
    }
}

/// Does what takes long beside the connections.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_bytes_are_the_same_wherever_the_reading_begins() {
        let content = Content::Generated {
            signature: b"%PDF-1.7\n",
            seed: 7,
        };
        let whole = content.read(0, 100).unwrap();

        for at in [0, 1, 5, 8, 9, 13, 64] {
            let part = content.read(at, 20).unwrap();
            assert_eq!(part, whole.slice(at as usize..at as usize + 20), "{at}");
        }
        assert!(whole.starts_with(b"%PDF-1.7\n"));
    }

    #[tokio::test]
    async fn a_long_body_is_kept_on_disk_and_goes_with_its_owner() {
        let mut intake = Intake::new(10_000_000);
        let block = vec![7; 100_000];
        for _ in 0..5 {
            intake.write(&block).await.unwrap();
        }

        let taken = intake.finish().await.unwrap();

        let (content, hash) = taken.whole.unwrap();
        assert_eq!(taken.size, 500_000);
        assert_eq!(hash, <[u8; 32]>::from(Sha256::digest(vec![7; 500_000])));
        assert_eq!(content.read(499_990, 100).unwrap(), vec![7; 10]);
        let Content::Spooled(Spool(path)) = &content else {
            panic!("it is in memory");
        };
        let path = path.clone();
        drop(content);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn too_long_a_body_is_counted_and_not_kept() {
        let mut intake = Intake::new(10);
        intake.write(b"0123456789").await.unwrap();
        intake.write(b"0").await.unwrap();

        let taken = intake.finish().await.unwrap();

        assert_eq!(taken.size, 11);
        assert!(taken.whole.is_none());
    }
}
