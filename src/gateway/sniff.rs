//! What a file is by its first bytes: its name and what its host says of it may be wrong.
//! <https://mimesniff.spec.whatwg.org/#matching-a-mime-type-pattern>

/// The kind of a file: what its bytes say, else what the client or its host does.
///
/// An error tells that it is a page or a picture that runs, where neither was meant.
pub fn mime_type(head: &[u8], given: Option<&str>, told: &str) -> Result<String, String> {
    let bare = |kind: &str| {
        let kind = kind.split(';').next().unwrap_or("").trim();
        kind.to_ascii_lowercase()
    };
    let claimed = given.map(bare).unwrap_or_else(|| bare(told));
    let Some(seen) = seen(head) else {
        let is_kind = claimed.contains('/');
        let unknown = "application/octet-stream".to_owned();
        return Ok(if is_kind { claimed } else { unknown });
    };
    if seen == "text/html" && claimed != "text/html" {
        return Err("The file's address gives a page.".to_owned());
    }
    let family = |kind: &str| kind.split('/').next().unwrap_or("").to_owned();
    // A container may hold sound alone, and many documents are archives: there the claim says
    // more than the bytes do.
    let is_refined = match seen {
        "application/zip" => family(&claimed) == "application",
        "video/mp4" | "audio/ogg" => matches!(family(&claimed).as_str(), "audio" | "video"),
        _ => false,
    };
    if is_refined && claimed.contains('/') {
        return Ok(claimed);
    }
    Ok(seen.to_owned())
}

fn seen(head: &[u8]) -> Option<&'static str> {
    let starts = |mark: &[u8]| head.starts_with(mark);
    let at = |place: usize, mark: &[u8]| head.get(place..).is_some_and(|it| it.starts_with(mark));
    let kind = if starts(b"\xFF\xD8\xFF") {
        "image/jpeg"
    } else if starts(b"\x89PNG\r\n\x1A\n") {
        "image/png"
    } else if starts(b"GIF87a") || starts(b"GIF89a") {
        "image/gif"
    } else if starts(b"RIFF") && at(8, b"WEBP") {
        "image/webp"
    } else if starts(b"RIFF") && at(8, b"WAVE") {
        "audio/wav"
    } else if starts(b"%PDF-") {
        "application/pdf"
    } else if starts(b"OggS") {
        "audio/ogg"
    } else if at(4, b"ftyp3g") {
        "video/3gpp"
    } else if at(4, b"ftypM4A") {
        "audio/mp4"
    } else if at(4, b"ftyp") {
        "video/mp4"
    } else if starts(b"ID3") || starts(b"\xFF\xFB") || starts(b"\xFF\xF3") {
        "audio/mpeg"
    } else if starts(b"#!AMR") {
        "audio/amr"
    } else if starts(b"\xFF\xF1") || starts(b"\xFF\xF9") {
        "audio/aac"
    } else if starts(b"PK\x03\x04") {
        "application/zip"
    } else {
        return markup(head);
    };
    Some(kind)
}

/// Pages and drawings, which are text.
fn markup(head: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(head)
        .trim_start()
        .to_ascii_lowercase();
    if ["<!doctype html", "<html", "<head", "<body", "<script"]
        .iter()
        .any(|mark| text.starts_with(mark))
    {
        Some("text/html")
    } else if text.starts_with("<svg") || (text.starts_with("<?xml") && text.contains("<svg")) {
        Some("image/svg+xml")
    } else {
        None
    }
}

/// A name for a file that has none.
pub fn named(kind: &str, mime_type: &str) -> String {
    let ending = match mime_type {
        "image/jpeg" => "jpg",
        "image/svg+xml" => "svg",
        "audio/mpeg" => "mp3",
        "video/3gpp" => "3gp",
        "application/octet-stream" => "bin",
        other => other.rsplit('/').next().unwrap_or("bin"),
    };
    format!("{kind}.{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_decide_and_the_claim_refines() {
        let png = b"\x89PNG\r\n\x1A\n....";
        let kind = |head: &[u8], given: Option<&str>, told: &str| mime_type(head, given, told);
        assert_eq!(
            kind(png, Some("image/jpeg"), "text/plain"),
            Ok("image/png".to_owned())
        );
        assert_eq!(
            kind(b"PK\x03\x04", None, "application/vnd.ms-excel"),
            Ok("application/vnd.ms-excel".to_owned())
        );
        assert_eq!(
            kind(b"PK\x03\x04", None, "image/png"),
            Ok("application/zip".to_owned())
        );
        assert_eq!(
            kind(b"....ftypisom", None, "audio/mp4"),
            Ok("audio/mp4".to_owned())
        );
        assert_eq!(
            kind(b"hello", None, "Text/Plain; charset=utf-8"),
            Ok("text/plain".to_owned())
        );
        assert_eq!(
            kind(b"hello", None, ""),
            Ok("application/octet-stream".to_owned())
        );
        assert_eq!(
            kind(b" <svg xmlns", None, "image/png"),
            Ok("image/svg+xml".to_owned())
        );
        assert!(kind(b"\n<!DOCTYPE html>", None, "image/png").is_err());
        assert_eq!(
            kind(b"<html>", Some("text/html"), ""),
            Ok("text/html".to_owned())
        );
    }
}
