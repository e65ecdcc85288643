//! How what is stored of templates differs from what their provider lists.

use crate::model::id::TemplateId;
use crate::model::template::{DELETED, ProviderTemplate, TemplateRecord};
use crate::store::{self, DatabaseError, Rows};
use serde::Deserialize;
use std::collections::{HashMap, HashSet};

/// A template as stored, deleted or not.
pub(super) struct Stored {
    provider_id: String,
    pub record: TemplateRecord,
}

impl Stored {
    pub fn is_live(&self) -> bool {
        self.record.status != DELETED
    }

    /// Whether its key is one: another name may have taken it while it was deleted.
    fn has_key(&self) -> bool {
        !self.record.key.starts_with('\u{7f}')
    }
}

pub(super) fn read_stored(rows: Rows) -> Result<Vec<Stored>, DatabaseError> {
    #[derive(Deserialize)]
    struct Row {
        provider_id: String,
        record: String,
    }
    let rows: Vec<Row> = rows.read()?;
    rows.into_iter()
        .map(|row| {
            Ok(Stored {
                provider_id: row.provider_id,
                record: store::record(&row.record)?,
            })
        })
        .collect()
}

/// How what is stored differs from what the provider lists.
pub(super) struct Changes<'a> {
    pub put: Vec<Changed<'a>>,
    /// Of `put`, those that were not there, or deleted.
    pub added: usize,
    pub removed: Vec<TemplateId>,
    /// Keys that deleted templates hold and new ones get.
    pub freed: Vec<String>,
}

pub(super) struct Changed<'a> {
    pub listed: &'a ProviderTemplate,
    pub key: String,
    pub variables: Vec<String>,
    pub version: i64,
}

/// A template keeps its key and, as long as there are as many, the names that its
/// variables were given. A list that is not whole removes nothing.
pub(super) fn compare<'a>(
    stored: &[Stored],
    listed: &'a [ProviderTemplate],
    is_whole: bool,
    variables: impl Fn(&[serde_json::Value]) -> Vec<String>,
) -> Changes<'a> {
    let names: HashSet<&str> = listed.iter().map(|it| it.name.as_str()).collect();
    let places: HashSet<(&str, &str)> = listed
        .iter()
        .map(|it| (it.name.as_str(), it.language.as_str()))
        .collect();
    let place = |it: &'_ Stored| (it.record.name.clone(), it.record.language.clone());
    let rows: HashMap<(String, String), &Stored> =
        stored.iter().map(|it| (place(it), it)).collect();
    let (keys, freed) = keys(stored, listed, |it| {
        names.contains(it.record.name.as_str()) || (!is_whole && it.is_live())
    });
    let mut changes = Changes {
        put: vec![],
        added: 0,
        removed: vec![],
        freed,
    };
    for template in listed {
        let name = template.name.as_str();
        let key = keys.get(name).cloned().unwrap_or_else(|| name.to_owned());
        let own = variables(&template.components);
        let earlier = rows.get(&(template.name.clone(), template.language.clone()));
        let Some(Stored {
            provider_id,
            record,
        }) = earlier
        else {
            changes.added += 1;
            changes.put.push(Changed {
                listed: template,
                key,
                variables: own,
                version: 1,
            });
            continue;
        };
        let is_named = record.variables != variables(&record.components);
        let variables = if is_named && record.variables.len() == own.len() {
            record.variables.clone()
        } else {
            own
        };
        let is_same = *provider_id == template.provider_id
            && record.key == key
            && record.category == template.category
            && record.status == template.status
            && record.components == template.components
            && record.variables == variables;
        if is_same {
            continue;
        }
        changes.added += usize::from(record.status == DELETED);
        changes.put.push(Changed {
            listed: template,
            key,
            variables,
            version: record.version + 1,
        });
    }
    if is_whole {
        let is_gone = |it: &&Stored| {
            let place = (it.record.name.as_str(), it.record.language.as_str());
            it.is_live() && !places.contains(&place)
        };
        let gone = stored.iter().filter(is_gone);
        changes.removed = gone.map(|it| it.record.id).collect();
    }
    changes
}

/// The key of every name that is listed, and those that deleted templates give up for it.
/// A new name is its own key; where another name was given that key, a number follows.
fn keys<'a>(
    stored: &'a [Stored],
    listed: &'a [ProviderTemplate],
    stays: impl Fn(&Stored) -> bool,
) -> (HashMap<&'a str, String>, Vec<String>) {
    let mut keys: HashMap<&str, String> = HashMap::new();
    for it in stored.iter().filter(|it| it.has_key() && stays(it)) {
        keys.insert(&it.record.name, it.record.key.clone());
    }
    let mut taken: HashSet<String> = keys.values().cloned().collect();
    let mut freed = Vec::new();
    for template in listed {
        let name = template.name.as_str();
        if keys.contains_key(name) {
            continue;
        }
        let numbered = (2..).map(|number: u32| format!("{name}_{number}"));
        let free = std::iter::once(name.to_owned())
            .chain(numbered)
            .find(|key| !taken.contains(key));
        let key = free.unwrap_or_else(|| name.to_owned());
        if stored.iter().any(|it| it.record.key == key) {
            freed.push(key.clone());
        }
        taken.insert(key.clone());
        keys.insert(name, key);
    }
    (keys, freed)
}
