//! PATCH on whatever a directory could send.

use proptest::prelude::*;

use super::*;

fn words(all: &[&'static str]) -> BoxedStrategy<&'static str> {
    proptest::sample::select(all.to_vec()).boxed()
}

fn values() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        words(&["", "x", "True", "work", "dusr_2", "a@x.example"]).prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let key = words(&[
            "value",
            "type",
            "primary",
            "display",
            "$ref",
            "givenName",
            "userName",
            "emails",
            "active",
            "name.familyName",
            "id",
            "manager",
            "members",
            "urn:x:1.0:User",
            "urn:x:1.0:User:tag",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
        ]);
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::vec((key, inner), 0..4).prop_map(|parts| {
                Value::Object(parts.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
            }),
        ]
    })
    .boxed()
}

fn operations() -> BoxedStrategy<Value> {
    let path = words(&[
        "",
        "userName",
        "active",
        "title",
        "name",
        "name.givenName",
        "emails",
        "emails.value",
        "emails[type eq \"work\"]",
        "emails[type eq \"home\"].value",
        "emails[primary eq true].type",
        "emails[value co \"x\" or not (type pr)].display",
        "roles[primary eq \"True\"].value",
        "members",
        "members[value eq \"dusr_2\"]",
        "members[type eq \"User\"]",
        "displayName",
        "id",
        "password",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager",
        "urn:ietf:params:scim:schemas:core:2.0:User",
        "urn:x:1.0:User:tag",
        "urn:x:1.0:User:tag.part",
    ]);
    let op = words(&["add", "Replace", "remove"]);
    let operation = (op, path, values())
        .prop_map(|(op, path, value)| json!({"op": op, "path": path, "value": value}));
    proptest::collection::vec(operation, 1..5)
        .prop_map(Value::from)
        .boxed()
}

proptest! {
    #[test]
    fn a_patch_never_panics_and_leaves_a_clean_resource(operations in operations()) {
        if let Ok(user) = try_patch(&ada(), operations.clone()) {
            prop_assert!(!user.user_name().is_empty());
            let body = Value::Object(user.attributes().clone());
            let again = ada().parse_replacement(&body, &Default::default()).unwrap();
            let active_kept = user.attributes().contains_key("active");
            prop_assert!(again == user || !active_kept, "{} is not {}", body, operations);
        }
        let body = json!({"Operations": operations});
        if let Ok(request) = PatchRequest::parse(ResourceType::Group, &body, &Default::default()) {
            let (group, mut members) = Group::parse(&json!({"displayName": "G"}), &Default::default()).unwrap();
            if let Ok(patch) = request.apply_to_group("grp_1", &group, &Default::default()) {
                patch.members.iter().for_each(|operation| operation.apply(&mut members));
                prop_assert!(!patch.group.display_name().is_empty());
            }
        }
    }

    #[test]
    fn a_replace_applied_twice_equals_once(value in values(), path in words(&[
        "", "title", "name", "emails", "emails[type eq \"work\"]", "emails[type eq \"home\"].value",
        "emails[primary eq true].display", "addresses[type eq \"work\"].locality",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager", "urn:x:1.0:User:tag",
    ])) {
        let operation = json!([{"op": "replace", "path": path, "value": value}]);
        if let Ok(once) = try_patch(&ada(), operation.clone()) {
            prop_assert_eq!(try_patch(&once, operation).unwrap(), once);
        }
    }

    #[test]
    fn whatever_is_sent_is_read_or_refused(body in values()) {
        let _ = PatchRequest::parse(ResourceType::User, &body, &Default::default());
        let _ = User::parse(&body, &Default::default());
        let _ = Group::parse(&body, &Default::default());
    }
}
