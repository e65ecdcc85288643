//! Holds `docs/content.md` to the profiles: the tables in it are written from the same data
//! that refuses a message. `BLESS=1` writes them.

use patchbay::channel::{ADAPTERS, Limit, Profile};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

const START: &str =
    "<!-- the tables below are written by `BLESS=1 cargo test --test native content_doc` -->\n";

/// Every kind of content that some channel carries, in the order of the first that does.
fn kinds() -> Vec<&'static str> {
    let mut kinds = Vec::new();
    for adapter in ADAPTERS {
        for capability in adapter.profile().capabilities {
            if !kinds.contains(&capability.kind) {
                kinds.push(capability.kind);
            }
        }
    }
    kinds
}

fn shown(limit: Limit) -> String {
    match limit {
        Limit::Characters(most) => format!("{most} characters"),
        Limit::Bytes(most) => format!("{most} bytes of UTF-8"),
        Limit::Items(most) => format!("{most} items"),
        Limit::OneOf(words) if words.len() > 12 => format!("one of {}", words.len()),
        Limit::OneOf(words) => words.join(" "),
        Limit::File {
            mime_types,
            most_bytes,
        } => format!("{}, at most {}", mime_types.join(" "), size(most_bytes)),
        Limit::Absent => "not carried".to_owned(),
        Limit::Apart => "as a message of its own".to_owned(),
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        megabytes if megabytes % (1024 * 1024) == 0 => format!("{} MB", bytes / 1024 / 1024),
        _ => format!("{} KB", bytes / 1024),
    }
}

fn matrix() -> String {
    let mut table = String::from("| kind |");
    for adapter in ADAPTERS {
        let _ = write!(table, " {} |", adapter.kind().name());
    }
    table.push_str("\n|---|");
    table.push_str(&"---|".repeat(ADAPTERS.len()));
    for kind in kinds() {
        let _ = write!(table, "\n| `{kind}` |");
        for adapter in ADAPTERS {
            let mark = if adapter.profile().capability(kind).is_some() {
                "yes"
            } else {
                "–"
            };
            let _ = write!(table, " {mark} |");
        }
    }
    table.push_str("\n| `replyTo` |");
    for adapter in ADAPTERS {
        let mark = if adapter.profile().replies {
            "yes"
        } else {
            "–"
        };
        let _ = write!(table, " {mark} |");
    }
    table.push('\n');
    table
}

fn limits(name: &str, profile: &Profile) -> String {
    let mut table = format!("\n### {name}\n\n| kind | field | limit |\n|---|---|---|\n");
    for capability in profile.capabilities {
        for (field, limit) in capability.limits {
            let _ = writeln!(
                table,
                "| `{}` | `{field}` | {} |",
                capability.kind,
                shown(*limit)
            );
        }
    }
    table
}

#[test]
fn the_tables_of_the_content_page_are_those_of_the_profiles() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/content.md");
    let page = std::fs::read_to_string(&path).expect("docs/content.md");
    let (before, _) = page.split_once(START).expect("the line before the tables");
    let mut tables = format!(
        "\n## What each channel carries\n\n{}\n## Limits\n",
        matrix()
    );
    for adapter in ADAPTERS {
        tables.push_str(&limits(adapter.kind().name(), adapter.profile()));
    }
    let wanted = format!("{before}{START}{tables}");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &wanted).expect("a written file");
    } else {
        assert!(
            page == wanted,
            "docs/content.md is not what the profiles say; write it with BLESS=1"
        );
    }
}

#[test]
fn every_limit_is_of_a_field_that_a_content_of_its_kind_can_have() {
    // The fields that `Content::measures` names, by kind.
    let source = include_str!("../src/model/content/check.rs");
    let named: BTreeSet<&str> = source.split('"').skip(1).step_by(2).collect();
    for adapter in ADAPTERS {
        for capability in adapter.profile().capabilities {
            for (field, _) in capability.limits {
                assert!(named.contains(field), "{} {field}", capability.kind);
            }
        }
    }
}
