//! Reads the source and holds it to the rules of its layers.

use std::fs;
use std::path::{Path, PathBuf};

/// A source file, taken apart.
struct Source {
    /// Relative to `src`, such as `gateway/send.rs`.
    path: String,
    /// The first folder or file under `src`, such as `gateway`.
    layer: String,
    /// Without comments, and with every literal emptied.
    code: String,
    /// What its string literals say.
    literals: Vec<String>,
}

const LAYERS: [&str; 7] = [
    "model", "channel", "store", "webhook", "gateway", "api", "platform",
];

/// What each layer may use of the others.
fn allowed(layer: &str) -> &'static [&'static str] {
    match layer {
        "model" => &[],
        "channel" | "store" => &["model"],
        "webhook" => &["model", "channel::sign"],
        "gateway" => &["model", "channel", "store", "webhook"],
        "api" => &["gateway", "model", "channel::Invalid", "channel::sign"],
        _ => &LAYERS,
    }
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    files(&root, &mut found);
    found.sort();
    found
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).expect("text");
            let relative = path
                .strip_prefix(&root)
                .expect("below src")
                .to_string_lossy()
                .replace('\\', "/");
            let layer = relative
                .split('/')
                .next()
                .unwrap_or("")
                .trim_end_matches(".rs")
                .to_owned();
            let (code, literals) = take_apart(&text);
            Source {
                path: relative,
                layer,
                code,
                literals,
            }
        })
        .collect()
}

/// Parts code from comments and literals.
fn take_apart(text: &str) -> (String, Vec<String>) {
    let mut code = String::new();
    let mut literals = Vec::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
        } else if rest.starts_with("/*") {
            rest = rest.find("*/").map_or("", |end| &rest[end + 2..]);
        } else if let Some((literal, after)) = raw_string(rest).filter(|_| !ends_in_word(&code)) {
            literals.push(literal.to_owned());
            code.push_str("\"\"");
            rest = after;
        } else if character == '"' {
            let end = closing_quote(rest);
            literals.push(rest[1..end].to_owned());
            code.push_str("\"\"");
            rest = &rest[end + 1..];
        } else if let Some(after) = character_literal(rest) {
            code.push_str("' '");
            rest = after;
        } else {
            code.push(character);
            rest = &rest[character.len_utf8()..];
        }
    }
    (code, literals)
}

fn ends_in_word(code: &str) -> bool {
    code.ends_with(|last: char| last.is_alphanumeric() || last == '_')
}

fn raw_string(rest: &str) -> Option<(&str, &str)> {
    let after = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let body = after[hashes..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let end = body.find(&close)?;
    Some((&body[..end], &body[end + close.len()..]))
}

/// Where the string that starts the text ends.
fn closing_quote(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at,
            _ => {}
        }
    }
    panic!("a string without an end")
}

/// What follows a character literal; a lifetime is none.
fn character_literal(rest: &str) -> Option<&str> {
    let after = rest.strip_prefix('\'')?;
    let mut characters = after.char_indices();
    let (_, first) = characters.next()?;
    if first == '\\' {
        let end = after
            .char_indices()
            .skip(2)
            .find(|(_, character)| *character == '\'')?
            .0;
        return Some(&after[end + 1..]);
    }
    let (end, second) = characters.next()?;
    (second == '\'').then(|| &after[end + 1..])
}

/// Every path of our own that a file names, whole, such as `crate::channel::sign::same_secret`.
fn own_paths(source: &Source) -> Vec<String> {
    let mut paths = Vec::new();
    for (at, _) in source.code.match_indices("crate::") {
        expand("", &source.code[at + "crate::".len()..], &mut paths);
    }
    // `super::…` that climbs out of its module.
    let depth = source.path.matches('/').count() + usize::from(!source.path.ends_with("mod.rs"));
    let folder: Vec<&str> = source
        .path
        .trim_end_matches(".rs")
        .trim_end_matches("/mod")
        .split('/')
        .collect();
    for (at, _) in source.code.match_indices("super::") {
        if source.code[..at].ends_with("super::") {
            continue;
        }
        let mut rest = &source.code[at..];
        let mut climbed = 0;
        while let Some(after) = rest.strip_prefix("super::") {
            climbed += 1;
            rest = after;
        }
        // In `mod tests` one `super` is the file itself; too high a climb is only read as less.
        let base = folder[..folder.len().saturating_sub(climbed)].join("::");
        if depth > 0 && !base.is_empty() {
            expand(&format!("{base}::"), rest, &mut paths);
        }
    }
    paths
}

/// Follows a path and its braces.
fn expand(prefix: &str, rest: &str, paths: &mut Vec<String>) {
    let rest = rest.trim_start();
    if let Some(inside) = rest.strip_prefix('{') {
        let mut depth = 0;
        let mut start = 0;
        for (at, character) in inside.char_indices() {
            match character {
                '{' => depth += 1,
                '}' if depth > 0 => depth -= 1,
                '}' | ',' if depth == 0 => {
                    if !inside[start..at].trim().is_empty() {
                        expand(prefix, &inside[start..at], paths);
                    }
                    start = at + 1;
                    if character == '}' {
                        return;
                    }
                }
                _ => {}
            }
        }
        return;
    }
    let end = rest
        .find(|next: char| !next.is_alphanumeric() && next != '_')
        .unwrap_or(rest.len());
    let path = format!("{prefix}{}", &rest[..end]);
    match rest[end..].strip_prefix("::") {
        Some(more) if end > 0 => expand(&format!("{path}::"), more, paths),
        _ => paths.push(path),
    }
}

fn is_below(path: &str, allowed: &str) -> bool {
    path == allowed || path.starts_with(&format!("{allowed}::"))
}

/// What a file uses of other layers without leave.
fn breaches(source: &Source) -> Vec<String> {
    own_paths(source)
        .into_iter()
        .filter(|path| {
            let top = path.split("::").next().unwrap_or("");
            // What is named at the crate's root is a layer; anything else is a local name.
            LAYERS.contains(&top) && top != source.layer
        })
        .filter(|path| {
            !allowed(&source.layer)
                .iter()
                .any(|allowed| is_below(path, allowed))
        })
        .map(|path| format!("{} uses {path}", source.path))
        .collect()
}

#[test]
fn every_layer_uses_only_those_below_it() {
    let sources = sources();
    assert!(sources.len() > 40);
    let mut wrong = Vec::new();
    for source in sources.iter().filter(|source| source.layer != "lib") {
        assert!(
            LAYERS.contains(&source.layer.as_str()),
            "{} is in no layer",
            source.path
        );
        wrong.extend(breaches(source));
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn no_adapter_uses_another_and_no_surface_another() {
    let mut wrong = Vec::new();
    for source in sources() {
        let parts: Vec<&str> = source.path.split('/').collect();
        let [layer @ ("channel" | "api"), folder, _, ..] = parts.as_slice() else {
            continue;
        };
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("src")
            .join(layer);
        let siblings: Vec<String> = fs::read_dir(root)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.is_dir())
            .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
            .filter(|name| name != folder)
            .collect();
        for path in own_paths(&source) {
            let is_sibling = siblings
                .iter()
                .any(|sibling| is_below(&path, &format!("{layer}::{sibling}")));
            if is_sibling {
                wrong.push(format!("{} uses {path}", source.path));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn requests_go_out_in_one_place() {
    let sources = sources();
    let calls: Vec<&str> = sources
        .iter()
        .filter(|source| names(&source.code, "fetch_js") || names(&source.code, "Fetch"))
        .map(|source| source.path.as_str())
        .collect();
    assert_eq!(calls, ["platform/fetch.rs"]);
}

#[test]
fn only_the_platform_knows_the_runtime() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| source.layer != "platform") {
        for name in ["worker::", "js_sys", "wasm_bindgen", "web_sys"] {
            if names(&source.code, name) {
                wrong.push(format!("{} names {name}", source.path));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// Whether code holds a name that is not the end of a longer one.
fn names(code: &str, name: &str) -> bool {
    code.match_indices(name)
        .any(|(at, _)| !ends_in_word(&code[..at]))
}

#[test]
fn sql_is_text_in_the_store_and_nowhere_else() {
    let mut wrong = Vec::new();
    let mut in_store = 0;
    for source in sources() {
        for literal in &source.literals {
            let is_sql = literal
                .split(|character: char| !character.is_alphanumeric() && character != '_')
                .any(|word| ["SELECT", "INSERT", "UPDATE", "DELETE"].contains(&word));
            // A list of HTTP methods is no SQL.
            if !is_sql || literal.trim() == "DELETE" {
                continue;
            }
            if source.layer == "store" {
                in_store += 1;
            } else {
                let start: String = literal.trim().chars().take(60).collect();
                wrong.push(format!("{}: {start}", source.path));
            }
        }
    }
    assert!(in_store > 40, "this test finds SQL where it is");
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn time_and_randomness_are_brought_by_the_ports() {
    let mut wrong = Vec::new();
    for source in sources() {
        for name in [
            "SystemTime",
            "Instant",
            "Utc::now",
            "Local::now",
            "Uuid::now_v7",
            "Uuid::new_v4",
        ] {
            let code = source.code.split("#[cfg(test)]").next().unwrap_or("");
            if names(code, name) {
                wrong.push(format!("{} names {name}", source.path));
            }
        }
        if source.layer != "platform" && names(&source.code, "getrandom") {
            wrong.push(format!("{} names getrandom", source.path));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn lints_are_expected_with_a_reason_and_never_allowed() {
    let mut wrong = Vec::new();
    for source in sources() {
        for form in ["#[allow", "#![allow", "cfg_attr(not(test), allow"] {
            if source.code.contains(form) {
                wrong.push(format!("{}: {form}", source.path));
            }
        }
        for (at, _) in source.code.match_indices("[expect(") {
            let end = source.code[at..]
                .find(")]")
                .map_or(source.code.len(), |end| at + end);
            if !source.code[at..end].contains("reason =") {
                wrong.push(format!("{}: expect without a reason", source.path));
            }
        }
        if source.code.contains("unsafe ")
            || source.code.contains("todo!")
            || source.code.contains("unimplemented!")
        {
            wrong.push(format!("{}: unsafe or unfinished", source.path));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn modules_are_named_by_role() {
    for source in sources() {
        for part in source.path.trim_end_matches(".rs").split('/') {
            assert!(
                ![
                    "utils", "util", "helpers", "helper", "manager", "service", "common", "misc"
                ]
                .contains(&part),
                "{}",
                source.path
            );
        }
    }
}

// This test's own reading

#[test]
fn code_comments_and_literals_are_told_apart() {
    let text = r##"
        // crate::api in a comment "with a quote
        use crate::model::{id::{KeyId, WorkspaceId}, time};
        /* SELECT */ let c = '"'; let l: &'static str = "a \" SELECT b"; let r = r#"UPDATE "x" "#;
        fn f<'a>(x: &'a str) -> char { '\'' }
    "##;
    let (code, literals) = take_apart(text);
    assert!(!code.contains("api") && !code.contains("SELECT") && !code.contains("UPDATE"));
    assert_eq!(literals, ["a \\\" SELECT b", "UPDATE \"x\" "]);
    let source = Source {
        path: "gateway/send.rs".to_owned(),
        layer: "gateway".to_owned(),
        code: format!(
            "{code} use super::super::api::auth; use super::{{keys::Freshness, Error}}; crate::store::Rows::default()"
        ),
        literals,
    };
    assert_eq!(
        own_paths(&source),
        [
            "model::id::KeyId",
            "model::id::WorkspaceId",
            "model::time",
            "store::Rows::default",
            "gateway::keys::Freshness",
            "gateway::Error"
        ]
    );
}

#[test]
fn a_breach_is_seen_however_it_is_written() {
    let breaches = |path: &str, code: &str| {
        breaches(&Source {
            path: path.to_owned(),
            layer: path.split('/').next().unwrap_or("").to_owned(),
            code: code.to_owned(),
            literals: vec![],
        })
        .len()
    };
    assert_eq!(breaches("model/id.rs", "use crate::channel::Invalid;"), 1);
    assert_eq!(breaches("model/id.rs", "use super::time::Timestamp;"), 0);
    assert_eq!(
        breaches("model/id.rs", "use super::super::channel::Invalid;"),
        0,
        "one level above is the crate"
    );
    assert_eq!(
        breaches(
            "store/keys.rs",
            "use crate::{model::id::KeyId, gateway::{Error, Page}};"
        ),
        2
    );
    assert_eq!(
        breaches("store/keys.rs", "fn f() -> crate::gateway::Error {}"),
        1
    );
    assert_eq!(
        breaches(
            "api/auth.rs",
            "use crate::channel::{Invalid, sign::same_secret};"
        ),
        0
    );
    assert_eq!(
        breaches("api/auth.rs", "use crate::channel::{Adapter, Invalid};"),
        1
    );
    assert_eq!(breaches("api/native/mod.rs", "use crate::store::Rows;"), 1);
    assert_eq!(
        breaches("gateway/send.rs", "use crate::platform::fetch;"),
        1
    );
    assert_eq!(
        breaches("platform/mod.rs", "use crate::{api, gateway::Gateway};"),
        0
    );
}

#[test]
fn every_file_of_native_tests_is_run() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let files = std::fs::read_dir(&folder).expect("the tests").flatten();
    let program = std::fs::read_to_string(folder.join("native.rs")).expect("the program");
    let unnamed: Vec<_> = files
        .filter_map(|file| {
            let name = file.file_name().into_string().expect("a name");
            let name = name.strip_suffix(".rs")?.to_owned();
            let is_own = ["native", "wasm"].contains(&name.as_str());
            (!is_own && !program.contains(&format!("\nmod {name};\n"))).then_some(name)
        })
        .collect();
    assert!(
        unnamed.is_empty(),
        "tests/native.rs does not name {unnamed:?}"
    );
}
