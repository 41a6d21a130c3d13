//! One id per request: in every log line, in the answer's `X-Request-Id`, and in what a caller is told about
//! a fault of ours.

use std::{fmt, sync::Arc};

use poem::{
    FromRequest, Request, RequestBody, Result,
    http::{HeaderMap, HeaderName, HeaderValue},
};

use crate::clock::Entropy;

pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// 8 to 64 of `A-Z a-z 0-9 _ -`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// The caller's own id where it is a harmless one, so that its log and ours meet; else a new one.
    pub fn of(headers: &HeaderMap, entropy: &dyn Entropy) -> Self {
        let offered = headers
            .get(X_REQUEST_ID)
            .and_then(|value| value.to_str().ok());
        match offered.filter(|id| is_harmless(id)) {
            Some(id) => Self(id.into()),
            None => Self::generate(entropy),
        }
    }

    /// 128 random bits in hex.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 16];
        entropy.fill(&mut bytes);
        Self(format!("{:032x}", u128::from_be_bytes(bytes)).into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn header_value(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.0).ok()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A handler that is tested without the shell around it sees the id `unknown-`.
impl<'a> FromRequest<'a> for RequestId {
    async fn from_request(request: &'a Request, _body: &mut RequestBody) -> Result<Self> {
        Ok(request
            .data::<Self>()
            .cloned()
            .unwrap_or_else(|| Self("unknown-".into())))
    }
}

fn is_harmless(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (8..=64).contains(&id.len()) && id.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Ones;

    impl Entropy for Ones {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(1);
        }
    }

    fn of(header: &[u8]) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(X_REQUEST_ID, HeaderValue::from_bytes(header).unwrap());
        RequestId::of(&headers, &Ones).to_string()
    }

    #[test]
    fn a_harmless_id_is_kept_and_any_other_replaced() {
        let ours = "01".repeat(16);
        assert_eq!(RequestId::of(&HeaderMap::new(), &Ones).as_str(), ours);
        let longest = "a".repeat(64);
        for kept in ["abcdefgh", "AZaz09_-", longest.as_str()] {
            assert_eq!(of(kept.as_bytes()), kept);
        }
        let too_long = "a".repeat(65);
        for replaced in [
            "",
            "abcdefg",
            too_long.as_str(),
            "abcdefg h",
            "abcdefgh\"",
            "abcdefg/h",
        ] {
            assert_eq!(of(replaced.as_bytes()), ours, "{replaced}");
        }
        assert_eq!(of(b"abcdefgh\xff"), ours);
    }
}
