//! Why a login was refused: one variant per code of CONTRACT section 8, with the values seen.

use crate::trace::{CheckName, Protocol};

/// What a stranger sent is quoted in the values: escape it wherever it is shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectorError {
    // response
    #[error("the SAML response cannot be read: {reason}")]
    ResponseMalformed { reason: String },
    #[error("the SAML response is larger than {limit}")]
    ResponseTooLarge { limit: String },
    #[error("the SAML response carries a document type declaration")]
    DtdForbidden,
    #[error("no SAML response arrived: {reason}")]
    ResponseMissing { reason: String },
    // status
    #[error("the identity provider reports {status}: {message}")]
    IdpStatus { status: String, message: String },
    // destination
    #[error("the response was sent to {found}, not to {expected}")]
    DestinationMismatch { expected: String, found: String },
    // in_response_to
    #[error("the response does not answer the pending request")]
    InResponseToMismatch { expected: String, found: String },
    #[error("this connection accepts no response that it did not ask for")]
    IdpInitiatedForbidden,
    #[error("the sign-in took longer than ten minutes or was already used")]
    LoginExpired,
    // issuer
    #[error("the issuer is {found}, not {expected}")]
    IssuerMismatch { expected: String, found: String },
    // signature
    #[error("{reason}")]
    SignatureMissing { reason: String },
    #[error("the signature does not verify: {reason}")]
    SignatureInvalid { reason: String },
    #[error("the algorithm {algorithm} is not allowed")]
    SignatureAlgorithmForbidden { algorithm: String },
    #[error("no saved certificate made this signature")]
    CertificateUnknown { expected: String, found: String },
    #[error("the certificate that signed was valid until {until}")]
    CertificateExpired { until: String },
    // encryption
    #[error("the encrypted assertion does not open with our key")]
    DecryptionFailed,
    #[error("this connection requires encrypted assertions")]
    EncryptionRequired,
    #[error("the encryption algorithm {algorithm} is not allowed")]
    EncryptionAlgorithmForbidden { algorithm: String },
    // assertion
    #[error("the response carries no usable assertion: {reason}")]
    AssertionMissing { reason: String },
    #[error("the response can be read in more than one way: {reason}")]
    AssertionAmbiguous { reason: String },
    #[error("this response was already used")]
    AssertionReplayed { id: String },
    // audience, recipient
    #[error("the assertion is meant for {found:?}, not for {expected}")]
    AudienceMismatch {
        expected: String,
        found: Vec<String>,
    },
    #[error("the subject confirmation names {found}, not {expected}")]
    RecipientMismatch { expected: String, found: String },
    #[error("no usable bearer subject confirmation: {reason}")]
    SubjectConfirmationInvalid { reason: String },
    // time (SAML) and id_token (OIDC)
    #[error("expired at {until}; it is {now} here")]
    AssertionExpired { until: String, now: String },
    #[error("not valid before {from}; it is {now} here")]
    AssertionNotYetValid { from: String, now: String },
    // OIDC callback
    #[error("the callback does not carry the state of a pending sign-in")]
    StateMismatch,
    #[error("the identity provider answered {error}: {description}")]
    IdpError { error: String, description: String },
    // OIDC token exchange and discovery
    #[error("{url} did not answer: {reason}")]
    IdpUnreachable {
        at: CheckName,
        url: String,
        reason: String,
    },
    #[error("the token endpoint refused the code: {reason}")]
    TokenExchangeFailed { reason: String },
    #[error("the provider's metadata is not usable: {reason}")]
    DiscoveryInvalid { reason: String },
    // OIDC ID token
    #[error("the ID token is not usable: {reason}")]
    TokenInvalid { reason: String },
    #[error("the ID token's nonce is not the one sent")]
    NonceMismatch,
    #[error("the tenant is {found}, not {expected}")]
    TenantMismatch { expected: String, found: String },
    // both
    #[error("the connection is turned off")]
    ConnectionInactive,
    #[error("another browser started this sign-in")]
    BrowserMismatch,
    #[error("the identity provider sent no identifier of the person")]
    SubjectMissing,
    #[error("the identifier is transient: it changes at each sign-in")]
    SubjectTransient,
    #[error("the identity provider sent no {attribute}, which this connection requires")]
    AttributeMissing { attribute: String },
    #[error("the identity provider sent no email address")]
    EmailMissing,
    #[error("{email} is outside the organization's verified domains")]
    EmailDomainNotAllowed { email: String, domains: Vec<String> },
    #[error("the user is deactivated")]
    UserDeactivated,
    #[error("the user is not provisioned, and the connection makes no users")]
    UserNotProvisioned,
    #[error("another user signed in than the application asked for")]
    UserMismatch,
}

impl ConnectorError {
    /// All codes, in the order of CONTRACT section 8.
    pub const CODES: [&str; 44] = [
        "response_malformed",
        "response_too_large",
        "dtd_forbidden",
        "response_missing",
        "idp_status",
        "destination_mismatch",
        "in_response_to_mismatch",
        "idp_initiated_forbidden",
        "login_expired",
        "issuer_mismatch",
        "signature_missing",
        "signature_invalid",
        "signature_algorithm_forbidden",
        "certificate_unknown",
        "certificate_expired",
        "decryption_failed",
        "encryption_required",
        "encryption_algorithm_forbidden",
        "assertion_missing",
        "assertion_ambiguous",
        "assertion_replayed",
        "audience_mismatch",
        "recipient_mismatch",
        "subject_confirmation_invalid",
        "assertion_expired",
        "assertion_not_yet_valid",
        "state_mismatch",
        "idp_error",
        "idp_unreachable",
        "token_exchange_failed",
        "discovery_invalid",
        "token_invalid",
        "nonce_mismatch",
        "tenant_mismatch",
        "connection_inactive",
        "browser_mismatch",
        "subject_missing",
        "subject_transient",
        "attribute_missing",
        "email_missing",
        "email_domain_not_allowed",
        "user_deactivated",
        "user_not_provisioned",
        "user_mismatch",
    ];

    /// The stable code: what `Tenon-Error`, the trace and `login.failed` carry.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ResponseMalformed { .. } => "response_malformed",
            Self::ResponseTooLarge { .. } => "response_too_large",
            Self::DtdForbidden => "dtd_forbidden",
            Self::ResponseMissing { .. } => "response_missing",
            Self::IdpStatus { .. } => "idp_status",
            Self::DestinationMismatch { .. } => "destination_mismatch",
            Self::InResponseToMismatch { .. } => "in_response_to_mismatch",
            Self::IdpInitiatedForbidden => "idp_initiated_forbidden",
            Self::LoginExpired => "login_expired",
            Self::IssuerMismatch { .. } => "issuer_mismatch",
            Self::SignatureMissing { .. } => "signature_missing",
            Self::SignatureInvalid { .. } => "signature_invalid",
            Self::SignatureAlgorithmForbidden { .. } => "signature_algorithm_forbidden",
            Self::CertificateUnknown { .. } => "certificate_unknown",
            Self::CertificateExpired { .. } => "certificate_expired",
            Self::DecryptionFailed => "decryption_failed",
            Self::EncryptionRequired => "encryption_required",
            Self::EncryptionAlgorithmForbidden { .. } => "encryption_algorithm_forbidden",
            Self::AssertionMissing { .. } => "assertion_missing",
            Self::AssertionAmbiguous { .. } => "assertion_ambiguous",
            Self::AssertionReplayed { .. } => "assertion_replayed",
            Self::AudienceMismatch { .. } => "audience_mismatch",
            Self::RecipientMismatch { .. } => "recipient_mismatch",
            Self::SubjectConfirmationInvalid { .. } => "subject_confirmation_invalid",
            Self::AssertionExpired { .. } => "assertion_expired",
            Self::AssertionNotYetValid { .. } => "assertion_not_yet_valid",
            Self::StateMismatch => "state_mismatch",
            Self::IdpError { .. } => "idp_error",
            Self::IdpUnreachable { .. } => "idp_unreachable",
            Self::TokenExchangeFailed { .. } => "token_exchange_failed",
            Self::DiscoveryInvalid { .. } => "discovery_invalid",
            Self::TokenInvalid { .. } => "token_invalid",
            Self::NonceMismatch => "nonce_mismatch",
            Self::TenantMismatch { .. } => "tenant_mismatch",
            Self::ConnectionInactive => "connection_inactive",
            Self::BrowserMismatch => "browser_mismatch",
            Self::SubjectMissing => "subject_missing",
            Self::SubjectTransient => "subject_transient",
            Self::AttributeMissing { .. } => "attribute_missing",
            Self::EmailMissing => "email_missing",
            Self::EmailDomainNotAllowed { .. } => "email_domain_not_allowed",
            Self::UserDeactivated => "user_deactivated",
            Self::UserNotProvisioned => "user_not_provisioned",
            Self::UserMismatch => "user_mismatch",
        }
    }

    /// The check of the trace that this failure belongs to (CONTRACT section 8).
    pub fn check(&self, protocol: Protocol) -> CheckName {
        let oidc = protocol == Protocol::Oidc;
        match self {
            Self::ResponseMalformed { .. }
            | Self::ResponseTooLarge { .. }
            | Self::DtdForbidden
            | Self::ResponseMissing { .. } => CheckName::Response,
            Self::IdpStatus { .. } => CheckName::Status,
            Self::DestinationMismatch { .. } => CheckName::Destination,
            Self::InResponseToMismatch { .. } | Self::IdpInitiatedForbidden => {
                CheckName::InResponseTo
            }
            Self::LoginExpired if oidc => CheckName::Callback,
            Self::LoginExpired => CheckName::InResponseTo,
            Self::IssuerMismatch { .. } | Self::AudienceMismatch { .. } if oidc => {
                CheckName::IdToken
            }
            Self::SignatureInvalid { .. }
            | Self::SignatureAlgorithmForbidden { .. }
            | Self::AssertionExpired { .. }
                if oidc =>
            {
                CheckName::IdToken
            }
            Self::IssuerMismatch { .. } => CheckName::Issuer,
            Self::SignatureMissing { .. }
            | Self::SignatureInvalid { .. }
            | Self::SignatureAlgorithmForbidden { .. }
            | Self::CertificateUnknown { .. }
            | Self::CertificateExpired { .. } => CheckName::Signature,
            Self::DecryptionFailed
            | Self::EncryptionRequired
            | Self::EncryptionAlgorithmForbidden { .. } => CheckName::Encryption,
            Self::AssertionMissing { .. }
            | Self::AssertionAmbiguous { .. }
            | Self::AssertionReplayed { .. } => CheckName::Assertion,
            Self::AudienceMismatch { .. } => CheckName::Audience,
            Self::RecipientMismatch { .. } | Self::SubjectConfirmationInvalid { .. } => {
                CheckName::Recipient
            }
            Self::AssertionExpired { .. } | Self::AssertionNotYetValid { .. } => CheckName::Time,
            Self::StateMismatch | Self::IdpError { .. } => CheckName::Callback,
            Self::IdpUnreachable { at, .. } => *at,
            Self::TokenExchangeFailed { .. } => CheckName::TokenExchange,
            Self::DiscoveryInvalid { .. } => CheckName::Discovery,
            Self::TokenInvalid { .. } | Self::NonceMismatch | Self::TenantMismatch { .. } => {
                CheckName::IdToken
            }
            Self::ConnectionInactive => CheckName::Connection,
            Self::BrowserMismatch => CheckName::Browser,
            Self::SubjectMissing | Self::SubjectTransient | Self::AttributeMissing { .. } => {
                CheckName::Subject
            }
            Self::EmailMissing | Self::EmailDomainNotAllowed { .. } => CheckName::Email,
            Self::UserDeactivated | Self::UserNotProvisioned | Self::UserMismatch => {
                CheckName::User
            }
        }
    }

    /// What would have been right: the value, or what it has to be like.
    pub fn expected(&self) -> String {
        let like = match self {
            Self::DestinationMismatch { expected, .. }
            | Self::InResponseToMismatch { expected, .. }
            | Self::IssuerMismatch { expected, .. }
            | Self::CertificateUnknown { expected, .. }
            | Self::AudienceMismatch { expected, .. }
            | Self::RecipientMismatch { expected, .. }
            | Self::TenantMismatch { expected, .. } => expected,
            Self::EmailDomainNotAllowed { domains, .. } => return domains.join(", "),
            Self::AttributeMissing { attribute } => attribute,
            Self::ResponseTooLarge { limit } => return format!("at most {limit}"),
            Self::AssertionExpired { until, .. } => return format!("before {until}"),
            Self::AssertionNotYetValid { from, .. } => return format!("{from} or later"),
            Self::ResponseMalformed { .. } => "one well-formed SAML 2.0 Response in UTF-8",
            Self::DtdForbidden => "no document type declaration",
            Self::ResponseMissing { .. } => "the form field SAMLResponse",
            Self::IdpStatus { .. } => "urn:oasis:names:tc:SAML:2.0:status:Success",
            Self::IdpInitiatedForbidden => "an answer to a request of ours",
            Self::LoginExpired => "the first answer, within ten minutes",
            Self::SignatureMissing { .. } => "a signature over what this connection requires",
            Self::SignatureInvalid { .. } => {
                "a signature that a saved certificate or published key made"
            }
            Self::SignatureAlgorithmForbidden { .. } => "RSA-SHA256 or better",
            Self::CertificateExpired { .. } => "a certificate within its dates",
            Self::DecryptionFailed => "an assertion encrypted for this connection's certificate",
            Self::EncryptionRequired => "an encrypted assertion",
            Self::EncryptionAlgorithmForbidden { .. } => "AES-GCM or AES-CBC, and RSA-OAEP",
            Self::AssertionMissing { .. } => "one assertion with its conditions and sign-in",
            Self::AssertionAmbiguous { .. } => "exactly one assertion",
            Self::AssertionReplayed { .. } => "a response that was not used before",
            Self::SubjectConfirmationInvalid { .. } => {
                "a bearer confirmation with a recipient and an end"
            }
            Self::StateMismatch => "the state of a pending sign-in",
            Self::IdpError { .. } => "an authorization code",
            Self::IdpUnreachable { .. } => "an answer in time",
            Self::TokenExchangeFailed { .. } => "tokens for the code",
            Self::DiscoveryInvalid { .. } => "a readable document of the saved issuer",
            Self::TokenInvalid { .. } => "an ID token as OpenID Connect describes it",
            Self::NonceMismatch => "the nonce that was sent",
            Self::ConnectionInactive => "an active connection",
            Self::BrowserMismatch => "the cookie of the browser that began",
            Self::SubjectMissing => "a NameID, sub or mapped attribute",
            Self::SubjectTransient => "an identifier that stays the same",
            Self::EmailMissing => "an email address",
            Self::UserDeactivated => "an active user",
            Self::UserNotProvisioned => "a user that a directory pushed",
            Self::UserMismatch => "the user of the application's id_token_hint",
        };
        like.to_owned()
    }

    /// What came instead.
    pub fn received(&self) -> String {
        let like = match self {
            Self::DestinationMismatch { found, .. }
            | Self::InResponseToMismatch { found, .. }
            | Self::IssuerMismatch { found, .. }
            | Self::CertificateUnknown { found, .. }
            | Self::RecipientMismatch { found, .. }
            | Self::TenantMismatch { found, .. } => found,
            Self::AudienceMismatch { found, .. } => return found.join(", "),
            Self::IdpStatus { status, message } => return format!("{status}: {message}"),
            Self::IdpError { error, description } => return format!("{error}: {description}"),
            Self::EmailDomainNotAllowed { email, .. } => email,
            Self::SignatureAlgorithmForbidden { algorithm }
            | Self::EncryptionAlgorithmForbidden { algorithm } => algorithm,
            Self::CertificateExpired { until } => return format!("valid until {until}"),
            Self::AssertionReplayed { id } => id,
            Self::AssertionExpired { now, .. } | Self::AssertionNotYetValid { now, .. } => now,
            Self::ResponseMalformed { reason }
            | Self::ResponseMissing { reason }
            | Self::SignatureMissing { reason }
            | Self::SignatureInvalid { reason }
            | Self::AssertionMissing { reason }
            | Self::AssertionAmbiguous { reason }
            | Self::SubjectConfirmationInvalid { reason }
            | Self::TokenExchangeFailed { reason }
            | Self::DiscoveryInvalid { reason }
            | Self::TokenInvalid { reason } => reason,
            Self::IdpUnreachable { url, reason, .. } => return format!("{url}: {reason}"),
            Self::ResponseTooLarge { .. } => "more than that",
            Self::DtdForbidden => "a DOCTYPE",
            Self::IdpInitiatedForbidden => "a response without InResponseTo",
            Self::LoginExpired => "an answer to a sign-in that has ended",
            Self::DecryptionFailed => "something that none of our keys opens",
            Self::EncryptionRequired => "an assertion in plain text",
            Self::StateMismatch => "no state, or one that is not pending",
            Self::NonceMismatch => "another nonce, or none",
            Self::ConnectionInactive => "a draft, or one that is turned off",
            Self::BrowserMismatch => "another cookie, or none",
            Self::SubjectMissing => "nothing that identifies the person",
            Self::SubjectTransient => "a transient NameID",
            Self::AttributeMissing { .. } => "nothing under that name",
            Self::EmailMissing => "none",
            Self::UserDeactivated => "a deactivated one",
            Self::UserNotProvisioned => "nobody of that name",
            Self::UserMismatch => "another user",
        };
        like.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_lists_exactly_what_code_returns() {
        // A match can't be walked, so the test reads it in this file's own text.
        let source = include_str!("error.rs");
        let body = source
            .split("pub fn code(")
            .nth(1)
            .unwrap()
            .split("/// The check")
            .next()
            .unwrap();
        let returned: Vec<&str> = body
            .split("=> \"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        assert_eq!(returned, ConnectorError::CODES);
    }
}
