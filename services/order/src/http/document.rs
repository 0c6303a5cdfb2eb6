//! Serves the OpenAPI document of this interface. A test compares the document with the answers.

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::header::{CONTENT_TYPE, HeaderValue};

/// The document, as it was compiled in.
const TEXT: &str = include_str!("../../openapi.json");

/// `200` with the document. hyper leaves the body out for HEAD.
pub(super) fn answer() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(TEXT));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(super) use tests::agrees;
