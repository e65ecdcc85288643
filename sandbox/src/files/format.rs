//! The file formats the sandbox knows: how they are named and what they begin with.

struct Format {
    mime_type: &'static str,
    extension: &'static str,
    signature: &'static [u8],
}

const fn format(
    mime_type: &'static str,
    extension: &'static str,
    signature: &'static [u8],
) -> Format {
    Format {
        mime_type,
        extension,
        signature,
    }
}

const FORMATS: [Format; 20] = [
    format("image/jpeg", "jpg", b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01"),
    format("image/png", "png", b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR"),
    format("image/gif", "gif", b"GIF89a"),
    format("image/webp", "webp", b"RIFF\xff\xff\xff\x7fWEBPVP8 "),
    format("video/mp4", "mp4", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom"),
    format("video/3gpp", "3gp", b"\0\0\0\x14ftyp3gp5\0\0\0\x003gp5"),
    format("audio/mpeg", "mp3", b"ID3\x04\0\0\0\0\0\0"),
    format("audio/ogg", "ogg", b"OggS\0\x02"),
    format("audio/aac", "aac", b"\xff\xf1\x50\x80"),
    format("audio/amr", "amr", b"#!AMR\n"),
    format("audio/mp4", "m4a", b"\0\0\0\x18ftypM4A \0\0\0\0M4A mp42"),
    format("audio/wav", "wav", b"RIFF\xff\xff\xff\x7fWAVEfmt "),
    format("application/pdf", "pdf", b"%PDF-1.7\n"),
    format("application/zip", "zip", b"PK\x03\x04"),
    format("application/msword", "doc", OLE),
    format("application/vnd.ms-excel", "xls", OLE),
    format("application/vnd.ms-powerpoint", "ppt", OLE),
    format("text/plain", "txt", b""),
    format("text/csv", "csv", b""),
    format(
        "image/svg+xml",
        "svg",
        b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>",
    ),
];

/// What the older files of Office begin with.
const OLE: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";

/// A media type without its parameters, in lowercase.
pub(crate) fn essence(mime_type: &str) -> String {
    let essence = mime_type.split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

fn of(mime_type: &str) -> Option<&'static Format> {
    let essence = essence(mime_type);
    FORMATS.iter().find(|format| format.mime_type == essence)
}

/// What the name of such a file ends with.
pub(crate) fn extension(mime_type: &str) -> &'static str {
    of(mime_type).map_or("bin", |format| format.extension)
}

/// What such a file begins with.
pub(super) fn signature(mime_type: &str) -> &'static [u8] {
    of(mime_type).map_or(b"", |format| format.signature)
}

/// Whether a file that begins so is an image that can be shown.
pub(crate) fn is_image(head: &[u8]) -> bool {
    let is_webp = head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP");
    is_webp
        || [&b"\xff\xd8\xff"[..], b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM"]
            .iter()
            .any(|signature| head.starts_with(signature))
}

/// Whether a file that begins so is a WebP that moves.
///
/// <https://developers.google.com/speed/webp/docs/riff_container#extended_file_format>
pub(crate) fn is_animated_webp(head: &[u8]) -> bool {
    const ANIMATION: u8 = 0b10;
    head.starts_with(b"RIFF")
        && head.get(8..16) == Some(b"WEBPVP8X")
        && head.get(20).is_some_and(|flags| flags & ANIMATION != 0)
}
