//! Asking for a payment and telling how an order stands, as WhatsApp has them in Brazil.
//! <https://developers.facebook.com/docs/whatsapp/cloud-api/payments-api/payments-br>

use serde::{Deserialize, Serialize};

/// Amounts are whole hundredths of the currency.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentRequest {
    pub body_text: String,
    /// The order's own number; each request needs another.
    pub reference_id: String,
    pub payment_method: PaymentMethod,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pix: Option<Pix>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boleto: Option<Boleto>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_link: Option<PaymentLink>,
    /// ISO 4217; `BRL` unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    pub total_amount_cents: i64,
    /// What amounts are divided by: always 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<i64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<OrderItem>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax: Option<Tax>,
    /// The sum of the items unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subtotal_cents: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentMethod {
    Pix,
    Boleto,
    PaymentLink,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pix {
    /// What is copied into a bank's app.
    pub code: String,
    pub merchant_name: String,
    pub key: String,
    pub key_type: PixKeyKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum PixKeyKind {
    Cpf,
    Cnpj,
    Email,
    Phone,
    Evp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Boleto {
    pub digitable_line: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PaymentLink {
    pub url: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderItem {
    pub retailer_id: String,
    pub name: String,
    /// Of one.
    pub amount_cents: i64,
    pub quantity: i64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tax {
    pub value_cents: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl PaymentRequest {
    /// What the items come to; `None` beyond what can be counted.
    #[must_use]
    pub fn subtotal(&self) -> Option<i64> {
        if let Some(given) = self.subtotal_cents {
            return Some(given);
        }
        if self.items.is_empty() {
            let tax = self.tax.as_ref().map_or(0, |tax| tax.value_cents);
            return self.total_amount_cents.checked_sub(tax);
        }
        self.items_sum()
    }

    pub(super) fn items_sum(&self) -> Option<i64> {
        self.items.iter().try_fold(0_i64, |sum, item| {
            sum.checked_add(item.amount_cents.checked_mul(item.quantity)?)
        })
    }
}

/// How an order of an earlier payment request stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderStatus {
    pub body_text: String,
    /// The payment request's.
    pub reference_id: String,
    pub status: OrderState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    Pending,
    Processing,
    PartiallyShipped,
    Shipped,
    Completed,
    Canceled,
}

/// What a customer wants of a catalog.
/// <https://developers.facebook.com/docs/whatsapp/cloud-api/guides/sell-products-and-services/receive-responses>
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalog_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    #[serde(default)]
    pub items: Vec<OrderedItem>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderedItem {
    /// The seller's own id of it.
    pub product_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<i64>,
    /// Of one, in the currency's own unit, as the provider gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<f64>,
    /// ISO 4217.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
}
