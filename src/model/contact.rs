//! People and the addresses they are known by.

use super::id::ContactId;
use super::time::{self, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What kind of address an identity is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IdentityKind {
    Phone,
    Whatsapp,
    Instagram,
    Messenger,
    Telegram,
    Visitor,
}

impl IdentityKind {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            IdentityKind::Phone => "phone",
            IdentityKind::Whatsapp => "whatsapp",
            IdentityKind::Instagram => "instagram",
            IdentityKind::Messenger => "messenger",
            IdentityKind::Telegram => "telegram",
            IdentityKind::Visitor => "visitor",
        }
    }
}

/// One way a contact is known, as the provider spells it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Identity {
    pub kind: IdentityKind,
    pub value: String,
}

/// What else the phone number of an identity may be known as: under the other kind that has
/// numbers, and dialled as it was, or is, where a country put a digit before those of
/// mobiles. Nothing for what is no number.
#[must_use]
pub fn alike(identity: &Identity) -> Vec<Identity> {
    let digits = match identity.kind {
        IdentityKind::Phone => identity.value.strip_prefix('+').unwrap_or(""),
        IdentityKind::Whatsapp => identity.value.as_str(),
        IdentityKind::Instagram
        | IdentityKind::Messenger
        | IdentityKind::Telegram
        | IdentityKind::Visitor => "",
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return vec![];
    }
    let numbers = [Some(digits.to_owned()), dialled_otherwise(digits)];
    numbers
        .into_iter()
        .flatten()
        .flat_map(|number| {
            let of = |kind, value| Identity { kind, value };
            [
                of(IdentityKind::Phone, format!("+{number}")),
                of(IdentityKind::Whatsapp, number),
            ]
        })
        .filter(|other| other != identity)
        .collect()
}

/// The other form of a mobile number of Brazil (a 9 before the eight digits, since 2012),
/// Mexico (a 1 after the country, until 2019) or Argentina (a 9 there, from abroad).
fn dialled_otherwise(number: &str) -> Option<String> {
    let (country, rest) = number.split_at_checked(2)?;
    // Where the digit stands, which one, and how many there are without it.
    let (at, digit, length) = match country {
        "55" => (2, "9", 10),
        "52" => (0, "1", 10),
        "54" => (0, "9", 10),
        _ => return None,
    };
    let (before, after) = rest.split_at_checked(at)?;
    let without = after.strip_prefix(digit);
    let (other, local) = match without {
        Some(without) if rest.len() == length + 1 => {
            (format!("{country}{before}{without}"), without)
        }
        _ if rest.len() == length => (format!("{country}{before}{digit}{after}"), after),
        _ => return None,
    };
    // Brazil's landlines start with 2 to 5, and never had it.
    let is_mobile = country != "55" || local.starts_with(['6', '7', '8', '9']);
    is_mobile.then_some(other)
}

/// A recipient in the form its provider wants: WhatsApp digits without `+` or a
/// business-scoped user id, a Telegram chat id, and so on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Address(pub String);

/// A contact as stored. Row of the view `contact_record`.
#[derive(Clone, Debug, Deserialize)]
pub struct ContactRecord {
    pub id: ContactId,
    pub name: Option<String>,
    /// By kind and value.
    pub identities: Vec<Identity>,
    pub metadata: Option<Value>,
    #[serde(deserialize_with = "time::column::deserialize")]
    pub created_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mobile_number_is_known_in_both_its_forms() {
        for (with, without) in [
            // São Paulo, Rio de Janeiro, Salvador.
            ("5511987654321", "551187654321"),
            ("5521999998888", "552199998888"),
            ("5571991234567", "557191234567"),
            // Mexico City, Monterrey.
            ("5215512345678", "525512345678"),
            ("5218112345678", "528112345678"),
            // Buenos Aires, Córdoba.
            ("5491123456789", "541123456789"),
            ("5493511234567", "543511234567"),
        ] {
            assert_eq!(dialled_otherwise(with).as_deref(), Some(without));
            assert_eq!(dialled_otherwise(without).as_deref(), Some(with));
        }
        for alone in [
            "551133334444",  // a landline of São Paulo
            "5511933334444", // a 9 that is none of a mobile's
            "55119876543",
            "551198765432100",
            "5255123456789",
            "15551234567",
            "4915112345678",
            "55",
            "5",
            "",
        ] {
            assert_eq!(dialled_otherwise(alone), None, "{alone}");
        }
    }

    #[test]
    fn a_number_is_the_same_on_the_phone_and_on_whatsapp() {
        let of = |kind, value: &str| Identity {
            kind,
            value: value.to_owned(),
        };
        let phone = of(IdentityKind::Phone, "+15551234567");
        let whatsapp = of(IdentityKind::Whatsapp, "15551234567");
        assert_eq!(alike(&phone), std::slice::from_ref(&whatsapp));
        assert_eq!(alike(&whatsapp), [phone]);
        let brazilian = of(IdentityKind::Whatsapp, "5511987654321");
        let others = [
            of(IdentityKind::Phone, "+5511987654321"),
            of(IdentityKind::Phone, "+551187654321"),
            of(IdentityKind::Whatsapp, "551187654321"),
        ];
        assert_eq!(alike(&brazilian), others);
        for none in [
            of(IdentityKind::Whatsapp, "BR.13491208655302741918"),
            of(IdentityKind::Phone, "12345"),
            of(IdentityKind::Telegram, "5511987654321"),
        ] {
            assert_eq!(alike(&none), []);
        }
    }
}
