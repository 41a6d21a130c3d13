//! What an identity provider's metadata says, from a document or from its URL.

use connectors::saml::{IdpMetadata, parse_idp_metadata};
use connectors::{HttpClient, HttpRequest, HttpResponse};
use http::header;

use crate::app::App;
use crate::error::{Error, FieldProblem};
use crate::model::Upkeep;

/// As much as the parser takes: a provider's document has some 10 KiB, and a federation's, with thousands of
/// providers, is not the place to look for one.
const MAX_METADATA: usize = 1024 * 1024;

/// Entity ids that an answer offers, each as an entry of `errors`.
const MAX_LISTED: usize = 500;

const URL_FIELD: &str = "saml.metadata_url";

/// The fields of a connection that metadata fills.
pub type IdpFields = IdpMetadata;

/// What a URL that was read before says now.
#[derive(Debug)]
pub enum Read {
    /// The same as then: 304.
    Unchanged,
    Document {
        idp: Box<IdpMetadata>,
        etag: Option<String>,
        last_modified: Option<String>,
    },
}

/// Reads a document. Where it describes several providers, `entity_id` says which.
pub fn read(xml: &str, entity_id: Option<&str>) -> Result<IdpFields, Error> {
    const FIELD: &str = "saml.metadata_xml";
    choose(parse(xml, FIELD)?, entity_id, FIELD)
}

/// Fetches a document and reads it.
pub async fn fetch(app: &App, url: &str, entity_id: Option<&str>) -> Result<IdpFields, Error> {
    let response = get(app, url, Vec::new()).await?;
    choose(document(&response)?, entity_id, URL_FIELD)
}

/// Fetches a document again, if it has changed since it was `known`, and reads the provider's part: the one
/// that the connection has, or the only one there is.
pub(super) async fn read_again(
    app: &App,
    url: &str,
    entity_id: &str,
    known: &Upkeep,
) -> Result<Read, Error> {
    let conditions = [
        (header::IF_NONE_MATCH, &known.etag),
        (header::IF_MODIFIED_SINCE, &known.last_modified),
    ];
    let conditions: Vec<_> = conditions
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.clone()?)))
        .collect();
    let conditional = !conditions.is_empty();
    let response = get(app, url, conditions).await?;
    if conditional && response.status == http::StatusCode::NOT_MODIFIED {
        return Ok(Read::Unchanged);
    }
    let providers = document(&response)?;
    let entity_id = Some(entity_id).filter(|id| !id.is_empty() && providers.len() > 1);
    let field = |name: header::HeaderName| {
        let value = response.headers.get(name)?.to_str().ok()?;
        Some(value.to_owned())
    };
    Ok(Read::Document {
        idp: Box::new(choose(providers, entity_id, URL_FIELD)?),
        etag: field(header::ETAG),
        last_modified: field(header::LAST_MODIFIED),
    })
}

async fn get(
    app: &App,
    url: &str,
    conditions: Vec<(header::HeaderName, String)>,
) -> Result<HttpResponse, Error> {
    let parsed = url::Url::parse(url)
        .ok()
        .filter(|url| matches!(url.scheme(), "https" | "http"))
        .ok_or_else(|| Error::invalid(URL_FIELD, "has to be an https URL"))?;
    let accept = "application/samlmetadata+xml, application/xml, text/xml";
    let mut headers = vec![(header::ACCEPT, accept.to_owned())];
    headers.extend(conditions);
    let request = HttpRequest {
        method: http::Method::GET,
        url: parsed,
        headers,
        body: Vec::new(),
        max_response_bytes: MAX_METADATA,
    };
    HttpClient::send(&app.egress, request)
        .await
        .map_err(|failure| Error::invalid(URL_FIELD, format!("can't be read: {failure}")))
}

fn document(response: &HttpResponse) -> Result<Vec<IdpMetadata>, Error> {
    if response.status != http::StatusCode::OK {
        let message = format!("can't be read: it answered {}", response.status);
        return Err(Error::invalid(URL_FIELD, message));
    }
    let xml = std::str::from_utf8(&response.body)
        .map_err(|_| Error::invalid(URL_FIELD, "leads to something that is not UTF-8 text"))?;
    parse(xml, URL_FIELD)
}

fn parse(xml: &str, field: &str) -> Result<Vec<IdpMetadata>, Error> {
    parse_idp_metadata(xml).map_err(|problem| Error::invalid(field, problem.message))
}

fn choose(
    providers: Vec<IdpMetadata>,
    entity_id: Option<&str>,
    field: &str,
) -> Result<IdpFields, Error> {
    let ids: Vec<String> = providers.iter().map(|idp| idp.entity_id.clone()).collect();
    let pick = |message: String| {
        let offered = ids.iter().take(MAX_LISTED);
        let offered = offered.map(|id| FieldProblem::new("saml.idp_entity_id", id.as_str()));
        let problem = FieldProblem::new(field, message);
        Error::Invalid([problem].into_iter().chain(offered).collect())
    };
    let mut candidates = providers
        .into_iter()
        .filter(|idp| entity_id.is_none_or(|wanted| idp.entity_id == wanted));
    match (candidates.next(), candidates.next(), entity_id) {
        (Some(idp), None, _) => Ok(idp),
        (None, _, Some(wanted)) => Err(pick(format!(
            "does not describe {wanted}; the entity IDs that it has follow"
        ))),
        (Some(_), ..) => Err(pick(format!(
            "describes {} identity providers: say with saml.idp_entity_id which one; their entity IDs follow",
            ids.len()
        ))),
        (None, ..) => Err(Error::invalid(field, "describes no identity provider")),
    }
}
