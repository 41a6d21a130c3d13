use integration::{Tenon, text};
use serde_json::json;

use super::{acme, errors, event_types, events, fields};

#[tokio::test]
async fn an_organization_is_made_of_a_name_and_trusted_domains() {
    let tenon = Tenon::start().await;
    let api = tenon.api();
    let body = json!({
        "name": "Müller & Söhne, Inc.", "external_id": "42",
        "domains": ["Mueller.Example.", "münchen.example"], "metadata": {"plan": {"seats": 5}}
    });
    let organization = api.post("/organizations", body).await.expect(201);
    assert_eq!(organization["slug"], "m-ller-s-hne-inc");
    assert_eq!(organization["role_policy"], "union");
    assert_eq!(organization["metadata"], json!({"plan": {"seats": 5}}));
    let domains = organization["domains"].as_array().expect("domains");
    let named: Vec<_> = domains
        .iter()
        .map(|it| (&it["domain"], &it["state"]))
        .collect();
    assert_eq!(
        named,
        [
            (&json!("mueller.example"), &json!("verified")),
            (&json!("xn--mnchen-3ya.example"), &json!("verified")),
        ]
    );
    let path = format!("/organizations/{}", text(&organization["id"]));
    assert_eq!(api.get(&path).await.expect(200), organization);
    assert_eq!(
        event_types(&api, &path).await,
        [
            "organization.created",
            "domain.created",
            "domain.verified",
            "domain.created",
            "domain.verified"
        ]
    );

    let again = api.post("/organizations", json!({"name": "Müller & Söhne, Inc."}));
    let again = again.await.expect(201);
    assert!(text(&again["slug"]).starts_with("m-ller-s-hne-inc-"));
}

#[tokio::test]
async fn unique_values_are_told_apart() {
    let tenon = Tenon::start().await;
    let api = tenon.api();
    let body =
        json!({"name": "Acme", "slug": "acme", "external_id": "1", "domains": ["acme.example"]});
    let organization = api.post("/organizations", body).await.expect(201);
    for (body, code) in [
        (json!({"name": "x", "slug": "acme"}), "slug_taken"),
        (
            json!({"name": "x", "external_id": "1"}),
            "external_id_taken",
        ),
        (
            json!({"name": "x", "domains": ["acme.example"]}),
            "domain_taken",
        ),
    ] {
        assert_eq!(api.post("/organizations", body).await.problem(409), code);
    }
    let other = api
        .post("/organizations", json!({"name": "Other"}))
        .await
        .expect(201);
    let path = format!("/organizations/{}", text(&other["id"]));
    for (patch, code) in [
        (json!({"slug": "acme"}), "slug_taken"),
        (json!({"external_id": "1"}), "external_id_taken"),
    ] {
        assert_eq!(api.patch(&path, patch).await.problem(409), code);
    }
    assert_eq!(api.get(&path).await.expect(200), other);
    // What is gone is free again.
    let path = format!("/organizations/{}", text(&organization["id"]));
    api.delete(&path).await.expect(204);
    let body =
        json!({"name": "Acme", "slug": "acme", "external_id": "1", "domains": ["acme.example"]});
    api.post("/organizations", body).await.expect(201);
}

#[tokio::test]
async fn a_bad_organization_is_told_every_problem_at_once() {
    let tenon = Tenon::start().await;
    let api = tenon.api();
    let body = json!({
        "name": "x", "slug": "-Acme", "metadata": {"big": "x".repeat(17 << 10)},
        "domains": ["gmail.com", "co.uk", "acme.example", "ACME.example", "no domain"]
    });
    assert_eq!(
        errors(api.post("/organizations", body).await),
        [
            "slug: 1 to 63 lower-case letters, digits and inner hyphens are wanted",
            "metadata: holds at most 16 KiB of JSON",
            "domains[0]: gmail.com gives mailboxes to anybody",
            "domains[1]: co.uk is a public suffix, under which anybody can register",
            "domains[3]: acme.example stands here twice",
            "domains[4]: \"no domain\" is not a domain name",
        ]
    );
    let body = json!({"name": ["x"], "slug": 1, "colour": "red", "size": 1});
    assert_eq!(
        fields(api.post("/organizations", body).await),
        ["name", "slug", "colour", "size"]
    );
    let listed = api.get("/organizations").await.expect(200);
    assert_eq!(listed["data"], json!([]));
}

#[tokio::test]
async fn lists_filter_by_external_id_domain_and_text() {
    let tenon = Tenon::start().await;
    let api = tenon.api();
    let body = json!({"name": "Acme 100%", "external_id": "a", "domains": ["acme.example"]});
    let acme = api.post("/organizations", body).await.expect(201);
    let globex = api
        .post("/organizations", json!({"name": "Globex_GmbH"}))
        .await
        .expect(201);
    for (query, found) in [
        ("external_id=a", Some(&acme)),
        ("external_id=b", None),
        ("domain=ACME.example", Some(&acme)),
        ("domain=gmail.com", None),
        ("search=acme", Some(&acme)),
        ("search=100%25", Some(&acme)),
        ("search=_gmbh", Some(&globex)),
        ("search=%25%25", None),
        ("search=globex-gm", Some(&globex)),
        ("search=globex&external_id=a", None),
    ] {
        let listed = api
            .get(&format!("/organizations?{query}"))
            .await
            .expect(200);
        let expected: Vec<_> = found.into_iter().cloned().collect();
        assert_eq!(listed["data"], json!(expected), "{query}");
    }
}

#[tokio::test]
async fn an_update_tells_what_changed_and_one_that_changes_nothing_tells_nothing() {
    let tenon = Tenon::start().await;
    let (api, path) = acme(&tenon).await;
    let before = api.get(&path).await.expect(200);
    let patch = json!({"name": "Acme Ltd", "slug": "ltd", "role_policy": "highest_priority"});
    let after = api.patch(&path, patch.clone()).await.expect(200);
    assert_eq!(after["slug"], "ltd");
    let (kind, data) = events(&api, &path).await.pop().expect("an event");
    assert_eq!(kind, "organization.updated");
    assert_eq!(data["object"], after);
    assert_eq!(
        data["previous"],
        json!({"name": "Acme", "slug": "acme", "role_policy": "union"})
    );
    assert_eq!(data["actor"]["kind"], "api_key");

    let count = events(&api, &path).await.len();
    assert_eq!(api.patch(&path, patch).await.expect(200), after);
    assert_eq!(api.patch(&path, json!({})).await.expect(200), after);
    assert_eq!(events(&api, &path).await.len(), count);
    assert_eq!(before["created_at"], after["created_at"]);
}

#[tokio::test]
async fn deleting_an_organization_first_tells_of_everything_in_it() {
    let tenon = Tenon::start().await;
    let (api, path) = acme(&tenon).await;
    let directory = api
        .post(&format!("{path}/directories"), json!({"name": "Okta"}))
        .await
        .expect(201);
    let scim = integration::Api::scim(&directory);
    let user = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": "ada@acme.example",
    });
    let user = scim.post("/Users", user).await.expect(201);
    let group = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
        "displayName": "Admins", "members": [{"value": user["id"]}],
    });
    scim.post("/Groups", group).await.expect(201);
    api.post(
        &format!("{path}/connections"),
        json!({"name": "IdP", "type": "saml"}),
    )
    .await
    .expect(201);
    let bound = json!({"name": "bound", "organization_id": path.rsplit('/').next()});
    let bound = api.post("/api_keys", bound).await.expect(201);
    let seen = events(&api, &path).await.len();

    api.delete(&path).await.expect(204);

    let all = event_types(&api, &path).await;
    assert_eq!(
        all[seen..],
        [
            "group.deleted",
            "user.deleted",
            "directory.deleted",
            "connection.deleted",
            "domain.deleted",
            "organization.deleted"
        ]
    );
    api.get(&path).await.problem(404);
    api.delete(&path).await.problem(404);
    let connections = api.get(&format!("{path}/connections")).await;
    connections.problem(404);
    api.with_token(&text(&bound["key"]))
        .get("/organizations")
        .await
        .problem(401);
    scim.get("/Users").await.expect(401);
    let answer = api.post("/discovery", json!({"email": "ada@acme.example"}));
    assert_eq!(answer.await.expect(200)["decision"], "none");
}
