//! From a signed assertion to the person: NameID, attributes, mapping.

use std::collections::BTreeMap;

use serde_json::Value;

use super::assertion::{Assertion, parse_time};
use super::decrypt::{self, Decryptor};
use super::response::SAML;
use super::xml::{Element, trim};
use crate::mapping::{Mapped, Mapping};
use crate::provider::Provider;
use crate::{ConnectorError, NameId, NormalizedIdentity};

const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
const UNSPECIFIED: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified";
const EMAIL_ADDRESS: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress";
const TRANSIENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient";

/// The person as the IdP wrote them down.
pub(super) struct Person {
    name_id: Option<NameId>,
    attributes: BTreeMap<String, Vec<String>>,
}

impl Person {
    /// Errors: `subject_missing` where a NameID can be read in two ways, and those of decryption.
    pub(super) fn read(
        assertion: &Assertion<'_>,
        decryptor: &Decryptor,
    ) -> Result<Self, ConnectorError> {
        let mut attributes = BTreeMap::new();
        for attribute in assertion.attribute_statements().flat_map(Element::children) {
            if attribute.is(SAML, "Attribute") {
                read_attribute(attribute, &mut attributes);
            } else if attribute.is(SAML, "EncryptedAttribute") {
                let plaintext = decryptor.open(attribute)?;
                let context = attribute.namespaces_in_scope();
                let document = decrypt::parse(&plaintext, &context, "Attribute")?;
                read_attribute(document.root(), &mut attributes);
            }
        }
        Ok(Self {
            name_id: read_name_id(assertion.subject(), decryptor)?,
            attributes,
        })
    }

    /// The NameID and its format, as a trace shows it.
    pub(super) fn shown(&self) -> String {
        match &self.name_id {
            Some(id) => format!("{} ({})", id.value, id.short_format()),
            None => "no NameID".to_owned(),
        }
    }

    /// The person in the shape of every protocol. The email is a mapped attribute or else the NameID, if
    /// that is an address.
    ///
    /// Errors: `subject_missing`, `subject_transient`, `attribute_missing`, `email_missing`.
    pub(super) fn identity(
        self,
        assertion: &Assertion<'_>,
        issuer: &str,
        sp_entity_id: &str,
        mapping: &Mapping,
        provider: &Provider,
    ) -> Result<NormalizedIdentity, ConnectorError> {
        let mut mapped: Mapped = mapping.apply(provider, &self.attributes);
        let subject = match (&mapped.id, &self.name_id) {
            (Some(id), _) => id.clone(),
            (None, _) if mapping.chooses_id() => return Err(ConnectorError::SubjectMissing),
            (None, None) => return Err(ConnectorError::SubjectMissing),
            (None, Some(id)) if id.format.as_deref() == Some(TRANSIENT) => {
                return Err(ConnectorError::SubjectTransient);
            }
            (None, Some(id)) => id.qualified(issuer, sp_entity_id),
        };
        mapped.email = mapped.email.or_else(|| self.name_id.as_ref()?.email());
        if let Some(attribute) = mapping.missing(&mapped) {
            let attribute = attribute.to_owned();
            return Err(ConnectorError::AttributeMissing { attribute });
        }
        let name = mapped.name();
        let email = Some(mapped.email.ok_or(ConnectorError::EmailMissing)?);
        let authn = assertion.authn();
        Ok(NormalizedIdentity {
            issuer: issuer.to_owned(),
            idp_subject: self
                .name_id
                .as_ref()
                .map_or_else(|| subject.clone(), |id| id.value.clone()),
            subject,
            email,
            idp_email_verified: None,
            name,
            given_name: mapped.first_name,
            family_name: mapped.last_name,
            external_id: mapped.external_id,
            groups: mapped.groups,
            attributes: mapped.custom,
            raw_attributes: self
                .attributes
                .into_iter()
                .map(|(name, v)| (name, raw(v)))
                .collect(),
            acr: authn.context_class.map(str::to_owned),
            amr: Vec::new(),
            auth_time: authn.instant.and_then(parse_time),
            session_expires_at: authn.session_not_on_or_after.and_then(parse_time),
            session_index: authn.session_index.map(str::to_owned),
            id_token: None,
            name_id: self.name_id,
        })
    }
}

/// One value is a string, several are an array.
fn raw(mut values: Vec<String>) -> Value {
    match (values.pop(), values.is_empty()) {
        (None, _) => Value::Null,
        (Some(only), true) => Value::String(only),
        (Some(last), false) => {
            values.push(last);
            values.into()
        }
    }
}

impl NameId {
    fn read(element: Element<'_>) -> Result<Self, ConnectorError> {
        let value = element.text().map(trim).filter(|value| !value.is_empty());
        let attribute = |name: &str| element.attribute(name).map(str::to_owned);
        Ok(Self {
            value: value.ok_or(ConnectorError::SubjectMissing)?.to_owned(),
            format: attribute("Format"),
            name_qualifier: attribute("NameQualifier"),
            sp_name_qualifier: attribute("SPNameQualifier"),
        })
    }

    fn short_format(&self) -> &str {
        self.format
            .as_deref()
            .and_then(|f| f.rsplit(':').next())
            .unwrap_or("unspecified")
    }

    /// The identifier inside a connection: the bare value in the usual case. A format or qualifier that is
    /// not the default is part of it (SAML Core 8.3.7), as `format|NameQualifier|SPNameQualifier|value`
    /// with `|` and `%` escaped in the first three; a bare value that has a `|` (Auth0) takes the same
    /// form, so that no value can pass for another's.
    fn qualified(&self, issuer: &str, sp_entity_id: &str) -> String {
        let unless = |part: &Option<String>, default: &str| {
            let part = part
                .as_deref()
                .filter(|&part| part != default)
                .unwrap_or_default();
            part.replace('%', "%25").replace('|', "%7C")
        };
        let format = unless(&self.format, UNSPECIFIED);
        let name_qualifier = unless(&self.name_qualifier, issuer);
        let sp_name_qualifier = unless(&self.sp_name_qualifier, sp_entity_id);
        let plain = [&format, &name_qualifier, &sp_name_qualifier]
            .iter()
            .all(|p| p.is_empty());
        if plain && !self.value.contains('|') {
            self.value.clone()
        } else {
            format!(
                "{format}|{name_qualifier}|{sp_name_qualifier}|{}",
                self.value
            )
        }
    }

    /// An address by its format, or by its look where the IdP states none, as Okta does.
    fn email(&self) -> Option<String> {
        let stated = self.format.as_deref() == Some(EMAIL_ADDRESS);
        let unstated = self
            .format
            .as_deref()
            .is_none_or(|format| format == UNSPECIFIED);
        let looks = self.value.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && domain.contains('.') && !domain.contains('@')
        });
        (stated || (unstated && looks)).then(|| self.value.clone())
    }
}

/// The NameID that is a child of this element, decrypted where it is encrypted.
///
/// Errors: `subject_missing` where it can be read in two ways, and those of decryption.
pub(super) fn read_name_id(
    subject: Element<'_>,
    decryptor: &Decryptor,
) -> Result<Option<NameId>, ConnectorError> {
    let is_id =
        |e: &Element<'_>| e.is(SAML, "NameID") || e.is(SAML, "EncryptedID") || e.is(SAML, "BaseID");
    let mut ids = subject.children().filter(is_id);
    match (ids.next(), ids.next()) {
        (None, _) => Ok(None),
        (Some(id), None) if id.is(SAML, "NameID") => NameId::read(id).map(Some),
        (Some(id), None) if id.is(SAML, "EncryptedID") => {
            let plaintext = decryptor.open(id)?;
            let context = id.namespaces_in_scope();
            let document = decrypt::parse(&plaintext, &context, "NameID")?;
            NameId::read(document.root()).map(Some)
        }
        _ => Err(ConnectorError::SubjectMissing),
    }
}

/// Values of several Attribute elements of one name come together: Keycloak sends one per role.
fn read_attribute(attribute: Element<'_>, attributes: &mut BTreeMap<String, Vec<String>>) {
    let Some(name) = attribute
        .attribute("Name")
        .map(trim)
        .filter(|name| !name.is_empty())
    else {
        return;
    };
    let values = attributes.entry(name.to_owned()).or_default();
    for value in attribute
        .children()
        .filter(|child| child.is(SAML, "AttributeValue"))
    {
        if matches!(value.attribute_in(XSI, "nil"), Some("true" | "1")) {
            continue;
        }
        // eduPersonTargetedID holds a NameID: its text is the value.
        let text = value
            .text()
            .map_or_else(|| value.deep_text(), str::to_owned);
        values.push(trim(&text).to_owned());
    }
}
