//! Metadata, both ways: ours for the IdP's admin, and theirs as an admin pastes it (SAML Metadata 2).

use super::certificate::Certificate;
use super::request::{Signer, sign_enveloped};
use super::response::SAMLP;
use super::signature::DS;
use super::write::Xml;
use super::xml::{Document, Element, Sought, Source, XmlError, trim};
use super::{base64, check_url};
use crate::{SettingsProblem, SpEndpoints, SpKeys, SsoBinding};

const MD: &str = "urn:oasis:names:tc:SAML:2.0:metadata";
const REDIRECT: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect";
const POST: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST";
const MAX_METADATA: usize = 1024 * 1024;
/// One document, one ID.
const DOCUMENT_ID: &str = "_metadata";

const NAME_ID_FORMATS: [&str; 3] = [
    "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
    "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
    "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified",
];

/// What an IdP's metadata says about one IdP (SAML Metadata 2.4.3).
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct IdpMetadata {
    pub entity_id: String,
    pub sso_url: String,
    pub sso_binding: SsoBinding,
    pub slo_url: Option<String>,
    #[serde(default)]
    pub slo_binding: SsoBinding,
    /// Where answers go, if not to `slo_url` (SAML Metadata 2.2.2, `ResponseLocation`).
    #[serde(default)]
    pub slo_response_url: Option<String>,
    /// PEM, each able to sign, each once.
    pub certificates: Vec<String>,
    pub want_authn_requests_signed: bool,
    pub name_id_formats: Vec<String>,
}

/// All IdPs of a metadata document: one for `EntityDescriptor`, one or more for `EntitiesDescriptor`.
///
/// Errors say in plain words what was pasted instead, for the field `saml.metadata_xml`.
pub fn parse_idp_metadata(xml: &str) -> Result<Vec<IdpMetadata>, SettingsProblem> {
    read(xml).map_err(|message| SettingsProblem {
        field: "saml.metadata_xml".to_owned(),
        message,
    })
}

fn read(xml: &str) -> Result<Vec<IdpMetadata>, String> {
    if xml.len() > MAX_METADATA {
        return Err(
            "The metadata is larger than 1 MiB. If it is a federation's file, paste the part \
                    of your own identity provider."
                .to_owned(),
        );
    }
    recognise_other_things(xml)?;
    let explain = |error: XmlError| match error {
        XmlError::Dtd => {
            "The metadata carries a document type declaration (DTD), which is refused.".to_owned()
        }
        other => format!("The metadata is not well-formed XML: {other}."),
    };
    let source = Source::new(xml.trim().as_bytes().to_vec()).map_err(explain)?;
    let document = Document::parse(&source).map_err(explain)?;
    let root = document.root();
    let entities: Vec<Element<'_>> = if root.is(MD, "EntityDescriptor") {
        vec![root]
    } else if root.is(MD, "EntitiesDescriptor") {
        root.descendants(MD, &[Sought::EntityDescriptor]).collect()
    } else {
        return Err(format!(
            "This is a <{}> document, not SAML metadata, whose first element is EntityDescriptor.",
            root.local_name()
        ));
    };

    let idps: Vec<_> = entities
        .iter()
        .filter_map(|&e| Some((e, idp_role(e)?)))
        .collect();
    if idps.is_empty() {
        let is_sp = |e: &Element<'_>| e.children().any(|role| role.is(MD, "SPSSODescriptor"));
        return Err(if entities.iter().any(is_sp) {
            "This is the metadata of a service provider, perhaps our own. Paste the metadata that \
             your identity provider offers."
                .to_owned()
        } else {
            "The metadata describes no SAML 2.0 identity provider (IDPSSODescriptor).".to_owned()
        });
    }
    let mut first_problem = None;
    let mut found = Vec::new();
    for (entity, role) in idps {
        match read_idp(entity, role) {
            Ok(idp) => found.push(idp),
            Err(problem) => first_problem = first_problem.or(Some(problem)),
        }
    }
    match first_problem {
        Some(problem) if found.is_empty() => Err(problem),
        _ => Ok(found),
    }
}

/// People paste what the console shows them. Say what it is instead of "not well-formed".
fn recognise_other_things(pasted: &str) -> Result<(), String> {
    let text = pasted.trim_start_matches('\u{feff}').trim();
    let start = text
        .get(..text.len().min(15))
        .unwrap_or_default()
        .to_ascii_lowercase();
    let is = if text.is_empty() {
        "There is nothing here."
    } else if text.contains("PRIVATE KEY-----") {
        "This holds a private key, which was not saved. Nobody but the identity provider may have \
         it: replace that key there, then paste the metadata."
    } else if text.starts_with("-----BEGIN CERTIFICATE") {
        "This is a certificate, not metadata. Type the sign-in address and the issuer in beside it."
    } else if start.starts_with("<!doctype html") || start.starts_with("<html") {
        "This is an HTML page, perhaps a sign-in page, not metadata. Download the metadata in a \
         browser where you are signed in, or copy its address."
    } else if start.starts_with("https://") || start.starts_with("http://") {
        "This is an address. Choose metadata by URL for it."
    } else if start.starts_with('{') {
        "This is JSON. An OpenID Connect provider is set up as OIDC, not as SAML."
    } else if !start.starts_with('<') {
        "This is not XML."
    } else {
        return Ok(());
    };
    Err(is.to_owned())
}

fn idp_role(entity: Element<'_>) -> Option<Element<'_>> {
    entity.children().find(|role| {
        role.is(MD, "IDPSSODescriptor")
            && role
                .attribute("protocolSupportEnumeration")
                .is_none_or(|list| list.split_ascii_whitespace().any(|p| p == SAMLP))
    })
}

fn read_idp(entity: Element<'_>, role: Element<'_>) -> Result<IdpMetadata, String> {
    let entity_id = entity
        .attribute("entityID")
        .map(trim)
        .filter(|id| !id.is_empty());
    let entity_id = entity_id.ok_or("The metadata has no entityID.")?.to_owned();
    let offered = |service: &str, binding: &str| {
        role.children().find(|child| {
            child.is(MD, service)
                && child.attribute("Binding") == Some(binding)
                && child.attribute("Location").is_some()
        })
    };
    let address = |endpoint: Element<'_>, name: &str| {
        endpoint.attribute(name).map(|url| trim(url).to_owned())
    };
    let endpoint = |service: &str, binding: &str| address(offered(service, binding)?, "Location");
    let (sso_url, sso_binding) = endpoint("SingleSignOnService", REDIRECT)
        .map(|url| (url, SsoBinding::Redirect))
        .or_else(|| Some((endpoint("SingleSignOnService", POST)?, SsoBinding::Post)))
        .ok_or_else(|| {
            format!("{entity_id} offers sign-in neither by HTTP-Redirect nor by HTTP-POST.")
        })?;
    let slo = [(REDIRECT, SsoBinding::Redirect), (POST, SsoBinding::Post)]
        .into_iter()
        .find_map(|(uri, binding)| {
            let service = offered("SingleLogoutService", uri)?;
            let url = address(service, "Location")?;
            let response = address(service, "ResponseLocation");
            check_url(&url).ok()?;
            Some((url, binding, response.filter(|url| check_url(url).is_ok())))
        });
    check_url(&sso_url).map_err(|reason| format!("The sign-in address {sso_url} {reason}."))?;
    Ok(IdpMetadata {
        certificates: signing_certificates(role, &entity_id)?,
        sso_url,
        sso_binding,
        slo_binding: slo.as_ref().map(|slo| slo.1).unwrap_or_default(),
        slo_response_url: slo.as_ref().and_then(|slo| slo.2.clone()),
        slo_url: slo.map(|slo| slo.0),
        want_authn_requests_signed: matches!(
            role.attribute("WantAuthnRequestsSigned").map(trim),
            Some("true" | "1")
        ),
        name_id_formats: role
            .children()
            .filter(|child| child.is(MD, "NameIDFormat"))
            .filter_map(|format| Some(trim(format.text()?).to_owned()))
            .collect(),
        entity_id,
    })
}

/// Certificates for signing or without a stated use (SAML Metadata 2.4.1.1). One that cannot be used is
/// left out as long as another can.
fn signing_certificates(role: Element<'_>, entity_id: &str) -> Result<Vec<String>, String> {
    let mut usable: Vec<String> = Vec::new();
    let mut problem = None;
    let texts = role
        .children()
        .filter(|child| child.is(MD, "KeyDescriptor"))
        .filter(|descriptor| descriptor.attribute("use").is_none_or(|u| u == "signing"))
        .flat_map(|descriptor| descriptor.descendants(DS, &[Sought::X509Certificate]))
        .filter_map(Element::text);
    for text in texts {
        match Certificate::parse(text.as_bytes()).map(|certificate| certificate.info().pem.clone())
        {
            Ok(pem) if usable.contains(&pem) => {}
            Ok(pem) => usable.push(pem),
            Err(reason) => problem = problem.or(Some(reason)),
        }
    }
    match problem {
        _ if !usable.is_empty() => Ok(usable),
        Some(reason) => Err(format!(
            "The signing certificate of {entity_id} cannot be used: {reason}."
        )),
        None => Err(format!(
            "The metadata of {entity_id} has no signing certificate."
        )),
    }
}

/// The service provider's metadata for one connection (SAML Metadata 2.4.4).
///
/// All keys are published for signing, so that the next one is known before it signs; only the first for
/// encryption, so that IdPs have nothing to choose.
pub(super) fn render(
    sp: &SpEndpoints,
    keys: &SpKeys,
    sign_requests: bool,
    signer: Option<&Signer>,
) -> String {
    let unsigned = document(sp, keys, sign_requests, signer.map(|_| ""));
    match signer {
        Some(signer) => {
            let signature = sign_enveloped(&unsigned, DOCUMENT_ID, signer);
            document(sp, keys, sign_requests, Some(&signature))
        }
        None => unsigned,
    }
}

/// With a signature the document has an ID that the signature refers to.
fn document(
    sp: &SpEndpoints,
    keys: &SpKeys,
    sign_requests: bool,
    signature: Option<&str>,
) -> String {
    let mut xml = Xml::new();
    let mut entity = vec![("xmlns:md", MD), ("entityID", sp.entity_id.as_str())];
    if signature.is_some() {
        entity.push(("ID", DOCUMENT_ID));
    }
    xml.open("md:EntityDescriptor", &entity);
    xml.raw(signature.unwrap_or_default());
    xml.open(
        "md:SPSSODescriptor",
        &[
            (
                "AuthnRequestsSigned",
                if sign_requests { "true" } else { "false" },
            ),
            ("WantAssertionsSigned", "true"),
            ("protocolSupportEnumeration", SAMLP),
        ],
    );
    for pair in &keys.pairs {
        key_descriptor(&mut xml, "signing", &pair.certificate);
    }
    if let Some(pair) = keys.pairs.first() {
        key_descriptor(&mut xml, "encryption", &pair.certificate);
    }
    for binding in [REDIRECT, POST] {
        let service = [("Binding", binding), ("Location", sp.slo_url.as_str())];
        xml.empty("md:SingleLogoutService", &service);
    }
    for format in NAME_ID_FORMATS {
        xml.element("md:NameIDFormat", &[], format);
    }
    let acs = [
        ("Binding", POST),
        ("Location", sp.acs_url.as_str()),
        ("index", "0"),
        ("isDefault", "true"),
    ];
    xml.empty("md:AssertionConsumerService", &acs);
    xml.close("md:SPSSODescriptor");
    xml.close("md:EntityDescriptor");
    xml.finish()
}

fn key_descriptor(xml: &mut Xml, usage: &str, certificate: &[u8]) {
    xml.open("md:KeyDescriptor", &[("use", usage)]);
    xml.open("ds:KeyInfo", &[("xmlns:ds", DS)]);
    xml.open("ds:X509Data", &[]);
    xml.element("ds:X509Certificate", &[], &base64::encode(certificate));
    xml.close("ds:X509Data");
    xml.close("ds:KeyInfo");
    xml.close("md:KeyDescriptor");
}

#[cfg(test)]
mod tests;
