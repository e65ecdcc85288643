//! The templates a business account has until others are set: one of every sort that behaves differently.

use serde_json::{Value, json};

pub(super) fn templates() -> Vec<Value> {
    vec![
        json!({
            "name": "order_shipped",
            "language": "en_US",
            "status": "APPROVED",
            "category": "UTILITY",
            "parameter_format": "POSITIONAL",
            "components": [{
                "type": "BODY",
                "text": "Hi {{1}}, order {{2}} arrives {{3}}.",
                "example": {"body_text": [["Ana", "4711", "tomorrow"]]},
            }],
        }),
        json!({
            "name": "hello_world",
            "language": "en_US",
            "status": "APPROVED",
            "category": "UTILITY",
            "parameter_format": "POSITIONAL",
            "components": [
                {"type": "HEADER", "format": "TEXT", "text": "Hello World"},
                {"type": "BODY", "text": "This is a test of the sandbox. Nothing else follows from it."},
                {"type": "FOOTER", "text": "Patchbay Sandbox"},
            ],
        }),
        json!({
            "name": "summer_sale",
            "language": "pt_BR",
            "status": "APPROVED",
            "category": "MARKETING",
            "parameter_format": "POSITIONAL",
            "components": [
                {
                    "type": "HEADER",
                    "format": "IMAGE",
                    "example": {"header_handle": ["https://example.com/sale.jpg"]},
                },
                {
                    "type": "BODY",
                    "text": "Olá {{1}}, hoje tudo está com {{2}} de desconto. Aproveite!",
                    "example": {"body_text": [["Ana", "20%"]]},
                },
                {
                    "type": "BUTTONS",
                    "buttons": [
                        {
                            "type": "URL",
                            "text": "Ver ofertas",
                            "url": "https://example.com/sale/{{1}}",
                            "example": ["https://example.com/sale/ana"],
                        },
                        {"type": "QUICK_REPLY", "text": "Parar promoções"},
                    ],
                },
            ],
        }),
        json!({
            "name": "order_update_named",
            "language": "en_US",
            "status": "APPROVED",
            "category": "UTILITY",
            "parameter_format": "NAMED",
            "components": [{
                "type": "BODY",
                "text": "Your order {{order_id}} is on its way and arrives {{eta}}.",
                "example": {"body_text_named_params": [
                    {"param_name": "order_id", "example": "4711"},
                    {"param_name": "eta", "example": "tomorrow"},
                ]},
            }],
        }),
        json!({
            "name": "refused_offer",
            "language": "en_US",
            "status": "REJECTED",
            "category": "MARKETING",
            "parameter_format": "POSITIONAL",
            "rejected_reason": "PROMOTIONAL",
            "components": [{"type": "BODY", "text": "You won! Send us your card number to claim it."}],
        }),
        json!({
            "name": "login_code",
            "language": "en_US",
            "status": "APPROVED",
            "category": "AUTHENTICATION",
            "parameter_format": "POSITIONAL",
            "components": [
                {
                    "type": "BODY",
                    "text": "*{{1}}* is your verification code.",
                    "add_security_recommendation": false,
                    "example": {"body_text": [["123456"]]},
                },
                {
                    "type": "BUTTONS",
                    "buttons": [{
                        "type": "URL",
                        "text": "Copy code",
                        "url": "https://www.whatsapp.com/otp/code/?otp_type=COPY_CODE&code=otp{{1}}",
                        "example": ["https://www.whatsapp.com/otp/code/?otp_type=COPY_CODE&code=otp123456"],
                    }],
                },
            ],
        }),
    ]
}
