//! Problem details (RFC 9457): why a request was not accepted, and what became of its order.

use std::borrow::Cow;

use bytes::Bytes;
use contract::ParseError;
use events::Fault;
use http_body_util::Full;
use hyper::Response;
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use messaging::PublishError;
use serde::Serialize;

use super::kind::Kind;

/// One problem, as the client sees it.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) kind: Kind,
    detail: Cow<'static, str>,
    errors: Vec<Fault>,
}

#[derive(Serialize)]
struct Details<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "<[Fault]>::is_empty")]
    errors: &'a [Fault],
}

impl Problem {
    /// A problem. `detail` says what this client can do about it, and repeats nothing personal.
    pub(super) fn new(kind: Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, detail: detail.into(), errors: Vec::new() }
    }

    /// The answer with this problem.
    pub(super) fn answer(&self) -> Response<Full<Bytes>> {
        let status = self.kind.status();
        let details = Details {
            r#type: self.kind.uri(),
            title: self.kind.title(),
            status: status.as_u16(),
            detail: &self.detail,
            errors: &self.errors,
        };
        let body = serde_json::to_vec(&details).expect("texts and numbers are JSON");
        let mut response = Response::new(Full::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.kind.retry_after() {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(seconds));
        }
        response
    }
}

impl From<ParseError> for Problem {
    fn from(error: ParseError) -> Self {
        match error {
            ParseError::NotUtf8(_) | ParseError::Encoded(_) | ParseError::NotJson(_) => {
                Self::new(Kind::MalformedBody, error.to_string())
            }
            ParseError::Invalid(errors) => {
                let detail = match errors.len() {
                    1 => "one fault is listed in errors".to_owned(),
                    faults => format!("{faults} faults are listed in errors"),
                };
                Self { errors, ..Self::new(Kind::InvalidBody, detail) }
            }
        }
    }
}

impl From<PublishError> for Problem {
    fn from(error: PublishError) -> Self {
        let (kind, detail) = match error {
            PublishError::Unavailable => (Kind::BrokerUnavailable, "repeat it later"),
            PublishError::Blocked => (Kind::BrokerBlocked, "a memory or disk alarm is on; repeat it later"),
            PublishError::AccessRefused => (Kind::AccessRefused, REPEAT),
            PublishError::TopologyConflict => {
                (Kind::TopologyConflict, "repeat it when /readyz of this service says that all is well")
            }
            PublishError::Unroutable => (Kind::Unroutable, "no queue is bound to its routing key; repeat it later"),
            PublishError::Rejected => (Kind::RejectedByBroker, REPEAT),
            PublishError::Unconfirmed => (Kind::Unconfirmed, REPEAT),
            PublishError::Overloaded => (Kind::Overloaded, "repeat it later, and at a lower rate"),
        };
        Self::new(kind, detail)
    }
}

/// The id of a cancellation follows from the order's id alone, so it needs no key.
const REPEAT: &str = "repeat it with the same Idempotency-Key: then it has the same id and is the same event; \
                      a cancellation can be repeated as it is";
