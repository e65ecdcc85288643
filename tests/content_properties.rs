//! What holds of any content on any channel: no adapter panics, what its profile lets
//! through becomes a request, and the parts of a split keep their order.

use crate::support::contents::contents;
use patchbay::channel::{ADAPTERS, Adapter, Origins, Outbound};
use patchbay::model::channel::{Channel, Credentials, Settings};
use patchbay::model::contact::Address;
use patchbay::model::content::{CardButton, Content};
use patchbay::model::id::{ChannelId, Fresh, MessageId, WorkspaceId};
use patchbay::model::message::Actor;
use patchbay::model::time::Timestamp;
use proptest::prelude::*;

fn channel(adapter: &dyn Adapter) -> Channel {
    let at = Timestamp::from_s(1_795_161_600);
    let names = adapter.credential_names().iter();
    Channel {
        id: ChannelId::fresh(at, [1; 10]),
        workspace_id: WorkspaceId::fresh(at, [2; 10]),
        kind: adapter.kind(),
        identifier: "+15550100009".to_owned(),
        settings: Settings::default(),
        credentials: Credentials(
            names
                .map(|name| ((*name).to_owned(), "123456:secret".to_owned()))
                .collect(),
        ),
        version: 1,
    }
}

fn origins() -> Origins {
    Origins {
        graph: "https://graph.test".to_owned(),
        instagram: "https://instagram.test".to_owned(),
        telegram: "https://telegram.test".to_owned(),
        twilio: "https://twilio.test".to_owned(),
    }
}

/// What parts say, in order: a split must neither lose nor turn any of it around.
fn said(content: &Content) -> Vec<String> {
    let of_buttons = |buttons: &[CardButton]| {
        let ids = buttons.iter().filter_map(|button| button.id.clone());
        ids.collect::<Vec<_>>()
    };
    match content {
        Content::Interactive(interactive) => {
            let rows = interactive.list.iter().flat_map(|list| list.rows());
            let ids = rows.map(|(_, row)| row.id.clone());
            std::iter::once(interactive.body.clone())
                .chain(ids)
                .collect()
        }
        Content::Cards(cards) => cards
            .cards
            .iter()
            .flat_map(|card| {
                // The cards of a list are named by its rows, which their buttons answer with.
                let mut said = of_buttons(&card.buttons);
                if said.len() != 1 {
                    said.insert(0, card.title.clone());
                }
                said
            })
            .collect(),
        Content::Contacts(cards) => {
            let names = cards.contacts.iter();
            names.map(|card| card.name.formatted_name.clone()).collect()
        }
        other => other
            .media()
            .map(|media| media.url.clone())
            .into_iter()
            .chain(other.text().map(str::to_owned))
            .collect(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_content_panics_an_adapter_and_what_passes_becomes_a_request(json in contents()) {
        let Ok(content) = Content::read(json) else { return Ok(()) };
        for adapter in ADAPTERS {
            let channel = channel(*adapter);
            let to = Address("5550001".to_owned());
            let passes = adapter.profile().check(&content).is_ok();
            let parts = adapter.split(&content).map(|split| split.parts);
            if let Some(parts) = &parts && passes {
                prop_assert!(parts.len() > 1);
                let of_parts: Vec<String> = parts.iter().flat_map(said).collect();
                prop_assert_eq!(of_parts, said(&content));
            }
            for part in parts.as_deref().unwrap_or(std::slice::from_ref(&content)) {
                for reply_to in [None, Some("5550001:42")] {
                    let outbound = Outbound {
                        message_id: MessageId::fresh(Timestamp::from_s(1), [3; 10]),
                        channel: &channel,
                        to: &to,
                        content: part,
                        reply_to,
                        actor: Actor::Human,
                        uploaded: None,
                        inbound_url: "https://patchbay.test/inbound/x",
                    };
                    let request = adapter.request(&origins(), &outbound);
                    let is_sendable = passes && reply_to.is_some() && !adapter.profile().is_local;
                    if is_sendable {
                        prop_assert!(adapter.profile().check(part).is_ok(), "{:?}", part);
                        prop_assert!(request.is_ok(), "{:?} {:?}", adapter.kind(), part);
                    }
                }
            }
        }
    }

    #[test]
    fn a_content_is_the_same_after_it_was_stored(json in contents()) {
        if let Ok(content) = Content::read(json) {
            let stored = serde_json::to_string(&content).expect("JSON");
            let read: Content = serde_json::from_str(&stored).expect("a content");
            prop_assert_eq!(serde_json::to_string(&read).expect("JSON"), stored);
        }
    }
}
