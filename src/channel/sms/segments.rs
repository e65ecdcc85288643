//! How many segments a text is sent and billed as.
//! <https://www.twilio.com/docs/glossary/what-sms-character-limit>

use super::super::Segments;

/// The GSM 03.38 alphabet, a septet each.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// Those that need an escape before them.
const EXTENDED: &str = "\u{c}^{}\\[~]|€";

/// Counts as the network does: 160 septets in one segment, 153 in each of several; a
/// character outside that alphabet makes it 70 and 67 UTF-16 units. Nothing that counts as
/// two is cut in half.
pub fn of(text: &str) -> Segments {
    let septets: Option<Vec<usize>> = text.chars().map(septets).collect();
    let (encoding, sizes, alone, each) = match septets {
        Some(sizes) => ("GSM-7", sizes, 160, 153),
        None => ("UCS-2", text.chars().map(char::len_utf16).collect(), 70, 67),
    };
    let total: usize = sizes.iter().sum();
    let count = if total <= alone {
        1
    } else {
        let (mut count, mut used) = (1, 0);
        for size in sizes {
            if used + size > each {
                count += 1;
                used = 0;
            }
            used += size;
        }
        count
    };
    Segments { encoding, count }
}

fn septets(c: char) -> Option<usize> {
    if BASIC.contains(c) {
        Some(1)
    } else {
        EXTENDED.contains(c).then_some(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(text: &str) -> (&'static str, usize) {
        let Segments { encoding, count } = of(text);
        (encoding, count)
    }

    #[test]
    fn a_text_is_counted_as_the_network_cuts_it() {
        assert_eq!(counted(""), ("GSM-7", 1));
        assert_eq!(counted(&"a".repeat(160)), ("GSM-7", 1));
        assert_eq!(counted(&"a".repeat(161)), ("GSM-7", 2));
        assert_eq!(counted(&"a".repeat(306)), ("GSM-7", 2));
        assert_eq!(counted(&"a".repeat(307)), ("GSM-7", 3));
        assert_eq!(counted(&"€".repeat(80)), ("GSM-7", 1));
        // An escape is not cut from what it escapes: 76 fit into 153 septets.
        assert_eq!(counted(&"€".repeat(152)), ("GSM-7", 2));
        assert_eq!(counted(&"€".repeat(153)), ("GSM-7", 3));
        assert_eq!(counted(&"ç".repeat(70)), ("UCS-2", 1));
        assert_eq!(counted(&"ç".repeat(71)), ("UCS-2", 2));
        assert_eq!(counted(&"😀".repeat(35)), ("UCS-2", 1));
        // 33 fit into 67 units.
        assert_eq!(counted(&"😀".repeat(66)), ("UCS-2", 2));
        assert_eq!(counted(&"😀".repeat(67)), ("UCS-2", 3));
    }
}
