//! wrangler.toml, read for what a deployment needs and edited without disturbing the rest.

use toml_edit::{DocumentMut, Item, Table, Value, value};

use crate::problem::{Doing, Problem, Result};

/// A wrangler.toml that is being filled in.
pub struct Manifest {
    document: DocumentMut,
}

impl Manifest {
    pub fn parse(text: &str) -> Result<Self> {
        let document = text
            .parse()
            .map_err(|error| Problem::new(format!("wrangler.toml is not TOML: {error}")))?;
        Ok(Self { document })
    }

    pub fn text(&self) -> String {
        self.document.to_string()
    }

    /// The Worker's name.
    pub fn worker(&self) -> Result<String> {
        text_of(self.document.as_table(), "name").ok_or_else(|| lacks("name"))
    }

    /// The account, where the file names one.
    pub fn account(&self) -> Option<String> {
        text_of(self.document.as_table(), "account_id")
    }

    pub fn database_name(&self) -> Result<String> {
        text_of(self.database()?, "database_name").ok_or_else(|| lacks("database_name"))
    }

    /// None before a deployment has written it.
    pub fn database_id(&self) -> Result<Option<String>> {
        Ok(real(text_of(self.database()?, "database_id")))
    }

    pub fn set_database_id(&mut self, id: &str) -> Result<()> {
        set(self.first_mut("d1_databases", "DB")?, "database_id", id);
        Ok(())
    }

    /// Titles are the account's, so this one begins with the Worker's name, as wrangler names them.
    pub fn namespace_title(&self) -> Result<String> {
        Ok(format!("{}-CACHE", self.worker()?))
    }

    /// None before a deployment has written it.
    pub fn namespace_id(&self) -> Result<Option<String>> {
        let table = self.first("kv_namespaces", "CACHE")?;
        Ok(real(text_of(table, "id")))
    }

    pub fn set_namespace_id(&mut self, id: &str) -> Result<()> {
        set(self.first_mut("kv_namespaces", "CACHE")?, "id", id);
        Ok(())
    }

    /// Every queue the file names, once each, in its order.
    pub fn queues(&self) -> Vec<String> {
        let queues = self.document.get("queues");
        let mut names: Vec<String> = Vec::new();
        for (list, field) in [
            ("producers", "queue"),
            ("consumers", "queue"),
            ("consumers", "dead_letter_queue"),
        ] {
            let tables = queues
                .and_then(|queues| queues.get(list))
                .and_then(Item::as_array_of_tables);
            for name in tables
                .into_iter()
                .flatten()
                .filter_map(|table| text_of(table, field))
            {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        names
    }

    /// Every bucket the file names. None where the account has no R2.
    pub fn buckets(&self) -> Vec<String> {
        self.document
            .get("r2_buckets")
            .and_then(Item::as_array_of_tables)
            .into_iter()
            .flatten()
            .filter_map(|table| text_of(table, "bucket_name"))
            .collect()
    }

    /// None while it is empty.
    pub fn public_url(&self) -> Option<String> {
        let vars = self.document.get("vars")?.as_table()?;
        text_of(vars, "PUBLIC_URL").filter(|url| !url.is_empty())
    }

    pub fn set_public_url(&mut self, url: &str) -> Result<()> {
        let vars = self
            .document
            .get_mut("vars")
            .and_then(Item::as_table_mut)
            .ok_or_else(|| lacks("[vars]"))?;
        set(vars, "PUBLIC_URL", url);
        Ok(())
    }

    /// Whether the file says itself where the Worker is reached.
    pub fn has_routes(&self) -> bool {
        self.document.contains_key("routes") || self.document.contains_key("route")
    }

    fn database(&self) -> Result<&Table> {
        self.first("d1_databases", "DB")
    }

    fn first(&self, list: &str, binding: &str) -> Result<&Table> {
        self.document
            .get(list)
            .and_then(Item::as_array_of_tables)
            .into_iter()
            .flatten()
            .find(|table| text_of(table, "binding").as_deref() == Some(binding))
            .ok_or_else(|| lacks(&format!("[[{list}]] with the binding {binding}")))
    }

    fn first_mut(&mut self, list: &str, binding: &str) -> Result<&mut Table> {
        self.document
            .get_mut(list)
            .and_then(Item::as_array_of_tables_mut)
            .and_then(|tables| {
                tables
                    .iter_mut()
                    .find(|table| text_of(table, "binding").as_deref() == Some(binding))
            })
            .ok_or_else(|| lacks(&format!("[[{list}]] with the binding {binding}")))
    }
}

/// Where wrangler.toml is read and written.
pub fn read(root: &std::path::Path) -> Result<Manifest> {
    let text = std::fs::read_to_string(root.join("wrangler.toml")).doing("read wrangler.toml")?;
    Manifest::parse(&text)
}

fn text_of(table: &Table, field: &str) -> Option<String> {
    Some(table.get(field)?.as_str()?.trim().to_owned())
}

/// An id, unless it is the placeholder of zeros that only runs on one machine.
fn real(id: Option<String>) -> Option<String> {
    id.filter(|id| id.chars().any(|letter| !matches!(letter, '0' | '-')))
}

/// Replaces a value and leaves the space and comments around it.
fn set(table: &mut Table, field: &str, text: &str) {
    let Some(old) = table.get_mut(field).and_then(Item::as_value_mut) else {
        table.insert(field, value(text));
        return;
    };
    let mut new = Value::from(text);
    *new.decor_mut() = old.decor().clone();
    *old = new;
}

fn lacks(what: &str) -> Problem {
    Problem::new(format!(
        "wrangler.toml lacks {what}: restore it from git, then run the same command again."
    ))
}

/// wrangler.toml as it is before the first deployment: a copy of this project that is deployed has its ids in it, and
/// may have no bucket.
#[cfg(test)]
pub(super) fn untouched() -> Manifest {
    let mut manifest =
        Manifest::parse(include_str!("../../../wrangler.toml")).expect("the file itself");
    if manifest.buckets().is_empty() {
        let bucket = "[[r2_buckets]]\nbinding = \"MEDIA\"\nbucket_name = \"patchbay-media\"\n";
        manifest = Manifest::parse(&format!("{}\n{bucket}", manifest.text())).expect("TOML");
    }
    manifest
        .set_database_id("00000000-0000-0000-0000-000000000000")
        .expect("a database");
    manifest
        .set_namespace_id("00000000000000000000000000000000")
        .expect("a namespace");
    manifest.set_public_url("").expect("variables");
    manifest.document.remove("routes");
    manifest
}

/// As [`untouched`], without the lines of the bucket.
#[cfg(test)]
pub(super) fn without_buckets() -> Manifest {
    let mut manifest = untouched();
    manifest.document.remove("r2_buckets");
    manifest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_the_first_deployment_there_are_no_ids_a_bucket_and_four_queues() {
        let manifest = untouched();
        assert_eq!(manifest.worker().expect("a name"), "patchbay");
        assert_eq!(manifest.database_name().expect("a name"), "patchbay");
        assert_eq!(manifest.database_id().expect("a table"), None);
        assert_eq!(
            manifest.namespace_title().expect("a name"),
            "patchbay-CACHE"
        );
        assert_eq!(manifest.namespace_id().expect("a table"), None);
        assert_eq!(manifest.public_url(), None);
        assert!(!manifest.has_routes());
        assert_eq!(
            manifest.queues(),
            [
                "patchbay-outbound",
                "patchbay-events",
                "patchbay-outbound-dead",
                "patchbay-events-dead"
            ]
        );
        assert_eq!(manifest.buckets(), ["patchbay-media"]);
    }

    #[test]
    fn without_its_lines_there_is_no_bucket_and_the_rest_is_as_before() {
        let manifest = without_buckets();
        assert!(manifest.buckets().is_empty());
        assert_eq!(manifest.queues(), untouched().queues());
        assert_eq!(manifest.database_name().expect("a name"), "patchbay");
    }

    #[test]
    fn filling_it_in_changes_three_values_and_nothing_else() {
        let mut manifest = untouched();
        let before = manifest.text();
        manifest.set_database_id("d1-id").expect("a table");
        manifest.set_namespace_id("kv-id").expect("a table");
        manifest
            .set_public_url("https://chat.example.com")
            .expect("a table");

        let expected = before
            .replace("00000000-0000-0000-0000-000000000000", "d1-id")
            .replace("00000000000000000000000000000000", "kv-id")
            .replace(
                "PUBLIC_URL = \"\"",
                "PUBLIC_URL = \"https://chat.example.com\"",
            );
        assert_eq!(manifest.text(), expected);
        let again = Manifest::parse(&manifest.text()).expect("TOML");
        assert_eq!(
            again.database_id().expect("a table").as_deref(),
            Some("d1-id")
        );
        assert_eq!(
            again.namespace_id().expect("a table").as_deref(),
            Some("kv-id")
        );
        assert_eq!(
            again.public_url().as_deref(),
            Some("https://chat.example.com")
        );
    }

    #[test]
    fn a_comment_behind_a_value_survives_its_change() {
        let mut manifest = Manifest::parse("[vars]\nPUBLIC_URL = \"\" # ours\n").expect("TOML");
        manifest.set_public_url("https://a.example").expect("vars");
        assert_eq!(
            manifest.text(),
            "[vars]\nPUBLIC_URL = \"https://a.example\" # ours\n"
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let manifest = Manifest::parse("name = \"x\"").expect("TOML");
        let problem = manifest.database_name().expect_err("no database");
        assert!(
            problem
                .to_string()
                .contains("[[d1_databases]] with the binding DB")
        );
    }
}
