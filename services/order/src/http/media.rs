//! Checks the media type of a body: uncompressed JSON in UTF-8.

use hyper::HeaderMap;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName};

use super::kind::Kind;
use super::problem::Problem;

/// Refuses a body that is not declared as JSON, or that is compressed.
pub(super) fn expect_json(headers: &HeaderMap) -> Result<(), Problem> {
    if !only(headers, CONTENT_TYPE).is_some_and(is_json) {
        return Err(Problem::new(Kind::UnsupportedMediaType, "expected one Content-Type: application/json, in UTF-8"));
    }
    let plain = !headers.contains_key(CONTENT_ENCODING)
        || only(headers, CONTENT_ENCODING).is_some_and(|coding| coding.eq_ignore_ascii_case("identity"));
    match plain {
        true => Ok(()),
        false => Err(Problem::new(Kind::UnsupportedMediaType, "expected a body without Content-Encoding")),
    }
}

/// The value of a header that may occur only once.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() { None } else { value.to_str().ok() }
}

fn is_json(text: &str) -> bool {
    let mut parts = text.split(';').map(str::trim);
    let essence = parts.next().unwrap_or("");
    essence.eq_ignore_ascii_case("application/json") && parts.all(is_harmless)
}

/// JSON is always UTF-8 (RFC 8259). A client that names another charset sends other bytes. `utf8` is a common misspelling,
/// and ASCII a part of UTF-8.
fn is_harmless(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else { return parameter.is_empty() };
    let charset = value.trim().trim_matches('"').trim();
    !name.trim().eq_ignore_ascii_case("charset")
        || ["utf-8", "utf8", "us-ascii"].iter().any(|known| charset.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(headers: &[(&'static str, &'static str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        expect_json(&map).is_ok()
    }

    #[test]
    fn json_in_utf_8_is_accepted_however_it_is_written() {
        let types = [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=\"UTF-8\"",
            "application/json; charset=UTF8",
            "application/json; Charset=\"utf8\"",
            "application/json; charset=us-ascii",
            "application/json; version=1;",
        ];
        for text in types {
            assert!(accepted(&[("content-type", text)]), "{text}");
        }
        assert!(accepted(&[("content-type", "application/json"), ("content-encoding", "identity")]));
    }

    #[test]
    fn any_other_media_type_is_not() {
        let types = [
            "",
            "json",
            "text/plain",
            "text/json",
            "application/jsonp",
            "application/merge-patch+json",
            "application/x-www-form-urlencoded",
            "application/json; charset=latin1",
            "application/json; charset=utf-16",
            "application/json; charset=utf88",
            "application/json; charset=",
            "application/json; charset",
            "application/json, application/json",
        ];
        for text in types {
            assert!(!accepted(&[("content-type", text)]), "{text}");
        }
        assert!(!accepted(&[]));
        assert!(!accepted(&[("content-type", "application/json"), ("content-type", "application/json")]));
        assert!(!accepted(&[("content-type", "application/json"), ("content-encoding", "gzip")]));
    }
}
