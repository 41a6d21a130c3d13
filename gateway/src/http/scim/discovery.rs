//! `/ServiceProviderConfig`, `/ResourceTypes`, `/Schemas` (RFC 7644 section 4).

use percent_encoding::percent_decode_str;
use scim::discovery::{self, Capabilities};
use scim::{ListResponse, ResourceType};

use super::answer::Answer;
use super::error::Refusal;
use super::request::Call;
use crate::error::Error;

/// Beyond what the `scim` crate always does.
const CAPABILITIES: Capabilities = Capabilities {
    bulk: None,
    cursor_timeout: None,
};

pub(super) fn find(call: &Call, document: &str, rest: &[&str]) -> Result<Answer, Refusal> {
    if call.has_filter() {
        return Err(Refusal::FilterForbidden);
    }
    let base_url = &call.base_url;
    let unknown = || Refusal::from(Error::NotFound("document"));
    let found = match (document, rest) {
        ("ServiceProviderConfig", []) => discovery::service_provider_config(base_url, CAPABILITIES),
        ("ResourceTypes", []) => {
            ListResponse::complete(discovery::resource_types(base_url)).into_json()
        }
        ("ResourceTypes", [name]) => {
            let resource_type = ResourceType::named(name).ok_or_else(unknown)?;
            discovery::resource_type(base_url, resource_type)
        }
        ("Schemas", []) => ListResponse::complete(discovery::schemas(base_url)).into_json(),
        ("Schemas", [urn]) => {
            let urn = percent_decode_str(urn).decode_utf8_lossy();
            discovery::schema(base_url, &urn).ok_or_else(unknown)?
        }
        _ => return Err(unknown()),
    };
    Ok(Answer::ok(found))
}
