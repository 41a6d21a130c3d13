//! The attribute tables (RFC 7643): one row per attribute, from which `/Schemas` is rendered and which
//! drives reading, filters, PATCH and projection. What is not in a table is not part of a resource, with
//! one exception: extensions under a schema URN of somebody else are kept as they are.

mod group;
mod service;
mod user;

pub use group::GROUP;
pub use service::{RESOURCE_TYPE, SCHEMA, SERVICE_PROVIDER_CONFIG};
pub use user::{ENTERPRISE_USER, USER};

/// A schema: its URN and its attributes (RFC 7643 section 7).
#[derive(Debug)]
pub struct Schema {
    pub urn: &'static str,
    pub name: &'static str,
    pub description: &'static str,
    pub attributes: &'static [Attribute],
}

/// One attribute or sub-attribute with its characteristics (RFC 7643 sections 2.2 and 7).
#[derive(Debug, Clone, Copy)]
pub struct Attribute {
    pub name: &'static str,
    pub kind: Kind,
    pub multi_valued: bool,
    pub description: &'static str,
    pub required: bool,
    pub case_exact: bool,
    pub mutability: Mutability,
    pub returned: Returned,
    pub uniqueness: Uniqueness,
    /// Suggestions; other values are accepted.
    pub canonical_values: &'static [&'static str],
    pub reference_types: &'static [&'static str],
    pub sub_attributes: &'static [Attribute],
    /// The longest text accepted, in characters. Attributes that directories look up have one, so that
    /// their values fit a database index.
    pub max_length: Option<usize>,
}

/// The data type of an attribute (RFC 7643 section 2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    String,
    Boolean,
    Integer,
    DateTime,
    Reference,
    Binary,
    Complex,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutability {
    ReadOnly,
    ReadWrite,
    Immutable,
    WriteOnly,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Returned {
    Always,
    Never,
    Default,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uniqueness {
    None,
    Server,
}

/// The longest text of an attribute that directories look up: four bytes a character stay below what a
/// PostgreSQL index entry can hold.
const LOOKED_UP: usize = 512;

impl Schema {
    /// The attribute of this name, whatever its case (RFC 7643 section 2.1).
    pub fn attribute(&self, name: &str) -> Option<&'static Attribute> {
        self.attributes.iter().find(|a| a.is_named(name))
    }
}

impl Attribute {
    pub fn is_named(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The sub-attribute of this name, whatever its case.
    pub fn sub_attribute(&self, name: &str) -> Option<&'static Attribute> {
        self.sub_attributes.iter().find(|a| a.is_named(name))
    }

    pub fn is_complex(&self) -> bool {
        self.kind == Kind::Complex
    }

    /// Whether the value points at another resource by `value` and `$ref`: `$ref` is then computed.
    pub(crate) fn is_link(&self) -> bool {
        self.sub_attribute("$ref").is_some() && self.sub_attribute("value").is_some()
    }

    const fn new(name: &'static str, kind: Kind, description: &'static str) -> Self {
        Self {
            name,
            kind,
            multi_valued: false,
            description,
            required: false,
            case_exact: false,
            mutability: Mutability::ReadWrite,
            returned: Returned::Default,
            uniqueness: Uniqueness::None,
            canonical_values: &[],
            reference_types: &[],
            sub_attributes: &[],
            max_length: None,
        }
    }

    const fn text(name: &'static str, description: &'static str) -> Self {
        Self::new(name, Kind::String, description)
    }

    const fn boolean(name: &'static str, description: &'static str) -> Self {
        Self::new(name, Kind::Boolean, description)
    }

    const fn integer(name: &'static str, description: &'static str) -> Self {
        Self::new(name, Kind::Integer, description)
    }

    const fn date_time(name: &'static str, description: &'static str) -> Self {
        Self::new(name, Kind::DateTime, description)
    }

    /// References and binary values are compared to the letter (RFC 7643 sections 2.3.6 and 2.3.7).
    const fn reference(
        name: &'static str,
        types: &'static [&'static str],
        description: &'static str,
    ) -> Self {
        let mut attribute = Self::new(name, Kind::Reference, description).case_exact();
        attribute.reference_types = types;
        attribute
    }

    const fn binary(name: &'static str, description: &'static str) -> Self {
        Self::new(name, Kind::Binary, description).case_exact()
    }

    const fn complex(
        name: &'static str,
        sub_attributes: &'static [Attribute],
        description: &'static str,
    ) -> Self {
        let mut attribute = Self::new(name, Kind::Complex, description);
        attribute.sub_attributes = sub_attributes;
        attribute
    }

    const fn multi_valued(mut self) -> Self {
        self.multi_valued = true;
        self
    }

    const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    const fn case_exact(mut self) -> Self {
        self.case_exact = true;
        self
    }

    const fn read_only(mut self) -> Self {
        self.mutability = Mutability::ReadOnly;
        self
    }

    const fn immutable(mut self) -> Self {
        self.mutability = Mutability::Immutable;
        self
    }

    const fn write_only(mut self) -> Self {
        self.mutability = Mutability::WriteOnly;
        self.returned = Returned::Never;
        self
    }

    const fn always_returned(mut self) -> Self {
        self.returned = Returned::Always;
        self
    }

    const fn unique(mut self) -> Self {
        self.uniqueness = Uniqueness::Server;
        self
    }

    const fn looked_up(mut self) -> Self {
        self.max_length = Some(LOOKED_UP);
        self
    }

    const fn suggesting(mut self, values: &'static [&'static str]) -> Self {
        self.canonical_values = values;
        self
    }
}

/// What every resource has besides its schema (RFC 7643 section 3.1). By RFC 7643 section 3 these are in
/// no schema definition, so they are absent from `/Schemas`.
pub static COMMON: Schema = Schema {
    urn: "",
    name: "Common",
    description: "Attributes of every resource.",
    attributes: &[
        Attribute::reference("schemas", &["uri"], "The schemas the resource uses.")
            .multi_valued()
            .read_only()
            .always_returned(),
        Attribute::text("id", "The resource's id in this directory.")
            .case_exact()
            .read_only()
            .always_returned()
            .unique(),
        Attribute::text(
            "externalId",
            "The resource's id in the directory's own system.",
        )
        .case_exact()
        .looked_up(),
        Attribute::complex(
            "meta",
            &[
                Attribute::text("resourceType", "The resource's type.")
                    .case_exact()
                    .read_only(),
                Attribute::date_time("created", "When the resource was created.").read_only(),
                Attribute::date_time("lastModified", "When the resource was last changed.")
                    .read_only(),
                Attribute::reference("location", &["uri"], "The resource's URL.").read_only(),
                Attribute::text("version", "The resource's ETag.")
                    .case_exact()
                    .read_only(),
            ],
            "What the server says about the resource.",
        )
        .read_only(),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(attributes: &'static [Attribute], each: &mut impl FnMut(&'static Attribute)) {
        for attribute in attributes {
            each(attribute);
            walk(attribute.sub_attributes, each);
        }
    }

    #[test]
    fn only_complex_attributes_have_sub_attributes_and_each_row_is_described() {
        let all = [
            &USER,
            &ENTERPRISE_USER,
            &GROUP,
            &COMMON,
            &SCHEMA,
            &RESOURCE_TYPE,
            &SERVICE_PROVIDER_CONFIG,
        ];
        for schema in all {
            walk(schema.attributes, &mut |a| {
                assert_eq!(a.is_complex(), !a.sub_attributes.is_empty(), "{}", a.name);
                assert_eq!(a.kind == Kind::Reference, !a.reference_types.is_empty());
                assert!(a.description.ends_with('.'), "{}", a.name);
            });
        }
    }

    #[test]
    fn names_are_found_whatever_their_case() {
        assert_eq!(USER.attribute("USERNAME").unwrap().name, "userName");
        let members = GROUP.attribute("Members").unwrap();
        assert_eq!(members.sub_attribute("$REF").unwrap().name, "$ref");
        assert!(USER.attribute("salary").is_none());
    }
}
