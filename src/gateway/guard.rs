//! Which addresses of other people's this deployment calls: public ones, in whatever
//! spelling they come.

use std::net::IpAddr;
use url::{Host, Url};

/// Checks that a URL that a client gave may be called: https on a public host, unless this is
/// local development. Gives it as it was understood, which is what is fetched.
pub(super) fn check_url(
    url: &str,
    own: &str,
    is_insecure_allowed: bool,
) -> Result<String, &'static str> {
    const LONGEST: usize = 2_048;
    let parsed = Url::parse(url).map_err(|_| "must be a URL")?;
    if url.len() > LONGEST {
        return Err("must be at most 2048 characters");
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err("must not carry credentials");
    }
    let Some(host) = parsed.host() else {
        return Err("must have a host");
    };
    if is_insecure_allowed {
        return if matches!(parsed.scheme(), "http" | "https") {
            Ok(parsed.into())
        } else {
            Err("must be http or https")
        };
    }
    if parsed.scheme() != "https" {
        return Err("must be https");
    }
    if !matches!(parsed.port(), None | Some(8443)) {
        return Err("must use port 443 or 8443");
    }
    let own_host = Url::parse(own).ok();
    let own_host = own_host.as_ref().and_then(Url::host_str);
    let is_own = own_host == parsed.host_str().map(|host| host.trim_end_matches('.'));
    let is_public = match &host {
        Host::Domain(name) => is_public_name(name),
        Host::Ipv4(address) => is_public_address(IpAddr::V4(*address)),
        Host::Ipv6(address) => is_public_address(IpAddr::V6(*address)),
    };
    if is_public && !is_own {
        Ok(parsed.into())
    } else {
        Err("must be a public host other than this one")
    }
}

fn is_public_name(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let is_private = [
        "localhost",
        "local",
        "localdomain",
        "internal",
        "intranet",
        "private",
        "corp",
        "home",
        "lan",
        "home.arpa",
        "onion",
        "test",
        "invalid",
    ]
    .iter()
    .any(|zone| name == *zone || name.ends_with(&format!(".{zone}")));
    name.contains('.') && !is_private
}

/// Whether an address is one of the public internet's (IANA's special-purpose
/// registries name those that are not). An IPv4 address inside an IPv6 one counts
/// as itself.
fn is_public_address(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            !(matches!(a, 0 | 10 | 127 | 224..=255)
                || (a == 100 && (64..128).contains(&b))
                || (a == 169 && b == 254)
                || (a == 172 && (16..32).contains(&b))
                || (a == 192 && b == 168)
                || (a == 192 && b == 0 && (c == 0 || c == 2))
                || (a == 192 && b == 88 && c == 99)
                || (a == 198 && (b == 18 || b == 19))
                || (a == 198 && b == 51 && c == 100)
                || (a == 203 && b == 0 && c == 113))
        }
        IpAddr::V6(v6) => {
            if let Some(v4) = v6.to_ipv4_mapped() {
                return is_public_address(IpAddr::V4(v4));
            }
            // Only 2000::/3 is global unicast; within it, some blocks are special.
            let [a, b, ..] = v6.segments();
            (0x2000..0x4000).contains(&a)
                && !(a == 0x2001 && (b < 0x0200 || b == 0x0db8))
                && a != 0x2002
                && !(a == 0x3fff && b < 0x1000)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "https://patchbay.example.com";

    #[test]
    fn public_https_urls_are_accepted() {
        for url in [
            "https://example.com/hooks?x=1",
            "https://example.com:8443/",
            "https://93.184.216.34/",
            "https://[2606:2800:220:1:248:1893:25c8:1946]/",
            "https://localhost.example.com/",
            "https://my-local.com/",
            "https://11.0.0.1/",
            "https://172.32.0.1/",
            "https://100.128.0.1/",
            "https://[2001:4860:4860::8888]/",
            "https://xn--bcher-kva.example/",
        ] {
            assert_eq!(check_url(url, OWN, false).as_deref(), Ok(url), "{url}");
        }
    }

    #[test]
    fn a_url_is_kept_as_it_was_understood() {
        let spelled = " https://EXAMPLE.com\\a b";
        let understood = check_url(spelled, OWN, false);
        assert_eq!(understood.as_deref(), Ok("https://example.com/a%20b"));
    }

    #[test]
    fn urls_that_reach_inside_are_refused_in_every_spelling() {
        for url in [
            "not a url",
            "http://example.com/",
            "ftp://example.com/",
            "https://",
            "https://user:pass@example.com/",
            "https://user@example.com/",
            "https://:pass@example.com/",
            "https://example.com:22/",
            "https://example.com:80/",
            "https://example.com:0/",
        ] {
            assert!(check_url(url, OWN, false).is_err(), "{url}");
        }
        for host in [
            // This deployment.
            "patchbay.example.com",
            "PATCHBAY.example.com",
            "patchbay.example.com.",
            "patchbay.example.com:8443",
            "patchbay%2eexample.com",
            "ｐatchbay.example.com",
            "patchbay。example。com",
            // Names of no public zone.
            "localhost",
            "LOCALHOST.",
            "loc%61lhost",
            "ⓛocalhost",
            "a.b.localhost",
            "intranet",
            "metadata",
            "metadata.google.internal",
            "db.internal.",
            "printer.LOCAL",
            "router.home.arpa",
            "router.lan",
            "machine.localdomain",
            "hidden.onion",
            "x.test",
            "x.invalid",
            // 127.0.0.1, however it is written.
            "127.0.0.1",
            "127.0.0.1.",
            "127.1",
            "0x7f000001",
            "0x7f.1",
            "2130706433",
            "0177.0.0.1",
            "127%2e0%2e0%2e1",
            "１２７.0.0.1",
            "127。0。0。1",
            // RFC 1918, 1122, 3927, 6598, 6890, 5737, 3068, 2544, 1112, 5771.
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "0.0.0.0",
            "0.1.2.3",
            "127.255.255.254",
            "169.254.169.254",
            "100.64.0.1",
            "100.100.100.200",
            "100.127.255.255",
            "192.0.0.1",
            "192.0.0.192",
            "192.0.2.1",
            "198.51.100.1",
            "203.0.113.9",
            "192.88.99.1",
            "198.18.0.1",
            "198.19.255.255",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            // IPv6.
            "[::]",
            "[::1]",
            "[0:0:0:0:0:0:0:1]",
            "[::127.0.0.1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::ffff:0:127.0.0.1]",
            "[0:0:0:0:0:FFFF:10.0.0.1]",
            "[::ffff:169.254.169.254]",
            "[fe80::1]",
            "[febf::1]",
            "[fec0::1]",
            "[fc00::1]",
            "[fd00:ec2::254]",
            "[ff02::1]",
            "[100::1]",
            "[2001::1]",
            "[2001:10::1]",
            "[2001:20::1]",
            "[2001:db8::1]",
            "[2002:7f00:1::]",
            "[2002:a00:1::1]",
            "[3fff::1]",
            "[3fff:fff::1]",
            "[5f00::1]",
            "[64:ff9b::7f00:1]",
            "[64:ff9b::8.8.8.8]",
            "[64:ff9b:1::1]",
        ] {
            let url = format!("https://{host}/hook");
            assert!(check_url(&url, OWN, false).is_err(), "{url}");
        }
    }

    #[test]
    fn local_development_may_post_to_this_machine() {
        assert!(check_url("http://127.0.0.1:8790/subscriber/demo", OWN, true).is_ok());
        assert!(check_url("file:///etc/passwd", OWN, true).is_err());
    }
}
