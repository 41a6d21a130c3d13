//! The assertion, read from signed XML only, and what the web browser SSO profile demands of it
//! (SAML Core 2, SAML Profiles 4.1.4.2 and 4.1.4.3).

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use super::response::SAML;
use super::signature::SignedXml;
use super::xml::{Element, trim};
use crate::ConnectorError;

const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";

/// The moment of a check. Two clocks may differ by the skew.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    pub(super) now: DateTime<Utc>,
    pub(super) skew: TimeDelta,
}

/// An assertion is issued for one sign-in, not for a day.
const MAX_LIFETIME: TimeDelta = TimeDelta::hours(24);
const MAX_AGE: TimeDelta = TimeDelta::minutes(15);

/// What must hold of an assertion for this login at this service provider.
pub(super) struct Rules<'r> {
    pub(super) idp_entity_id: &'r str,
    pub(super) sp_entity_id: &'r str,
    /// Another audience that counts as ours.
    pub(super) alternate_sp_entity_id: Option<&'r str>,
    pub(super) acs_url: &'r str,
    pub(super) clock: Clock,
}

/// A signed assertion. Each `check_…` is one line of the trace.
pub(super) struct Assertion<'d> {
    element: Element<'d>,
    pub(super) id: &'d str,
    subject: Element<'d>,
    conditions: Element<'d>,
    authn: Authn<'d>,
}

/// The AuthnStatement: how and when the person signed in (SAML Core 2.7.2).
#[derive(Debug, Clone, Copy)]
pub(super) struct Authn<'d> {
    pub(super) instant: Option<&'d str>,
    pub(super) session_index: Option<&'d str>,
    pub(super) session_not_on_or_after: Option<&'d str>,
    pub(super) context_class: Option<&'d str>,
}

impl<'d> Assertion<'d> {
    /// Errors: `assertion_missing` when the element lacks what makes it the assertion of a sign-in.
    pub(super) fn read(signed: SignedXml<'d>) -> Result<Self, ConnectorError> {
        let element = signed.element();
        let missing = |reason: &str| ConnectorError::AssertionMissing {
            reason: reason.to_owned(),
        };
        let only = |local: &str| {
            element
                .only(SAML, local)
                .ok_or_else(|| missing(&format!("it has not one {local}")))
        };
        if !element.is(SAML, "Assertion") {
            return Err(missing("what is signed is no assertion"));
        }
        if element.attribute("Version") != Some("2.0") {
            return Err(missing("it is not of SAML version 2.0"));
        }
        let id = element.attribute("ID").filter(|id| !id.is_empty());
        let statements = || {
            element
                .children()
                .filter(|child| child.is(SAML, "AuthnStatement"))
        };
        let statement = statements()
            .next()
            .ok_or_else(|| missing("it has no AuthnStatement"))?;
        // The strictest of several bounds the session; what is no time comes first, and is refused as such.
        let session_not_on_or_after = statements()
            .filter_map(|statement| statement.attribute("SessionNotOnOrAfter"))
            .min_by_key(|text| parse_time(text));
        let context_class = statement
            .only(SAML, "AuthnContext")
            .and_then(|context| context.only(SAML, "AuthnContextClassRef"))
            .and_then(Element::text)
            .map(trim);
        Ok(Self {
            element,
            id: id.ok_or_else(|| missing("it has no ID"))?,
            subject: only("Subject")?,
            conditions: only("Conditions")?,
            authn: Authn {
                instant: statement.attribute("AuthnInstant"),
                session_index: statement.attribute("SessionIndex"),
                session_not_on_or_after,
                context_class,
            },
        })
    }

    pub(super) fn subject(&self) -> Element<'d> {
        self.subject
    }

    pub(super) fn authn(&self) -> Authn<'d> {
        self.authn
    }

    /// The AttributeStatements.
    pub(super) fn attribute_statements(&self) -> impl Iterator<Item = Element<'d>> + use<'d> {
        self.element
            .children()
            .filter(|child| child.is(SAML, "AttributeStatement"))
    }

    /// Errors: `issuer_mismatch`.
    pub(super) fn check_issuer(&self, rules: &Rules<'_>) -> Result<(), ConnectorError> {
        check_issuer(self.element.only(SAML, "Issuer"), rules.idp_entity_id)
    }

    /// Every AudienceRestriction must name this service, and there must be one (SAML Core 2.5.1.4): an
    /// assertion made for another service opens no session here, even if the same IdP signed it.
    ///
    /// Errors: `audience_mismatch`.
    pub(super) fn check_audience(&self, rules: &Rules<'_>) -> Result<(), ConnectorError> {
        let mismatch = |found: Vec<String>| ConnectorError::AudienceMismatch {
            expected: rules.sp_entity_id.to_owned(),
            found,
        };
        let mut restricted = false;
        for condition in self.conditions.children() {
            match condition.local_name() {
                _ if condition.namespace() != SAML => {
                    return Err(mismatch(vec![format!(
                        "an unknown condition {condition:?}"
                    )]));
                }
                "AudienceRestriction" => {
                    restricted = true;
                    let audiences: Vec<&str> = condition
                        .children()
                        .filter(|child| child.is(SAML, "Audience"))
                        .filter_map(|audience| audience.text().map(trim))
                        .collect();
                    let ours = |audience: &&str| {
                        *audience == rules.sp_entity_id
                            || Some(*audience) == rules.alternate_sp_entity_id
                    };
                    if !audiences.iter().any(ours) {
                        return Err(mismatch(audiences.into_iter().map(str::to_owned).collect()));
                    }
                }
                "OneTimeUse" | "ProxyRestriction" => {}
                // What a condition that we do not know demands cannot be met (SAML Core 2.5.1.1).
                other => return Err(mismatch(vec![format!("an unknown condition {other}")])),
            }
        }
        if restricted {
            Ok(())
        } else {
            Err(mismatch(Vec::new()))
        }
    }

    /// One bearer SubjectConfirmation must be addressed to this ACS (SAML Profiles 4.1.4.2). Its time is
    /// checked by [`Self::check_time`].
    ///
    /// Errors: `subject_confirmation_invalid`, `recipient_mismatch`.
    pub(super) fn check_recipient(
        &self,
        rules: &Rules<'_>,
    ) -> Result<Confirmation<'d>, ConnectorError> {
        let invalid = |reason: &str| ConnectorError::SubjectConfirmationInvalid {
            reason: reason.to_owned(),
        };
        let mut failure = invalid("there is no bearer confirmation");
        let confirmations = self
            .subject
            .children()
            .filter(|child| child.is(SAML, "SubjectConfirmation"))
            .filter(|confirmation| confirmation.attribute("Method") == Some(BEARER));
        let mut usable: Option<Confirmation<'d>> = None;
        for confirmation in confirmations {
            let Some(data) = confirmation.only(SAML, "SubjectConfirmationData") else {
                failure = invalid("the bearer confirmation has no SubjectConfirmationData");
                continue;
            };
            let Some(recipient) = data.attribute("Recipient") else {
                failure = invalid("SubjectConfirmationData has no Recipient");
                continue;
            };
            if recipient != rules.acs_url {
                failure = ConnectorError::RecipientMismatch {
                    expected: rules.acs_url.to_owned(),
                    found: recipient.to_owned(),
                };
                continue;
            }
            let Some(not_on_or_after) = data.attribute("NotOnOrAfter") else {
                failure = invalid("SubjectConfirmationData has no NotOnOrAfter");
                continue;
            };
            let confirmation = Confirmation {
                not_before: data.attribute("NotBefore"),
                not_on_or_after,
                in_response_to: data.attribute("InResponseTo"),
            };
            // Of several, one that is valid now wins.
            if confirmation.check_time(rules.clock).is_ok() {
                return Ok(confirmation);
            }
            usable = usable.or(Some(confirmation));
        }
        usable.ok_or(failure)
    }

    /// Every instant of the assertion, with the skew.
    ///
    /// Errors: `assertion_expired`, `assertion_not_yet_valid`; what is no time counts against it.
    pub(super) fn check_time(
        &self,
        confirmation: &Confirmation<'d>,
        clock: Clock,
    ) -> Result<Ends, ConnectorError> {
        let issue_instant = self.element.attribute("IssueInstant").unwrap_or_default();
        let issued = check_issued(issue_instant, clock)?;
        let not_before = self.conditions.attribute("NotBefore");
        let starts = not_before
            .map(|text| check_not_before(text, clock))
            .transpose()?;
        let confirmed_until = confirmation.check_time(clock)?;
        let mut last = issued + MAX_AGE + clock.skew;
        if let Some(text) = self.conditions.attribute("NotOnOrAfter") {
            let ends = check_not_on_or_after(text, clock)?;
            if ends - starts.unwrap_or(issued) > MAX_LIFETIME {
                return Err(ConnectorError::AssertionExpired {
                    until: format!("{text}, more than a day after it starts"),
                    now: show(clock.now),
                });
            }
            last = last.min(ends);
        }
        if let Some(text) = self.authn.session_not_on_or_after {
            check_not_on_or_after(text, clock)?;
        }
        Ok(Ends {
            valid: last.min(confirmed_until) + clock.skew,
            replayable: last + clock.skew,
        })
    }

    /// When the person signed in at the IdP: the application reads it as `auth_time`, so it is no time to come. With
    /// `max_age` asked for it must be there and young enough: an IdP may disregard ForceAuthn, and nobody would know.
    ///
    /// Errors: `assertion_expired`, `assertion_not_yet_valid`, `assertion_missing`.
    pub(super) fn check_authentication(
        &self,
        max_age: Option<u64>,
        clock: Clock,
    ) -> Result<(), ConnectorError> {
        let Some(text) = self.authn.instant else {
            return match max_age {
                None => Ok(()),
                Some(_) => Err(ConnectorError::AssertionMissing {
                    reason: "max_age was asked for, and its AuthnStatement has no AuthnInstant"
                        .to_owned(),
                }),
            };
        };
        let at = check_not_before(text, clock)?;
        let longest = max_age.and_then(|seconds| i64::try_from(seconds).ok());
        let longest = longest.and_then(TimeDelta::try_seconds);
        let until = longest.and_then(|longest| at.checked_add_signed(longest));
        match until {
            Some(until) if clock.now - clock.skew >= until => {
                Err(ConnectorError::AssertionExpired {
                    until: format!("{}, when max_age after AuthnInstant is over", show(until)),
                    now: show(clock.now),
                })
            }
            _ => Ok(()), // longer than time itself
        }
    }
}

/// When an assertion ends, skew included.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    /// As confirmed now.
    pub(super) valid: DateTime<Utc>,
    /// By its age and conditions alone: until then another confirmation of it may be good, so that its ID has to be
    /// remembered.
    pub(super) replayable: DateTime<Utc>,
}

/// The data of a bearer confirmation whose Recipient is this ACS.
#[derive(Debug, Clone, Copy)]
pub(super) struct Confirmation<'d> {
    not_before: Option<&'d str>,
    not_on_or_after: &'d str,
    pub(super) in_response_to: Option<&'d str>,
}

impl Confirmation<'_> {
    fn check_time(&self, clock: Clock) -> Result<DateTime<Utc>, ConnectorError> {
        // The profile forbids NotBefore here; who sends it means it.
        self.not_before
            .map(|text| check_not_before(text, clock))
            .transpose()?;
        check_not_on_or_after(self.not_on_or_after, clock)
    }
}

/// The whole text of an Issuer must be the IdP's entity ID. Child elements make it unreadable.
///
/// Errors: `issuer_mismatch`.
pub(super) fn check_issuer(
    issuer: Option<Element<'_>>,
    expected: &str,
) -> Result<(), ConnectorError> {
    let found = issuer.and_then(Element::text).map(trim);
    if found == Some(expected) {
        return Ok(());
    }
    Err(ConnectorError::IssuerMismatch {
        expected: expected.to_owned(),
        found: found.unwrap_or("no readable Issuer").to_owned(),
    })
}

/// An IssueInstant is not in the future and at most [`MAX_AGE`] old.
pub(super) fn check_issued(text: &str, clock: Clock) -> Result<DateTime<Utc>, ConnectorError> {
    let issued = check_not_before(text, clock)?;
    if clock.now - issued > MAX_AGE + clock.skew {
        return Err(ConnectorError::AssertionExpired {
            until: show(issued + MAX_AGE),
            now: show(clock.now),
        });
    }
    Ok(issued)
}

fn check_not_before(text: &str, clock: Clock) -> Result<DateTime<Utc>, ConnectorError> {
    match parse_time(text) {
        Some(from) if clock.now + clock.skew >= from => Ok(from),
        _ => Err(ConnectorError::AssertionNotYetValid {
            from: text.to_owned(),
            now: show(clock.now),
        }),
    }
}

pub(super) fn check_not_on_or_after(
    text: &str,
    clock: Clock,
) -> Result<DateTime<Utc>, ConnectorError> {
    match parse_time(text) {
        Some(until) if clock.now - clock.skew < until => Ok(until),
        _ => Err(ConnectorError::AssertionExpired {
            until: text.to_owned(),
            now: show(clock.now),
        }),
    }
}

/// `xs:dateTime` with any number of fractional digits. SAML Core 1.3.3 wants UTC; who leaves the zone
/// out means it.
pub(super) fn parse_time(text: &str) -> Option<DateTime<Utc>> {
    let text = trim(text);
    let parse = |text: &str| {
        DateTime::parse_from_rfc3339(text)
            .ok()
            .map(|at| at.to_utc())
    };
    parse(text).or_else(|| parse(&format!("{text}Z")))
}

fn show(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
