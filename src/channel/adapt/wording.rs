//! Contents as text that a person reads, for channels that have nothing better.

use crate::model::content::{
    Contacts, Location, Media, OrderState, OrderStatus, PaymentMethod, PaymentRequest,
};

/// Lines below each other; blank ones are left out.
pub fn lines(lines: impl IntoIterator<Item = String>) -> String {
    joined(lines, "\n")
}

/// The same with an empty line between them.
pub fn paragraphs(paragraphs: impl IntoIterator<Item = String>) -> String {
    joined(paragraphs, "\n\n")
}

fn joined(texts: impl IntoIterator<Item = String>, between: &str) -> String {
    let texts = texts.into_iter();
    let said: Vec<String> = texts.filter(|text| !text.trim().is_empty()).collect();
    said.join(between)
}

/// A page by the name of what opens it.
pub fn link(title: &str, url: &str) -> String {
    format!("{}: {url}", title.trim())
}

/// A file by its caption, its name and where it is.
pub fn file(media: &Media) -> String {
    let caption = media.caption.iter();
    let named = media.filename.iter();
    lines(caption.chain(named).cloned().chain([media.url.clone()]))
}

pub fn location(location: &Location) -> String {
    let Location {
        latitude,
        longitude,
        ..
    } = location;
    let told = location.name.iter().chain(&location.address).cloned();
    let map = format!("https://maps.google.com/?q={latitude},{longitude}");
    lines(told.chain([map]))
}

pub fn contacts(cards: &Contacts) -> String {
    paragraphs(cards.contacts.iter().map(|card| {
        let name = [card.name.formatted_name.clone()].into_iter();
        let phones = card.phones.iter().map(|phone| phone.phone.clone());
        let emails = card.emails.iter().map(|email| email.email.clone());
        lines(
            name.chain(card.organization.clone())
                .chain(phones)
                .chain(emails),
        )
    }))
}

/// What is to be paid, for what, and last what to pay it with: alone, so that it can be
/// copied.
pub fn payment(request: &PaymentRequest) -> String {
    let currency = request.currency.as_deref().unwrap_or("BRL");
    let amount = |cents: i64| format!("{currency} {}.{:02}", cents / 100, cents % 100);
    let items = request.items.iter().map(|item| {
        let sum = item.amount_cents.saturating_mul(item.quantity);
        format!("{} x {}: {}", item.quantity, item.name, amount(sum))
    });
    let tax = request.tax.iter().map(|tax| match &tax.description {
        Some(what) => format!("{what}: {}", amount(tax.value_cents)),
        None => format!("+ {}", amount(tax.value_cents)),
    });
    let total = format!(
        "{}: {}",
        request.reference_id,
        amount(request.total_amount_cents)
    );
    let pay = match request.payment_method {
        PaymentMethod::Pix => request
            .pix
            .as_ref()
            .map(|pix| lines([format!("Pix: {}", pix.merchant_name), pix.code.clone()])),
        PaymentMethod::Boleto => request.boleto.as_ref().map(|it| it.digitable_line.clone()),
        PaymentMethod::PaymentLink => request.payment_link.as_ref().map(|it| it.url.clone()),
    };
    paragraphs([
        request.body_text.clone(),
        lines(items.chain(tax).chain([total])),
        pay.unwrap_or_default(),
    ])
}

pub fn order(status: &OrderStatus) -> String {
    let state = match status.status {
        OrderState::Pending => "pending",
        OrderState::Processing => "processing",
        OrderState::PartiallyShipped => "partially shipped",
        OrderState::Shipped => "shipped",
        OrderState::Completed => "completed",
        OrderState::Canceled => "canceled",
    };
    let stands = format!("{}: {state}", status.reference_id);
    paragraphs([
        status.body_text.clone(),
        lines([stands].into_iter().chain(status.description.clone())),
    ])
}
