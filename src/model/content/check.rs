//! What a content must be on whatever channel, and its measures, which a channel's limits
//! are held against.

use super::{
    Button, Card, CardButton, CardButtonKind, Contacts, Content, Header, HeaderKind, Interactive,
    InteractiveKind, LIKE_HEART, List, Location, Media, PaymentMethod, PaymentRequest, Unreadable,
};
use std::collections::HashSet;
use url::Url;

/// One thing about a content that a channel may limit.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure<'a> {
    /// By which limits name it, such as `buttons.title`.
    pub field: &'static str,
    /// Where it stands: a JSON pointer relative to the content.
    pub pointer: String,
    pub size: Size<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Size<'a> {
    Text(&'a str),
    /// The address of a file or a page.
    Url(&'a str),
    /// What a file is said to be.
    Mime(&'a str),
    Items(usize),
    /// It is there, and that is all there is to it.
    Given,
}

/// Longer than any address that a provider takes.
const LONGEST_URL: usize = 2_048;
/// More digits than any amount has.
const MOST_CENTS: i64 = 1_000_000_000_000;

struct Measures<'a>(Vec<Measure<'a>>);

impl<'a> Measures<'a> {
    fn push(&mut self, field: &'static str, pointer: impl Into<String>, size: Size<'a>) {
        self.0.push(Measure {
            field,
            pointer: pointer.into(),
            size,
        });
    }

    fn text(&mut self, field: &'static str, pointer: impl Into<String>, text: &'a str) {
        self.push(field, pointer, Size::Text(text));
    }

    fn optional(&mut self, field: &'static str, pointer: &str, text: Option<&'a str>) {
        if let Some(text) = text {
            self.text(field, pointer, text);
        }
    }
}

impl Content {
    /// Everything about it that may be limited, in the order it is read.
    #[must_use]
    pub fn measures(&self) -> Vec<Measure<'_>> {
        let mut all = Measures(vec![]);
        match self {
            Content::Text(text) => all.text("text", "/text", &text.text),
            Content::Image(media)
            | Content::Video(media)
            | Content::Audio(media)
            | Content::Document(media) => of_media(media, &mut all),
            Content::Sticker(media) if media.url == LIKE_HEART => {
                all.push("likeHeart", "/url", Size::Given);
                all.optional("caption", "/caption", media.caption.as_deref());
            }
            Content::Sticker(media) => of_media(media, &mut all),
            Content::Location(location) => {
                all.optional("name", "/name", location.name.as_deref());
                all.optional("address", "/address", location.address.as_deref());
            }
            Content::Contacts(cards) => of_contacts(cards, &mut all),
            Content::Interactive(interactive) => of_interactive(interactive, &mut all),
            Content::Cards(cards) => {
                all.push("cards", "/cards", Size::Items(cards.cards.len()));
                for (at, card) in cards.cards.iter().enumerate() {
                    of_card(card, &format!("/cards/{at}"), &mut all);
                }
            }
            // Empty, it takes the earlier one back.
            Content::Reaction(reaction) if reaction.emoji.is_empty() => {}
            Content::Reaction(reaction) => all.text("emoji", "/emoji", &reaction.emoji),
            Content::MarkSeen(mark) if mark.message_id.is_some() => {
                all.push("messageId", "/messageId", Size::Given);
            }
            Content::Typing(typing) if typing.off => all.push("off", "/off", Size::Given),
            Content::MarkSeen(_) | Content::Typing(_) => {}
            Content::PaymentRequest(request) => of_payment(request, &mut all),
            Content::OrderStatus(status) => {
                all.text("bodyText", "/bodyText", &status.body_text);
                all.text("referenceId", "/referenceId", &status.reference_id);
                all.optional("description", "/description", status.description.as_deref());
            }
            Content::Reply(reply) => {
                all.text("id", "/id", &reply.id);
                all.text("title", "/title", &reply.title);
            }
            Content::Template(_) | Content::Order(_) | Content::Unsupported(_) => {}
        }
        all.0
    }

    /// Checks what must hold on every channel: nothing empty, addresses that are some,
    /// numbers that can be.
    pub fn check(&self) -> Result<(), Unreadable> {
        for measure in self.measures() {
            check_measure(&measure)?;
        }
        match self {
            Content::Location(location) => check_location(location),
            Content::Interactive(interactive) => check_interactive(interactive),
            Content::Cards(cards) => {
                let mut ids = HashSet::new();
                cards
                    .cards
                    .iter()
                    .enumerate()
                    .try_for_each(|(at, card)| check_card(card, &format!("/cards/{at}"), &mut ids))
            }
            Content::PaymentRequest(request) => check_payment(request),
            Content::OrderStatus(status) => check_reference(&status.reference_id),
            Content::Reaction(reaction) => check_emoji(&reaction.emoji),
            Content::Text(_)
            | Content::Image(_)
            | Content::Video(_)
            | Content::Audio(_)
            | Content::Document(_)
            | Content::Sticker(_)
            | Content::Contacts(_)
            | Content::Template(_)
            | Content::MarkSeen(_)
            | Content::Typing(_)
            | Content::Reply(_)
            | Content::Order(_)
            | Content::Unsupported(_) => Ok(()),
        }
    }
}

fn of_media<'a>(media: &'a Media, all: &mut Measures<'a>) {
    all.push("url", "/url", Size::Url(&media.url));
    if let Some(kind) = &media.mime_type {
        all.push("url", "/mimeType", Size::Mime(kind));
    }
    all.optional("caption", "/caption", media.caption.as_deref());
    all.optional("filename", "/filename", media.filename.as_deref());
    if media.voice {
        all.push("voice", "/voice", Size::Given);
    }
}

fn of_contacts<'a>(cards: &'a Contacts, all: &mut Measures<'a>) {
    all.push("contacts", "/contacts", Size::Items(cards.contacts.len()));
    for (at, card) in cards.contacts.iter().enumerate() {
        let base = format!("/contacts/{at}");
        let name = &card.name;
        all.text(
            "contacts.name",
            format!("{base}/name/formattedName"),
            &name.formatted_name,
        );
        let phones = card.phones.len();
        all.push(
            "contacts.phones",
            format!("{base}/phones"),
            Size::Items(phones),
        );
        for (phone, given) in card.phones.iter().enumerate() {
            let pointer = format!("{base}/phones/{phone}/phone");
            all.text("contacts.phones.phone", pointer, &given.phone);
        }
        for (email, given) in card.emails.iter().enumerate() {
            let pointer = format!("{base}/emails/{email}");
            all.text("contacts.emails", pointer, &given.email);
        }
    }
}

fn of_interactive<'a>(interactive: &'a Interactive, all: &mut Measures<'a>) {
    if let Some(header) = &interactive.header {
        all.push("header", "/header", Size::Given);
        of_header(header, all);
    }
    all.text("body", "/body", &interactive.body);
    all.optional("footer", "/footer", interactive.footer.as_deref());
    match interactive.kind {
        InteractiveKind::Buttons => {
            let count = interactive.buttons.len();
            all.push("buttons", "/buttons", Size::Items(count));
            let mut titles = HashSet::new();
            for (at, button) in interactive.buttons.iter().enumerate() {
                of_button(button, &format!("/buttons/{at}"), all);
                if !titles.insert(button.title.as_str()) {
                    all.push(
                        "buttons.sameTitle",
                        format!("/buttons/{at}/title"),
                        Size::Given,
                    );
                }
            }
        }
        InteractiveKind::List => {
            if let Some(list) = &interactive.list {
                of_list(list, all);
            }
        }
        InteractiveKind::CtaUrl => {
            if let Some(page) = &interactive.cta_url {
                all.text("ctaUrl.text", "/ctaUrl/text", &page.text);
                all.push("ctaUrl.url", "/ctaUrl/url", Size::Url(&page.url));
            }
        }
        InteractiveKind::LocationRequest => {}
    }
}

fn of_header<'a>(header: &'a Header, all: &mut Measures<'a>) {
    let field = match header.kind {
        HeaderKind::Text => "header.text",
        HeaderKind::Image => "header.image",
        HeaderKind::Video => "header.video",
        HeaderKind::Document => "header.document",
    };
    match header.kind {
        HeaderKind::Text => all.text(field, "/header", header.text.as_deref().unwrap_or("")),
        HeaderKind::Image | HeaderKind::Video | HeaderKind::Document => {
            let url = header.url.as_deref().unwrap_or("");
            all.push(field, "/header/url", Size::Url(url));
        }
    }
}

fn of_button<'a>(button: &'a Button, base: &str, all: &mut Measures<'a>) {
    all.text("buttons.title", format!("{base}/title"), &button.title);
    all.optional("buttons.id", &format!("{base}/id"), button.id.as_deref());
    if let Some(url) = &button.url {
        all.push("buttons.url", format!("{base}/url"), Size::Url(url));
    }
}

fn of_list<'a>(list: &'a List, all: &mut Measures<'a>) {
    all.text("list.button", "/list/button", &list.button);
    let sections = list.sections.len();
    all.push("list.sections", "/list/sections", Size::Items(sections));
    let rows = list.rows().count();
    // A section without rows is pointed at itself.
    if rows > 0 {
        all.push("list.rows", "/list/sections", Size::Items(rows));
    }
    for (at, section) in list.sections.iter().enumerate() {
        let base = format!("/list/sections/{at}");
        all.optional(
            "list.sections.title",
            &format!("{base}/title"),
            section.title.as_deref(),
        );
        for (at, row) in section.rows.iter().enumerate() {
            let base = format!("{base}/rows/{at}");
            all.text("list.rows.id", format!("{base}/id"), &row.id);
            all.text("list.rows.title", format!("{base}/title"), &row.title);
            let description = row.description.as_deref();
            all.optional(
                "list.rows.description",
                &format!("{base}/description"),
                description,
            );
        }
    }
}

fn of_card<'a>(card: &'a Card, base: &str, all: &mut Measures<'a>) {
    all.text("cards.title", format!("{base}/title"), &card.title);
    let subtitle = card.subtitle.as_deref();
    all.optional("cards.subtitle", &format!("{base}/subtitle"), subtitle);
    if let Some(image) = &card.image_url {
        all.push(
            "cards.imageUrl",
            format!("{base}/imageUrl"),
            Size::Url(image),
        );
    }
    if card.subtitle.is_none() && card.image_url.is_none() && card.buttons.is_empty() {
        all.push("cards.titleAlone", base, Size::Given);
    }
    if !card.buttons.is_empty() {
        let pointer = format!("{base}/buttons");
        all.push("cards.buttons", pointer, Size::Items(card.buttons.len()));
    }
    for (at, button) in card.buttons.iter().enumerate() {
        let base = format!("{base}/buttons/{at}");
        all.text(
            "cards.buttons.title",
            format!("{base}/title"),
            &button.title,
        );
        let id = button.id.as_deref();
        all.optional("cards.buttons.id", &format!("{base}/id"), id);
        if let Some(url) = &button.url {
            all.push("cards.buttons.url", format!("{base}/url"), Size::Url(url));
        }
    }
}

fn of_payment<'a>(request: &'a PaymentRequest, all: &mut Measures<'a>) {
    all.text("bodyText", "/bodyText", &request.body_text);
    all.text("referenceId", "/referenceId", &request.reference_id);
    match request.payment_method {
        PaymentMethod::Pix => {
            if let Some(pix) = &request.pix {
                all.text("pix.code", "/pix/code", &pix.code);
                all.text("pix.merchantName", "/pix/merchantName", &pix.merchant_name);
                all.text("pix.key", "/pix/key", &pix.key);
            }
        }
        PaymentMethod::Boleto => {
            if let Some(boleto) = &request.boleto {
                let pointer = "/boleto/digitableLine";
                all.text("boleto.digitableLine", pointer, &boleto.digitable_line);
            }
        }
        PaymentMethod::PaymentLink => {
            if let Some(link) = &request.payment_link {
                all.push("paymentLink.url", "/paymentLink/url", Size::Url(&link.url));
            }
        }
    }
    for (at, item) in request.items.iter().enumerate() {
        let base = format!("/items/{at}");
        all.text(
            "items.retailerId",
            format!("{base}/retailerId"),
            &item.retailer_id,
        );
        all.text("items.name", format!("{base}/name"), &item.name);
    }
    let tax = request.tax.as_ref();
    let description = tax.and_then(|tax| tax.description.as_deref());
    all.optional("tax.description", "/tax/description", description);
}

fn wrong(pointer: impl Into<String>, detail: impl Into<String>) -> Unreadable {
    Unreadable {
        pointer: pointer.into(),
        detail: detail.into(),
    }
}

fn check_measure(measure: &Measure<'_>) -> Result<(), Unreadable> {
    let detail = match measure.size {
        Size::Text(text) if text.trim().is_empty() => "must not be empty",
        Size::Url(url) => return check_url(url, &measure.pointer),
        Size::Items(0) => "must not be empty",
        Size::Text(_) | Size::Mime(_) | Size::Items(_) | Size::Given => return Ok(()),
    };
    Err(wrong(measure.pointer.as_str(), detail))
}

/// An address that a provider could fetch.
fn check_url(text: &str, pointer: &str) -> Result<(), Unreadable> {
    let is_plain = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
    };
    if text.len() > LONGEST_URL {
        let detail = format!("must be at most {LONGEST_URL} bytes");
        return Err(wrong(pointer, detail));
    }
    let is_url =
        Url::parse(text).is_ok_and(|url| is_plain(&url)) && !text.contains(char::is_whitespace);
    if is_url {
        Ok(())
    } else {
        Err(wrong(
            pointer,
            "must be an address such as https://shop.example/file.jpg, without credentials",
        ))
    }
}

fn check_location(location: &Location) -> Result<(), Unreadable> {
    if !(-90.0..=90.0).contains(&location.latitude) {
        return Err(wrong("/latitude", "must be from -90 to 90"));
    }
    if !(-180.0..=180.0).contains(&location.longitude) {
        return Err(wrong("/longitude", "must be from -180 to 180"));
    }
    Ok(())
}

fn check_interactive(interactive: &Interactive) -> Result<(), Unreadable> {
    if let Some(header) = &interactive.header {
        let (field, value) = match header.kind {
            HeaderKind::Text => ("text", &header.text),
            HeaderKind::Image | HeaderKind::Video | HeaderKind::Document => ("url", &header.url),
        };
        if value.is_none() {
            return Err(wrong(format!("/header/{field}"), "is required"));
        }
    }
    match interactive.kind {
        InteractiveKind::Buttons => {
            let mut ids = HashSet::new();
            for (at, button) in interactive.buttons.iter().enumerate() {
                let base = format!("/buttons/{at}");
                match (&button.id, &button.url) {
                    (Some(id), None) => only(id, &format!("{base}/id"), &mut ids)?,
                    (None, Some(_)) => {}
                    (None, None) => return Err(wrong(format!("{base}/id"), "is required")),
                    (Some(_), Some(_)) => {
                        return Err(wrong(format!("{base}/url"), "cannot be given beside id"));
                    }
                }
            }
            Ok(())
        }
        InteractiveKind::List => {
            let list = interactive.list.as_ref();
            check_list(list.ok_or_else(|| wrong("/list", "is required"))?)
        }
        InteractiveKind::CtaUrl if interactive.cta_url.is_none() => {
            Err(wrong("/ctaUrl", "is required"))
        }
        InteractiveKind::CtaUrl | InteractiveKind::LocationRequest => Ok(()),
    }
}

fn check_list(list: &List) -> Result<(), Unreadable> {
    let mut ids = HashSet::new();
    let needs_title = list.sections.len() > 1;
    for (at, section) in list.sections.iter().enumerate() {
        let base = format!("/list/sections/{at}");
        if section.rows.is_empty() {
            return Err(wrong(format!("{base}/rows"), "must not be empty"));
        }
        if needs_title && section.title.is_none() {
            let detail = "is required where there are several sections";
            return Err(wrong(format!("{base}/title"), detail));
        }
        for (at, row) in section.rows.iter().enumerate() {
            only(&row.id, &format!("{base}/rows/{at}/id"), &mut ids)?;
        }
    }
    Ok(())
}

fn check_card<'a>(
    card: &'a Card,
    base: &str,
    ids: &mut HashSet<&'a str>,
) -> Result<(), Unreadable> {
    for (at, button) in card.buttons.iter().enumerate() {
        let base = format!("{base}/buttons/{at}");
        let CardButton { kind, id, url, .. } = button;
        match (kind, id, url) {
            (CardButtonKind::Reply, None, _) => {
                return Err(wrong(format!("{base}/id"), "is required"));
            }
            (CardButtonKind::Reply, Some(_), Some(_)) => {
                return Err(wrong(format!("{base}/url"), "is for buttons of kind url"));
            }
            (CardButtonKind::Reply, Some(id), None) => only(id, &format!("{base}/id"), ids)?,
            (CardButtonKind::Url, _, None) => {
                return Err(wrong(format!("{base}/url"), "is required"));
            }
            (CardButtonKind::Url, Some(_), Some(_)) => {
                return Err(wrong(format!("{base}/id"), "is for buttons of kind reply"));
            }
            (CardButtonKind::Url, None, Some(_)) => {}
        }
    }
    Ok(())
}

/// An answer names what was pressed by its id alone: no two may have the same.
fn only<'a>(id: &'a str, pointer: &str, ids: &mut HashSet<&'a str>) -> Result<(), Unreadable> {
    if ids.insert(id) {
        Ok(())
    } else {
        Err(wrong(pointer, "is another's id too"))
    }
}

/// Nothing, which takes a reaction back, or what is no plain text. (Emoji are too many to
/// be named here; of those in ASCII there are only digits on keys.)
fn check_emoji(emoji: &str) -> Result<(), Unreadable> {
    let is_key = emoji.ends_with('\u{20e3}');
    let is_plain = |c: char| c.is_ascii() || c.is_whitespace();
    if is_key || !emoji.contains(is_plain) {
        Ok(())
    } else {
        Err(wrong("/emoji", "must be an emoji"))
    }
}

/// The digits of a boleto's line, which may be written in groups.
fn check_digitable_line(line: &str) -> Result<(), Unreadable> {
    let digits = line.bytes().filter(u8::is_ascii_digit).count();
    let is_line = line
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b" .-".contains(&byte));
    if is_line && (47..=48).contains(&digits) {
        Ok(())
    } else {
        Err(wrong("/boleto/digitableLine", "must have 47 or 48 digits"))
    }
}

/// What Meta takes as an order's number.
fn check_reference(id: &str) -> Result<(), Unreadable> {
    let is_right = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if id.bytes().all(is_right) {
        Ok(())
    } else {
        Err(wrong(
            "/referenceId",
            "must be letters, digits, underscores, dots and dashes",
        ))
    }
}

fn check_payment(request: &PaymentRequest) -> Result<(), Unreadable> {
    let (field, is_given) = match request.payment_method {
        PaymentMethod::Pix => ("/pix", request.pix.is_some()),
        PaymentMethod::Boleto => ("/boleto", request.boleto.is_some()),
        PaymentMethod::PaymentLink => ("/paymentLink", request.payment_link.is_some()),
    };
    if !is_given {
        return Err(wrong(field, "is required by the payment method"));
    }
    if let (PaymentMethod::Boleto, Some(boleto)) = (request.payment_method, &request.boleto) {
        check_digitable_line(&boleto.digitable_line)?;
    }
    check_reference(&request.reference_id)?;
    let currency = request.currency.as_deref().unwrap_or("BRL");
    if currency != "BRL" {
        return Err(wrong("/currency", "must be BRL"));
    }
    let cents = |amount: i64, least: i64, pointer: &str| {
        if (least..=MOST_CENTS).contains(&amount) {
            Ok(())
        } else {
            let detail = format!("must be a whole number of cents from {least} to {MOST_CENTS}");
            Err(wrong(pointer, detail))
        }
    };
    let offset = |offset: Option<i64>, pointer: &str| match offset {
        None | Some(100) => Ok(()),
        Some(_) => Err(wrong(pointer, "must be 100")),
    };
    cents(request.total_amount_cents, 1, "/totalAmountCents")?;
    offset(request.offset, "/offset")?;
    for (at, item) in request.items.iter().enumerate() {
        cents(item.amount_cents, 0, &format!("/items/{at}/amountCents"))?;
        if !(1..=1_000_000).contains(&item.quantity) {
            return Err(wrong(format!("/items/{at}/quantity"), "must be 1 or more"));
        }
    }
    let tax = request.tax.as_ref();
    if let Some(tax) = tax {
        cents(tax.value_cents, 0, "/tax/valueCents")?;
        offset(tax.offset, "/tax/offset")?;
    }
    if let Some(given) = request.subtotal_cents {
        cents(given, 0, "/subtotalCents")?;
    }
    let of_items = request.items_sum();
    if request.subtotal_cents.is_some()
        && !request.items.is_empty()
        && of_items != request.subtotal_cents
    {
        return Err(wrong("/subtotalCents", "must be what the items come to"));
    }
    let summed = request.subtotal();
    let total =
        summed.and_then(|subtotal| subtotal.checked_add(tax.map_or(0, |tax| tax.value_cents)));
    if total != Some(request.total_amount_cents) {
        return Err(wrong(
            "/totalAmountCents",
            "must be what the items come to, with the tax",
        ));
    }
    Ok(())
}
