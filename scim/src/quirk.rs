//! Quirks: what directories send that the standards don't have, or have otherwise, and that is accepted all the
//! same. Whoever reads something that a directory wrote notes them, so that a log can say which were there.

use std::sync::atomic::{AtomicU32, Ordering};

/// One form that is accepted beside those of RFC 7643 and RFC 7644. `docs/quirks.md` says what each means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quirk {
    /// `"op": "Replace"`.
    CapitalisedOp,
    /// `"True"` for true, in a value or in a filter.
    BooleanAsText,
    /// A number where the schema has text.
    NumberForText,
    /// Text of nothing but spaces, for an attribute that is unassigned.
    BlankText,
    /// `[{"value": "x"}]` or `["x"]` for the single value `"x"`.
    WrappedValue,
    /// `"a@x.example"` for `{"value": "a@x.example"}`.
    BareValue,
    /// The manager as its bare id.
    BareManager,
    /// One object where an array of one is due.
    ObjectForArray,
    /// `"$ref": null`.
    NullReference,
    /// A link without its id, which its `$ref` tells.
    LinkByReference,
    /// An attribute that no schema has: left out.
    UnknownAttribute,
    /// A password: taken, and thrown away.
    PasswordDiscarded,
    /// A body that does not say what it is.
    SchemasMissing,
    /// The schema of Microsoft's own for groups, which has no attributes.
    MicrosoftSchema,
    /// `{"name.givenName": "Ada"}`.
    DottedKey,
    /// `{"urn:…:User:employeeNumber": "7"}`.
    UrnKey,
    /// `{"emails[type eq \"work\"].value": "a@x.example"}`.
    PathKey,
    /// The resource's own id in the value of a PATCH.
    IdInValue,
    /// A value added or replaced by a path that selects none: it is made.
    ElementCreated,
    /// `remove` of `members` with a list of whom to remove as its value.
    MembersRemovedByList,
    /// The same of another attribute.
    ValuesRemovedByList,
    /// `emails[type eq "work"].value eq "a@x.example"` in a filter.
    ValuePathSubAttribute,
    /// `members eq "x"` for `members.value eq "x"`.
    ComparedAsValue,
    /// The query parameter `aadOptscim062020`.
    ComplianceFlag,
}

impl Quirk {
    pub const ALL: [Self; 24] = [
        Self::CapitalisedOp,
        Self::BooleanAsText,
        Self::NumberForText,
        Self::BlankText,
        Self::WrappedValue,
        Self::BareValue,
        Self::BareManager,
        Self::ObjectForArray,
        Self::NullReference,
        Self::LinkByReference,
        Self::UnknownAttribute,
        Self::PasswordDiscarded,
        Self::SchemasMissing,
        Self::MicrosoftSchema,
        Self::DottedKey,
        Self::UrnKey,
        Self::PathKey,
        Self::IdInValue,
        Self::ElementCreated,
        Self::MembersRemovedByList,
        Self::ValuesRemovedByList,
        Self::ValuePathSubAttribute,
        Self::ComparedAsValue,
        Self::ComplianceFlag,
    ];

    /// Stable.
    pub fn name(self) -> &'static str {
        match self {
            Self::CapitalisedOp => "capitalised_op",
            Self::BooleanAsText => "boolean_as_text",
            Self::NumberForText => "number_for_text",
            Self::BlankText => "blank_text",
            Self::WrappedValue => "wrapped_value",
            Self::BareValue => "bare_value",
            Self::BareManager => "bare_manager",
            Self::ObjectForArray => "object_for_array",
            Self::NullReference => "null_reference",
            Self::LinkByReference => "link_by_reference",
            Self::UnknownAttribute => "unknown_attribute",
            Self::PasswordDiscarded => "password_discarded",
            Self::SchemasMissing => "schemas_missing",
            Self::MicrosoftSchema => "microsoft_schema",
            Self::DottedKey => "dotted_key",
            Self::UrnKey => "urn_key",
            Self::PathKey => "path_key",
            Self::IdInValue => "id_in_value",
            Self::ElementCreated => "element_created",
            Self::MembersRemovedByList => "members_removed_by_list",
            Self::ValuesRemovedByList => "values_removed_by_list",
            Self::ValuePathSubAttribute => "value_path_sub_attribute",
            Self::ComparedAsValue => "compared_as_value",
            Self::ComplianceFlag => "compliance_flag",
        }
    }
}

/// The quirks of one request, noted while it is read.
#[derive(Debug, Default)]
pub struct Quirks(AtomicU32);

impl Quirks {
    pub fn note(&self, quirk: Quirk) {
        self.0.fetch_or(1 << quirk as u32, Ordering::Relaxed);
    }

    pub fn note_if(&self, applies: bool, quirk: Quirk) {
        if applies {
            self.note(quirk);
        }
    }

    pub fn has(&self, quirk: Quirk) -> bool {
        self.0.load(Ordering::Relaxed) & (1 << quirk as u32) != 0
    }

    /// What was noted, in the order of [`Quirk::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = Quirk> {
        Quirk::ALL.into_iter().filter(|quirk| self.has(*quirk))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{Filter, Group, PatchRequest, ResourceType, User};

    fn names(quirks: &Quirks) -> Vec<&'static str> {
        quirks.iter().map(Quirk::name).collect()
    }

    fn of_body(body: Value) -> Vec<&'static str> {
        let quirks = Quirks::default();
        User::parse(&body, &quirks).unwrap();
        names(&quirks)
    }

    fn of_patch(operation: Value) -> Vec<&'static str> {
        let quirks = Quirks::default();
        let user = json!({"schemas": [], "userName": "ada", "emails": [{"value": "a@x.example", "type": "work"}]});
        let user = User::parse(&user, &quirks).unwrap();
        let body = json!({"schemas": [], "Operations": [operation]});
        let request = PatchRequest::parse(ResourceType::User, &body, &quirks).unwrap();
        request.apply_to_user("dusr_1", &user, &quirks).unwrap();
        names(&quirks)
    }

    fn of_group_patch(operation: Value) -> Vec<&'static str> {
        let quirks = Quirks::default();
        let group = json!({"schemas": [], "displayName": "Engines"});
        let (group, _) = Group::parse(&group, &quirks).unwrap();
        let body = json!({"schemas": [], "Operations": [operation]});
        let request = PatchRequest::parse(ResourceType::Group, &body, &quirks).unwrap();
        request.apply_to_group("grp_1", &group, &quirks).unwrap();
        names(&quirks)
    }

    fn of_filter(resource_type: ResourceType, filter: &str) -> Vec<&'static str> {
        let quirks = Quirks::default();
        Filter::parse(resource_type, filter, &quirks).unwrap();
        names(&quirks)
    }

    #[test]
    fn what_the_standard_has_is_no_quirk() {
        let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        let body = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", enterprise],
            "userName": "ada", "active": true, "name": {"givenName": "Ada"},
            "emails": [{"value": "a@x.example", "type": "work", "primary": true}],
            "urn:acme:1.0:User": {"badge": "7"},
            enterprise: {"department": "R&D", "manager": {"value": "dusr_2"}},
        });
        assert_eq!(of_body(body), [""; 0]);
        for operation in [
            json!({"op": "replace", "path": "emails[type eq \"work\"].value", "value": "b@x.example"}),
            json!({"op": "add", "value": {"name": {"givenName": "Ada"}, "title": null}}),
            json!({"op": "remove", "path": "emails"}),
            json!({"op": "add", "path": format!("{enterprise}:department"), "value": "R"}),
        ] {
            assert_eq!(of_patch(operation.clone()), [""; 0], "{operation}");
        }
        for operation in [
            json!({"op": "add", "path": "members", "value": [{"value": "dusr_1"}]}),
            json!({"op": "remove", "path": "members[value eq \"dusr_1\"]"}),
            json!({"op": "remove", "path": "members"}),
        ] {
            assert_eq!(of_group_patch(operation.clone()), [""; 0], "{operation}");
        }
        let filter = r#"userName eq "a" and emails[type eq "work" and value co "@"]"#;
        assert_eq!(of_filter(ResourceType::User, filter), [""; 0]);
    }

    #[test]
    fn each_quirk_of_a_body_is_named() {
        let user =
            |name: &str, value: Value| json!({"schemas": [], "userName": "ada", name: value});
        let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        for (body, quirk) in [
            (user("active", json!("True")), "boolean_as_text"),
            (user("title", json!(7)), "number_for_text"),
            (user("title", json!(" ")), "blank_text"),
            (user("title", json!([{"value": "x"}])), "wrapped_value"),
            (user("emails", json!(["a@x.example"])), "bare_value"),
            (
                user("emails", json!({"value": "a@x.example"})),
                "object_for_array",
            ),
            (
                user(enterprise, json!({"manager": "dusr_2"})),
                "bare_manager",
            ),
            (
                user(
                    enterprise,
                    json!({"manager": {"value": "dusr_2", "$ref": null}}),
                ),
                "null_reference",
            ),
            (
                user(enterprise, json!({"manager": {"$ref": "../Users/dusr_2"}})),
                "link_by_reference",
            ),
            (user("salary", json!(7)), "unknown_attribute"),
            (user("name", json!({"salary": 7})), "unknown_attribute"),
            (user("password", json!("x")), "password_discarded"),
            (json!({"userName": "ada"}), "schemas_missing"),
        ] {
            assert_eq!(of_body(body.clone()), [quirk], "{body}");
        }
        let quirks = Quirks::default();
        let group = json!({
            "schemas": ["http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
            "displayName": "Engines",
        });
        Group::parse(&group, &quirks).unwrap();
        assert_eq!(names(&quirks), ["microsoft_schema"]);
    }

    #[test]
    fn each_quirk_of_a_patch_is_named() {
        let urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber";
        for (operation, quirk) in [
            (
                json!({"op": "Replace", "path": "title", "value": "x"}),
                "capitalised_op",
            ),
            (
                json!({"op": "replace", "value": {"name.givenName": "Ada"}}),
                "dotted_key",
            ),
            (json!({"op": "replace", "value": {urn: "7"}}), "urn_key"),
            (
                json!({"op": "replace", "value": {"emails[type eq \"work\"].value": "b@x.example"}}),
                "path_key",
            ),
            (
                json!({"op": "replace", "value": {"id": "dusr_1"}}),
                "id_in_value",
            ),
            (
                json!({"op": "add", "path": "emails[type eq \"home\"].value", "value": "h@x.example"}),
                "element_created",
            ),
            (
                json!({"op": "remove", "path": "emails", "value": [{"value": "a@x.example"}]}),
                "values_removed_by_list",
            ),
            (
                json!({"op": "remove", "path": "roles[primary eq \"True\"]"}),
                "boolean_as_text",
            ),
            (
                json!({"op": "replace", "value": {"password": "x"}}),
                "password_discarded",
            ),
        ] {
            assert_eq!(of_patch(operation.clone()), [quirk], "{operation}");
        }
        for (operation, quirk) in [
            (
                json!({"op": "remove", "path": "members", "value": [{"value": "dusr_1"}]}),
                "members_removed_by_list",
            ),
            (
                json!({"op": "add", "path": "members", "value": [{"value": "dusr_1", "$ref": null}]}),
                "null_reference",
            ),
            (
                json!({"op": "add", "path": "members", "value": {"value": "dusr_1"}}),
                "object_for_array",
            ),
        ] {
            assert_eq!(of_group_patch(operation.clone()), [quirk], "{operation}");
        }
    }

    #[test]
    fn each_quirk_of_a_filter_is_named() {
        use ResourceType::{Group, User};
        for (resource_type, filter, quirk) in [
            (
                User,
                r#"emails[type eq "work"].value eq "a@x.example""#,
                "value_path_sub_attribute",
            ),
            (Group, r#"members eq "dusr_1""#, "compared_as_value"),
            (User, r#"active eq "True""#, "boolean_as_text"),
        ] {
            assert_eq!(of_filter(resource_type, filter), [quirk], "{filter}");
        }
    }

    #[test]
    fn every_quirk_has_its_own_name_and_a_line_in_the_docs() {
        let docs = include_str!("../../docs/quirks.md");
        for (index, quirk) in Quirk::ALL.into_iter().enumerate() {
            assert_eq!(quirk as usize, index);
            assert!(
                docs.contains(&format!("| `{}` |", quirk.name())),
                "{}",
                quirk.name()
            );
        }
    }
}
