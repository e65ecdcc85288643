//! Errors of the native surface: `application/problem+json` (RFC 9457).

use super::Refusal;
use crate::channel::Invalid;
use crate::gateway::{Error, LARGEST};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Problem<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError<'a>>,
    request_id: &'a str,
}

/// A field and what is wrong with it, as every surface tells it.
#[derive(Serialize)]
pub struct FieldError<'a> {
    pointer: &'a str,
    detail: &'a str,
}

/// An error as every surface tells it: status, code, sentence, fields.
pub struct Told {
    pub status: StatusCode,
    pub code: &'static str,
    pub detail: String,
    pub fields: Vec<Invalid>,
}

impl Told {
    pub fn new(status: StatusCode, code: &'static str, detail: &str) -> Self {
        Self {
            status,
            code,
            detail: detail.to_owned(),
            fields: vec![],
        }
    }

    /// The fields as every surface's body carries them; absent when there are none.
    pub fn errors(&self) -> Vec<FieldError<'_>> {
        self.fields
            .iter()
            .map(|field| FieldError {
                pointer: &field.pointer,
                detail: &field.detail,
            })
            .collect()
    }

    /// As told by surfaces on which a wrong field is a bad request.
    pub fn or_bad_request(self) -> Self {
        let is_field = matches!(self.code, "invalid_request" | "unsupported_content");
        if is_field && self.status == StatusCode::UNPROCESSABLE_ENTITY {
            Self {
                status: StatusCode::BAD_REQUEST,
                ..self
            }
        } else {
            self
        }
    }

    /// Turns a body into the response, with the headers that belong to the status.
    pub fn response(&self, body: &impl Serialize) -> Response<Bytes> {
        let mut response = super::json_response(self.status, body);
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        let wait = match (self.status, self.code) {
            (StatusCode::SERVICE_UNAVAILABLE, _) => Some("2"),
            (StatusCode::TOO_MANY_REQUESTS, _) => Some("60"),
            (_, "request_in_progress") => Some("1"),
            _ => None,
        };
        if let Some(wait) = wait {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(wait));
        }
        response
    }
}

/// Renders a refusal of the native surface.
pub fn render(refusal: &Refusal, request_id: &str) -> Response<Bytes> {
    write(&told(refusal), request_id)
}

/// Renders an error that names no field.
pub fn plain(
    status: StatusCode,
    code: &'static str,
    detail: &str,
    request_id: &str,
) -> Response<Bytes> {
    write(&Told::new(status, code, detail), request_id)
}

/// What is to be told of a refusal.
pub fn told(refusal: &Refusal) -> Told {
    match refusal {
        Refusal::NotJson(detail) => Told {
            status: StatusCode::BAD_REQUEST,
            code: "invalid_request",
            detail: format!("The body is not JSON: {detail}."),
            fields: vec![],
        },
        Refusal::Gateway(error) => tell(error),
    }
}

/// A refusal that one field is to blame for.
fn refused_field(code: &'static str, field: &Invalid) -> Told {
    Told {
        status: StatusCode::UNPROCESSABLE_ENTITY,
        code,
        detail: sentence(std::slice::from_ref(field)),
        fields: vec![field.clone()],
    }
}

fn tell(error: &Error) -> Told {
    let told = |status, code, detail: &str| Told {
        status,
        code,
        detail: detail.to_owned(),
        fields: vec![],
    };
    let at = |told: Told, pointer: &Option<String>| Told {
        fields: pointer
            .iter()
            .map(|pointer| Invalid::new(pointer.clone(), told.detail.clone()))
            .collect(),
        ..told
    };
    match error {
        Error::InvalidKey => told(
            StatusCode::UNAUTHORIZED,
            "invalid_api_key",
            "The API key is missing, malformed, unknown or revoked.",
        ),
        Error::ExpiredKey => told(
            StatusCode::UNAUTHORIZED,
            "expired_api_key",
            "The API key has expired.",
        ),
        Error::Unproven { detail, pointer } => at(
            told(StatusCode::UNAUTHORIZED, "invalid_api_key", detail),
            pointer,
        ),
        Error::MissingScope(scope) => told(
            StatusCode::FORBIDDEN,
            "missing_scope",
            &format!("The API key lacks the scope {}.", scope.name()),
        ),
        Error::RateLimited => told(
            StatusCode::TOO_MANY_REQUESTS,
            "rate_limited",
            "Too many requests; wait a little.",
        ),
        Error::NotFound { what, pointer } => at(
            told(
                StatusCode::NOT_FOUND,
                "not_found",
                &format!("There is no such {what}."),
            ),
            pointer,
        ),
        Error::Invalid(fields) => Told {
            fields: fields.clone(),
            ..told(
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid_request",
                &sentence(fields),
            )
        },
        Error::UnknownSender(detail) => {
            let field = Invalid::new("/from", *detail);
            refused_field("invalid_request", &field)
        }
        Error::UnsupportedContent(field) => refused_field("unsupported_content", field),
        Error::TemplateNotApproved(field) => refused_field("template_not_approved", field),
        Error::TemplateMismatch(field) => refused_field("template_parameter_mismatch", field),
        Error::OptedOut { at } => told(
            StatusCode::UNPROCESSABLE_ENTITY,
            "opted_out",
            &format!(
                "The person asked for no more messages at {}.",
                at.to_rfc3339()
            ),
        ),
        Error::WindowClosed { closed_at } => told(
            StatusCode::UNPROCESSABLE_ENTITY,
            "window_closed",
            &match closed_at {
                Some(at) => format!(
                    "The 24-hour window closed at {}; until the customer writes again, only an approved template may be sent, where the channel has templates.",
                    at.to_rfc3339()
                ),
                None => "The customer has not written yet; until they do, only an approved template may be sent, where the channel has templates.".to_owned(),
            },
        ),
        Error::ChannelUnavailable { why } => told(
            StatusCode::CONFLICT,
            "channel_unavailable",
            &format!("The channel cannot send: {why}."),
        ),
        Error::KeyReused => told(
            StatusCode::CONFLICT,
            "idempotency_key_reused",
            "This Idempotency-Key was used with another body.",
        ),
        Error::InProgress => told(
            StatusCode::CONFLICT,
            "request_in_progress",
            "The first request under this Idempotency-Key is still running; try again.",
        ),
        Error::ProviderRejected {
            message,
            provider_code,
        } => told(
            StatusCode::BAD_GATEWAY,
            "provider_rejected",
            &match provider_code {
                Some(code) => format!("The provider refused: {message} ({code})"),
                None => format!("The provider refused: {message}"),
            },
        ),
        Error::ProviderSilent => told(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "The provider gave no complete answer. Nothing was changed here; try again.",
        ),
        Error::TooLarge => told(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            &format!("A file may have at most {LARGEST} bytes."),
        ),
        Error::NoBucket => told(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "This deployment stores no files: bind an R2 bucket as MEDIA.",
        ),
        Error::OriginNotAllowed => told(
            StatusCode::FORBIDDEN,
            "origin_not_allowed",
            "Pages of this origin may not use this web chat.",
        ),
        Error::Conflict { detail, pointer } => at(
            told(StatusCode::CONFLICT, "conflict", detail),
            pointer,
        ),
        Error::Unavailable => told(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "The database did not answer. Nothing is half-done; try again, under the same Idempotency-Key.",
        ),
        Error::Internal => told(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "Something is wrong on our side.",
        ),
    }
}

fn sentence(fields: &[Invalid]) -> String {
    match fields {
        [field] if field.pointer.is_empty() => format!("The body {}.", field.detail),
        [field] => format!("{} {}.", field.pointer, field.detail),
        _ => format!("{} fields are not right.", fields.len()),
    }
}

/// Renders what is told as `application/problem+json`.
pub fn write(told: &Told, request_id: &str) -> Response<Bytes> {
    let problem = Problem {
        kind: format!("urn:patchbay:error:{}", told.code),
        title: told.status.canonical_reason().unwrap_or("Error"),
        status: told.status.as_u16(),
        detail: &told.detail,
        code: told.code,
        errors: told.errors(),
        request_id,
    };
    let mut response = told.response(&problem);
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    response
}
