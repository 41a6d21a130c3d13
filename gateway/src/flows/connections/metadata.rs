//! What an identity provider's metadata says, from a document or from its URL.

use connectors::saml::{IdpMetadata, parse_idp_metadata};
use connectors::{HttpClient, HttpRequest};

use crate::app::App;
use crate::error::Error;

/// A federation's document is larger than one provider's; more is not read.
const MAX_METADATA: usize = 5 * 1024 * 1024;

/// The fields of a connection that metadata fills.
pub type IdpFields = IdpMetadata;

/// Reads a document. Where it describes several providers, `entity_id` says which.
pub fn read(xml: &str, entity_id: Option<&str>) -> Result<IdpFields, Error> {
    choose(xml, entity_id, "saml.metadata_xml")
}

/// Fetches a document and reads it.
pub async fn fetch(app: &App, url: &str, entity_id: Option<&str>) -> Result<IdpFields, Error> {
    const FIELD: &str = "saml.metadata_url";
    let parsed = url::Url::parse(url)
        .ok()
        .filter(|url| matches!(url.scheme(), "https" | "http"))
        .ok_or_else(|| Error::invalid(FIELD, "has to be an https URL"))?;
    let request = HttpRequest {
        method: http::Method::GET,
        url: parsed,
        headers: vec![(
            http::header::ACCEPT,
            "application/samlmetadata+xml, application/xml, text/xml".to_owned(),
        )],
        body: Vec::new(),
        max_response_bytes: MAX_METADATA,
    };
    let response = HttpClient::send(&app.egress, request)
        .await
        .map_err(|failure| Error::invalid(FIELD, format!("can't be read: {failure}")))?;
    if response.status != http::StatusCode::OK {
        let message = format!("can't be read: it answered {}", response.status);
        return Err(Error::invalid(FIELD, message));
    }
    let xml = String::from_utf8(response.body)
        .map_err(|_| Error::invalid(FIELD, "leads to something that is not UTF-8 text"))?;
    choose(&xml, entity_id, FIELD)
}

fn choose(xml: &str, entity_id: Option<&str>, field: &str) -> Result<IdpFields, Error> {
    let providers =
        parse_idp_metadata(xml).map_err(|problem| Error::invalid(field, problem.message))?;
    let several = providers.len() > 1;
    let mut candidates = providers
        .into_iter()
        .filter(|idp| entity_id.is_none_or(|wanted| idp.entity_id == wanted));
    match (candidates.next(), candidates.next(), entity_id) {
        (Some(idp), None, _) => Ok(idp),
        (None, _, Some(wanted)) => {
            Err(Error::invalid(field, format!("does not describe {wanted}")))
        }
        _ if several => Err(Error::invalid(
            field,
            "describes several identity providers: say with saml.idp_entity_id which one",
        )),
        _ => Err(Error::invalid(field, "describes no identity provider")),
    }
}
