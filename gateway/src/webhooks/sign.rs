//! Standard Webhooks signatures: HMAC-SHA256 over `id.timestamp.body`, one for each live secret.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use poem::http::{HeaderMap, HeaderValue, header};
use standardwebhooks::{
    HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP, Webhook,
};

use crate::clock::Entropy;
use crate::error::Error;
use crate::secrets::Secret;

/// A new secret: `whsec_` and the base64 of 32 random bytes.
pub fn generate_secret(entropy: &dyn Entropy) -> Secret<String> {
    Secret::new(format!("whsec_{}", STANDARD.encode(entropy.bytes::<32>())))
}

/// The headers of one attempt. `webhook-id` is the event's id and the same on every attempt, the timestamp is
/// the attempt's.
pub fn headers(
    secrets: &[Secret<String>],
    event_id: &str,
    at: DateTime<Utc>,
    body: &[u8],
) -> Result<HeaderMap, Error> {
    let unusable = || Error::Internal("a webhook secret can't sign".to_owned());
    let mut signatures = Vec::with_capacity(secrets.len());
    for secret in secrets {
        let webhook = Webhook::new(secret.expose()).map_err(|_| unusable())?;
        signatures.push(
            webhook
                .sign(event_id, at.timestamp(), body)
                .map_err(|_| unusable())?,
        );
    }
    let value = |text: &str| HeaderValue::from_str(text).map_err(|_| unusable());
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(
        header::USER_AGENT,
        HeaderValue::from_static("Tenon-Webhooks/1"),
    );
    headers.insert(HEADER_WEBHOOK_ID, value(event_id)?);
    headers.insert(
        HEADER_WEBHOOK_TIMESTAMP,
        value(&at.timestamp().to_string())?,
    );
    headers.insert(HEADER_WEBHOOK_SIGNATURE, value(&signatures.join(" "))?);
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, SystemClock, SystemEntropy};

    #[test]
    fn both_secrets_of_a_rotation_verify() {
        let secrets = [
            generate_secret(&SystemEntropy),
            generate_secret(&SystemEntropy),
        ];
        let body = br#"{"id":"evt_1"}"#;
        let headers = headers(&secrets, "evt_1", SystemClock.now(), body).unwrap();
        for secret in &secrets {
            Webhook::new(secret.expose())
                .unwrap()
                .verify(body, &headers)
                .unwrap();
        }
        let other = generate_secret(&SystemEntropy);
        assert!(
            Webhook::new(other.expose())
                .unwrap()
                .verify(body, &headers)
                .is_err()
        );
        assert!(
            Webhook::new(secrets[0].expose())
                .unwrap()
                .verify(b"{}", &headers)
                .is_err()
        );
    }
}
