//! Stands in for the messaging providers in development and in tests.
//!
//! One module per provider answers its API, as strictly as the real one; `control` plays
//! customers and statuses; `routes` sets the scene and shows what happened. Nothing leaves this
//! machine but the callbacks to the gateway under test.
#![forbid(unsafe_code)]

mod account;
mod callback;
mod control;
mod faults;
mod fetches;
mod files;
mod graph;
mod header_value;
mod hostile;
mod kept;
mod link;
mod media;
mod messaging;
mod multipart;
mod page;
mod phones;
mod routes;
mod server;
mod shown;
mod state;
mod subscriber;
mod telegram;
mod twilio;
mod whatsapp;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Json;
use http::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use account::{Account, AccountView, Instagram, Messenger, Sms, Telegram, WhatsApp};
pub use control::{Error, Handshake, Inbound, Played, Press, Raw, StatusUpdate, TemplateStatus};
pub use control::{InboundMedia, MediaSource};
pub use faults::{Fault, FaultMode, Weather};
pub use fetches::{Fetch, FetchFilter};
pub use files::{NewFile, StoredFile};
pub use hostile::{HostileCount, How};
pub use media::{Expiry, MediaKind, ProviderMedia};
pub use phones::{Phone, PhoneMessage, Side};
pub use shown::{Choice, ChoiceSort};
pub use state::{Call, CallFilter};
pub use subscriber::{Behaviour, Event};

use state::{Shared, lock};

/// A running sandbox. Stops when its last clone is dropped.
#[derive(Clone)]
pub struct Sandbox {
    shared: Arc<Shared>,
    server: Arc<Server>,
}

struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Sandbox {
    /// Serves on a loopback address; port 0 takes a free one.
    pub async fn start(address: SocketAddr) -> io::Result<Self> {
        if !address.ip().is_loopback() {
            let why = "the sandbox only listens on a loopback address";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::new(format!("http://{address}")).map_err(io::Error::other)?);
        let task = tokio::spawn(server::serve(listener, router(Arc::clone(&shared))));
        let server = Arc::new(Server { address, task });
        Ok(Self { shared, server })
    }

    /// Stops serving and breaks off all connections.
    pub fn stop(&self) {
        self.server.task.abort();
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    pub fn graph_base(&self) -> String {
        format!("{}/graph/v23.0", self.url())
    }

    pub fn instagram_base(&self) -> String {
        format!("{}/instagram/v23.0", self.url())
    }

    pub fn twilio_base(&self) -> String {
        format!("{}/twilio", self.url())
    }

    pub fn telegram_base(&self) -> String {
        format!("{}/telegram", self.url())
    }

    /// The variables that have a gateway take this for the providers.
    pub fn variables(&self) -> [(&'static str, String); 4] {
        [
            ("GRAPH_API_BASE", self.graph_base()),
            ("INSTAGRAM_API_BASE", self.instagram_base()),
            ("TELEGRAM_API_BASE", self.telegram_base()),
            ("TWILIO_API_BASE", self.twilio_base()),
        ]
    }

    pub fn subscriber_url(&self, name: &str) -> String {
        format!("{}/subscriber/{name}", self.url())
    }

    /// Registers an account or changes it; its chats stay, and its webhook too if none is given.
    pub fn register_account(&self, account: impl Into<Account>) -> Result<(), Error> {
        control::register(&self.shared, account.into())
    }

    pub fn accounts(&self) -> Vec<AccountView> {
        self.shared.accounts.list()
    }

    /// Queues a fault behind those set for the same recipient.
    pub fn fault(&self, fault: Fault) {
        self.shared.faults.add(fault);
    }

    /// Sets the faults that play by chance, until the faults are cleared.
    pub fn brew(&self, weather: Weather) {
        self.shared.faults.brew(weather);
    }

    pub fn faults(&self) -> Vec<Fault> {
        self.shared.faults.list()
    }

    pub fn clear_faults(&self) {
        self.shared.faults.clear();
    }

    /// Plays a customer's text or file.
    pub async fn inbound(&self, inbound: Inbound) -> Result<Played, Error> {
        control::inbound(&self.shared, inbound).await
    }

    /// Plays a customer who presses something on a message they were sent.
    pub async fn press(&self, press: Press) -> Result<Played, Error> {
        control::press(&self.shared, press).await
    }

    /// Posts a status by hand, if the account's provider has such a report.
    pub async fn status(&self, update: StatusUpdate) -> Result<Played, Error> {
        control::status(&self.shared, update).await
    }

    /// Signs and posts any payload as the account's provider.
    pub async fn raw(&self, account: &str, payload: Value) -> Result<Played, Error> {
        self.post(Raw::new(account, payload)).await
    }

    /// The same, with another address or secret than the account's.
    pub async fn post(&self, raw: Raw) -> Result<Played, Error> {
        control::raw(&self.shared, raw).await
    }

    /// Replaces the message templates of a WhatsApp business account.
    pub fn set_templates(&self, waba_id: &str, templates: Vec<Value>) -> Result<(), Error> {
        control::set_templates(&self.shared, waba_id, templates)
    }

    /// Gives a message template another status and tells the business account's webhook.
    pub async fn template_status(
        &self,
        waba_id: &str,
        update: TemplateStatus,
    ) -> Result<Played, Error> {
        control::template_status(&self.shared, waba_id, update).await
    }

    /// The message templates of a WhatsApp business account, oldest first.
    pub fn templates(&self, waba_id: &str) -> Arc<Vec<Value>> {
        self.shared.templates.of(waba_id)
    }

    /// Keeps a file to be sent in or out, served at its address.
    pub async fn put_file(&self, file: NewFile) -> io::Result<StoredFile> {
        let file = files::File::make(&self.shared.ids, file).await?;
        let view = files::view(&self.shared.base_url, &file);
        self.shared.files.add(file);
        Ok(view)
    }

    /// The files that were put or uploaded, oldest first.
    pub fn files(&self) -> Vec<StoredFile> {
        files::list(&self.shared)
    }

    pub fn file(&self, id: &str) -> Option<StoredFile> {
        let file = self.shared.files.get(id)?;
        Some(files::view(&self.shared.base_url, &file))
    }

    /// What the providers keep of files, oldest first.
    pub fn media(&self) -> Vec<ProviderMedia> {
        media::list(&self.shared)
    }

    /// Makes a provider forget a file, or the addresses of it. Answers whether there was such a file.
    pub fn expire_media(&self, id: &str, what: Expiry) -> bool {
        self.shared.media.expire(id, what)
    }

    /// Who asked for which file, oldest first.
    pub fn fetches(&self, filter: &FetchFilter) -> Vec<Fetch> {
        self.shared.fetches.list(filter)
    }

    /// Forgets who asked, and counts what is served anew.
    pub fn clear_fetches(&self) {
        fetches::clear(&self.shared);
    }

    /// What was asked of the hostile hosts since it was last cleared.
    pub fn hostile(&self) -> Vec<HostileCount> {
        self.shared.hostile.counts()
    }

    pub fn hostile_url(&self, how: How) -> String {
        format!("{}/hostile/{}", self.url(), how.name())
    }

    /// Sends Meta's subscription handshake, with the account's verify token if no other is given.
    pub async fn handshake(
        &self,
        account: &str,
        verify_token: Option<&str>,
    ) -> Result<Handshake, Error> {
        control::handshake(&self.shared, account, verify_token).await
    }

    /// The calls made to the providers, oldest first.
    pub fn calls(&self, filter: &CallFilter) -> Vec<Arc<Call>> {
        lock(&self.shared.journal).list(filter)
    }

    /// How many messages the providers took on.
    pub fn accepted_count(&self) -> u64 {
        lock(&self.shared.journal).accepted()
    }

    pub fn clear_calls(&self) {
        lock(&self.shared.journal).clear();
    }

    /// All chats, the most recent first.
    pub fn phones(&self) -> Vec<Phone> {
        lock(&self.shared.phones).list(usize::MAX)
    }

    /// One chat, by account key (as `accounts` lists it) and person. An SMS number has its `+`.
    pub fn phone(&self, account: &str, person: &str) -> Option<Phone> {
        lock(&self.shared.phones).get(account, person).cloned()
    }

    /// Sets how a subscriber answers.
    pub fn subscriber(&self, name: &str, behaviour: Behaviour) {
        self.shared.subscribers.set(name, behaviour);
    }

    /// What a subscriber received after event number `after`, newest first.
    pub fn events(&self, name: &str, after: u64) -> Vec<Arc<Event>> {
        self.shared.subscribers.events(name, after, usize::MAX)
    }

    /// The same, once there is at least one or the time is over.
    pub async fn wait_for_events(
        &self,
        name: &str,
        after: u64,
        patience: Duration,
    ) -> Vec<Arc<Event>> {
        let subscribers = &self.shared.subscribers;
        subscribers.wait(name, after, usize::MAX, patience).await
    }

    pub fn clear_events(&self, name: &str) {
        self.shared.subscribers.clear(name);
    }
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .merge(graph::router())
        .merge(whatsapp::router())
        .merge(messaging::router())
        .merge(telegram::router())
        .merge(twilio::router())
        .merge(routes::router())
        .merge(subscriber::router())
        .merge(files::router())
        .merge(media::router())
        .merge(fetches::router())
        .merge(hostile::router())
        .merge(page::router())
        .fallback(async || {
            (
                StatusCode::NOT_FOUND,
                Json(json!({"error": "no such route"})),
            )
        })
        .with_state(shared)
}
