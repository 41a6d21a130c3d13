//! The trace of one login: every check in order, what was expected, what was received, and who mends it.
//!
//! Names, codes and shape are CONTRACT section 8's. A trace is kept on success and on failure.

use serde::{Deserialize, Serialize};

use crate::ConnectorError;

/// Longest `expected`/`received` kept, in characters: what a stranger sends must not fill the log.
const MAX_VALUE_CHARS: usize = 300;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    Saml,
    Oidc,
}

/// The stable name of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckName {
    Connection,
    // SAML
    Response,
    Status,
    Destination,
    InResponseTo,
    Issuer,
    Signature,
    Encryption,
    Assertion,
    Audience,
    Recipient,
    Time,
    // OIDC
    Callback,
    Discovery,
    TokenExchange,
    IdToken,
    // both
    Subject,
    Email,
    Browser,
    User,
}

impl CheckName {
    /// All checks of a protocol, in the order in which a trace lists them.
    pub fn of(protocol: Protocol) -> &'static [Self] {
        match protocol {
            Protocol::Saml => &[
                Self::Connection,
                Self::Response,
                Self::Status,
                Self::Destination,
                Self::InResponseTo,
                Self::Issuer,
                Self::Signature,
                Self::Encryption,
                Self::Assertion,
                Self::Audience,
                Self::Recipient,
                Self::Time,
                Self::Subject,
                Self::Email,
                Self::Browser,
                Self::User,
            ],
            Protocol::Oidc => &[
                Self::Connection,
                Self::Callback,
                Self::Discovery,
                Self::TokenExchange,
                Self::IdToken,
                Self::Subject,
                Self::Email,
                Self::Browser,
                Self::User,
            ],
        }
    }

    /// A short title in plain words.
    pub fn title(self) -> &'static str {
        match self {
            Self::Connection => "The connection is turned on",
            Self::Response => "A well-formed SAML response arrived",
            Self::Status => "The identity provider reports success",
            Self::Destination => "The response was sent to this ACS URL",
            Self::InResponseTo => "The response answers a request of ours",
            Self::Issuer => "The response comes from the saved identity provider",
            Self::Signature => "A saved certificate signed what is read",
            Self::Encryption => "Encrypted parts open with our key",
            Self::Assertion => "Exactly one assertion, used for the first time",
            Self::Audience => "The assertion is meant for this service",
            Self::Recipient => "The subject confirmation names this ACS URL",
            Self::Time => "The assertion is valid now",
            Self::Callback => "The callback answers a request of ours",
            Self::Discovery => "The provider's metadata is readable and true",
            Self::TokenExchange => "The provider exchanged the code for tokens",
            Self::IdToken => "The ID token is valid and meant for this connection",
            Self::Subject => "The person has a stable identifier",
            Self::Email => "The person has an email this organization may use",
            Self::Browser => "The browser that started the sign-in ends it",
            Self::User => "The person may use the application",
        }
    }

    /// What passes, where a check has no value to compare with.
    fn expects(self) -> &'static str {
        match self {
            Self::Connection => "an active connection",
            Self::Response => "one well-formed SAML 2.0 Response in UTF-8",
            Self::Status => "success",
            Self::Destination | Self::Recipient => "this connection's ACS URL",
            Self::InResponseTo => "an answer to a request of ours",
            Self::Issuer => "the saved identity provider",
            Self::Signature => "a signature that a saved certificate made",
            Self::Encryption => "plain text, or parts encrypted for this connection's key",
            Self::Assertion => "exactly one assertion that was not used before",
            Self::Audience => "this service",
            Self::Time => "times that include now",
            Self::Callback => "the state of a pending sign-in",
            Self::Discovery => "a readable document of the saved issuer",
            Self::TokenExchange => "tokens for the code",
            Self::IdToken => "an ID token as OpenID Connect describes it",
            Self::Subject => "an identifier that stays the same",
            Self::Email => "an address in a verified domain",
            Self::Browser => "the browser that began",
            Self::User => "an active user",
        }
    }

    /// Why the check exists, in one sentence.
    pub fn why(self) -> &'static str {
        match self {
            Self::Connection => "A connection that is turned off signs nobody in.",
            Self::Response => {
                "Anything but one strict XML document can be read in two ways, and attackers use that."
            }
            Self::Status => "Without success there is no identity to read.",
            Self::Destination => "A response captured at another service must not work here.",
            Self::InResponseTo => {
                "A response that nobody asked for can sign a person into someone else's account."
            }
            Self::Issuer => {
                "Each organization trusts exactly one identity provider per connection."
            }
            Self::Signature => "Only what a saved certificate signed can be believed.",
            Self::Encryption => "An assertion that we cannot open says nothing.",
            Self::Assertion => {
                "A second or repeated assertion is how stolen sign-ins are replayed."
            }
            Self::Audience => "An assertion made for another service must not open a session here.",
            Self::Recipient => "The bearer of an assertion may use it at one address only.",
            Self::Time => {
                "An old assertion may have been stolen, a future one points to a wrong clock."
            }
            Self::Callback => {
                "A callback that nobody asked for can sign a person into someone else's account."
            }
            Self::Discovery => {
                "Keys and endpoints come from this document, so its issuer must be the saved one."
            }
            Self::TokenExchange => {
                "The code is worth nothing until the provider confirms it to us directly."
            }
            Self::IdToken => "The ID token is the provider's signed word on who signed in.",
            Self::Subject => "An identifier that changes would make a new user at each sign-in.",
            Self::Email => "An organization speaks only for its own verified domains.",
            Self::Browser => "Otherwise a link could sign a victim in as the attacker.",
            Self::User => "Access ends when the directory or an administrator says so.",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckStatus {
    Passed,
    Failed,
    Warning,
    NotReached,
}

/// One line of a trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    pub check: CheckName,
    pub status: CheckStatus,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expected: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub received: Option<String>,
    pub title: String,
    pub why: String,
    pub fix: String,
}

/// Every check of one login in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    pub protocol: Protocol,
    pub checks: Vec<Check>,
}

impl Trace {
    /// All checks of the protocol, none reached yet.
    pub fn new(protocol: Protocol) -> Self {
        let checks = CheckName::of(protocol)
            .iter()
            .map(|&check| Check {
                check,
                status: CheckStatus::NotReached,
                code: None,
                expected: None,
                received: None,
                title: check.title().to_owned(),
                why: check.why().to_owned(),
                fix: String::new(),
            })
            .collect();
        Self { protocol, checks }
    }

    /// Marks a check as passed, unless it already failed or warned.
    pub fn pass(&mut self, check: CheckName) {
        if let Some(entry) = self.entry(check)
            && entry.status == CheckStatus::NotReached
        {
            entry.status = CheckStatus::Passed;
            entry
                .expected
                .get_or_insert_with(|| check.expects().to_owned());
        }
    }

    /// Notes what was seen beside a check without changing its verdict.
    pub fn observe(&mut self, check: CheckName, expected: Option<&str>, received: Option<&str>) {
        if let Some(entry) = self.entry(check) {
            entry.expected = expected.map(bounded);
            entry.received = received.map(bounded);
        }
    }

    /// Marks a check as passed by what was seen.
    pub fn pass_with(&mut self, check: CheckName, received: &str) {
        self.observe(check, None, Some(received));
        self.pass(check);
    }

    /// A warning: what would have ended the login elsewhere does not here, and the admin should look. `provider`
    /// chooses the fix text. A second one of the same check is told with the first, whose code stays.
    pub fn warn(&mut self, error: &ConnectorError, provider: Option<&str>) {
        let fix = crate::provider::fix(provider, self.protocol, error.code());
        let check = error.check(self.protocol);
        self.note(
            check,
            error.code(),
            &error.expected(),
            &error.received(),
            &fix,
        );
    }

    /// A warning under a code that ends no login.
    pub fn note(
        &mut self,
        check: CheckName,
        code: &str,
        expected: &str,
        received: &str,
        fix: &str,
    ) {
        let Some(entry) = self.entry(check) else {
            return;
        };
        let told = (entry.status == CheckStatus::Warning)
            .then(|| entry.received.clone())
            .flatten();
        match told {
            Some(told) if told == received => {}
            Some(told) => {
                let before = entry.expected.take().unwrap_or_default();
                entry.expected = Some(bounded(&format!("{before}; {expected}")));
                entry.received = Some(bounded(&format!("{told}; {received}")));
                entry.fix = format!("{} {fix}", entry.fix);
            }
            None => {
                entry.status = CheckStatus::Warning;
                entry.code = Some(code.to_owned());
                entry.expected = Some(bounded(expected));
                entry.received = Some(bounded(received));
                entry.fix = fix.to_owned();
            }
        }
    }

    /// Whether a check ended with this warning.
    pub fn has_warned(&self, code: &str) -> bool {
        self.checks.iter().any(|check| {
            check.status == CheckStatus::Warning && check.code.as_deref() == Some(code)
        })
    }

    /// The failed check that ends the login. `provider` chooses the fix text ([`crate::provider`]).
    pub fn fail(&mut self, error: &ConnectorError, provider: Option<&str>) {
        let code = error.code();
        let fix = crate::provider::fix(provider, self.protocol, code);
        if let Some(entry) = self.entry(error.check(self.protocol)) {
            entry.status = CheckStatus::Failed;
            entry.code = Some(code.to_owned());
            entry.expected = Some(bounded(&error.expected()));
            entry.received = Some(bounded(&error.received()));
            entry.fix = fix;
        }
    }

    /// The first failed check.
    pub fn failure(&self) -> Option<&Check> {
        self.checks
            .iter()
            .find(|check| check.status == CheckStatus::Failed)
    }

    fn entry(&mut self, check: CheckName) -> Option<&mut Check> {
        self.checks.iter_mut().find(|entry| entry.check == check)
    }
}

/// At most [`MAX_VALUE_CHARS`] characters, control characters shown as U+FFFD.
fn bounded(value: &str) -> String {
    let mut chars = value.chars();
    let mut kept: String = chars
        .by_ref()
        .take(MAX_VALUE_CHARS)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    if chars.next().is_some() {
        kept.push('…');
    }
    kept
}
