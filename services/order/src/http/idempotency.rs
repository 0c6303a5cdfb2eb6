//! Reads the `Idempotency-Key` of a request.

use contract::IdempotencyKey;
use events::Fault;
use hyper::HeaderMap;

use super::kind::Kind;
use super::problem::Problem;

/// The name of the header, in lower case for look-ups.
const HEADER: &str = "idempotency-key";

/// The key, if the client sent one. Several are refused, because nobody could say which counts.
pub(super) fn key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Problem> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Problem::new(Kind::MalformedIdempotencyKey, "expected one Idempotency-Key, found several"));
    }
    let text = value.to_str().unwrap_or("");
    text.parse().map(Some).map_err(|fault: Fault| Problem::new(Kind::MalformedIdempotencyKey, fault.detail))
}

#[cfg(test)]
mod tests {
    use contract::limits::MAX_IDEMPOTENCY_KEY;
    use hyper::header::HeaderValue;

    use super::*;

    fn outcome(values: &[&[u8]]) -> Result<bool, Kind> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("Idempotency-Key", HeaderValue::from_bytes(value).unwrap());
        }
        key(&headers).map(|key| key.is_some()).map_err(|problem| problem.kind)
    }

    #[test]
    fn a_key_is_one_header_of_visible_characters() {
        let longest = [b'k'; MAX_IDEMPOTENCY_KEY];
        assert_eq!(outcome(&[]), Ok(false));
        assert_eq!(outcome(&[b"a"]), Ok(true));
        assert_eq!(outcome(&[&longest]), Ok(true));
        let too_long = [b'k'; MAX_IDEMPOTENCY_KEY + 1];
        let refused: [&[&[u8]]; 6] = [&[b""], &[b"a b"], &[b"a\tb"], &["é".as_bytes()], &[&too_long], &[b"a", b"a"]];
        for values in refused {
            assert_eq!(outcome(values), Err(Kind::MalformedIdempotencyKey), "{values:?}");
        }
    }
}
