//! The kinds of problem, and what all problems of a kind have in common.

use hyper::StatusCode;

/// The kinds of problem. A client tells them apart by their type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    MalformedRequest,
    MalformedOrderId,
    MalformedIdempotencyKey,
    MalformedBody,
    UnknownPath,
    MethodNotAllowed,
    SlowBody,
    BodyTooLarge,
    UnsupportedMediaType,
    InvalidBody,
    BrokerUnavailable,
    BrokerBlocked,
    AccessRefused,
    TopologyConflict,
    Unroutable,
    RejectedByBroker,
    Unconfirmed,
    Overloaded,
    NotReady,
}

impl Kind {
    /// Its type: a URI that never changes.
    pub(super) fn uri(self) -> &'static str {
        match self {
            Self::MalformedRequest => "urn:warren:problem:malformed-request",
            Self::MalformedOrderId => "urn:warren:problem:malformed-order-id",
            Self::MalformedIdempotencyKey => "urn:warren:problem:malformed-idempotency-key",
            Self::MalformedBody => "urn:warren:problem:malformed-body",
            Self::UnknownPath => "urn:warren:problem:unknown-path",
            Self::MethodNotAllowed => "urn:warren:problem:method-not-allowed",
            Self::SlowBody => "urn:warren:problem:slow-body",
            Self::BodyTooLarge => "urn:warren:problem:body-too-large",
            Self::UnsupportedMediaType => "urn:warren:problem:unsupported-media-type",
            Self::InvalidBody => "urn:warren:problem:invalid-body",
            Self::BrokerUnavailable => "urn:warren:problem:broker-unavailable",
            Self::BrokerBlocked => "urn:warren:problem:broker-blocked",
            Self::AccessRefused => "urn:warren:problem:access-refused",
            Self::TopologyConflict => "urn:warren:problem:topology-conflict",
            Self::Unroutable => "urn:warren:problem:unroutable",
            Self::RejectedByBroker => "urn:warren:problem:rejected-by-broker",
            Self::Unconfirmed => "urn:warren:problem:unconfirmed",
            Self::Overloaded => "urn:warren:problem:overloaded",
            Self::NotReady => "urn:warren:problem:not-ready",
        }
    }

    /// The title that every problem of this kind has.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::MalformedRequest => "The request is not well-formed HTTP.",
            Self::MalformedOrderId => "The path does not contain the id of an order.",
            Self::MalformedIdempotencyKey => "The Idempotency-Key cannot be used.",
            Self::MalformedBody => "The body is not JSON.",
            Self::UnknownPath => "There is nothing at this path.",
            Self::MethodNotAllowed => "This path does not allow the method.",
            Self::SlowBody => "The body did not arrive in time.",
            Self::BodyTooLarge => "The body is too large.",
            Self::UnsupportedMediaType => "The media type of the body is not accepted.",
            Self::InvalidBody => "The body is JSON, but not a valid request.",
            Self::BrokerUnavailable => "The broker is away. Nothing was sent to it.",
            Self::BrokerBlocked => "The broker takes nothing at the moment. Nothing was sent to it.",
            Self::AccessRefused => "The broker refuses this service's user, or does not let the user use the exchange.",
            Self::TopologyConflict => {
                "The exchange has other properties than this service needs. Nothing was sent to it."
            }
            Self::Unroutable => "No queue is bound that would receive the event.",
            Self::RejectedByBroker => "The broker rejected the event; some queue may hold it all the same.",
            Self::Unconfirmed => "The event may have been sent, but the broker has not confirmed it.",
            Self::Overloaded => "Too many events wait for the broker already. This one was not sent.",
            Self::NotReady => "Orders are not taken at the moment.",
        }
    }

    /// The status it is answered with.
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::MalformedRequest | Self::MalformedOrderId | Self::MalformedIdempotencyKey | Self::MalformedBody => {
                StatusCode::BAD_REQUEST
            }
            Self::UnknownPath => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::SlowBody => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::InvalidBody => StatusCode::UNPROCESSABLE_ENTITY,
            Self::BrokerUnavailable
            | Self::BrokerBlocked
            | Self::AccessRefused
            | Self::TopologyConflict
            | Self::Unroutable
            | Self::RejectedByBroker
            | Self::Unconfirmed
            | Self::Overloaded
            | Self::NotReady => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The seconds after which a repetition may succeed, as the text of a header.
    pub(super) fn retry_after(self) -> Option<&'static str> {
        match self {
            Self::BrokerUnavailable
            | Self::RejectedByBroker
            | Self::Unconfirmed
            | Self::Overloaded
            | Self::NotReady => Some("1"),
            // An alarm lasts until consumers have made room. A refusal or a conflict lasts until somebody mends it. A
            // missing binding lasts until a service binds it again.
            Self::BrokerBlocked | Self::AccessRefused | Self::TopologyConflict | Self::Unroutable => Some("5"),
            Self::MalformedRequest
            | Self::MalformedOrderId
            | Self::MalformedIdempotencyKey
            | Self::MalformedBody
            | Self::UnknownPath
            | Self::MethodNotAllowed
            | Self::SlowBody
            | Self::BodyTooLarge
            | Self::UnsupportedMediaType
            | Self::InvalidBody => None,
        }
    }
}

#[cfg(test)]
impl Kind {
    /// Each kind, for tests that compare them with the document.
    pub(super) const ALL: [Self; 19] = [
        Self::MalformedRequest,
        Self::MalformedOrderId,
        Self::MalformedIdempotencyKey,
        Self::MalformedBody,
        Self::UnknownPath,
        Self::MethodNotAllowed,
        Self::SlowBody,
        Self::BodyTooLarge,
        Self::UnsupportedMediaType,
        Self::InvalidBody,
        Self::BrokerUnavailable,
        Self::BrokerBlocked,
        Self::AccessRefused,
        Self::TopologyConflict,
        Self::Unroutable,
        Self::RejectedByBroker,
        Self::Unconfirmed,
        Self::Overloaded,
        Self::NotReady,
    ];
}
