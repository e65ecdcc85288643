//! One content of every kind, and those that only some channels carry.

use serde_json::{Value, json};

use crate::harness::WORD;

/// The address of a file.
pub fn file(name: &str) -> String {
    format!("https://shop.example/files/{name}")
}

/// A content, and the name under which a channel says whether it carries it.
pub struct Sample {
    pub kind: &'static str,
    pub content: Value,
}

fn sample(kind: &'static str, fields: Value) -> Sample {
    let (of, how) = kind.split_once('.').unwrap_or((kind, ""));
    let mut content = fields;
    content["type"] = json!(of);
    match how {
        "" => {}
        "urlButtons" => content["kind"] = json!("buttons"),
        how => content["kind"] = json!(how),
    }
    Sample { kind, content }
}

fn media(kind: &'static str, name: &str) -> Sample {
    sample(kind, json!({"url": file(name)}))
}

fn captioned(kind: &'static str, name: &str) -> Sample {
    let caption = format!("The {name} {WORD}");
    sample(kind, json!({"url": file(name), "caption": caption}))
}

fn card(name: &str, phone: &str) -> Value {
    json!({
        "name": {"formattedName": format!("{name} Lima"), "firstName": name, "lastName": "Lima"},
        "phones": [{"phone": phone, "type": "WORK"}],
        "emails": [{"email": format!("{}@shop.example", name.to_lowercase())}],
        "organization": "Lima & Lima",
    })
}

fn list() -> Value {
    json!({"button": "Choose", "sections": [
        {"title": "Today", "rows": [
            {"id": "today-10", "title": "Ten o'clock", "description": "With Bia"},
            {"id": "today-15", "title": "Three o'clock"},
        ]},
        {"title": "Tomorrow", "rows": [{"id": "tomorrow-9", "title": "Nine o'clock"}]},
    ]})
}

fn buttons(count: usize) -> Value {
    let buttons =
        (1..=count).map(|n| json!({"id": format!("size-{n}"), "title": format!("Size {n}")}));
    buttons.collect()
}

/// One of every kind there is, in a form that the type of channel takes if it carries the kind. `heard` is
/// the customer's message.
pub fn one_of_each(channel: &str, heard: &str) -> Vec<Sample> {
    let sticker = match channel {
        "instagram" => "wave.png",
        _ => "wave.webp",
    };
    vec![
        sample("text", json!({"text": format!("Olá 👋 {WORD}")})),
        captioned("image", "shirt.png"),
        captioned("video", "shop.mp4"),
        media("audio", "greeting.m4a"),
        captioned("document", "invoice.pdf"),
        media("sticker", sticker),
        sample(
            "location",
            json!({"latitude": -23.5614, "longitude": -46.6559}),
        ),
        sample(
            "contacts",
            json!({"contacts": [card("Bia", "+5511987650001")]}),
        ),
        sample(
            "interactive.buttons",
            json!({"body": format!("Which size? {WORD}"), "buttons": buttons(3)}),
        ),
        sample(
            "interactive.urlButtons",
            json!({"body": format!("The parcel is here. {WORD}"), "buttons": [
                {"id": "later", "title": "Later"},
                {"title": "Follow it", "url": "https://shop.example/parcels/1"},
            ]}),
        ),
        sample(
            "interactive.list",
            json!({"body": format!("When? {WORD}"), "list": list()}),
        ),
        sample(
            "interactive.ctaUrl",
            json!({
                "body": format!("All of them {WORD}"),
                "ctaUrl": {"text": "See the shop", "url": "https://shop.example/all?from=chat"},
            }),
        ),
        sample(
            "interactive.locationRequest",
            json!({"body": format!("Where to? {WORD}")}),
        ),
        sample(
            "cards",
            json!({"cards": [
                {
                    "title": "Shirt", "subtitle": "Cotton", "imageUrl": file("shirt.png"),
                    "buttons": [
                        {"kind": "reply", "id": "shirt", "title": "Take it"},
                        {"kind": "url", "title": "Look", "url": "https://shop.example/shirt"},
                    ],
                },
                {"title": "Hat", "subtitle": "Straw", "buttons": []},
            ]}),
        ),
        sample(
            "template",
            json!({"key": "order_shipped", "variables": {"1": "Ana", "2": "1234", "3": "Friday"}}),
        ),
        sample("reaction", json!({"messageId": heard, "emoji": "❤️"})),
        sample("markSeen", json!({})),
        sample("typing", json!({})),
        payment("pix"),
        sample(
            "orderStatus",
            json!({
                "bodyText": format!("On its way {WORD}"), "referenceId": "order-pix", "status": "shipped",
                "description": "Arrives on Friday",
            }),
        ),
    ]
}

fn payment(method: &str) -> Sample {
    let mut request = json!({
        "bodyText": format!("Your order {WORD}"), "referenceId": format!("order-{method}"),
        "paymentMethod": method, "totalAmountCents": 5_500,
        "items": [
            {"retailerId": "1", "name": "Shirt", "amountCents": 2_000, "quantity": 2},
            {"retailerId": "2", "name": "Hat", "amountCents": 1_000, "quantity": 1},
        ],
        "tax": {"valueCents": 500, "description": "Packing"},
    });
    match method {
        "pix" => {
            request["pix"] = json!({
                "code": "00020101021226700014br.gov.bcb.pix", "merchantName": "Lima & Lima",
                "key": "39580525000189", "keyType": "CNPJ",
            });
        }
        "boleto" => {
            let line = "03399026944140000002628346101018898510000008848";
            request["boleto"] = json!({"digitableLine": line});
        }
        _ => request["paymentLink"] = json!({"url": "https://shop.example/pay/1"}),
    }
    sample("paymentRequest", request)
}

/// What a type of channel carries beside those.
pub fn more_of(channel: &str, heard: &str) -> Vec<Sample> {
    let mut more = vec![
        media("image", "plain.jpg"),
        sample(
            "document",
            json!({"url": file("price-list.pdf"), "mimeType": "application/pdf"}),
        ),
    ];
    let unreact = || sample("reaction", json!({"messageId": heard, "emoji": ""}));
    let seen = || sample("markSeen", json!({"messageId": heard}));
    let typing_off = || sample("typing", json!({"off": true}));
    let preview = || {
        let words = format!("https://shop.example {WORD}");
        sample("text", json!({"text": words, "previewUrl": true}))
    };
    let place = || {
        sample(
            "location",
            json!({
                "latitude": -23.5614, "longitude": -46.6559, "name": "Lima & Lima",
                "address": "Avenida Paulista, 1578",
            }),
        )
    };
    let two_contacts = || {
        let cards = json!([
            card("Bia", "+5511987650001"),
            card("Caio", "+5511987650002")
        ]);
        sample("contacts", json!({"contacts": cards}))
    };
    let dressed = |kind, header: Value, mut fields: Value| {
        fields["header"] = header;
        fields["footer"] = json!("Until Friday");
        fields["body"] = json!(format!("Dressed {WORD}"));
        sample(kind, fields)
    };
    let all_dressed = || {
        let page = json!({"text": "Look", "url": "https://shop.example/sale"});
        [
            dressed(
                "interactive.buttons",
                json!("Sizes"),
                json!({"buttons": buttons(2)}),
            ),
            dressed("interactive.list", json!("Times"), json!({"list": list()})),
            dressed("interactive.ctaUrl", json!("Sale"), json!({"ctaUrl": page})),
        ]
    };
    match channel {
        "whatsapp" => {
            let picture = json!({"type": "image", "url": file("sizes.png")});
            let paper = json!({
                "type": "document", "url": file("sizes.pdf"), "filename": "Sizes.pdf",
            });
            let film = json!({"type": "video", "url": file("sizes.mp4")});
            let page = json!({"text": "Look", "url": "https://shop.example/sale"});
            more.extend([
                preview(),
                sample("audio", json!({"url": file("note.ogg"), "voice": true})),
                captioned("audio", "jingle.mp3"),
                place(),
                two_contacts(),
                dressed(
                    "interactive.buttons",
                    picture,
                    json!({"buttons": buttons(1)}),
                ),
                dressed("interactive.buttons", film, json!({"buttons": buttons(1)})),
                dressed("interactive.ctaUrl", paper, json!({"ctaUrl": page})),
                payment("boleto"),
                payment("payment_link"),
                unreact(),
                seen(),
            ]);
            more.extend(all_dressed());
            more.extend(templates());
        }
        "messenger" | "instagram" => {
            let many = json!({"body": format!("Which? {WORD}"), "buttons": buttons(13)});
            let quick = json!({
                "body": format!("Quick? {WORD}"), "buttons": buttons(2), "quickReplies": true,
            });
            more.extend([
                captioned("audio", "greeting.m4a"),
                sample("interactive.buttons", many),
                sample("interactive.buttons", quick),
                unreact(),
                seen(),
                typing_off(),
            ]);
            if channel == "instagram" {
                more.push(sample("sticker", json!({"url": "like_heart"})));
            }
        }
        "telegram" => more.extend([
            preview(),
            sample("audio", json!({"url": file("note.ogg"), "voice": true})),
            captioned("audio", "jingle.mp3"),
            place(),
            two_contacts(),
            unreact(),
        ]),
        "webchat" => {
            more.extend([
                preview(),
                captioned("audio", "jingle.mp3"),
                place(),
                two_contacts(),
            ]);
            more.extend([unreact(), seen(), typing_off()]);
            more.extend(all_dressed());
        }
        _ => more.push(captioned("audio", "jingle.mp3")),
    }
    more
}

/// Templates with files and places above them, with named variables, with buttons, with a code.
fn templates() -> [Sample; 6] {
    let text = |text: &str| json!({"type": "text", "text": text});
    let headed = |name: &str, parameter: Value| {
        let header = json!({"type": "header", "parameters": [parameter]});
        sample(
            "template",
            json!({"name": name, "language": "pt_BR", "components": [header]}),
        )
    };
    let link = |name: &str| json!({"link": file(name)});
    let sale =
        json!({"type": "header", "parameters": [{"type": "image", "image": link("sale.png")}]});
    [
        sample(
            "template",
            json!({"name": "summer_sale", "language": "pt_BR", "components": [
                sale,
                {"type": "body", "parameters": [text("Ana"), text("20%")]},
                {"type": "button", "sub_type": "url", "index": "0", "parameters": [text("ana")]},
            ]}),
        ),
        headed(
            "with_video",
            json!({"type": "video", "video": link("sale.mp4")}),
        ),
        headed(
            "with_document",
            json!({"type": "document", "document": link("sale.pdf")}),
        ),
        headed(
            "with_location",
            json!({"type": "location", "location": {
                "latitude": "-23.5614", "longitude": "-46.6559", "name": "Lima & Lima",
                "address": "Avenida Paulista, 1578",
            }}),
        ),
        sample(
            "template",
            json!({"key": "order_update_named", "variables": {"order_id": "1234", "eta": "Friday"}}),
        ),
        sample(
            "template",
            json!({"key": "login_code", "variables": {"1": "482913"}}),
        ),
    ]
}

/// The templates these need beside those that every account has.
pub fn own_templates() -> Vec<Value> {
    let headed = |name: &str, format: &str| {
        json!({"name": name, "language": "pt_BR", "components": [
            {"type": "HEADER", "format": format},
            {"type": "BODY", "text": "Até sexta."},
        ]})
    };
    vec![
        headed("with_video", "VIDEO"),
        headed("with_document", "DOCUMENT"),
        headed("with_location", "LOCATION"),
    ]
}
