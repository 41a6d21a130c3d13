//! The failure switches: what typically goes wrong between an IdP and a service, one at a time.

use serde::{Deserialize, Serialize};

/// One deliberate flaw of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    WrongAudience,
    WrongIssuer,
    WrongRecipient,
    WrongDestination,
    WrongRequest,
    WrongNonce,
    Unsigned,
    WrongKey,
    Altered,
    Expired,
    NotYetValid,
    ClockSkew,
    Replay,
    NoEmail,
    OutsideDomain,
    TransientSubject,
    Refused,
    BadSecret,
    /// No failure: the person is said to have more groups than fit.
    TooManyGroups,
}

use Fault::*;

impl Fault {
    pub const ALL: [Self; 19] = [
        WrongAudience,
        WrongIssuer,
        WrongRecipient,
        WrongDestination,
        WrongRequest,
        WrongNonce,
        Unsigned,
        WrongKey,
        Altered,
        Expired,
        NotYetValid,
        ClockSkew,
        Replay,
        NoEmail,
        OutsideDomain,
        TransientSubject,
        Refused,
        BadSecret,
        TooManyGroups,
    ];

    /// The value in forms.
    pub fn name(self) -> &'static str {
        match self {
            WrongAudience => "wrong_audience",
            WrongIssuer => "wrong_issuer",
            WrongRecipient => "wrong_recipient",
            WrongDestination => "wrong_destination",
            WrongRequest => "wrong_request",
            WrongNonce => "wrong_nonce",
            Unsigned => "unsigned",
            WrongKey => "wrong_key",
            Altered => "altered",
            Expired => "expired",
            NotYetValid => "not_yet_valid",
            ClockSkew => "clock_skew",
            Replay => "replay",
            NoEmail => "no_email",
            OutsideDomain => "outside_domain",
            TransientSubject => "transient_subject",
            Refused => "refused",
            BadSecret => "bad_secret",
            TooManyGroups => "too_many_groups",
        }
    }

    /// In words, for the select box.
    pub fn label(self) -> &'static str {
        match self {
            WrongAudience => "Meant for another service (audience)",
            WrongIssuer => "Another identity provider's name (issuer)",
            WrongRecipient => "Another ACS URL in the subject confirmation (recipient)",
            WrongDestination => "Another ACS URL in the response (destination)",
            WrongRequest => "Answers another request",
            WrongNonce => "Wrong nonce",
            Unsigned => "Not signed",
            WrongKey => "Signed with an unknown key",
            Altered => "Altered after signing",
            Expired => "Expired",
            NotYetValid => "Not yet valid",
            ClockSkew => "The identity provider's clock is ten minutes fast",
            Replay => "The last answer, sent again",
            NoEmail => "No email address",
            OutsideDomain => "An email address outside the organization's domains",
            TransientSubject => "A subject that changes every time",
            Refused => "The identity provider refuses (person not assigned)",
            BadSecret => "The client secret is refused",
            TooManyGroups => "A link instead of the groups",
        }
    }

    /// The codes that a SAML login with this flaw may end with (CONTRACT section 8); empty where the flaw
    /// is none of SAML's.
    pub fn saml_codes(self) -> &'static [&'static str] {
        match self {
            WrongAudience => &["audience_mismatch"],
            WrongIssuer => &["issuer_mismatch"],
            WrongRecipient => &["recipient_mismatch"],
            WrongDestination => &["destination_mismatch"],
            WrongRequest => &["in_response_to_mismatch"],
            Unsigned => &["signature_missing"],
            WrongKey => &["signature_invalid", "certificate_unknown"],
            Altered => &["signature_invalid"],
            Expired => &["assertion_expired"],
            NotYetValid | ClockSkew => &["assertion_not_yet_valid"],
            Replay => &[
                "assertion_replayed",
                "in_response_to_mismatch",
                "login_expired",
            ],
            NoEmail => &["email_missing"],
            OutsideDomain => &["email_domain_not_allowed"],
            TransientSubject => &["subject_transient"],
            Refused => &["idp_status"],
            WrongNonce | BadSecret | TooManyGroups => &[],
        }
    }

    /// The same for OIDC.
    pub fn oidc_codes(self) -> &'static [&'static str] {
        match self {
            WrongAudience => &["audience_mismatch"],
            WrongIssuer => &["issuer_mismatch"],
            WrongNonce => &["nonce_mismatch"],
            Unsigned => &[
                "signature_algorithm_forbidden",
                "signature_invalid",
                "token_invalid",
            ],
            WrongKey | Altered => &["signature_invalid"],
            Expired => &["assertion_expired"],
            Replay => &["token_exchange_failed"],
            NoEmail => &["email_missing"],
            OutsideDomain => &["email_domain_not_allowed"],
            Refused => &["idp_error"],
            BadSecret => &["token_exchange_failed"],
            WrongRecipient | WrongDestination | WrongRequest | NotYetValid | ClockSkew
            | TransientSubject | TooManyGroups => &[],
        }
    }

    /// A form's value; empty or unknown is no fault.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.name() == name)
    }
}
