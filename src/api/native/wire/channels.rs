//! Channels as clients write them: their settings, one by one, and their credentials.

use crate::api::reading::{Name, Named, given, read, take};
use crate::gateway::{ChannelPatch, ConnectChannel, Error, is_credential};
use crate::model::channel::{
    ChannelKind, ChannelStatus, Credentials, InstagramLogin, OnUnknownOutcome, Settings,
};
use crate::model::content::MediaMode;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use url::Url;

/// Settings as given: those that are absent stay as they are.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SettingsPatch {
    enforce_window: Option<bool>,
    on_unknown_outcome: Option<Named<OnUnknownOutcome>>,
    media: Option<Named<MediaMode>>,
    #[serde(default, deserialize_with = "given")]
    default_language: Option<Option<Name>>,
    #[serde(default, deserialize_with = "given")]
    messages_per_second: Option<Option<PerSecond>>,
    login: Option<Named<InstagramLogin>>,
    allowed_origins: Option<Vec<Origin>>,
    #[serde(default, deserialize_with = "given")]
    display_name: Option<Option<Name>>,
    require_identity: Option<bool>,
}

const MOST_ORIGINS: usize = 50;

/// A rate, in whole messages.
struct PerSecond(u32);

impl<'de> Deserialize<'de> for PerSecond {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u32::deserialize(deserializer) {
            Ok(count @ 1..=1_000) => Ok(Self(count)),
            _ => Err(serde::de::Error::custom(
                "must be a whole number from 1 to 1000",
            )),
        }
    }
}

/// The origin of a site, such as `https://shop.example`, as browsers name it.
struct Origin(String);

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || {
            serde::de::Error::custom("must be the origin of a site, such as https://shop.example")
        };
        let url = Url::parse(&text).map_err(|_| wrong())?;
        let is_origin = matches!(url.scheme(), "http" | "https")
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        if is_origin {
            Ok(Self(url.origin().ascii_serialization()))
        } else {
            Err(wrong())
        }
    }
}

impl SettingsPatch {
    fn read(json: Option<Value>) -> Result<Option<Self>, Error> {
        let Some(json) = json.filter(|json| !json.is_null()) else {
            return Ok(None);
        };
        let patch: Self = read(json, "/settings")?;
        let origins = patch.allowed_origins.as_ref().map_or(0, Vec::len);
        if origins > MOST_ORIGINS {
            return Err(Error::invalid(
                "/settings/allowedOrigins",
                format!("may name at most {MOST_ORIGINS}"),
            ));
        }
        Ok(Some(patch))
    }

    fn over(self, settings: Settings) -> Settings {
        Settings {
            enforce_window: self.enforce_window.unwrap_or(settings.enforce_window),
            on_unknown_outcome: self
                .on_unknown_outcome
                .map_or(settings.on_unknown_outcome, |named| named.0),
            media: self.media.map_or(settings.media, |named| named.0),
            default_language: self
                .default_language
                .map_or(settings.default_language, |name| name.map(|name| name.0)),
            messages_per_second: self
                .messages_per_second
                .map_or(settings.messages_per_second, |given| {
                    given.map(|count| count.0)
                }),
            login: self.login.map_or(settings.login, |named| Some(named.0)),
            allowed_origins: self
                .allowed_origins
                .map_or(settings.allowed_origins, |given| {
                    given.into_iter().map(|origin| origin.0).collect()
                }),
            display_name: self
                .display_name
                .map_or(settings.display_name, |name| name.map(|name| name.0)),
            require_identity: self.require_identity.unwrap_or(settings.require_identity),
        }
    }

    /// Only what is given, by the names it is stored under; `null` takes a setting away.
    fn into_json(self) -> Value {
        let mut json = serde_json::Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                json.insert(name.to_owned(), value);
            }
        };
        let name = |given: Option<Option<Name>>| given.map(|name| json!(name.map(|name| name.0)));
        put("enforceWindow", self.enforce_window.map(Value::from));
        put(
            "onUnknownOutcome",
            self.on_unknown_outcome.map(|named| json!(named.0)),
        );
        put("media", self.media.map(|named| json!(named.0)));
        put("defaultLanguage", name(self.default_language));
        put(
            "messagesPerSecond",
            self.messages_per_second
                .map(|given| json!(given.map(|count| count.0))),
        );
        put("login", self.login.map(|named| json!(named.0)));
        put(
            "allowedOrigins",
            self.allowed_origins.map(|origins| {
                let origins: Vec<String> = origins.into_iter().map(|origin| origin.0).collect();
                json!(origins)
            }),
        );
        put("displayName", name(self.display_name));
        put("requireIdentity", self.require_identity.map(Value::from));
        Value::Object(json)
    }
}

/// Credentials as given. Fields that no channel has may hold anything.
fn credentials(json: Value) -> Result<Credentials, Error> {
    let Value::Object(fields) = json else {
        return Err(Error::invalid("/credentials", "must be an object"));
    };
    let mut credentials = Credentials::default();
    for (name, value) in fields {
        match value {
            Value::String(text) => {
                credentials.0.insert(name, text);
            }
            _ if is_credential(&name) => {
                return Err(Error::invalid(
                    format!("/credentials/{name}"),
                    "must be a string",
                ));
            }
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_) => {}
        }
    }
    Ok(credentials)
}

pub fn connect(mut json: Value) -> Result<ConnectChannel, Error> {
    #[derive(Deserialize)]
    struct Wire {
        #[serde(rename = "type")]
        kind: Named<ChannelKind>,
        name: Name,
        identifier: Option<Name>,
    }
    let settings = take(&mut json, "settings");
    let given = take(&mut json, "credentials");
    let wire: Wire = read(json, "")?;
    let given = given.ok_or_else(|| Error::invalid("/credentials", "is required"))?;
    let settings = SettingsPatch::read(settings)?;
    Ok(ConnectChannel {
        kind: wire.kind.0,
        name: wire.name.0,
        identifier: wire.identifier.map(|identifier| identifier.0),
        credentials: credentials(given)?,
        settings: settings.map_or_else(Settings::default, |patch| patch.over(Settings::default())),
    })
}

pub fn patch_channel(mut json: Value) -> Result<ChannelPatch, Error> {
    #[derive(Deserialize)]
    struct Wire {
        name: Option<Name>,
        status: Option<Named<ChannelStatus>>,
    }
    let settings = take(&mut json, "settings");
    let given = take(&mut json, "credentials").filter(|json| !json.is_null());
    let wire: Wire = read(json, "")?;
    let status = wire.status.map(|named| named.0);
    if status == Some(ChannelStatus::NeedsReauth) {
        return Err(Error::invalid(
            "/status",
            "may be set to connected or disabled",
        ));
    }
    Ok(ChannelPatch {
        name: wire.name.map(|name| name.0),
        credentials: given.map(credentials).transpose()?,
        settings: SettingsPatch::read(settings)?.map(SettingsPatch::into_json),
        status,
    })
}
