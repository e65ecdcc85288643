//! docs/configuration.md names what the code reads and wrangler.toml sets, no more and no less.

use std::collections::BTreeSet;

use toml_edit::{DocumentMut, Item};

use super::SECRETS;

const PAGE: &str = include_str!("../../../docs/configuration.md");
const CODE: [&str; 2] = [
    include_str!("../../../src/platform/config.rs"),
    include_str!("../../../src/platform/bucket.rs"),
];
const FILE: &str = include_str!("../../../wrangler.toml");

type Names = BTreeSet<String>;

fn is_name(text: &str) -> bool {
    text.len() > 1
        && text
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}

/// The first cell of each row that is a name.
fn of_the_page() -> Names {
    PAGE.lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name.to_owned())
        .filter(|name| is_name(name))
        .collect()
}

/// What stands between quotes and looks like a name.
fn of_the_code() -> Names {
    CODE.iter()
        .flat_map(|source| source.split('"').skip(1).step_by(2))
        .filter(|text| is_name(text))
        .map(str::to_owned)
        .collect()
}

fn of_the_file() -> Names {
    let file: DocumentMut = FILE.parse().expect("TOML");
    let mut names: Names = file["vars"]
        .as_table()
        .expect("variables")
        .iter()
        .map(|(name, _)| name.to_owned())
        .collect();
    for (list, field) in [
        (Some(&file["d1_databases"]), "binding"),
        (Some(&file["kv_namespaces"]), "binding"),
        // A copy of this project may be without.
        (file.get("r2_buckets"), "binding"),
        (Some(&file["ratelimits"]), "name"),
        (Some(&file["queues"]["producers"]), "binding"),
    ] {
        let Some(list) = list else { continue };
        let tables = list.as_array_of_tables().expect("a list of tables");
        names.extend(
            tables
                .iter()
                .filter_map(|table| table.get(field).and_then(Item::as_str))
                .map(str::to_owned),
        );
    }
    names
}

#[test]
fn every_setting_of_the_code_and_the_file_has_its_row() {
    let page = of_the_page();
    for name in of_the_code().union(&of_the_file()) {
        assert!(page.contains(name), "docs/configuration.md lacks {name}");
    }
}

#[test]
fn every_row_is_a_setting() {
    let mut known: Names = of_the_code().union(&of_the_file()).cloned().collect();
    known.extend(SECRETS.iter().map(|secret| secret.name.to_owned()));
    for name in of_the_page() {
        assert!(known.contains(&name), "nothing reads {name}");
    }
}

#[test]
fn the_settings_are_really_found() {
    for (names, one) in [
        (of_the_page(), "ENCRYPTION_KEY"),
        (of_the_code(), "ENCRYPTION_KEY"),
        (of_the_file(), "PROVIDER_TIMEOUT_MS"),
    ] {
        assert!(names.contains(one), "{names:?}");
    }
}
