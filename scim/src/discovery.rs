//! The discovery documents (RFC 7644 section 4), rendered from the tables that the rest of the crate works
//! by, so that they tell the truth.

use serde_json::{Map, Value, json};

use crate::list::{DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE};
use crate::resource::ResourceType;
use crate::schema::{
    Attribute, ENTERPRISE_USER, GROUP, Kind, Mutability, RESOURCE_TYPE, Returned, SCHEMA,
    SERVICE_PROVIDER_CONFIG, Schema, USER, Uniqueness,
};

/// What the server around this crate supports beyond what the crate always does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// The most operations and bytes of a bulk request; None without bulk.
    pub bulk: Option<BulkLimits>,
    /// How long a cursor of RFC 9865 lives, in seconds; None without cursors.
    pub cursor_timeout: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BulkLimits {
    pub max_operations: usize,
    pub max_payload_size: usize,
}

/// The schemas that `/Schemas` lists.
pub const SCHEMAS: [&Schema; 6] = [
    &USER,
    &ENTERPRISE_USER,
    &GROUP,
    &SERVICE_PROVIDER_CONFIG,
    &RESOURCE_TYPE,
    &SCHEMA,
];

/// `GET /ServiceProviderConfig` (RFC 7643 section 5, RFC 9865 section 4).
pub fn service_provider_config(base_url: &str, capabilities: Capabilities) -> Value {
    let bulk = capabilities.bulk.unwrap_or(BulkLimits {
        max_operations: 0,
        max_payload_size: 0,
    });
    let mut pagination = json!({
        "cursor": capabilities.cursor_timeout.is_some(),
        "index": true,
        "defaultPaginationMethod": "index",
        "defaultPageSize": DEFAULT_PAGE_SIZE,
        "maxPageSize": MAX_PAGE_SIZE,
    });
    if let Some(seconds) = capabilities.cursor_timeout {
        pagination["cursorTimeout"] = seconds.into();
    }
    json!({
        "schemas": [SERVICE_PROVIDER_CONFIG.urn],
        "patch": {"supported": true},
        "bulk": {
            "supported": capabilities.bulk.is_some(),
            "maxOperations": bulk.max_operations,
            "maxPayloadSize": bulk.max_payload_size,
        },
        "filter": {"supported": true, "maxResults": MAX_PAGE_SIZE},
        "changePassword": {"supported": false},
        "sort": {"supported": true},
        "etag": {"supported": true},
        "pagination": pagination,
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "OAuth Bearer Token",
            "description": "The directory's token, in the Authorization header.",
            "specUri": "https://www.rfc-editor.org/info/rfc6750",
            "primary": true,
        }],
        "meta": {
            "resourceType": "ServiceProviderConfig",
            "location": format!("{base_url}/ServiceProviderConfig"),
        },
    })
}

/// `GET /ResourceTypes`, one by one.
pub fn resource_types(base_url: &str) -> Vec<Value> {
    ResourceType::ALL
        .into_iter()
        .map(|t| resource_type(base_url, t))
        .collect()
}

/// `GET /ResourceTypes/{name}` (RFC 7643 section 6).
pub fn resource_type(base_url: &str, resource_type: ResourceType) -> Value {
    let extension = |e: &&Schema| json!({"schema": e.urn, "required": false});
    let mut document = json!({
        "schemas": [RESOURCE_TYPE.urn],
        "id": resource_type.name(),
        "name": resource_type.name(),
        "description": resource_type.schema().description,
        "endpoint": resource_type.endpoint(),
        "schema": resource_type.schema().urn,
    });
    if !resource_type.extensions().is_empty() {
        document["schemaExtensions"] = resource_type.extensions().iter().map(extension).collect();
    }
    document["meta"] = json!({
        "resourceType": "ResourceType",
        "location": format!("{base_url}/ResourceTypes/{}", resource_type.name()),
    });
    document
}

/// `GET /Schemas`, one by one.
pub fn schemas(base_url: &str) -> Vec<Value> {
    SCHEMAS
        .into_iter()
        .map(|schema| render(base_url, schema))
        .collect()
}

/// `GET /Schemas/{urn}` (RFC 7643 section 7), whatever the URN's case. None for a stranger.
pub fn schema(base_url: &str, urn: &str) -> Option<Value> {
    let schema = SCHEMAS
        .into_iter()
        .find(|schema| schema.urn.eq_ignore_ascii_case(urn))?;
    Some(render(base_url, schema))
}

fn render(base_url: &str, schema: &Schema) -> Value {
    json!({
        "schemas": [SCHEMA.urn],
        "id": schema.urn,
        "name": schema.name,
        "description": schema.description,
        "attributes": schema.attributes.iter().map(attribute).collect::<Vec<_>>(),
        "meta": {
            "resourceType": "Schema",
            "location": format!("{base_url}/Schemas/{}", schema.urn),
        },
    })
}

/// Without nulls and without characteristics that a type has not: Entra ID refuses the former.
fn attribute(attribute: &Attribute) -> Value {
    let mut row = Map::new();
    let mut set = |name: &str, value: Value| drop(row.insert(name.into(), value));
    set("name", attribute.name.into());
    set("type", kind(attribute.kind).into());
    set("multiValued", attribute.multi_valued.into());
    set("description", attribute.description.into());
    set("required", attribute.required.into());
    if !attribute.canonical_values.is_empty() {
        set("canonicalValues", attribute.canonical_values.into());
    }
    if matches!(
        attribute.kind,
        Kind::String | Kind::Reference | Kind::Binary
    ) {
        set("caseExact", attribute.case_exact.into());
    }
    set("mutability", mutability(attribute.mutability).into());
    set("returned", returned(attribute.returned).into());
    set("uniqueness", uniqueness(attribute.uniqueness).into());
    if attribute.kind == Kind::Reference {
        set("referenceTypes", attribute.reference_types.into());
    }
    if !attribute.sub_attributes.is_empty() {
        set(
            "subAttributes",
            attribute
                .sub_attributes
                .iter()
                .map(self::attribute)
                .collect(),
        );
    }
    Value::Object(row)
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::String => "string",
        Kind::Boolean => "boolean",
        Kind::Integer => "integer",
        Kind::DateTime => "dateTime",
        Kind::Reference => "reference",
        Kind::Binary => "binary",
        Kind::Complex => "complex",
    }
}

fn mutability(mutability: Mutability) -> &'static str {
    match mutability {
        Mutability::ReadOnly => "readOnly",
        Mutability::ReadWrite => "readWrite",
        Mutability::Immutable => "immutable",
        Mutability::WriteOnly => "writeOnly",
    }
}

fn returned(returned: Returned) -> &'static str {
    match returned {
        Returned::Always => "always",
        Returned::Never => "never",
        Returned::Default => "default",
    }
}

fn uniqueness(uniqueness: Uniqueness) -> &'static str {
    match uniqueness {
        Uniqueness::None => "none",
        Uniqueness::Server => "server",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "https://sso.example/scim/v2/dir_1";

    fn has_null(value: &Value) -> bool {
        match value {
            Value::Null => true,
            Value::Array(values) => values.iter().any(has_null),
            Value::Object(parts) => parts.values().any(has_null),
            _ => false,
        }
    }

    #[test]
    fn every_document_knows_its_own_url_and_holds_no_null() {
        let mut all = schemas(BASE);
        all.extend(resource_types(BASE));
        all.push(service_provider_config(
            BASE,
            Capabilities {
                bulk: None,
                cursor_timeout: None,
            },
        ));
        for document in all {
            let location = document["meta"]["location"].as_str().unwrap();
            assert!(
                location.starts_with(BASE) && !has_null(&document),
                "{document}"
            );
        }
    }

    #[test]
    fn a_schema_is_found_by_its_urn_in_any_case() {
        let found = schema(BASE, &GROUP.urn.to_uppercase()).unwrap();
        assert_eq!(found["id"], GROUP.urn);
        assert_eq!(schema(BASE, "urn:nobody"), None);
    }

    #[test]
    fn what_is_not_supported_is_said_so() {
        let none = Capabilities {
            bulk: None,
            cursor_timeout: None,
        };
        let config = service_provider_config(BASE, none);
        assert_eq!(config["bulk"]["supported"], false);
        assert_eq!(config["pagination"]["cursor"], false);
        assert_eq!(config["pagination"]["cursorTimeout"], Value::Null);
        let bulk = BulkLimits {
            max_operations: 9,
            max_payload_size: 99,
        };
        let both = Capabilities {
            bulk: Some(bulk),
            cursor_timeout: Some(600),
        };
        let config = service_provider_config(BASE, both);
        let said = json!({"supported": true, "maxOperations": 9, "maxPayloadSize": 99});
        assert_eq!(config["bulk"], said);
        assert_eq!(config["pagination"]["cursorTimeout"], 600);
    }

    #[test]
    fn the_group_schema_reads_as_documented() {
        insta::assert_json_snapshot!(schema(BASE, GROUP.urn).unwrap());
    }
}
