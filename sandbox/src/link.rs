//! Web addresses, as far as providers look at them before they follow them.

/// Whether it is an absolute address of the web, with a host.
pub(crate) fn is_link(url: &str) -> bool {
    host(url).is_some_and(|host| {
        let allowed =
            |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
        !host.is_empty() && !host.starts_with(['.', ':', '-']) && host.chars().all(allowed)
    }) && !url.contains(char::is_whitespace)
}

fn host(url: &str) -> Option<&str> {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"))?;
    let authority = rest.split(['/', '?', '#']).next()?;
    Some(
        authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host),
    )
}

/// What the name of the file in an address ends with, in lowercase.
pub(crate) fn extension(url: &str) -> Option<String> {
    let path = url.split(['?', '#']).next()?;
    let (_, path) = path.split_once("://")?.1.split_once('/')?;
    let (_, extension) = path.rsplit('/').next()?.rsplit_once('.')?;
    Some(extension.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_needs_a_scheme_of_the_web_and_a_host() {
        for url in ["https://a.example", "http://127.0.0.1:8790/b?c#d"] {
            assert!(is_link(url), "{url}");
        }
        for url in [
            "a.example",
            "ftp://a.example",
            "https://",
            "https:///b",
            "https://a b",
        ] {
            assert!(!is_link(url), "{url}");
        }
    }

    #[test]
    fn a_file_is_known_by_the_end_of_its_path() {
        assert_eq!(
            extension("https://a.example/b.PDF?c=d.png").as_deref(),
            Some("pdf")
        );
        assert_eq!(extension("https://a.example/b"), None);
        assert_eq!(extension("https://a.example"), None);
    }
}
