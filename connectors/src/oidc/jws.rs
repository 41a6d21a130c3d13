//! The outer shape of an ID token: a JWS in compact form (RFC 7515 section 7.1), header read, nothing believed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::keys;
use crate::ConnectorError;

/// A token whose algorithm is allowed. `jku`, `jwk`, `x5u` and `x5c` of the header are not read: keys come
/// from the provider's metadata alone.
pub(super) struct Jws<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) kid: Option<String>,
    /// Header and payload as they were signed.
    pub(super) signed: &'a str,
    /// base64url.
    pub(super) signature: &'a str,
    payload: &'a str,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<Value>,
}

impl<'a> Jws<'a> {
    /// An ID token. Errors: `token_invalid`, `signature_algorithm_forbidden`.
    pub(super) fn parse(token: &'a str) -> Result<Self, ConnectorError> {
        Self::parse_typed(token, &["JWT"])
    }

    /// A client's assertion, whose own type is that of the successor of RFC 7523 (draft-ietf-oauth-rfc7523bis).
    pub(super) fn parse_client_assertion(token: &'a str) -> Result<Self, ConnectorError> {
        Self::parse_typed(token, &["client-authentication+jwt", "JWT"])
    }

    /// A logout token, whose own type is recommended and not required (Back-Channel Logout 1.0, section 2.4).
    pub(super) fn parse_logout(token: &'a str) -> Result<Self, ConnectorError> {
        Self::parse_typed(token, &["logout+jwt", "application/logout+jwt", "JWT"])
    }

    /// A token of one of these types, or of none.
    fn parse_typed(token: &'a str, types: &[&str]) -> Result<Self, ConnectorError> {
        let mut parts = token.split('.');
        let (header, payload, signature) =
            match (parts.next(), parts.next(), parts.next(), parts.next()) {
                (Some(header), Some(payload), Some(signature), None) => {
                    (header, payload, signature)
                }
                _ => return Err(invalid("it is not a signed token of three parts")),
            };
        let header: Header = decode(header).ok_or_else(|| invalid("its header can't be read"))?;
        if header.crit.is_some() {
            // RFC 7515 section 4.1.11: what must be understood and isn't, ends it.
            return Err(invalid("its header has a critical extension"));
        }
        // RFC 8725 section 3.11: an access token (`at+jwt`) or a logout token is no ID token, though the same
        // key signed it.
        let is_other = |typ: &String| !types.iter().any(|known| typ.eq_ignore_ascii_case(known));
        if let Some(typ) = header.typ.filter(is_other) {
            return Err(invalid(&format!("its type is {typ}")));
        }
        let algorithm =
            keys::allowed(&header.alg).ok_or(ConnectorError::SignatureAlgorithmForbidden {
                algorithm: header.alg,
            })?;
        let signed = &token[..header_and_payload(token, signature)];
        Ok(Self {
            algorithm,
            kid: header.kid,
            signed,
            signature,
            payload,
        })
    }

    /// The claims. Call it after the signature was verified.
    pub(super) fn claims(&self) -> Result<Map<String, Value>, ConnectorError> {
        decode(self.payload).ok_or_else(|| invalid("its claims can't be read"))
    }
}

/// The length of everything before the last dot.
fn header_and_payload(token: &str, signature: &str) -> usize {
    token.len() - signature.len() - 1
}

fn decode<T: serde::de::DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

fn invalid(reason: &str) -> ConnectorError {
    ConnectorError::TokenInvalid {
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(header: &str) -> Result<(), &'static str> {
        let token = format!("{}.e30.AA", URL_SAFE_NO_PAD.encode(header));
        Jws::parse(&token).map(|_| ()).map_err(|error| error.code())
    }

    #[test]
    fn the_header_decides_what_kind_of_token_it_is() {
        assert_eq!(code(r#"{"alg":"RS256"}"#), Ok(()));
        assert_eq!(
            code(r#"{"alg":"ES256","typ":"jwt","kid":"1","jku":"https://evil.example"}"#),
            Ok(())
        );
        for forbidden in ["none", "NONE", "HS256", "RS1", ""] {
            let header = format!(r#"{{"alg":"{forbidden}"}}"#);
            assert_eq!(
                code(&header),
                Err("signature_algorithm_forbidden"),
                "{header}"
            );
        }
        for odd in [
            r#"{"alg":"RS256","typ":"at+jwt"}"#,
            r#"{"alg":"RS256","typ":"logout+jwt"}"#,
            r#"{"alg":"RS256","crit":["b64"],"b64":false}"#,
            r#"{"kid":"1"}"#,
            "[]",
        ] {
            assert_eq!(code(odd), Err("token_invalid"), "{odd}");
        }
    }

    #[test]
    fn only_three_parts_are_a_signed_token() {
        for token in ["", "a", "a.b", "a.b.c.d", "a.b.c.d.e", "..", "e30.e30."] {
            assert_eq!(
                Jws::parse(token).err().map(|e| e.code()),
                Some("token_invalid"),
                "{token}"
            );
        }
    }

    #[test]
    fn the_signed_part_ends_before_the_last_dot() {
        let token = format!("{}.e30.AAAA", URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256"}"#));
        let jws = Jws::parse(&token).unwrap();
        assert_eq!(format!("{}.{}", jws.signed, jws.signature), token);
        assert!(jws.claims().unwrap().is_empty());
    }
}
