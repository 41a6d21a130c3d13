//! The paths of PATCH operations (RFC 7644 section 3.5.2): `attribute`, `attribute.sub`,
//! `attribute[filter]`, `attribute[filter].sub`, each perhaps behind a schema URN; or a schema URN alone.

use crate::error::{ScimError, excerpt};
use crate::filter::{Filter, MAX_LENGTH, Parser};
use crate::quirk::Quirks;
use crate::resource::{AttributePath, ResourceType};

/// What a PATCH operation is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Path {
    /// The resource itself, named by the URN of its schema.
    Resource,
    /// All of a published extension.
    Extension(&'static str),
    Attribute {
        path: AttributePath,
        filter: Option<Filter>,
    },
    /// Something below the URN of a schema that we don't know, in the caller's words: where the URN ends
    /// and a name begins shows only beside the resource.
    Custom(String),
}

/// The most comparisons in the filter of a path: each is made for every value, and a request has many
/// paths. Group members, whose filters become queries, are not counted.
const MAX_COMPARISONS: usize = 10;

/// What the standard keeps for itself: nothing below these is an extension of somebody else.
const RESERVED: [&str; 2] = [
    "urn:ietf:params:scim:schemas:core:",
    "urn:ietf:params:scim:api:",
];

impl Path {
    /// Errors: `invalidPath` for an unknown attribute and for bad grammar, in a filter too.
    pub fn parse(
        resource_type: ResourceType,
        text: &str,
        quirks: &Quirks,
    ) -> Result<Self, ScimError> {
        let text = text.trim();
        if text.len() > MAX_LENGTH {
            return Err(ScimError::path(
                text,
                format!("it is longer than {MAX_LENGTH} bytes"),
            ));
        }
        if text.eq_ignore_ascii_case(resource_type.schema().urn) {
            return Ok(Self::Resource);
        }
        let extension = resource_type
            .extensions()
            .iter()
            .find(|e| text.eq_ignore_ascii_case(e.urn));
        if let Some(extension) = extension {
            return Ok(Self::Extension(extension.urn));
        }
        let (name, has_filter) = match text.find('[') {
            Some(bracket) => (&text[..bracket], true),
            None => (text, false),
        };
        let Some(path) = resource_type.resolve(name) else {
            return Self::custom(resource_type, text, has_filter);
        };
        if !has_filter {
            return Ok(Self::Attribute { path, filter: None });
        }
        Self::with_filter(resource_type, text, name.len(), path, quirks)
    }

    fn with_filter(
        resource_type: ResourceType,
        text: &str,
        bracket: usize,
        path: AttributePath,
        quirks: &Quirks,
    ) -> Result<Self, ScimError> {
        if !path.attribute.multi_valued {
            return Err(ScimError::path(
                text,
                format!("{path} has no values to select from"),
            ));
        }
        let invalid = |error: ScimError| ScimError::path(text, error.to_string());
        let mut parser = Parser::new(resource_type, text, quirks).map_err(invalid)?;
        parser.skip_to(bracket + 1);
        let filter = parser.element_filter(path).map_err(invalid)?;
        let mut comparisons = 0;
        filter.for_each_path(&mut |_| comparisons += 1);
        if comparisons > MAX_COMPARISONS && resource_type == ResourceType::User {
            let problem = format!("its filter makes more than {MAX_COMPARISONS} comparisons");
            return Err(ScimError::path(text, problem));
        }
        let sub = match parser.rest().strip_prefix('.') {
            Some(name) => match path.attribute.sub_attribute(name) {
                Some(sub) => Some(sub),
                None => {
                    let problem = format!("{path} has no {:?}", excerpt(name));
                    return Err(ScimError::path(text, problem));
                }
            },
            None if parser.rest().is_empty() => None,
            None => return Err(ScimError::path(text, "it goes on behind the bracket")),
        };
        Ok(Self::Attribute {
            path: path.with_sub(sub),
            filter: Some(filter),
        })
    }

    fn custom(
        resource_type: ResourceType,
        text: &str,
        has_filter: bool,
    ) -> Result<Self, ScimError> {
        let below = |urn: &str| {
            text.get(..urn.len())
                .is_some_and(|head| head.eq_ignore_ascii_case(urn))
        };
        let published = resource_type.extensions().iter().any(|e| below(e.urn));
        if !is_urn(text) || published || RESERVED.into_iter().any(below) {
            let problem = format!("a {resource_type} has no such attribute");
            return Err(ScimError::path(text, problem));
        }
        if has_filter || text.contains('\0') {
            let problem = "values of an extension without a published schema can't be selected";
            return Err(ScimError::path(text, problem));
        }
        Ok(Self::Custom(text.to_owned()))
    }
}

/// Schema names are URIs: nearly always URNs, at Entra ID also `http:` ones.
fn is_urn(text: &str) -> bool {
    let below = |scheme: &str| {
        let (head, rest) = text.split_at_checked(scheme.len())?;
        head.eq_ignore_ascii_case(scheme).then_some(rest)
    };
    let url = below("http://").or_else(|| below("https://"));
    let urn =
        below("urn:").filter(|rest| rest.contains(':') && !rest.split(':').any(str::is_empty));
    url.or(urn).is_some_and(|rest| !rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::ENTERPRISE_USER;

    fn user(text: &str) -> Result<Path, ScimError> {
        Path::parse(ResourceType::User, text, &Quirks::default())
    }

    fn names(
        text: &str,
    ) -> (
        Option<&'static str>,
        &'static str,
        Option<&'static str>,
        bool,
    ) {
        match user(text).unwrap() {
            Path::Attribute { path, filter } => {
                let (urn, name, sub) = path.names();
                (urn, name, sub, filter.is_some())
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_form_of_path_is_read() {
        let urn = ENTERPRISE_USER.urn;
        assert_eq!(names("userName"), (None, "userName", None, false));
        assert_eq!(
            names("name.FAMILYNAME"),
            (None, "name", Some("familyName"), false)
        );
        assert_eq!(
            names(r#"emails[type eq "work"]"#),
            (None, "emails", None, true)
        );
        let typed = r#"addresses[type eq "work" and primary eq "True"].locality"#;
        assert_eq!(names(typed), (None, "addresses", Some("locality"), true));
        let department = format!("{urn}:department");
        assert_eq!(names(&department), (Some(urn), "department", None, false));
        let core = "urn:ietf:params:scim:schemas:core:2.0:User:emails[value co \"]\"].value";
        assert_eq!(names(core), (None, "emails", Some("value"), true));
        assert_eq!(user(&urn.to_uppercase()).unwrap(), Path::Extension(urn));
        assert_eq!(
            user("urn:ietf:params:scim:schemas:core:2.0:User").unwrap(),
            Path::Resource
        );
    }

    #[test]
    fn what_leads_nowhere_is_an_invalid_path() {
        for text in [
            "",
            "salary",
            "name.salary",
            "emails[",
            "emails[]",
            "emails[type eq \"work\"",
            "emails[type eq \"work\"]value",
            "emails[type eq \"work\"].salary",
            "emails[salary eq 1]",
            "title[type eq \"x\"]",
            "emails.value[type eq \"x\"]",
            "urn:ietf:params:scim:schemas:core:2.0:User:salary",
            "urn:ietf:params:scim:schemas:core:2.0:Group:displayName",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:salary",
            "urn:example:1.0:User:tags[value eq \"x\"]",
        ] {
            let error = user(text).unwrap_err();
            assert_eq!(
                error.scim_type().unwrap().as_str(),
                "invalidPath",
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn extensions_of_others_are_left_for_the_resource_to_tell() {
        let text = "urn:ietf:params:scim:schemas:extension:Acme:2.0:User:tag";
        assert_eq!(user(text).unwrap(), Path::Custom(text.into()));
    }
}
