//! Lists every method of every resource with its possible answers. The metrics begin with these, and a test compares
//! the document with them.

use hyper::{Method, StatusCode};

use super::kind::Kind;
use super::route::Route;

/// One method of one resource.
pub(super) struct Operation {
    pub(super) route: Route<'static>,
    pub(super) method: Method,
    /// The status of success.
    pub(super) success: StatusCode,
    /// Its other possible answers.
    pub(super) problems: &'static [Kind],
}

const PLACE: Operation = Operation {
    route: Route::Orders,
    method: Method::POST,
    success: StatusCode::ACCEPTED,
    problems: &[
        Kind::MalformedRequest,
        Kind::MalformedIdempotencyKey,
        Kind::MalformedBody,
        Kind::SlowBody,
        Kind::BodyTooLarge,
        Kind::UnsupportedMediaType,
        Kind::InvalidBody,
        Kind::BrokerUnavailable,
        Kind::BrokerBlocked,
        Kind::AccessRefused,
        Kind::TopologyConflict,
        Kind::Unroutable,
        Kind::RejectedByBroker,
        Kind::Unconfirmed,
        Kind::Overloaded,
    ],
};

const CANCEL: Operation = Operation {
    route: Route::Cancel(""),
    method: Method::POST,
    success: StatusCode::ACCEPTED,
    problems: &[
        Kind::MalformedRequest,
        Kind::MalformedOrderId,
        Kind::MalformedBody,
        Kind::SlowBody,
        Kind::BodyTooLarge,
        Kind::UnsupportedMediaType,
        Kind::InvalidBody,
        Kind::BrokerUnavailable,
        Kind::BrokerBlocked,
        Kind::AccessRefused,
        Kind::TopologyConflict,
        Kind::Unroutable,
        Kind::RejectedByBroker,
        Kind::Unconfirmed,
        Kind::Overloaded,
    ],
};

/// All operations.
pub(super) const OPERATIONS: [Operation; 10] = [
    PLACE,
    asked(Route::Orders, Method::OPTIONS, StatusCode::NO_CONTENT),
    CANCEL,
    asked(Route::Cancel(""), Method::OPTIONS, StatusCode::NO_CONTENT),
    state(Method::GET),
    state(Method::HEAD),
    asked(Route::Root, Method::OPTIONS, StatusCode::NO_CONTENT),
    asked(Route::Document, Method::GET, StatusCode::OK),
    asked(Route::Document, Method::HEAD, StatusCode::OK),
    asked(Route::Document, Method::OPTIONS, StatusCode::NO_CONTENT),
];

const fn state(method: Method) -> Operation {
    let problems = &[Kind::MalformedRequest, Kind::NotReady];
    Operation { route: Route::Root, method, success: StatusCode::OK, problems }
}

/// A request about the interface itself. Only the request as such can be wrong.
const fn asked(route: Route<'static>, method: Method, success: StatusCode) -> Operation {
    Operation { route, method, success, problems: &[Kind::MalformedRequest] }
}
