//! A template as clients ask for it, on the surfaces that share its form.

use super::reading::read;
use crate::gateway::Error;
use crate::model::id::TemplateId;
use crate::model::template::{TemplateDraft, TemplateRef};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Reads a template by our id, by its key or by its name, with what fills it; errors point
/// below `base`.
pub fn draft(json: Value, base: &str) -> Result<TemplateDraft, Error> {
    #[derive(Deserialize)]
    struct Wire {
        id: Option<TemplateId>,
        key: Option<String>,
        name: Option<String>,
        language: Option<String>,
        components: Option<Vec<Map<String, Value>>>,
        variables: Option<Map<String, Value>>,
    }
    let wire: Wire = read(json, base)?;
    let language = wire.language;
    if wire.id.is_some() && language.is_some() {
        return Err(Error::invalid(
            format!("{base}/language"),
            "goes with a key or a name: an id is of one language",
        ));
    }
    let template = match (wire.id, wire.key, wire.name) {
        (Some(id), None, None) => TemplateRef::Id(id),
        (None, Some(key), None) => TemplateRef::Key { key, language },
        (None, None, Some(name)) => TemplateRef::Name { name, language },
        _ => {
            return Err(Error::invalid(
                base,
                "must name the template by exactly one of key, name and id",
            ));
        }
    };
    filled(template, wire.components, wire.variables, base)
}

/// A template with what fills it: components as the provider has them, or variables.
pub fn filled(
    template: TemplateRef,
    components: Option<Vec<Map<String, Value>>>,
    variables: Option<Map<String, Value>>,
    base: &str,
) -> Result<TemplateDraft, Error> {
    if components.is_some() && variables.is_some() {
        return Err(Error::invalid(
            format!("{base}/variables"),
            "cannot be given together with components",
        ));
    }
    Ok(TemplateDraft {
        template,
        components: components
            .map(|components| components.into_iter().map(Value::Object).collect()),
        variables,
    })
}
