//! A PATCH is applied or refused, whatever it asks for, and a second time too; of no attribute is more than one value
//! primary (RFC 7643 section 2.4).
#![no_main]

use libfuzzer_sys::fuzz_target;
use scim::{Group, PatchRequest, ResourceType, User};
use serde_json::{Value, json};

fuzz_target!(|body: &[u8]| {
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return;
    };
    let user = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": "ada@acme.example", "active": true, "name": {"givenName": "Ada"},
        "emails": [{"value": "ada@acme.example", "type": "work", "primary": true}],
    });
    let user = User::parse(&user, &Default::default()).expect("a user");
    if let Ok(request) = PatchRequest::parse(ResourceType::User, &body, &Default::default())
        && let Ok(after) = request.apply_to_user("u1", &user, &Default::default())
    {
        let _ = request.apply_to_user("u1", &after, &Default::default());
        for values in after.attributes().values().filter_map(Value::as_array) {
            let primary = values.iter().filter(|value| value["primary"] == true);
            assert!(primary.count() <= 1);
        }
    }
    let group = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "Admins",
    });
    let (group, mut members) = Group::parse(&group, &Default::default()).expect("a group");
    if let Ok(request) = PatchRequest::parse(ResourceType::Group, &body, &Default::default())
        && let Ok(after) = request.apply_to_group("g1", &group, &Default::default())
    {
        for operation in &after.members {
            operation.apply(&mut members);
        }
        let _ = request.apply_to_group("g1", &after.group, &Default::default());
    }
});
