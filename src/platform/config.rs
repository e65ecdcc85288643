//! Secrets, variables and bindings, read once by each isolate.

use crate::channel::Origins;
use crate::gateway::{Config, Memory, Vault};
use std::cell::OnceCell;
use std::rc::Rc;
use url::Url;
use worker::Env;
use worker::js_sys::Reflect;

const GRAPH: &str = "https://graph.facebook.com/v23.0";
const INSTAGRAM: &str = "https://graph.instagram.com/v23.0";
const TWILIO: &str = "https://api.twilio.com";
const TELEGRAM: &str = "https://api.telegram.org";
/// Below, every answer would come too late.
const SHORTEST_TIMEOUT_MS: u32 = 1_000;
/// Above, an attempt could outlive its lease.
const LONGEST_TIMEOUT_MS: u32 = 25_000;
/// The schedule of a delivery takes up to two and a half days; its event must outlive it.
const SHORTEST_RETENTION_DAYS: u32 = 3;
const BINDINGS: [&str; 4] = ["DB", "CACHE", "OUTBOUND", "EVENTS"];

/// What an isolate keeps between invocations: plain data, which alone may be kept.
#[derive(Clone)]
pub struct Isolate {
    pub config: Rc<Config>,
    pub memory: Rc<Memory>,
    /// Whether every response says what it cost.
    pub shows_cost: bool,
    /// 0 is off. The binding RATE holds the number itself.
    pub rate_limit_per_minute: u32,
}

thread_local! {
    static ISOLATE: OnceCell<Isolate> = const { OnceCell::new() };
}

impl Isolate {
    /// This isolate's; made at the first call. A deployment with other values
    /// starts other isolates. Otherwise a sentence for each thing to put right.
    pub fn get(env: &Env) -> Result<Self, Vec<String>> {
        if let Some(isolate) = ISOLATE.with(|kept| kept.get().cloned()) {
            return Ok(isolate);
        }
        let made = Self {
            config: Rc::new(read(env)?),
            memory: Rc::default(),
            shows_cost: is_true(env, "COST_HEADERS"),
            rate_limit_per_minute: rate_limit(env).map_err(|problem| vec![problem])?,
        };
        Ok(ISOLATE.with(|kept| kept.get_or_init(|| made).clone()))
    }
}

fn read(env: &Env) -> Result<Config, Vec<String>> {
    let mut problems = Problems::default();
    for name in BINDINGS {
        problems.check(binding(env, name));
    }
    let vault = problems.check(vault(env));
    let admin_token = problems.check(secret(env, "ADMIN_TOKEN"));
    let public_url = problems.check(url(env, "PUBLIC_URL", ""));
    let graph = problems.check(url(env, "GRAPH_API_BASE", GRAPH));
    let instagram = problems.check(url(env, "INSTAGRAM_API_BASE", INSTAGRAM));
    let telegram = problems.check(url(env, "TELEGRAM_API_BASE", TELEGRAM));
    let twilio = problems.check(url(env, "TWILIO_API_BASE", TWILIO));
    let provider_timeout_ms = problems.check(whole(env, "PROVIDER_TIMEOUT_MS", 10_000));
    let retention_days = problems.check(whole(env, "RETENTION_DAYS", 30));
    match vault {
        Some(vault) if problems.0.is_empty() => Ok(Config {
            public_url: public_url.unwrap_or_default(),
            admin_token: admin_token.unwrap_or_default(),
            vault,
            origins: Origins {
                graph: graph.unwrap_or_default(),
                instagram: instagram.unwrap_or_default(),
                telegram: telegram.unwrap_or_default(),
                twilio: twilio.unwrap_or_default(),
            },
            provider_timeout_ms: provider_timeout_ms
                .unwrap_or_default()
                .clamp(SHORTEST_TIMEOUT_MS, LONGEST_TIMEOUT_MS),
            retention_days: retention_days
                .unwrap_or_default()
                .max(SHORTEST_RETENTION_DAYS)
                .into(),
            allow_insecure_webhooks: is_true(env, "ALLOW_INSECURE_WEBHOOKS"),
        }),
        Some(_) | None => Err(problems.0),
    }
}

/// A sentence for each thing to put right.
#[derive(Default)]
struct Problems(Vec<String>);

impl Problems {
    fn check<T>(&mut self, found: Result<T, String>) -> Option<T> {
        found.map_err(|problem| self.0.push(problem)).ok()
    }
}

fn binding(env: &Env, name: &str) -> Result<(), String> {
    match Reflect::get(env, &name.into()) {
        Ok(binding) if !binding.is_undefined() => Ok(()),
        Ok(_) | Err(_) => Err(format!(
            "The binding {name} is missing: wrangler.toml names it."
        )),
    }
}

fn secret(env: &Env, name: &str) -> Result<String, String> {
    text(env, name).ok_or_else(|| {
        format!("The secret {name} is missing: set it with `wrangler secret put {name}`.")
    })
}

fn vault(env: &Env) -> Result<Vault, String> {
    Vault::parse(&secret(env, "ENCRYPTION_KEY")?)
        .map_err(|problem| format!("The secret ENCRYPTION_KEY {problem}."))
}

/// Without a trailing slash. An empty default makes the variable required.
fn url(env: &Env, name: &str, default: &str) -> Result<String, String> {
    let text = text(env, name).unwrap_or_else(|| default.to_owned());
    if text.is_empty() {
        return Err(format!(
            "The variable {name} is missing: set it in wrangler.toml."
        ));
    }
    match Url::parse(&text) {
        Ok(url)
            if matches!(url.scheme(), "http" | "https")
                && url.query().is_none()
                && url.fragment().is_none() =>
        {
            Ok(text.trim_end_matches('/').to_owned())
        }
        Ok(_) | Err(_) => Err(format!(
            "The variable {name} must be a URL such as https://example.com, without a query."
        )),
    }
}

/// A whole number above 0.
fn whole(env: &Env, name: &str, default: u32) -> Result<u32, String> {
    let Some(text) = text(env, name) else {
        return Ok(default);
    };
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| format!("The variable {name} must be a whole number above 0."))
}

/// 0 is off; anything else needs the binding that counts.
fn rate_limit(env: &Env) -> Result<u32, String> {
    let Some(text) = text(env, "RATE_LIMIT_PER_MINUTE") else {
        return Ok(0);
    };
    let limit = text.parse().map_err(|_| {
        "The variable RATE_LIMIT_PER_MINUTE must be a whole number; 0 turns it off.".to_owned()
    })?;
    if limit > 0 {
        binding(env, "RATE")?;
    }
    Ok(limit)
}

fn is_true(env: &Env, name: &str) -> bool {
    text(env, name).as_deref() == Some("true")
}

/// A secret or variable, trimmed; one that is empty is none. TOML may hold numbers
/// and booleans too, which arrive as such.
fn text(env: &Env, name: &str) -> Option<String> {
    let value = Reflect::get(env, &name.into()).ok()?;
    let text = value
        .as_string()
        .or_else(|| value.as_f64().map(|number| number.to_string()))
        .or_else(|| value.as_bool().map(|truth| truth.to_string()))?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
