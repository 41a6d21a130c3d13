use chrono::DateTime;

use super::*;

const BASE: &str = "https://sso.example/scim/v2/dir_1";

fn meta() -> Meta {
    Meta {
        id: "dusr_1".into(),
        created: DateTime::from_timestamp_millis(1_795_339_800_123).unwrap(),
        last_modified: DateTime::from_timestamp_millis(1_795_339_800_123).unwrap(),
        version: 7,
    }
}

fn parse(body: Value) -> User {
    User::parse(&body, &Default::default())
        .map_err(|error| panic!("{body}: {error}"))
        .unwrap()
}

#[test]
fn a_body_is_read_leniently() {
    let user = parse(json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:user", "urn:acme:1.0:User"],
        "id": null,
        "USERNAME": "Ada@Example.com",
        "externalId": 42,
        "active": "true",
        "password": "secret",
        "groups": [{"value": "grp_1"}],
        "meta": {"resourceType": "User"},
        "title": "",
        "nickName": null,
        "roles": [],
        "salary": 1,
        "name": {"GivenName": "Ada", "middleName": "", "unknown": "x"},
        "emails": [
            {"value": "ada@x.example", "Type": "work", "primary": "True"},
            {"value": "ADA@x.example", "type": "Work", "display": "Ada"},
            {"value": "b@x.example", "primary": true},
            {"type": "other", "value": ""}
        ],
        "urn:ietf:params:scim:schemas:extension:Enterprise:2.0:user": {
            "department": "R&D", "manager": {"value": " ", "displayName": " "}
        },
        "urn:acme:1.0:User": {"badge": {"number": 7}, "empty": null},
        "urn:ietf:params:scim:schemas:core:2.0:Group": {"displayName": "x"}
    }));
    let expected = json!({
        "userName": "Ada@Example.com",
        "externalId": "42",
        "active": true,
        "name": {"givenName": "Ada"},
        "emails": [
            {"value": "ADA@x.example", "type": "Work", "primary": true, "display": "Ada"},
            {"value": "b@x.example", "primary": false}
        ],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "R&D"},
        "urn:acme:1.0:User": {"badge": {"number": 7}}
    });
    assert_eq!(Value::Object(user.attributes().clone()), expected);
}

#[test]
fn a_user_needs_a_name_and_is_active_unless_said_otherwise() {
    for body in [
        json!({}),
        json!({"userName": ""}),
        json!({"userName": " "}),
        json!({"userName": []}),
    ] {
        let error = User::parse(&body, &Default::default()).unwrap_err();
        assert_eq!(
            error.scim_type().unwrap().as_str(),
            "invalidValue",
            "{body}"
        );
    }
    assert!(parse(json!({"userName": "a"})).active());
    assert!(!parse(json!({"userName": "a", "active": "FALSE"})).active());
    for body in [
        json!([]),
        json!("x"),
        json!({"userName": "a", "schemas": [
        "urn:ietf:params:scim:schemas:core:2.0:Group"]}),
    ] {
        let error = User::parse(&body, &Default::default()).unwrap_err();
        assert_eq!(
            error.scim_type().unwrap().as_str(),
            "invalidSyntax",
            "{body}"
        );
    }
}

#[test]
fn a_replacement_unassigns_all_but_active() {
    let ada = parse(json!({"userName": "a", "title": "T", "active": false}));
    let replaced = ada
        .parse_replacement(
            &json!({"userName": "A", "title": null}),
            &Default::default(),
        )
        .unwrap();
    assert_eq!(replaced, parse(json!({"userName": "A", "active": false})));
    let replaced = ada
        .parse_replacement(
            &json!({"userName": "A", "active": true}),
            &Default::default(),
        )
        .unwrap();
    assert!(replaced.active());
}

#[test]
fn the_email_is_the_primary_one_or_that_for_work_or_the_first() {
    let email = |emails: Value| {
        parse(json!({"userName": "a", "emails": emails}))
            .email()
            .map(str::to_owned)
    };
    let (first, work) = (
        json!({"value": "1@x"}),
        json!({"value": "2@x", "type": "WORK"}),
    );
    let primary = json!({"value": "3@x", "primary": true});
    assert_eq!(email(json!([first, work, primary])).unwrap(), "3@x");
    assert_eq!(email(json!([first, work])).unwrap(), "2@x");
    assert_eq!(email(json!([first])).unwrap(), "1@x");
    assert_eq!(email(json!("1@x")).unwrap(), "1@x");
    assert_eq!(email(json!([])), None);
}

#[test]
fn the_name_to_show_is_found_wherever_it_stands() {
    let name = |body: Value| parse(body).full_name();
    assert_eq!(name(json!({"userName": "a"})), None);
    let parts = json!({"userName": "a", "name": {"givenName": "Ada", "familyName": "L."}});
    assert_eq!(name(parts).unwrap(), "Ada L.");
    let formatted = json!({"userName": "a", "name": {"formatted": "F", "givenName": "Ada"}});
    assert_eq!(name(formatted).unwrap(), "F");
}

#[test]
fn a_rendered_user_carries_what_the_server_knows() {
    let user = parse(json!({
        "urn:acme:1.0:User": {"badge": 7},
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"manager": "dusr_2"},
        "emails": [{"value": "ada@x.example"}],
        "userName": "ada",
        "externalId": "X1"
    }));
    let links = UserLinks {
        groups: Some(vec![GroupLink {
            id: "grp_1".into(),
            display_name: "Engines".into(),
        }]),
        manager: Some(ManagerLink {
            display_name: Some("Bob".into()),
        }),
    };
    insta::assert_json_snapshot!(user.render(BASE, &meta(), &links));
    let bare = Value::Object(user.render(BASE, &meta(), &UserLinks::default()));
    assert_eq!(bare.get("groups"), None);
    let manager = &bare["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"]["manager"];
    assert_eq!(manager, &json!({"value": "dusr_2"}));
}

#[test]
fn what_was_rendered_can_be_put_back_unchanged() {
    let user = parse(json!({
        "userName": "ada", "active": false, "emails": [{"value": "a@x.example", "primary": true}],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"manager": "dusr_2"}
    }));
    let links = UserLinks {
        groups: Some(vec![]),
        manager: Some(ManagerLink::default()),
    };
    let rendered = Value::Object(user.render(BASE, &meta(), &links));
    assert_eq!(
        user.parse_replacement(&rendered, &Default::default())
            .unwrap(),
        user
    );
}
