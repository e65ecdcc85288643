//! Cutting a text into parts that a channel takes.

use super::super::profile::Limit;

/// The parts of a text, each within the limit and none of them blank. A cut is made at the
/// end of a line where that leaves no part half empty, else between words, else wherever a
/// character ends. The white space at a cut goes.
pub fn cut(text: &str, limit: Limit) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.trim().is_empty() {
        let end = longest(rest, limit);
        let at = if end == rest.len() {
            end
        } else {
            break_before(rest, end)
        };
        let (part, after) = rest.split_at(at);
        if !part.trim().is_empty() {
            parts.push(part.trim_end().to_owned());
        }
        rest = after.trim_start();
    }
    parts
}

/// Where the longest start of a text that is within the limit ends: behind one character at
/// least.
fn longest(text: &str, limit: Limit) -> usize {
    let end_of = |(at, c): (usize, char)| at + c.len_utf8();
    let mut ends = text.char_indices().map(end_of);
    let first = ends.next().unwrap_or(0);
    match limit {
        Limit::Characters(most) => ends.take(most.saturating_sub(1)).last().unwrap_or(first),
        Limit::Bytes(most) => ends.take_while(|end| *end <= most).last().unwrap_or(first),
        Limit::Items(_) | Limit::OneOf(_) | Limit::File { .. } | Limit::Absent | Limit::Apart => {
            text.len()
        }
    }
}

/// The best place to cut, at `end` or before it.
fn break_before(text: &str, end: usize) -> usize {
    let (start, after) = text.split_at(end);
    let line = if after.starts_with('\n') {
        Some(end)
    } else {
        start.rfind('\n')
    };
    if let Some(at) = line.filter(|at| at * 2 >= end) {
        return at;
    }
    if after.starts_with(char::is_whitespace) {
        return end;
    }
    let space = start.trim_end().rfind(char::is_whitespace);
    space.filter(|at| *at > 0).unwrap_or(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEN: Limit = Limit::Characters(10);

    #[test]
    fn a_cut_is_made_at_a_line_else_a_space_else_anywhere() {
        for (text, parts) in [
            ("short", vec!["short"]),
            ("one two\nthree", vec!["one two", "three"]),
            ("a\nbcd efgh ijk", vec!["a\nbcd efgh", "ijk"]),
            ("0123456789 ab", vec!["0123456789", "ab"]),
            ("0123456789abc", vec!["0123456789", "abc"]),
            ("0123456789\n\n\nab", vec!["0123456789", "ab"]),
            ("           ab", vec!["ab"]),
            (" \n ", vec![]),
        ] {
            assert_eq!(cut(text, TEN), parts, "{text:?}");
        }
        assert_eq!(cut("ééééé", Limit::Bytes(5)), ["éé", "éé", "é"]);
        assert_eq!(cut("😀😀", Limit::Bytes(1)), ["😀", "😀"]);
    }

    proptest! {
        #[test]
        fn no_part_is_too_long_and_only_white_space_is_lost(text in "[ab\\n é😀]{0,80}") {
            let bare = |text: &str| text.split_whitespace().collect::<String>();
            for limit in [TEN, Limit::Bytes(10)] {
                let parts = cut(&text, limit);
                prop_assert_eq!(bare(&parts.concat()), bare(&text));
                for part in &parts {
                    let size = match limit {
                        Limit::Bytes(_) => part.len(),
                        _ => part.chars().count(),
                    };
                    prop_assert!((1..=10).contains(&size) && !part.trim().is_empty());
                }
            }
        }
    }
}
