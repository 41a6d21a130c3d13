use chrono::DateTime;
use serde_json::json;

use super::*;
use crate::filter::Filter;
use crate::patch::{MemberOperation, PatchRequest};

const ID: &str = "grp_1";

fn group() -> Group {
    Group::parse(
        &json!({"displayName": "Engines", "externalId": "G1"}),
        &Default::default(),
    )
    .unwrap()
    .0
}

fn user(id: &str) -> Member {
    Member {
        value: id.into(),
        resource_type: None,
    }
}

fn try_patch(operations: Value) -> Result<patch::GroupPatch, ScimError> {
    let body = json!({"Operations": operations});
    PatchRequest::parse(ResourceType::Group, &body, &Default::default())?.apply_to_group(
        ID,
        &group(),
        &Default::default(),
    )
}

/// The members after the operations, of a group that had `a` and `b`.
fn members(operations: Value) -> Vec<String> {
    let patch = try_patch(operations.clone())
        .map_err(|e| panic!("{operations}: {e}"))
        .unwrap();
    let mut members = vec![user("a"), user("b")];
    patch
        .members
        .iter()
        .for_each(|operation| operation.apply(&mut members));
    members.into_iter().map(|member| member.value).collect()
}

fn refused(operations: Value) -> &'static str {
    let error = try_patch(operations.clone()).map(|p| panic!("{operations} gave {p:?}"));
    error.unwrap_err().scim_type().unwrap().as_str()
}

#[test]
fn members_are_read_once_each_with_their_type() {
    let (_, members) = Group::parse(
        &json!({"displayName": "E", "members": [
            {"$ref": null, "value": "a"},
            {"value": "a", "display": "again"},
            {"value": "b", "type": "group"},
            {"$ref": "https://x.example/scim/v2/dir_1/Users/c"},
            "d",
            null
        ]}),
        &Default::default(),
    )
    .unwrap();
    let typed = |id: &str, t| Member {
        value: id.into(),
        resource_type: Some(t),
    };
    let c = typed("c", ResourceType::User);
    assert_eq!(
        members,
        [user("a"), typed("b", ResourceType::Group), c, user("d")]
    );
    for members in [
        json!([{}]),
        json!([{"display": "x"}]),
        json!([{"value": ""}]),
        json!([1]),
        json!([{"value": 1}]),
    ] {
        let body = json!({"displayName": "E", "members": members});
        let error = Group::parse(&body, &Default::default()).unwrap_err();
        assert_eq!(
            error.scim_type().unwrap().as_str(),
            "invalidValue",
            "{body}"
        );
    }
}

#[test]
fn a_group_needs_a_name() {
    for body in [
        json!({}),
        json!({"displayName": ""}),
        json!({"displayName": null}),
    ] {
        let error = Group::parse(&body, &Default::default()).unwrap_err();
        assert_eq!(
            error.scim_type().unwrap().as_str(),
            "invalidValue",
            "{body}"
        );
    }
    assert_eq!(
        refused(json!([{"op": "remove", "path": "displayName"}])),
        "mutability"
    );
}

#[test]
fn entra_adds_one_by_one_and_removes_by_list() {
    let add = |id| json!({"op": "Add", "path": "members", "value": [{"$ref": null, "value": id}]});
    let operations = json!([add("c"), add("d"), add("c")]);
    assert_eq!(members(operations.clone()), ["a", "b", "c", "d"]);
    let plan = try_patch(operations).unwrap().members;
    assert_eq!(plan, [MemberOperation::Add(vec![user("c"), user("d")])]);
    let remove = |value| json!([{"op": "Remove", "path": "members", "value": value}]);
    assert_eq!(members(remove(json!([{"value": "a"}]))), ["b"]);
    assert_eq!(members(remove(json!([{"value": "nobody"}]))), ["a", "b"]);
    assert_eq!(members(remove(json!([]))), ["a", "b"]);
    assert_eq!(members(remove(json!(null))), [""; 0]);
    assert_eq!(
        members(json!([{"op": "remove", "path": "members"}])),
        [""; 0]
    );
    assert_eq!(
        members(json!([{"op": "remove", "path": "members[value eq \"a\"]"}])),
        ["b"]
    );
}

#[test]
fn okta_mixes_removals_and_additions_and_replaces_all() {
    let mixed = json!([
        {"op": "remove", "path": "members[value eq \"a\"]"},
        {"op": "add", "path": "members", "value": [{"value": "c", "display": "c@x.example"}]}
    ]);
    assert_eq!(members(mixed), ["b", "c"]);
    for operation in [
        json!({"op": "replace", "path": "members", "value": [{"value": "c"}]}),
        json!({"op": "replace", "value": {"members": [{"value": "c"}]}}),
        json!({"op": "replace", "value": {"id": ID, "displayName": "N", "members": [{"value": "c"}]}}),
    ] {
        assert_eq!(members(json!([operation])), ["c"]);
    }
    for nobody in [json!([]), json!(null)] {
        let operation = json!({"op": "replace", "path": "members", "value": nobody});
        assert_eq!(members(json!([operation])), [""; 0]);
    }
    let renamed = json!([{"op": "replace", "value": {"id": ID, "displayName": "N"}}]);
    let patch = try_patch(renamed).unwrap();
    assert_eq!((patch.group.display_name(), patch.members.len()), ("N", 0));
    assert_eq!(
        refused(json!([{"op": "replace", "value": {"id": "other"}}])),
        "mutability"
    );
}

#[test]
fn rippling_adds_one_object_under_the_urn() {
    let path = "urn:ietf:params:scim:schemas:core:2.0:Group:members";
    assert_eq!(
        members(json!([{"op": "add", "path": path, "value": {"value": "c"}}])),
        ["a", "b", "c"]
    );
    let filtered = format!("{path}[value eq \"a\"]");
    assert_eq!(members(json!([{"op": "remove", "path": filtered}])), ["b"]);
}

#[test]
fn filters_select_members_by_more_than_their_id() {
    let either = "members[value eq \"a\" or value eq \"b\"]";
    let plan = try_patch(json!([{"op": "remove", "path": either}]))
        .unwrap()
        .members;
    assert_eq!(
        plan,
        [MemberOperation::Remove(vec!["a".into(), "b".into()])]
    );
    let plan = try_patch(json!([{"op": "remove", "path": "members[type eq \"Group\"]"}])).unwrap();
    let [MemberOperation::RemoveMatching(filter)] = plan.members.as_slice() else {
        panic!("{:?}", plan.members)
    };
    assert_eq!(filter, &element_filter("members[type eq \"Group\"]"));
    for (filter, candidates) in [
        ("value eq \"a\" and type eq \"User\"", Some(&["a"][..])),
        (
            "type eq \"User\" and (value eq \"a\" or value eq \"b\")",
            Some(&["a", "b"]),
        ),
        (
            "(value eq \"a\" or value eq \"b\") and value eq \"c\"",
            Some(&["c"]),
        ),
        ("value eq \"a\" or type eq \"User\"", None),
        ("not (value eq \"a\")", None),
        ("value ne \"a\" and type eq \"User\"", None),
    ] {
        let found = crate::member_candidates(&element_filter(&format!("members[{filter}]")));
        let expected = candidates.map(|ids| ids.iter().map(|id| (*id).to_owned()).collect());
        assert_eq!(found, expected, "{filter}");
    }
    let typed = "members[value eq \"c\" and type eq \"Group\"]";
    let plan = try_patch(json!([{"op": "add", "path": typed, "value": {}}])).unwrap();
    let group = Member {
        value: "c".into(),
        resource_type: Some(ResourceType::Group),
    };
    assert_eq!(plan.members, [MemberOperation::Add(vec![group])]);
    for nobody in [
        "type eq \"User\"",
        "value eq \"a\" and value eq \"b\"",
        "value sw \"a\"",
    ] {
        let path = format!("members[{nobody}]");
        let operation = json!([{"op": "add", "path": path, "value": {}}]);
        assert_eq!(refused(operation), "noTarget", "{nobody}");
    }
    let swap =
        json!([{"op": "replace", "path": "members[value eq \"a\"]", "value": {"value": "c"}}]);
    assert_eq!(members(swap), ["b", "c"]);
    let added =
        json!([{"op": "add", "path": "members[value eq \"c\"]", "value": {"display": "C"}}]);
    assert_eq!(members(added), ["a", "b", "c"]);
}

fn element_filter(text: &str) -> Filter {
    match Filter::parse(ResourceType::Group, text, &Default::default()).unwrap() {
        Filter::Element { filter, .. } => *filter,
        other => panic!("{other}"),
    }
}

#[test]
fn parts_of_a_member_never_change() {
    for path in [
        "members.value",
        "members[value eq \"a\"].value",
        "members[value eq \"a\"].display",
    ] {
        let operation = json!([{"op": "replace", "path": path, "value": "x"}]);
        assert_eq!(refused(operation), "mutability", "{path}");
    }
    assert_eq!(
        refused(json!([{"op": "add", "path": "members", "value": [{}]}])),
        "invalidValue"
    );
}

#[test]
fn a_rendered_group_shows_its_members_or_leaves_them_out() {
    let at = DateTime::from_timestamp_millis(1_795_339_800_123).unwrap();
    let meta = Meta {
        id: ID.into(),
        created: at,
        last_modified: at,
        version: 1,
    };
    let base = "https://sso.example/scim/v2/dir_1";
    let link = |id: &str, resource_type, name: Option<&str>| MemberLink {
        id: id.into(),
        resource_type,
        display_name: name.map(str::to_owned),
    };
    let members = [
        link("dusr_1", ResourceType::User, Some("Ada")),
        link("grp_2", ResourceType::Group, None),
    ];
    insta::assert_json_snapshot!(group().render(base, &meta, Some(&members)));
    assert!(!group().render(base, &meta, None).contains_key("members"));
    assert_eq!(group().render(base, &meta, Some(&[]))["members"], json!([]));
}

#[test]
fn entra_may_name_a_schema_of_its_own() {
    let body = json!({
        "schemas": [
            "urn:ietf:params:scim:schemas:core:2.0:Group",
            "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"
        ],
        "externalId": "e", "displayName": "E", "meta": {"resourceType": "Group"}
    });
    let (group, members) = Group::parse(&body, &Default::default()).unwrap();
    assert_eq!((group.external_id(), members.len()), (Some("e"), 0));
}
