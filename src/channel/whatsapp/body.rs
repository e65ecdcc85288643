//! The body of `POST /{phone number id}/messages`, for every kind of content.
//! <https://developers.facebook.com/docs/whatsapp/cloud-api/reference/messages>

use super::super::{Outbound, SendError, lean, not_carried, nothing_to_mark};
use super::is_user_id;
use crate::model::content::{
    Contacts, Content, Header, HeaderKind, Interactive, InteractiveKind, List, Media, OrderStatus,
    PaymentMethod, PaymentRequest, PixKeyKind,
};
use serde_json::{Map, Value, json};

/// The body of a send, or of a mark.
pub fn of(send: &Outbound<'_>) -> Result<Value, SendError> {
    if let Content::MarkSeen(_) = send.content {
        return mark(send, None);
    }
    if let Content::Typing(_) = send.content {
        return mark(send, Some(json!({ "type": "text" })));
    }
    let (kind, said) = said(send, send.content)?;
    let mut body = addressed(send);
    body.insert("type".to_owned(), Value::from(kind));
    body.insert(kind.to_owned(), said);
    Ok(Value::Object(body))
}

/// Marks a message as read, and all before it; with it goes the sign of typing.
fn mark(send: &Outbound<'_>, typing: Option<Value>) -> Result<Value, SendError> {
    let id = send.reply_to.ok_or_else(nothing_to_mark)?;
    Ok(lean(json!({
        "messaging_product": "whatsapp", "status": "read", "message_id": id,
        "typing_indicator": typing,
    })))
}

/// Who it goes to: a phone number, a group, or a business-scoped user id of somebody
/// without a number.
fn addressed(send: &Outbound<'_>) -> Map<String, Value> {
    let address = send.to.0.as_str();
    let is_person = is_user_id(address);
    let is_phone = address.bytes().all(|byte| byte.is_ascii_digit());
    let is_reaction = matches!(send.content, Content::Reaction(_));
    let context = send.reply_to.filter(|_| !is_reaction);
    let to = if is_person { "recipient" } else { "to" };
    let kind = if is_person || is_phone {
        "individual"
    } else {
        "group"
    };
    let body = json!({
        "messaging_product": "whatsapp",
        "recipient_type": kind,
        to: address,
        "context": context.map(|id| json!({ "message_id": id })),
        // Comes back in every status, so that an unclear send settles itself.
        "biz_opaque_callback_data": send.message_id,
    });
    match lean(body) {
        Value::Object(fields) => fields,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    }
}

/// The name of a content there, and what stands under it.
fn said(send: &Outbound<'_>, content: &Content) -> Result<(&'static str, Value), SendError> {
    let said = match content {
        Content::Text(text) => {
            let preview = text.preview_url.unwrap_or(false);
            ("text", json!({ "body": text.text, "preview_url": preview }))
        }
        Content::Image(media) => ("image", file(send, media)),
        Content::Video(media) => ("video", file(send, media)),
        Content::Audio(media) => ("audio", file(send, media)),
        Content::Document(media) => ("document", file(send, media)),
        Content::Sticker(media) => ("sticker", file(send, media)),
        Content::Location(location) => (
            "location",
            json!({
                "latitude": location.latitude, "longitude": location.longitude,
                "name": location.name, "address": location.address,
            }),
        ),
        Content::Contacts(cards) => ("contacts", contacts(cards)),
        Content::Interactive(interactive) => ("interactive", self::interactive(interactive)?),
        // What a client gave as components goes as it is.
        Content::Template(template) => {
            let language = json!({ "code": template.language });
            let name = &template.name;
            let components = &template.components;
            let body = if components.is_empty() {
                json!({ "name": name, "language": language })
            } else {
                json!({ "name": name, "language": language, "components": components })
            };
            return Ok(("template", body));
        }
        Content::Reaction(reaction) => {
            let id = send.reply_to.ok_or_else(nothing_to_mark)?;
            (
                "reaction",
                json!({ "message_id": id, "emoji": reaction.emoji }),
            )
        }
        Content::PaymentRequest(request) => ("interactive", payment(request)),
        Content::OrderStatus(status) => ("interactive", order_status(status)),
        Content::Cards(_)
        | Content::MarkSeen(_)
        | Content::Typing(_)
        | Content::Reply(_)
        | Content::Order(_)
        | Content::Unsupported(_) => return Err(not_carried(content)),
    };
    Ok((said.0, lean(said.1)))
}

fn file(send: &Outbound<'_>, media: &Media) -> Value {
    let link = send.uploaded.is_none().then_some(&media.url);
    // Only documents go by a name.
    let filename = media.filename.as_ref();
    let filename = filename.filter(|_| matches!(send.content, Content::Document(_)));
    json!({
        "id": send.uploaded, "link": link, "caption": media.caption, "filename": filename,
        "voice": media.voice.then_some(true),
    })
}

/// Meta wants one part of the name beside the whole.
fn contacts(cards: &Contacts) -> Value {
    let cards = cards.contacts.iter().map(|card| {
        let name = &card.name;
        let has_part = name.first_name.is_some() || name.last_name.is_some();
        let first = name.first_name.as_ref();
        let first = first.or((!has_part).then_some(&name.formatted_name));
        let phones = card
            .phones
            .iter()
            .map(|given| json!({ "phone": given.phone, "type": given.kind }));
        let emails = card
            .emails
            .iter()
            .map(|given| json!({ "email": given.email, "type": given.kind }));
        let emails: Vec<Value> = emails.collect();
        let organization = card.organization.as_ref();
        json!({
            "name": {
                "formatted_name": name.formatted_name, "first_name": first,
                "last_name": name.last_name,
            },
            "phones": phones.collect::<Vec<_>>(),
            "emails": (!emails.is_empty()).then_some(emails),
            "org": organization.map(|company| json!({ "company": company })),
        })
    });
    cards.collect()
}

fn interactive(interactive: &Interactive) -> Result<Value, SendError> {
    let (kind, action) = match interactive.kind {
        InteractiveKind::Buttons => {
            let buttons = interactive.buttons.iter().map(|button| {
                json!({ "type": "reply", "reply": { "id": button.id, "title": button.title } })
            });
            ("button", json!({ "buttons": buttons.collect::<Vec<_>>() }))
        }
        InteractiveKind::List => ("list", interactive.list.as_ref().map_or(Value::Null, list)),
        InteractiveKind::CtaUrl => {
            let page = interactive.cta_url.as_ref();
            let parameters = page.map(|page| json!({ "display_text": page.text, "url": page.url }));
            (
                "cta_url",
                json!({ "name": "cta_url", "parameters": parameters }),
            )
        }
        InteractiveKind::LocationRequest => (
            "location_request_message",
            json!({ "name": "send_location" }),
        ),
    };
    Ok(json!({
        "type": kind,
        "header": interactive.header.as_ref().map(header),
        "body": { "text": interactive.body },
        "footer": interactive.footer.as_ref().map(|text| json!({ "text": text })),
        "action": action,
    }))
}

fn header(header: &Header) -> Value {
    let kind = header.kind.name();
    match header.kind {
        HeaderKind::Text => json!({ "type": kind, "text": header.text }),
        HeaderKind::Image | HeaderKind::Video => {
            json!({ "type": kind, kind: { "link": header.url } })
        }
        HeaderKind::Document => {
            json!({ "type": kind, kind: { "link": header.url, "filename": header.filename } })
        }
    }
}

fn list(list: &List) -> Value {
    let sections = list.sections.iter().map(|section| {
        let rows = section
            .rows
            .iter()
            .map(|row| json!({ "id": row.id, "title": row.title, "description": row.description }));
        json!({ "title": section.title, "rows": rows.collect::<Vec<_>>() })
    });
    json!({ "button": list.button, "sections": sections.collect::<Vec<_>>() })
}

/// An amount in hundredths.
fn amount(cents: i64) -> Value {
    json!({ "value": cents, "offset": 100 })
}

/// <https://developers.facebook.com/docs/whatsapp/cloud-api/payments-api/payments-br/orderdetails>
fn payment(request: &PaymentRequest) -> Value {
    let setting = match request.payment_method {
        PaymentMethod::Pix => json!({
            "type": "pix_dynamic_code",
            "pix_dynamic_code": request.pix.as_ref().map(|pix| json!({
                "code": pix.code, "merchant_name": pix.merchant_name, "key": pix.key,
                "key_type": key_kind(pix.key_type),
            })),
        }),
        PaymentMethod::Boleto => json!({
            "type": "boleto",
            "boleto": request.boleto.as_ref().map(|boleto| json!({
                "digitable_line": boleto.digitable_line,
            })),
        }),
        PaymentMethod::PaymentLink => json!({
            "type": "payment_link",
            "payment_link": request.payment_link.as_ref().map(|link| json!({ "uri": link.url })),
        }),
    };
    // Without its items the order is not shown, only what is to be paid.
    let order = (!request.items.is_empty()).then(|| {
        let items = request.items.iter().map(|item| {
            json!({
                "retailer_id": item.retailer_id, "name": item.name,
                "amount": amount(item.amount_cents), "quantity": item.quantity,
            })
        });
        let tax = request.tax.as_ref();
        json!({
            "status": "pending",
            "items": items.collect::<Vec<_>>(),
            "subtotal": amount(request.subtotal().unwrap_or(request.total_amount_cents)),
            "tax": {
                "value": tax.map_or(0, |tax| tax.value_cents), "offset": 100,
                "description": tax.and_then(|tax| tax.description.as_ref()),
            },
        })
    });
    json!({
        "type": "order_details",
        "body": { "text": request.body_text },
        "action": {
            "name": "review_and_pay",
            "parameters": {
                "reference_id": request.reference_id,
                "type": "digital-goods",
                "payment_type": "br",
                "currency": request.currency.as_deref().unwrap_or("BRL"),
                "payment_settings": [setting],
                "total_amount": amount(request.total_amount_cents),
                "order": order,
            },
        },
    })
}

fn key_kind(kind: PixKeyKind) -> &'static str {
    match kind {
        PixKeyKind::Cpf => "CPF",
        PixKeyKind::Cnpj => "CNPJ",
        PixKeyKind::Email => "EMAIL",
        PixKeyKind::Phone => "PHONE",
        PixKeyKind::Evp => "EVP",
    }
}

fn order_status(status: &OrderStatus) -> Value {
    json!({
        "type": "order_status",
        "body": { "text": status.body_text },
        "action": {
            "name": "review_order",
            "parameters": {
                "reference_id": status.reference_id,
                "order": { "status": status.status, "description": status.description },
            },
        },
    })
}
