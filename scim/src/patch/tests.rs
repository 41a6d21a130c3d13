use serde_json::{Value, json};

use super::*;
use crate::schema::ENTERPRISE_USER;

mod properties;

const ID: &str = "dusr_1";

fn ada() -> User {
    User::parse(
        &json!({
            "userName": "ada@example.com",
            "name": {"givenName": "Ada", "familyName": "Lovelace"},
            "emails": [
                {"value": "ada@work.example", "type": "work", "primary": true},
                {"value": "ada@home.example", "type": "home"}
            ],
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "R&D"}
        }),
        &Default::default(),
    )
    .unwrap()
}

fn try_patch(user: &User, operations: Value) -> Result<User, ScimError> {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": operations
    });
    PatchRequest::parse(ResourceType::User, &body, &Default::default())?.apply_to_user(
        ID,
        user,
        &Default::default(),
    )
}

fn patch(operations: Value) -> Value {
    let patched = try_patch(&ada(), operations.clone()).map_err(|e| panic!("{operations}: {e}"));
    Value::Object(patched.unwrap().attributes().clone())
}

fn refused(operations: Value) -> &'static str {
    let error = try_patch(&ada(), operations.clone());
    let error = error
        .map(|user| panic!("{operations} gave {user:?}"))
        .unwrap_err();
    error.scim_type().unwrap().as_str()
}

#[test]
fn operators_are_read_in_any_case_and_booleans_as_text() {
    let patched = patch(json!([{"op": "Replace", "path": "active", "value": "False"}]));
    assert_eq!(patched["active"], false);
    let patched = patch(json!([{"OP": "REPLACE", "VALUE": {"ACTIVE": false}}]));
    assert_eq!(patched["active"], false);
    assert_eq!(
        refused(json!([{"op": "Replace", "path": "active", "value": "no"}])),
        "invalidValue"
    );
    assert_eq!(
        refused(json!([{"op": "move", "path": "active", "value": true}])),
        "invalidSyntax"
    );
}

#[test]
fn a_complex_attribute_is_merged_and_null_clears_a_part() {
    let value = json!({"givenName": "Augusta", "familyName": null, "middleName": "A."});
    for op in ["add", "replace"] {
        let patched = patch(json!([{"op": op, "path": "name", "value": value}]));
        assert_eq!(
            patched["name"],
            json!({"givenName": "Augusta", "middleName": "A."})
        );
        let patched = patch(json!([{"op": op, "path": "name", "value": {"givenName": "G"}}]));
        assert_eq!(
            patched["name"],
            json!({"givenName": "G", "familyName": "Lovelace"})
        );
        let patched = patch(json!([{"op": op, "path": "name", "value": {}}]));
        assert_eq!(patched["name"], ada().attributes()["name"]);
    }
    let patched = patch(json!([{"op": "remove", "path": "name.givenName"}]));
    assert_eq!(patched["name"], json!({"familyName": "Lovelace"}));
    let patched = patch(json!([{"op": "replace", "path": "name", "value": null}]));
    assert_eq!(patched.get("name"), None);
}

#[test]
fn keys_of_a_value_without_path_are_paths() {
    let urn = ENTERPRISE_USER.urn;
    let patched = patch(json!([{"op": "replace", "value": {
        "name.givenName": "Augusta",
        "emails[type eq \"work\"].value": "new@work.example",
        (format!("{urn}:employeeNumber")): "7",
        (urn): {"costCenter": "CC", "manager": "dusr_9"},
        "urn:ietf:params:scim:schemas:core:2.0:User:title": "Countess",
        "unknown": 1, "unknown.part": 2, "meta": {"version": "3"}, "groups": [], "schemas": [],
        "password": "secret"
    }}]));
    assert_eq!(patched["name"]["givenName"], "Augusta");
    assert_eq!(patched["emails"][0]["value"], "new@work.example");
    assert_eq!(patched["title"], "Countess");
    let extension = json!({
        "department": "R&D", "employeeNumber": "7", "costCenter": "CC",
        "manager": {"value": "dusr_9"}
    });
    assert_eq!(patched[urn], extension);
    for key in [
        "unknown",
        "unknown.part",
        "name.givenName",
        "password",
        "meta",
        "groups",
    ] {
        assert_eq!(patched.get(key), None, "{key}");
    }
}

#[test]
fn adding_what_is_there_changes_nothing() {
    for operation in [
        json!({"op": "add", "path": "emails", "value": [{"value": "ADA@work.example"}]}),
        json!({"op": "add", "path": "emails", "value":
            {"value": "ada@home.example", "type": "home", "primary": false}}),
        json!({"op": "add", "path": "emails", "value": []}),
        json!({"op": "add", "value": {"userName": "ada@example.com"}}),
        json!({"op": "add", "path": "name", "value": {"givenName": "Ada"}}),
        json!({"op": "remove", "path": "emails[type eq \"other\"]"}),
        json!({"op": "remove", "path": "nickName"}),
        json!({"op": "replace", "value": {"id": ID}}),
        json!({"op": "add", "path": "schemas", "value": ["urn:x"]}),
        json!({"op": "replace", "path": "password", "value": "secret"}),
    ] {
        assert_eq!(
            try_patch(&ada(), json!([operation])).unwrap(),
            ada(),
            "{operation}"
        );
    }
}

#[test]
fn one_value_at_most_is_primary() {
    let patched = patch(json!([
        {"op": "add", "path": "emails", "value": [{"value": "new@x.example", "primary": "true"}]}
    ]));
    let primary: Vec<_> = patched["emails"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| &e["primary"])
        .collect();
    assert_eq!(primary, [&json!(false), &Value::Null, &json!(true)]);
    let patched = patch(
        json!([{"op": "replace", "path": "emails[type eq \"home\"].primary", "value": true}]),
    );
    assert_eq!(patched["emails"][0]["primary"], false);
    assert_eq!(patched["emails"][1]["primary"], true);
    let two = json!([{"value": "a@x.example", "primary": true}, {"value": "b@x.example", "primary": true}]);
    let patched = patch(json!([{"op": "replace", "path": "emails", "value": two}]));
    assert_eq!(patched["emails"][0]["primary"], true);
    assert_eq!(patched["emails"][1]["primary"], false);
}

#[test]
fn an_add_with_a_filter_makes_the_element_once() {
    let patched = patch(json!([
        {"op": "Add", "path": "addresses[type eq \"work\"].locality", "value": "London"},
        {"op": "Add", "path": "addresses[type eq \"work\"].country", "value": "GB"},
        {"op": "Add", "path": "roles[primary eq \"True\"].value", "value": "admin"},
        {"op": "Add", "path": "emails[type eq \"other\" and primary eq true].value", "value": "o@x.example"},
    ]));
    assert_eq!(
        patched["addresses"],
        json!([{"type": "work", "locality": "London", "country": "GB"}])
    );
    assert_eq!(
        patched["roles"],
        json!([{"primary": true, "value": "admin"}])
    );
    let other = json!({"type": "other", "primary": true, "value": "o@x.example"});
    assert_eq!(patched["emails"][2], other);
    assert_eq!(patched["emails"][0]["primary"], false);
    assert_eq!(
        refused(json!([{"op": "add", "path": "emails[value co \"zz\"].display", "value": "X"}])),
        "noTarget"
    );
}

#[test]
fn a_replace_with_a_filter_wants_a_match_unless_it_is_a_label() {
    let patched = patch(json!([
        {"op": "replace", "path": "emails[type eq \"work\"]", "value": {"value": "n@x.example"}},
        {"op": "replace", "path": "phoneNumbers[type eq \"mobile\"].value", "value": "+1"}
    ]));
    assert_eq!(
        patched["emails"][0],
        json!({"value": "n@x.example", "type": "work"})
    );
    assert_eq!(
        patched["phoneNumbers"],
        json!([{"type": "mobile", "value": "+1"}])
    );
    for path in [
        "emails[value eq \"no@x.example\"].display",
        "emails[not (value pr)].value",
    ] {
        let operation = json!([{"op": "replace", "path": path, "value": "X"}]);
        assert_eq!(refused(operation), "noTarget", "{path}");
    }
}

#[test]
fn removals_select_elements_parts_and_listed_values() {
    let emails = |operation| patch(json!([operation]))["emails"].clone();
    let home = json!([{"value": "ada@home.example", "type": "home"}]);
    assert_eq!(
        emails(json!({"op": "remove", "path": "emails[type eq \"work\"]"})),
        home
    );
    assert_eq!(
        emails(json!({"op": "remove", "path": "emails[type eq \"work\"].value"})),
        home
    );
    let listed = json!([{"value": "ADA@work.example"}, {"value": "nobody@x.example"}]);
    assert_eq!(
        emails(json!({"op": "remove", "path": "emails", "value": listed})),
        home
    );
    assert_eq!(
        emails(json!({"op": "Remove", "path": "emails"})),
        Value::Null
    );
    let part = emails(json!({"op": "remove", "path": "emails.primary"}));
    assert_eq!(
        part[0],
        json!({"value": "ada@work.example", "type": "work"})
    );
}

#[test]
fn a_manager_comes_as_id_object_or_key_and_goes() {
    let urn = ENTERPRISE_USER.urn;
    for (path, value) in [
        (format!("{urn}:manager"), json!("dusr_2")),
        (
            format!("{urn}:manager"),
            json!({"value": "dusr_2", "displayName": "B", "$ref": null}),
        ),
        (
            format!("{urn}:manager"),
            json!([{"$ref": null, "value": "dusr_2"}]),
        ),
        (format!("{urn}:manager.value"), json!("dusr_2")),
        (
            format!("{urn}:manager.$ref"),
            json!("https://x.example/Users/dusr_2"),
        ),
        (urn.to_uppercase(), json!({"Manager": {"value": "dusr_2"}})),
    ] {
        let set = json!([{"op": "Add", "path": path, "value": value}]);
        assert_eq!(
            patch(set.clone())[urn]["manager"],
            json!({"value": "dusr_2"}),
            "{set}"
        );
        let user = try_patch(&ada(), set).unwrap();
        for clear in [
            json!([{"op": "Remove", "path": format!("{urn}:manager")}]),
            json!([{"op": "Replace", "path": format!("{urn}:manager"), "value": ""}]),
            json!([{"op": "Replace", "value": {(urn): {"manager": {"value": " "}}}}]),
        ] {
            assert_eq!(try_patch(&user, clear.clone()).unwrap(), ada(), "{clear}");
        }
    }
}

#[test]
fn a_whole_extension_is_merged_and_removed() {
    let urn = ENTERPRISE_USER.urn;
    let patched = patch(json!([{"op": "replace", "path": urn, "value": {"division": "D"}}]));
    assert_eq!(patched[urn], json!({"department": "R&D", "division": "D"}));
    let patched = patch(json!([{"op": "remove", "path": urn}]));
    assert_eq!(patched.get(urn), None);
    let patched = patch(json!([{"op": "remove", "path": format!("{urn}:department")}]));
    assert_eq!(patched.get(urn), None);
}

#[test]
fn what_a_directory_may_not_change_is_refused_by_path() {
    let urn = ENTERPRISE_USER.urn;
    for path in [
        "id",
        "meta",
        "meta.version",
        "groups",
        "groups[value eq \"grp_1\"]",
        &format!("{urn}:manager.displayName"),
    ] {
        for op in ["add", "replace", "remove"] {
            let operation = json!([{"op": op, "path": path, "value": "x"}]);
            assert_eq!(refused(operation), "mutability", "{op} {path}");
        }
    }
    assert_eq!(
        refused(json!([{"op": "replace", "value": {"id": "dusr_other"}}])),
        "mutability"
    );
    assert_eq!(
        refused(json!([{"op": "remove", "path": "userName"}])),
        "mutability"
    );
    for value in [json!(""), json!(null), json!("  ")] {
        let operation = json!([{"op": "replace", "path": "userName", "value": value}]);
        assert_eq!(refused(operation), "invalidValue");
    }
}

#[test]
fn what_is_no_patch_is_refused() {
    assert_eq!(refused(json!([])), "invalidSyntax");
    assert_eq!(refused(json!("add")), "invalidSyntax");
    assert_eq!(refused(json!(["add"])), "invalidSyntax");
    assert_eq!(
        refused(json!([{"path": "title", "value": "x"}])),
        "invalidSyntax"
    );
    assert_eq!(
        refused(json!([{"op": "add", "path": 1, "value": "x"}])),
        "invalidSyntax"
    );
    assert_eq!(
        refused(json!([{"op": "add", "value": "x"}])),
        "invalidSyntax"
    );
    assert_eq!(
        refused(json!([{"op": "add", "path": "title"}])),
        "invalidValue"
    );
    assert_eq!(refused(json!([{"op": "remove"}])), "noTarget");
    assert_eq!(
        refused(json!([{"op": "remove", "path": "salary"}])),
        "invalidPath"
    );
    assert!(PatchRequest::parse(ResourceType::User, &json!([]), &Default::default()).is_err());
    let many =
        vec![json!({"op": "remove", "path": "title"}); max_operations(ResourceType::User) + 1];
    assert_eq!(try_patch(&ada(), json!(many)).unwrap_err().status(), 413);
}

#[test]
fn an_error_names_the_operation_and_undoes_all() {
    let error = try_patch(
        &ada(),
        json!([
            {"op": "replace", "path": "title", "value": "x"},
            {"op": "replace", "path": "emails[value eq \"x\"].display", "value": "x"}
        ]),
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "operation 2: \"emails[value eq \\\"x\\\"].display\" matches nothing"
    );
    assert_eq!(error.code(), "no_target");
}

#[test]
fn later_operations_see_the_effect_of_earlier_ones() {
    let patched = patch(json!([
        {"op": "add", "path": "emails", "value": [{"value": "o@x.example", "type": "other"}]},
        {"op": "replace", "path": "emails[type eq \"other\"].value", "value": "p@x.example"},
        {"op": "remove", "path": "emails[type eq \"home\"]"},
    ]));
    assert_eq!(patched["emails"].as_array().unwrap().len(), 2);
    assert_eq!(patched["emails"][1]["value"], "p@x.example");
}

#[test]
fn extensions_of_others_are_kept_and_changed() {
    let urn = "urn:ietf:params:scim:schemas:extension:Acme:2.0:User";
    let patched = patch(json!([
        {"op": "Add", "path": format!("{urn}:tag"), "value": "a"},
        {"op": "Add", "path": format!("{}:badge.number", urn.to_lowercase()), "value": 7},
        {"op": "Replace", "value": {(format!("{urn}:TAG")): "b"}},
        {"op": "Add", "value": {(urn): {"list": [1, null]}}},
        {"op": "Add", "path": format!("{urn}:list"), "value": [1, 2]},
    ]));
    assert_eq!(
        patched[urn],
        json!({"tag": "b", "badge": {"number": 7}, "list": [1, 2]})
    );
    let user = try_patch(
        &ada(),
        json!([{"op": "Add", "path": urn, "value": {"tag": "a"}}]),
    )
    .unwrap();
    assert_eq!(
        user.custom_extensions().next(),
        Some((urn, &json!({"tag": "a"})))
    );
    for clear in [
        json!({"op": "remove", "path": urn}),
        json!({"op": "remove", "path": format!("{urn}:tag")}),
    ] {
        assert_eq!(try_patch(&user, json!([clear])).unwrap(), ada());
    }
    // The URN of an Okta app ends in a name, which only the resource can tell from an attribute.
    let okta = "urn:okta:acme:1.0:user:custom";
    let patched = patch(json!([
        {"op": "add", "value": {(okta): {"badge": "1"}}},
        {"op": "replace", "path": format!("{okta}:badge"), "value": "2"},
    ]));
    assert_eq!(patched[okta], json!({"badge": "2"}));
    for path in [
        "urn:",
        "urn:x",
        "http://",
        "urn:ietf:params:scim:api:messages:2.0:PatchOp:x",
    ] {
        let operation = json!([{"op": "add", "path": path, "value": "x"}]);
        assert_eq!(refused(operation), "invalidPath", "{path}");
    }
}

#[test]
fn the_number_of_values_is_bounded() {
    let emails: Vec<_> = (0..250)
        .map(|n| json!({"value": format!("{n}@x.example")}))
        .collect();
    let operation = json!([{"op": "add", "path": "emails", "value": emails}]);
    assert_eq!(refused(operation), "invalidValue");
    let operations: Vec<_> = emails
        .iter()
        .map(|e| json!({"op": "add", "path": "emails", "value": e}))
        .collect();
    assert_eq!(refused(json!(operations)), "invalidValue");
}

#[test]
fn extensions_of_others_are_bounded() {
    let extensions = |number: usize| -> Value {
        (0..number)
            .map(|n| (format!("urn:acme:{n}.0:User"), json!({"a": 1})))
            .collect::<Map<_, _>>()
            .into()
    };
    let add = |value: Value| json!([{"op": "add", "value": value}]);
    patch(add(extensions(19)));
    assert_eq!(refused(add(extensions(20))), "invalidValue");
    let attributes: Map<_, _> = (0..201).map(|n| (format!("a{n}"), json!(1))).collect();
    assert_eq!(
        refused(add(json!({"urn:acme:1.0:User": attributes}))),
        "invalidValue"
    );
}

#[test]
fn the_filter_of_a_path_is_bounded() {
    let path = |number| {
        format!(
            "emails[{}].display",
            vec!["type eq \"work\""; number].join(" or ")
        )
    };
    patch(json!([{"op": "add", "path": path(10), "value": "x"}]));
    assert_eq!(
        refused(json!([{"op": "add", "path": path(11), "value": "x"}])),
        "invalidPath"
    );
}
