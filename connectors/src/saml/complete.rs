//! Finishing a login: every check in the order of the trace, each with its code.

use chrono::{DateTime, SecondsFormat, Utc};

use super::SamlConnector;
use super::assertion::{self, Assertion, Rules};
use super::decrypt;
use super::response::{self, Carried, RawResponse, Response, SAML, SUCCESS, signature_of};
use super::signature::{self, SignedXml, Verified};
use super::subject::Person;
use super::xml::Element;
use crate::provider;
use crate::{
    CheckName, Completion, ConnectorError, Expected, IdpInitiated, NormalizedIdentity, Protocol,
    Trace,
};

impl SamlConnector {
    pub(super) fn complete_post(
        &self,
        field: Option<&str>,
        expected: Option<&Expected>,
        now: DateTime<Utc>,
    ) -> Completion {
        let mut checks = Checks {
            connector: self,
            request_id: expected.map(|expected| expected.request_id.as_str()),
            max_age: expected.and_then(|expected| expected.max_age),
            now,
            trace: Trace::new(Protocol::Saml),
            replay_ids: Vec::new(),
        };
        let outcome = checks.run(field);
        let Checks {
            mut trace,
            mut replay_ids,
            ..
        } = checks;
        if let Err(error) = &outcome {
            trace.fail(error, self.settings.provider.as_deref());
            replay_ids.clear();
        }
        Completion {
            trace,
            outcome,
            replay_ids,
        }
    }
}

struct Checks<'c> {
    connector: &'c SamlConnector,
    /// ID of the pending request; `None` when nothing is pending.
    request_id: Option<&'c str>,
    /// Seconds.
    max_age: Option<u64>,
    now: DateTime<Utc>,
    trace: Trace,
    replay_ids: Vec<(String, DateTime<Utc>)>,
}

impl Checks<'_> {
    fn run(&mut self, field: Option<&str>) -> Result<NormalizedIdentity, ConnectorError> {
        // The message, not yet verified: refusing early is always safe.
        let raw = RawResponse::decode(field)?;
        let document = raw.parse()?;
        let response = Response::read(&document)?;
        let received = format!("{} bytes, ID {}", document.text().len(), response.id);
        self.trace.pass_with(CheckName::Response, &received);
        response.check_status()?;
        self.trace
            .observe(CheckName::Status, Some(SUCCESS), Some(SUCCESS));
        self.trace.pass(CheckName::Status);
        let carried = response.assertion();
        let plain = match carried {
            Ok(Carried::Plain(assertion)) => Some(assertion),
            _ => None,
        };
        self.check_destination(&response)?;
        self.check_request(&response, plain)?;
        self.check_issuers(&response, plain)?;

        // Signatures, and decryption between the outer and the inner one.
        let trust = &self.connector.trust;
        let carried = carried?;
        let response_signature = signature_of(response.element, plain)?;
        let of_response = response_signature
            .map(|found| signature::verify(response.element, found, trust))
            .transpose()?;
        if let Carried::Encrypted(_) = carried {
            // Nothing is decrypted for a stranger where the outer signature is demanded.
            if self.connector.settings.require_signed_response && of_response.is_none() {
                return Err(response_unsigned());
            }
            if of_response.is_some() {
                self.trace.pass(CheckName::Signature);
            }
        }
        let plaintext;
        let decrypted;
        let (element, encrypted) = match carried {
            Carried::Plain(element) => (element, false),
            Carried::Encrypted(wrapper) => {
                plaintext = self.connector.decryptor.open(wrapper)?;
                decrypted =
                    decrypt::parse(&plaintext, &wrapper.namespaces_in_scope(), "Assertion")?;
                response::refuse_nested(decrypted.root())?;
                (decrypted.root(), true)
            }
        };
        let of_assertion = signature_of(element, None)?
            .map(|found| signature::verify(element, found, trust))
            .transpose()?;
        let signed_by = self.signed_by(of_response.as_ref(), of_assertion.as_ref());
        self.trace
            .observe(CheckName::Signature, None, Some(&signed_by));
        self.check_policy(of_response.as_ref(), of_assertion.as_ref())?;
        let signed = signed_assertion(of_response, of_assertion, element, encrypted)?;
        self.trace.pass(CheckName::Signature);
        if self.connector.settings.want_encrypted_assertions && !encrypted {
            return Err(ConnectorError::EncryptionRequired);
        }
        let carried = if encrypted {
            "an encrypted assertion"
        } else {
            "an assertion in plain text"
        };
        self.trace.pass_with(CheckName::Encryption, carried);

        // From here only what was digested.
        let assertion = Assertion::read(signed)?;
        let identity = self.check_assertion(&response, &assertion, of_response.is_some())?;
        #[cfg(feature = "second-opinion")]
        {
            let encrypted_id = assertion.subject().only(SAML, "EncryptedID");
            let encrypted_id = encrypted_id.map(|id| self.connector.decryptor.open(id));
            let encrypted_id = encrypted_id.transpose()?;
            let accepted = super::second_opinion::Accepted {
                field: field.unwrap_or_default(),
                response: response.element,
                assertion: element,
                of_response,
                of_assertion,
                trust,
                encrypted_id: encrypted_id.as_ref().map(|source| source.as_str()),
            };
            accepted.names(identity.name_id.as_ref())?;
        }
        Ok(identity)
    }

    fn check_destination(&mut self, response: &Response<'_>) -> Result<(), ConnectorError> {
        let expected = self.connector.sp.acs_url.as_str();
        let signed = response
            .element
            .children()
            .any(|e| e.is(signature::DS, "Signature"));
        match response.destination {
            Some(found) if found == expected => {
                self.trace
                    .observe(CheckName::Destination, Some(expected), Some(found));
            }
            // SAML Bindings 3.5.5.2 wants it in a signed message.
            None if !signed => {
                self.trace
                    .observe(CheckName::Destination, Some(expected), None);
            }
            found => {
                return Err(ConnectorError::DestinationMismatch {
                    expected: expected.to_owned(),
                    found: found
                        .unwrap_or("no Destination in a signed response")
                        .to_owned(),
                });
            }
        }
        self.trace.pass(CheckName::Destination);
        Ok(())
    }

    /// The Response's InResponseTo and, where it can be read already, that of the confirmation.
    fn check_request(
        &mut self,
        response: &Response<'_>,
        plain: Option<Element<'_>>,
    ) -> Result<(), ConnectorError> {
        let found = response.in_response_to;
        match (self.request_id, found) {
            (Some(expected), Some(found)) if expected == found => {}
            (None, None) => {
                if self.connector.settings.idp_initiated != IdpInitiated::AllowUnsolicited {
                    return Err(ConnectorError::IdpInitiatedForbidden);
                }
            }
            _ => return Err(self.answers_another(found)),
        }
        let confirmed = plain
            .and_then(|assertion| assertion.only(SAML, "Subject"))
            .and_then(|subject| subject.only(SAML, "SubjectConfirmation"))
            .and_then(|confirmation| confirmation.only(SAML, "SubjectConfirmationData"))
            .and_then(|data| data.attribute("InResponseTo"));
        if confirmed.is_some() && confirmed != self.request_id {
            return Err(self.answers_another(confirmed));
        }
        self.trace
            .observe(CheckName::InResponseTo, self.request_id, found);
        self.trace.pass(CheckName::InResponseTo);
        Ok(())
    }

    fn answers_another(&self, found: Option<&str>) -> ConnectorError {
        ConnectorError::InResponseToMismatch {
            expected: self
                .request_id
                .unwrap_or("no request is pending")
                .to_owned(),
            found: found.unwrap_or("no InResponseTo").to_owned(),
        }
    }

    fn check_issuers(
        &mut self,
        response: &Response<'_>,
        plain: Option<Element<'_>>,
    ) -> Result<(), ConnectorError> {
        let expected = self.connector.settings.idp_entity_id.as_str();
        if response.issuer.is_some() {
            assertion::check_issuer(response.issuer, expected)?;
        }
        if let Some(assertion) = plain {
            assertion::check_issuer(assertion.only(SAML, "Issuer"), expected)?;
        }
        self.trace
            .observe(CheckName::Issuer, Some(expected), Some(expected));
        self.trace.pass(CheckName::Issuer);
        Ok(())
    }

    /// What is signed, and by which of the saved certificates.
    fn signed_by(
        &self,
        of_response: Option<&Verified<'_>>,
        of_assertion: Option<&Verified<'_>>,
    ) -> String {
        let total = self.connector.trust.certificates.len();
        let by = |what: &str, verified: Option<&Verified<'_>>| {
            verified.map(|verified| {
                let number = verified.certificate + 1;
                format!("{what} signed by certificate {number} of {total}")
            })
        };
        let parts = [by("response", of_response), by("assertion", of_assertion)];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// Whether enough is signed for this connection, and what there is to say about the certificates.
    fn check_policy(
        &mut self,
        of_response: Option<&Verified<'_>>,
        of_assertion: Option<&Verified<'_>>,
    ) -> Result<(), ConnectorError> {
        let settings = &self.connector.settings;
        let missing = |reason: &str| {
            Err(ConnectorError::SignatureMissing {
                reason: reason.to_owned(),
            })
        };
        if of_response.is_none() && of_assertion.is_none() {
            return missing("neither the response nor the assertion is signed");
        }
        if settings.require_signed_response && of_response.is_none() {
            return Err(response_unsigned());
        }
        if settings.require_signed_assertion && of_assertion.is_none() {
            return missing("this connection requires a signature over the assertion");
        }
        for verified in of_response.into_iter().chain(of_assertion) {
            let trust = &self.connector.trust;
            if let Some(until) = trust.outside_validity(verified.certificate, self.now) {
                let expired = ConnectorError::CertificateExpired { until };
                if settings.require_valid_certificate {
                    return Err(expired);
                }
                self.trace.warn(&expired, settings.provider.as_deref());
            }
            if verified.is_weak() {
                let algorithm = "SHA-1".to_owned();
                let weak = ConnectorError::SignatureAlgorithmForbidden { algorithm };
                self.trace.warn(&weak, settings.provider.as_deref());
            }
        }
        Ok(())
    }

    fn check_assertion(
        &mut self,
        response: &Response<'_>,
        assertion: &Assertion<'_>,
        response_signed: bool,
    ) -> Result<NormalizedIdentity, ConnectorError> {
        let connector = self.connector;
        let rules = Rules {
            idp_entity_id: &connector.settings.idp_entity_id,
            sp_entity_id: &connector.sp.entity_id,
            alternate_sp_entity_id: connector.settings.alternate_sp_entity_id.as_deref(),
            acs_url: &connector.sp.acs_url,
            clock: connector.clock(self.now),
        };
        self.trace.pass_with(CheckName::Assertion, assertion.id);
        assertion.check_issuer(&rules)?;

        assertion.check_audience(&rules)?;
        let audience = Some(rules.sp_entity_id);
        self.trace.observe(CheckName::Audience, audience, audience);
        self.trace.pass(CheckName::Audience);

        let confirmation = assertion.check_recipient(&rules)?;
        self.trace.observe(
            CheckName::Recipient,
            Some(rules.acs_url),
            Some(rules.acs_url),
        );
        self.trace.pass(CheckName::Recipient);

        // The binding to our request must be signed too: in the confirmation, or in a signed Response.
        match confirmation.in_response_to {
            found if found == self.request_id => {}
            None if response_signed => {}
            found => return Err(self.answers_another(found)),
        }
        if response_signed {
            assertion::check_issued(response.issue_instant, rules.clock)?;
        }
        let ends = assertion.check_time(&confirmation, rules.clock)?;
        assertion.check_authentication(self.max_age, rules.clock)?;
        let now = self.now.to_rfc3339_opts(SecondsFormat::Millis, true);
        let end = ends.valid.to_rfc3339_opts(SecondsFormat::Millis, true);
        self.trace.observe(
            CheckName::Time,
            Some(&format!("before {end}, skew included")),
            Some(&now),
        );
        self.trace.pass(CheckName::Time);
        self.replay_ids = vec![
            (response.id.to_owned(), ends.replayable),
            (assertion.id.to_owned(), ends.replayable),
        ];

        let person = Person::read(assertion, &connector.decryptor)?;
        self.trace
            .observe(CheckName::Subject, None, Some(&person.shown()));
        let identity = person.identity(
            assertion,
            rules.idp_entity_id,
            rules.sp_entity_id,
            &connector.mapping,
            connector.provider,
        );
        if !matches!(
            identity,
            Err(ConnectorError::SubjectMissing
                | ConnectorError::SubjectTransient
                | ConnectorError::AttributeMissing { .. })
        ) {
            self.trace.pass(CheckName::Subject);
        }
        let link = connector.provider.saml.groups_link.as_deref();
        if let (Ok(identity), Some(link)) = (&identity, link)
            && identity.groups.is_empty()
            && identity.raw_attributes.contains_key(link)
        {
            let provider = connector.settings.provider.as_deref();
            let fix = provider::fix(provider, Protocol::Saml, "groups_truncated");
            let received = "a link instead of the groups";
            let trace = &mut self.trace;
            trace.note(
                CheckName::Subject,
                "groups_truncated",
                "the groups",
                received,
                &fix,
            );
        }
        identity
    }
}

fn response_unsigned() -> ConnectorError {
    ConnectorError::SignatureMissing {
        reason: "this connection requires a signature over the response".to_owned(),
    }
}

/// The assertion as something signed: by its own signature, or as a part of a signed response.
fn signed_assertion<'d>(
    of_response: Option<Verified<'d>>,
    of_assertion: Option<Verified<'d>>,
    element: Element<'d>,
    encrypted: bool,
) -> Result<SignedXml<'d>, ConnectorError> {
    if let Some(verified) = of_assertion {
        return Ok(verified.signed);
    }
    let response = of_response.map(|verified| verified.signed);
    let inside = if encrypted {
        response
            .and_then(|response| response.child(SAML, "EncryptedAssertion"))
            .map(|wrapper| wrapper.decrypted(element))
    } else {
        response.and_then(|response| response.child(SAML, "Assertion"))
    };
    inside.ok_or_else(|| ConnectorError::SignatureMissing {
        reason: "neither the response nor the assertion is signed".to_owned(),
    })
}
