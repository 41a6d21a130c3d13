//! What a path below a directory names (RFC 7644 section 3.2), and what logs and metrics call it.

use poem::http::Method;
use scim::ResourceType;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target<'a> {
    /// The base URL itself: all resources.
    Root,
    /// `.search`, of one type or of all.
    Search(Option<ResourceType>),
    All(ResourceType),
    One(ResourceType, &'a str),
    Bulk,
    /// A discovery document: all of its kind, or the one of this name.
    Document(Document, Option<&'a str>),
    /// An alias of who is signed in (RFC 7644 section 3.11): a directory's token is nobody.
    Me,
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Document {
    ServiceProviderConfig,
    ResourceTypes,
    Schemas,
}

impl<'a> Target<'a> {
    pub(super) fn of(path: &[&'a str]) -> Self {
        let resource_type = |name: &str| match name {
            "Users" => Some(ResourceType::User),
            "Groups" => Some(ResourceType::Group),
            _ => None,
        };
        match *path {
            [] => Self::Root,
            [".search"] => Self::Search(None),
            ["Bulk"] => Self::Bulk,
            ["Me"] => Self::Me,
            ["ServiceProviderConfig"] => Self::Document(Document::ServiceProviderConfig, None),
            ["ResourceTypes"] => Self::Document(Document::ResourceTypes, None),
            ["ResourceTypes", name] => Self::Document(Document::ResourceTypes, Some(name)),
            ["Schemas"] => Self::Document(Document::Schemas, None),
            ["Schemas", urn] => Self::Document(Document::Schemas, Some(urn)),
            [name] => resource_type(name).map_or(Self::Unknown, Self::All),
            [name, ".search"] => match resource_type(name) {
                Some(resource_type) => Self::Search(Some(resource_type)),
                None => Self::Unknown,
            },
            [name, id] => match resource_type(name) {
                Some(resource_type) => Self::One(resource_type, id),
                None => Self::Unknown,
            },
            _ => Self::Unknown,
        }
    }

    /// The route, without anybody's ids.
    pub(super) fn pattern(self) -> &'static str {
        use ResourceType::{Group, User};
        match self {
            Self::Root => "/scim/v2/:dir",
            Self::Search(None) => "/scim/v2/:dir/.search",
            Self::Search(Some(User)) => "/scim/v2/:dir/Users/.search",
            Self::Search(Some(Group)) => "/scim/v2/:dir/Groups/.search",
            Self::All(User) => "/scim/v2/:dir/Users",
            Self::All(Group) => "/scim/v2/:dir/Groups",
            Self::One(User, _) => "/scim/v2/:dir/Users/:id",
            Self::One(Group, _) => "/scim/v2/:dir/Groups/:id",
            Self::Document(Document::ServiceProviderConfig, _) => {
                "/scim/v2/:dir/ServiceProviderConfig"
            }
            Self::Document(Document::ResourceTypes, _) => "/scim/v2/:dir/ResourceTypes",
            Self::Document(Document::Schemas, _) => "/scim/v2/:dir/Schemas",
            Self::Bulk => "/scim/v2/:dir/Bulk",
            Self::Me => "/scim/v2/:dir/Me",
            Self::Unknown => "/scim/v2/:dir/*",
        }
    }

    /// The same below the directory's base URL.
    pub(super) fn below(self) -> &'static str {
        match self.pattern().strip_prefix("/scim/v2/:dir") {
            None | Some("") => "/",
            Some(below) => below,
        }
    }

    /// `User`, `Group`, `all` or `discovery`.
    pub(super) fn resource(self) -> &'static str {
        match self {
            Self::Search(Some(resource_type))
            | Self::All(resource_type)
            | Self::One(resource_type, _) => resource_type.name(),
            Self::Root | Self::Search(None) | Self::Bulk => "all",
            Self::Document(..) => "discovery",
            Self::Me | Self::Unknown => "unknown",
        }
    }

    /// The methods of this endpoint, for `Allow` (RFC 9110 section 10.2.1). Empty where there is none.
    pub(super) fn allow(self) -> &'static str {
        match self {
            Self::Root | Self::Document(..) => "GET, HEAD",
            Self::Search(_) | Self::Bulk => "POST",
            Self::All(_) => "GET, HEAD, POST",
            Self::One(..) => "GET, HEAD, PUT, PATCH, DELETE",
            Self::Me | Self::Unknown => "",
        }
    }

    pub(super) fn operation(self, method: &Method) -> &'static str {
        match (self, method) {
            (Self::Search(_), _) => "search",
            (Self::Bulk, _) => "bulk",
            (Self::One(..) | Self::Document(..), &Method::GET | &Method::HEAD) => "find",
            (_, &Method::GET | &Method::HEAD) => "list",
            (_, &Method::POST) => "create",
            (_, &Method::PUT) => "replace",
            (_, &Method::PATCH) => "patch",
            (_, &Method::DELETE) => "delete",
            _ => "other",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_what_the_standard_says() {
        use ResourceType::{Group, User};
        for (path, target) in [
            (&[][..], Target::Root),
            (&["Users"], Target::All(User)),
            (&["Groups", "x"], Target::One(Group, "x")),
            (&["Users", ".search"], Target::Search(Some(User))),
            (
                &["Schemas", "urn:x"],
                Target::Document(Document::Schemas, Some("urn:x")),
            ),
            (&["Users", "x", "y"], Target::Unknown),
            (&["Bulk"], Target::Bulk),
            (&["Me"], Target::Me),
            (&["users"], Target::Unknown),
            (&["ServiceProviderConfig", "x"], Target::Unknown),
        ] {
            assert_eq!(Target::of(path), target);
        }
    }
}
