//! The schemas of the discovery documents themselves (RFC 7643 sections 5 to 7, RFC 9865 section 4).

use super::{Attribute, Schema};

pub static SERVICE_PROVIDER_CONFIG: Schema = Schema {
    urn: "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig",
    name: "ServiceProviderConfig",
    description: "What this server supports.",
    attributes: &[
        Attribute::reference(
            "documentationUri",
            &["external"],
            "Where the server is described.",
        )
        .read_only(),
        Attribute::complex("patch", &[SUPPORTED], "PATCH.")
            .required()
            .read_only(),
        Attribute::complex(
            "bulk",
            &[
                SUPPORTED,
                Attribute::integer("maxOperations", "The most operations in one request.")
                    .required()
                    .read_only(),
                Attribute::integer("maxPayloadSize", "The largest request, in bytes.")
                    .required()
                    .read_only(),
            ],
            "Bulk requests.",
        )
        .required()
        .read_only(),
        Attribute::complex(
            "filter",
            &[
                SUPPORTED,
                Attribute::integer("maxResults", "The most resources in one answer.")
                    .required()
                    .read_only(),
            ],
            "Filters.",
        )
        .required()
        .read_only(),
        Attribute::complex("changePassword", &[SUPPORTED], "Changing passwords.")
            .required()
            .read_only(),
        Attribute::complex("sort", &[SUPPORTED], "Sorting.")
            .required()
            .read_only(),
        Attribute::complex("etag", &[SUPPORTED], "Conditional requests.")
            .required()
            .read_only(),
        Attribute::complex(
            "pagination",
            &[
                Attribute::boolean("cursor", "Whether pages can follow a cursor.")
                    .required()
                    .read_only(),
                Attribute::boolean("index", "Whether pages can follow startIndex.")
                    .required()
                    .read_only(),
                Attribute::text(
                    "defaultPaginationMethod",
                    "The method when none is asked for.",
                )
                .read_only()
                .suggesting(&["cursor", "index"]),
                Attribute::integer("defaultPageSize", "Resources a page without count.")
                    .read_only(),
                Attribute::integer("maxPageSize", "The most resources a page.").read_only(),
                Attribute::integer("cursorTimeout", "How long a cursor lives, in seconds.")
                    .read_only(),
            ],
            "Paging.",
        )
        .read_only(),
        Attribute::complex(
            "authenticationSchemes",
            &[
                Attribute::text("type", "The kind of scheme.")
                    .required()
                    .read_only()
                    .suggesting(&[
                        "oauth",
                        "oauth2",
                        "oauthbearertoken",
                        "httpbasic",
                        "httpdigest",
                    ]),
                Attribute::text("name", "The scheme's name.")
                    .required()
                    .read_only(),
                Attribute::text("description", "How to use it.")
                    .required()
                    .read_only(),
                Attribute::reference("specUri", &["external"], "Its specification.").read_only(),
                Attribute::reference("documentationUri", &["external"], "Its documentation.")
                    .read_only(),
                Attribute::boolean("primary", "Whether it is the preferred scheme.").read_only(),
            ],
            "How requests authenticate.",
        )
        .multi_valued()
        .required()
        .read_only(),
    ],
};

const SUPPORTED: Attribute = Attribute::boolean("supported", "Whether the server supports it.")
    .required()
    .read_only();

pub static RESOURCE_TYPE: Schema = Schema {
    urn: "urn:ietf:params:scim:schemas:core:2.0:ResourceType",
    name: "ResourceType",
    description: "A kind of resource.",
    attributes: &[
        Attribute::text("name", "The resource type's name.")
            .required()
            .read_only(),
        Attribute::text("description", "What it stands for.").read_only(),
        Attribute::reference("endpoint", &["uri"], "Its path below the base URL.")
            .required()
            .read_only(),
        Attribute::reference("schema", &["uri"], "The URN of its schema.")
            .required()
            .read_only(),
        Attribute::complex(
            "schemaExtensions",
            &[
                Attribute::reference("schema", &["uri"], "The URN of the extension.")
                    .required()
                    .read_only(),
                Attribute::boolean("required", "Whether each resource must have it.")
                    .required()
                    .read_only(),
            ],
            "Its schema extensions.",
        )
        .multi_valued()
        .read_only(),
    ],
};

pub static SCHEMA: Schema = Schema {
    urn: "urn:ietf:params:scim:schemas:core:2.0:Schema",
    name: "Schema",
    description: "A schema: a list of attributes.",
    attributes: &[
        Attribute::text("name", "The schema's name.")
            .required()
            .read_only(),
        Attribute::text("description", "What it describes.").read_only(),
        Attribute::complex(
            "attributes",
            &[
                NAME,
                TYPE,
                MULTI_VALUED,
                DESCRIPTION,
                REQUIRED,
                CANONICAL_VALUES,
                CASE_EXACT,
                MUTABILITY,
                RETURNED,
                UNIQUENESS,
                REFERENCE_TYPES,
                Attribute::complex(
                    "subAttributes",
                    &[
                        NAME,
                        TYPE,
                        MULTI_VALUED,
                        DESCRIPTION,
                        REQUIRED,
                        CANONICAL_VALUES,
                        CASE_EXACT,
                        MUTABILITY,
                        RETURNED,
                        UNIQUENESS,
                        REFERENCE_TYPES,
                    ],
                    "The attributes of a complex attribute.",
                )
                .multi_valued()
                .read_only(),
            ],
            "The schema's attributes.",
        )
        .multi_valued()
        .required()
        .read_only(),
    ],
};

const NAME: Attribute = Attribute::text("name", "The attribute's name.")
    .required()
    .case_exact()
    .read_only();
const TYPE: Attribute = Attribute::text("type", "Its data type.")
    .required()
    .case_exact()
    .read_only()
    .suggesting(&[
        "string",
        "complex",
        "boolean",
        "decimal",
        "integer",
        "dateTime",
        "reference",
        "binary",
    ]);
const MULTI_VALUED: Attribute = Attribute::boolean("multiValued", "Whether it has several values.")
    .required()
    .read_only();
const DESCRIPTION: Attribute = Attribute::text("description", "What it stands for.")
    .case_exact()
    .read_only();
const REQUIRED: Attribute =
    Attribute::boolean("required", "Whether a resource must have it.").read_only();
const CANONICAL_VALUES: Attribute = Attribute::text("canonicalValues", "Suggested values.")
    .multi_valued()
    .case_exact()
    .read_only();
const CASE_EXACT: Attribute =
    Attribute::boolean("caseExact", "Whether its case matters in comparisons.").read_only();
const MUTABILITY: Attribute = Attribute::text("mutability", "Who may change it, and when.")
    .case_exact()
    .read_only()
    .suggesting(&["readOnly", "readWrite", "immutable", "writeOnly"]);
const RETURNED: Attribute = Attribute::text("returned", "When it is returned.")
    .case_exact()
    .read_only()
    .suggesting(&["always", "never", "default", "request"]);
const UNIQUENESS: Attribute = Attribute::text("uniqueness", "How far its values are unique.")
    .case_exact()
    .read_only()
    .suggesting(&["none", "server", "global"]);
const REFERENCE_TYPES: Attribute = Attribute::text("referenceTypes", "What it may point at.")
    .multi_valued()
    .case_exact()
    .read_only();
