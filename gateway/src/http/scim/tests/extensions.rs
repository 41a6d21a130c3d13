//! Filters on `schemas`, and on what has none.

use super::*;

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const ACME: &str = "urn:acme:1.0:Thing";
const ADSCIM: &str = "urn:acme:2.0:Other";

impl Client {
    /// The names of whom a filter finds.
    async fn found(&self, endpoint: &str, filter: &str) -> Vec<String> {
        let search = json!({"filter": filter, "sortBy": "displayName"});
        let list = self.post(&format!("{endpoint}/.search"), search).await;
        let list = list.expect(200).json;
        let resources = list["Resources"].as_array().unwrap().iter();
        let names = resources.map(|resource| resource["displayName"].as_str().unwrap().to_owned());
        names.collect()
    }
}

#[tokio::test]
async fn schemas_select_users_and_groups_by_the_extensions_they_have() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    let globex = gateway.directory().await;
    let mut paths = Vec::new();
    for (name, extensions) in [
        ("a", json!({})),
        ("b", json!({ENTERPRISE: {"department": "R"}})),
        (
            "c",
            json!({ACME: {"tag": "x"}, ENTERPRISE: {"division": "D"}}),
        ),
        ("d", json!({ACME: {"tag": "x"}, ADSCIM: {"tag": "y"}})),
    ] {
        let body = |own: Value| {
            let mut body = own.as_object().unwrap().clone();
            let extensions = extensions.as_object().unwrap().clone();
            // A group has no published extension.
            let is_user = body.contains_key("userName");
            let fits = |urn: &str| is_user || urn != ENTERPRISE;
            body.extend(extensions.into_iter().filter(|(urn, _)| fits(urn)));
            Value::Object(body)
        };
        let user = body(json!({"schemas": [USER], "userName": name, "displayName": name}));
        acme.post("/Users", user).await.expect(201);
        let group = body(json!({"schemas": [GROUP], "displayName": name}));
        let id = acme.post("/Groups", group.clone()).await.expect(201).id();
        paths.push(format!("/Groups/{id}"));
        globex.post("/Groups", group).await.expect(201);
    }
    let eq = |urn: &str| format!("schemas eq \"{urn}\"");
    let all = ["a", "b", "c", "d"];
    for (filter, users, groups) in [
        (eq(USER), &all[..], &[][..]),
        (eq(GROUP), &[], &all[..]),
        (eq(&USER.to_uppercase()), &all, &[]),
        (eq(&GROUP.to_uppercase()), &[], &all),
        (eq(ENTERPRISE), &["b", "c"], &[]),
        (eq(&ENTERPRISE.to_lowercase()), &["b", "c"], &[]),
        (eq(ACME), &["c", "d"], &["c", "d"]),
        (eq(&format!("{ACME}x")), &[], &[]),
        (format!("not ({})", eq(ACME)), &["a", "b"], &["a", "b"]),
        (format!("{} and {}", eq(ACME), eq(ADSCIM)), &["d"], &["d"]),
        (format!("schemas ne \"{USER}\""), &["b", "c", "d"], &all),
        (
            "schemas sw \"urn:acme:\"".to_owned(),
            &["c", "d"],
            &["c", "d"],
        ),
        ("schemas co \"acme:2\"".to_owned(), &["d"], &["d"]),
        ("schemas ew \":Other\"".to_owned(), &["d"], &["d"]),
        ("schemas lt \"urn:b\"".to_owned(), &["c", "d"], &["c", "d"]),
        ("schemas pr".to_owned(), &all, &all),
        ("schemas eq null".to_owned(), &[], &[]),
    ] {
        assert_eq!(acme.found("/Users", &filter).await, users, "{filter}");
        assert_eq!(acme.found("/Groups", &filter).await, groups, "{filter}");
    }

    // What a group has of them changes with it.
    let remove = json!([{"op": "remove", "path": ACME}]);
    acme.patch(&paths[3], remove).await.expect(200);
    assert_eq!(acme.found("/Groups", &eq(ACME)).await, ["c"]);
    assert_eq!(acme.found("/Groups", &eq(ADSCIM)).await, ["d"]);
    let add = json!([{"op": "add", "value": {ACME: {"tag": "z"}}}]);
    acme.patch(&paths[0], add).await.expect(200);
    assert_eq!(acme.found("/Groups", &eq(ACME)).await, ["a", "c"]);
    acme.put(&paths[2], json!({"displayName": "c"}))
        .await
        .expect(200);
    assert_eq!(acme.found("/Groups", &eq(ACME)).await, ["a"]);
    acme.delete(&paths[0]).await.expect(204);
    assert_eq!(acme.found("/Groups", &eq(ACME)).await, [""; 0]);
    assert_eq!(globex.found("/Groups", &eq(ACME)).await, ["c", "d"]);
}

#[tokio::test]
async fn what_cannot_be_filtered_by_is_refused_and_says_why() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    for (endpoint, filter, why) in [
        ("/Users", "shoeSize eq \"43\"", "a User does not have"),
        ("/Users", "urn:acme:1.0:Thing:tag eq \"x\"", "at /Schemas"),
        ("/Groups", "urn:acme:1.0:Thing:tag eq \"x\"", "at /Schemas"),
        ("/Users", "password eq \"x\"", "never returned"),
        (
            "/Users",
            "urn:ietf:params:scim:schemas:core:2.0:User:Password pr",
            "never returned",
        ),
        ("/Users", "name eq \"Ada\"", "it has parts"),
        ("/Users", "meta eq \"x\"", "it has parts"),
        ("/Users", "active gt true", "only compares with eq and ne"),
        ("/Users", "meta.created co \"2026\"", "a time compares with"),
        (
            "/Users",
            "meta.created gt \"yesterday\"",
            "it is a time such as",
        ),
        (
            "/Users",
            "x509Certificates.value sw \"MII\"",
            "only compares with eq and ne",
        ),
        ("/Users", "schemas[value eq \"x\"]", "no sub-attributes"),
        ("/Users", "userName[value eq \"x\"]", "no sub-attributes"),
        ("/Groups", "userName eq \"x\"", "a Group does not have"),
    ] {
        let search = json!({"filter": filter});
        let refused = acme.post(&format!("{endpoint}/.search"), search).await;
        let refused = refused.expect(400).json;
        assert_eq!(refused["scimType"], "invalidFilter", "{filter}");
        let detail = refused["detail"].as_str().unwrap();
        assert!(detail.contains(why), "{filter}: {detail}");
    }
}
