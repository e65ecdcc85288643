//! Who somebody is: two contacts that are one person, taken apart again, and forgotten.

use serde_json::{Value, json};

use crate::harness::{Tenant, WORD, person, run, text};

async fn contact_of(tenant: &Tenant, address: &str) -> Value {
    let found = tenant.list(&format!("/v1/contacts?search={address}")).await;
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].clone()
}

#[test]
fn two_contacts_become_one_are_taken_apart_and_one_is_forgotten() {
    run(async {
        let tenant = Tenant::new().await;
        let whatsapp = tenant.whatsapp().await;
        let telegram = tenant.telegram().await;
        let subscriber = tenant.subscriber().await;
        let (ana, also_ana) = (person(), person());
        tenant.hears(&whatsapp, &ana, "Hello").await;
        tenant.hears(&telegram, &also_ana, "Hello again").await;
        let one = contact_of(&tenant, &ana).await;
        let other = contact_of(&tenant, &also_ana).await;
        let id = |contact: &Value| contact["id"].as_str().expect("an id").to_owned();
        let path = format!("/v1/contacts/{}", id(&other));

        let merge = json!({ "into": id(&one) });
        let merged = tenant.post(&format!("{path}/merge"), &merge).await;
        let merged = merged.expect(200);
        assert_eq!(merged["id"], one["id"]);
        assert_eq!(merged["identities"].as_array().map(Vec::len), Some(2));
        let told = subscriber.receives("contact.merged", 1).await;
        assert_eq!(told[0].data["mergedContactId"], other["id"]);
        // The old id stands for the new one, also to be written to.
        let known = tenant.get(&path).await.expect(200);
        assert_eq!(known["id"], one["id"]);
        let text = json!({ "type": "text", "text": format!("Both of you {WORD}") });
        let send = json!({ "to": id(&other), "content": text });
        let sent = tenant.post("/v1/messages", &send).await.expect(202);
        assert_eq!(sent["contactId"], one["id"]);

        let apart = tenant.post(&format!("{path}/unmerge"), &Value::Null).await;
        assert_eq!(apart.expect(200)["id"], other["id"]);
        contact_of(&tenant, &also_ana).await;

        let forgotten = format!("/v1/contacts/{}", id(&one));
        let gone = tenant.delete(&forgotten).await;
        assert_eq!(gone.status, 204, "{}", gone.text);
        assert_eq!(tenant.get(&forgotten).await.status, 404);
        let found = tenant.list(&format!("/v1/contacts?search={ana}")).await;
        assert!(found.is_empty(), "{found:?}");
        // Who writes again is somebody new.
        tenant.hears(&whatsapp, &ana, "Me again").await;
        assert_ne!(contact_of(&tenant, &ana).await["id"], one["id"]);
    });
}

#[test]
fn an_account_that_is_blocked_sends_nothing_until_it_is_restored() {
    run(async {
        let tenant = Tenant::new().await;
        let channel = tenant.whatsapp().await;
        let subscriber = tenant.subscriber().await;
        let ana = person();
        tenant.hears(&channel, &ana, "Hello").await;
        let waba = channel.credentials["wabaId"].as_str().expect("an id");
        let told = async |state: &str, seconds: i64| {
            let value = json!({
                "event": "DISABLED_UPDATE", "ban_info": { "waba_ban_state": state, "waba_ban_date": "today" },
            });
            let notice = json!({ "object": "whatsapp_business_account", "entry": [{
                "id": waba, "time": 1_790_000_000 + seconds,
                "changes": [{ "field": "account_update", "value": value }],
            }] });
            let played = tenant.sandbox.raw(&channel.account, notice).await;
            assert_eq!(played.expect("posted").callback_status, Some(200));
        };
        told("DISABLE", 1).await;
        // A repeat, and one that comes late: it is told, and changes nothing.
        told("DISABLE", 1).await;
        told("REINSTATE", 0).await;
        let path = format!("/v1/channels/{}", channel.id);
        let blocked = tenant.get(&path).await.expect(200);
        assert_eq!(blocked["status"], "needs_reauth");
        let hello = text(&channel, &ana, "Hello?");
        let refused = tenant.post("/v1/messages", &hello).await;
        refused.assert_problem(409, "channel_unavailable");

        told("REINSTATE", 2).await;
        assert_eq!(tenant.get(&path).await.expect(200)["status"], "connected");
        let sent = tenant.sends(&channel, &ana, "Still there?").await;
        tenant.becomes(&sent, "delivered").await;
        let events = subscriber.receives("channel.updated", 3).await;
        let statuses: Vec<&str> = events
            .iter()
            .filter_map(|event| event.data["channel"]["status"].as_str())
            .collect();
        assert_eq!(statuses, ["needs_reauth", "needs_reauth", "connected"]);
    });
}
