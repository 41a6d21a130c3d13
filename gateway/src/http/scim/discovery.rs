//! `/ServiceProviderConfig`, `/ResourceTypes`, `/Schemas` (RFC 7644 section 4).

use percent_encoding::percent_decode_str;
use scim::discovery::{self, Capabilities};
use scim::{ListResponse, ResourceType};

use super::answer::Answer;
use super::error::Refusal;
use super::request::Call;
use super::target::Document;
use crate::error::Error;

/// Beyond what the `scim` crate always does.
const CAPABILITIES: Capabilities = Capabilities {
    bulk: Some(super::bulk::LIMITS),
    cursor_timeout: Some(super::cursor::TIMEOUT),
};

pub(super) fn find(call: &Call, document: Document, name: Option<&str>) -> Result<Answer, Refusal> {
    if call.has_filter() {
        return Err(Refusal::FilterForbidden);
    }
    let base_url = &call.base_url;
    let unknown = || Refusal::from(Error::NotFound("document"));
    let found = match (document, name) {
        (Document::ServiceProviderConfig, _) => {
            discovery::service_provider_config(base_url, CAPABILITIES)
        }
        (Document::ResourceTypes, None) => {
            ListResponse::complete(discovery::resource_types(base_url)).into_json()
        }
        (Document::ResourceTypes, Some(name)) => {
            let resource_type = ResourceType::named(name).ok_or_else(unknown)?;
            discovery::resource_type(base_url, resource_type)
        }
        (Document::Schemas, None) => {
            ListResponse::complete(discovery::schemas(base_url)).into_json()
        }
        (Document::Schemas, Some(urn)) => {
            let urn = percent_decode_str(urn).decode_utf8_lossy();
            discovery::schema(base_url, &urn).ok_or_else(unknown)?
        }
    };
    Ok(Answer::ok(found))
}
