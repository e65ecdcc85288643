//! Orders to be paid in Brazil, and what became of them.
//!
//! <https://developers.facebook.com/docs/whatsapp/cloud-api/payments-api/payments-br>

use std::collections::BTreeSet;

use super::field::Part;
use crate::graph::Refusal;
use crate::shown::{Choice, ChoiceSort};

pub(super) const DETAILS: &str = "order_details";
pub(super) const STATUS: &str = "order_status";

const KEY_TYPES: [&str; 5] = ["CPF", "CNPJ", "EMAIL", "PHONE", "EVP"];
const STATUSES: [&str; 6] = [
    "pending",
    "processing",
    "partially_shipped",
    "shipped",
    "completed",
    "canceled",
];

/// Checks what is to be paid and how. Answers it in words, and where to pay.
pub(super) fn details(part: &Part<'_>) -> Result<(Option<String>, Vec<Choice>), Refusal> {
    let action = part.part("action", &["name", "parameters"])?;
    action.one_of("name", &["review_and_pay"])?;
    let order = action.part(
        "parameters",
        &[
            "reference_id",
            "type",
            "payment_type",
            "currency",
            "payment_settings",
            "total_amount",
            "order",
        ],
    )?;
    let reference = reference(&order)?;
    order.one_of("type", &["digital-goods", "physical-goods"])?;
    order.one_of("payment_type", &["br"])?;
    order.one_of("currency", &["BRL"])?;
    let total = amount(&order.part("total_amount", &["value", "offset"])?)?;
    let mut lines = match order.maybe_part(
        "order",
        &[
            "status",
            "items",
            "subtotal",
            "tax",
            "shipping",
            "discount",
            "catalog_id",
            "expiration",
        ],
    )? {
        Some(bill) => self::bill(&order, &bill, total)?,
        None => Vec::new(),
    };
    lines.push(format!("Order {reference}, total {}", reais(total)));
    let choices = settings(&order, &mut lines)?;
    Ok((Some(lines.join("\n")), choices))
}

/// Checks the news of an order. Answers them in words.
pub(super) fn status(part: &Part<'_>) -> Result<(Option<String>, Vec<Choice>), Refusal> {
    let action = part.part("action", &["name", "parameters"])?;
    action.one_of("name", &["review_order"])?;
    let news = action.part("parameters", &["reference_id", "order", "payment"])?;
    let reference = reference(&news)?;
    let order = news.part("order", &["status", "description"])?;
    let status = order.one_of("status", &STATUSES)?;
    let description = order.maybe_text("description", 120)?;
    if let Some(payment) = news.maybe_part("payment", &["status", "timestamp"])? {
        payment.one_of("status", &["pending", "captured", "failed"])?;
        payment.integer("timestamp")?;
    }
    let mut words = format!("Order {reference}: {status}");
    if let Some(description) = description {
        words = format!("{words}, {description}");
    }
    Ok((Some(words), Vec::new()))
}

/// Letters, digits, `_`, `-` and `.`, at most 35.
fn reference<'a>(part: &Part<'a>) -> Result<&'a str, Refusal> {
    let id = part.text("reference_id", 35)?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    if id.bytes().all(allowed) {
        Ok(id)
    } else {
        Err(part.invalid("reference_id", "has a character it cannot have."))
    }
}

fn amount(part: &Part<'_>) -> Result<i64, Refusal> {
    if part.integer("offset")? != 100 {
        return Err(part.invalid("offset", "must be 100."));
    }
    let value = part.integer("value")?;
    if (0..=1_000_000_000_000).contains(&value) {
        Ok(value)
    } else {
        Err(part.invalid("value", "is out of range."))
    }
}

fn reais(cents: i64) -> String {
    format!("BRL {}.{:02}", cents / 100, cents % 100)
}

/// Checks that the items make the subtotal, and the parts the total.
fn bill(order: &Part<'_>, bill: &Part<'_>, total: i64) -> Result<Vec<String>, Refusal> {
    bill.one_of("status", &["pending"])?;
    bill.maybe_text("catalog_id", 64)?;
    if let Some(expiration) = bill.maybe_part("expiration", &["timestamp", "description"])? {
        expiration.text("timestamp", 20)?;
        expiration.text("description", 120)?;
    }
    let mut lines = Vec::new();
    let mut sum = 0_i64;
    for item in bill.parts(
        "items",
        999,
        &["retailer_id", "name", "amount", "quantity", "sale_amount"],
    )? {
        item.maybe_text("retailer_id", 100)?;
        let name = item.text("name", 60)?;
        let mut price = amount(&item.part("amount", &["value", "offset"])?)?;
        if let Some(sale) = item.maybe_part("sale_amount", &["value", "offset"])? {
            price = amount(&sale)?;
        }
        let quantity = item.integer("quantity")?;
        if !(1..=1_000_000).contains(&quantity) {
            return Err(item.invalid("quantity", "must be at least 1."));
        }
        sum = sum.saturating_add(price.saturating_mul(quantity));
        lines.push(format!("{quantity} × {name}, {}", reais(price)));
    }
    let subtotal = amount(&bill.part("subtotal", &["value", "offset"])?)?;
    if sum != subtotal {
        return Err(bill.invalid("subtotal", "does not match the amounts of the items."));
    }
    let described = |name: &str, more: &[&str]| {
        let known = [&["value", "offset", "description"], more].concat();
        let Some(part) = bill.maybe_part(name, &known)? else {
            return Ok(0);
        };
        part.maybe_text("description", 60)?;
        part.maybe_text("discount_program_name", 60)?;
        amount(&part)
    };
    if !bill.has("tax") {
        return Err(bill.missing("tax"));
    }
    let tax = described("tax", &[])?;
    let shipping = described("shipping", &[])?;
    let discount = described("discount", &["discount_program_name"])?;
    if total == subtotal + tax + shipping - discount {
        Ok(lines)
    } else {
        let why = "must be the subtotal with tax and shipping, less the discount.";
        Err(order.invalid("total_amount", why))
    }
}

/// Checks the ways to pay, each there once.
fn settings(order: &Part<'_>, lines: &mut Vec<String>) -> Result<Vec<Choice>, Refusal> {
    let mut kinds = BTreeSet::new();
    let mut choices = Vec::new();
    let known = ["type", "pix_dynamic_code", "boleto", "payment_link"];
    for setting in order.parts("payment_settings", 3, &known)? {
        let kind = setting.one_of("type", &known[1..])?;
        if !kinds.insert(kind) {
            return Err(setting.invalid("type", "is there twice."));
        }
        if known[1..]
            .iter()
            .any(|name| *name != kind && setting.has(name))
        {
            return Err(
                setting.invalid("type", "names another setting than the one that is there.")
            );
        }
        match kind {
            "pix_dynamic_code" => {
                let pix = setting.part(kind, &["code", "merchant_name", "key", "key_type"])?;
                let code = pix.text("code", 2048)?;
                pix.text("merchant_name", 60)?;
                pix.text("key", 120)?;
                pix.one_of("key_type", &KEY_TYPES)?;
                lines.push(format!("Pix {code}"));
            }
            "boleto" => {
                let boleto = setting.part(kind, &["digitable_line"])?;
                let line = boleto.text("digitable_line", 60)?;
                let digits = line.bytes().filter(u8::is_ascii_digit).count();
                let is_plain = line
                    .chars()
                    .all(|c| c.is_ascii_digit() || " .-".contains(c));
                if !is_plain || !(47..=48).contains(&digits) {
                    return Err(boleto.invalid("digitable_line", "must have 47 or 48 digits."));
                }
                lines.push(format!("Boleto {line}"));
            }
            _ => {
                let uri = setting.part(kind, &["uri"])?.link("uri")?;
                choices.push(Choice::new(ChoiceSort::Link, "Pay", uri));
            }
        }
    }
    Ok(choices)
}
