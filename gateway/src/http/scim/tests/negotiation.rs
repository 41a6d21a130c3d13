//! Media types and versions: what is asked for, what is sent, and what the caller has already.

use super::*;

#[tokio::test]
async fn whatever_is_accepted_the_answer_is_scim() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    let ada = acme.user("ada").await;
    let found = format!("/Users/{ada}");
    for accept in [
        None,
        Some("application/scim+json"),
        Some("application/json"),
        Some("application/json; charset=utf-8, text/plain, */*"),
        Some("*/*"),
        // RFC 9110 section 12.5.1 leaves it to the server, and a caller does more with JSON than with nothing.
        Some("text/html"),
        Some("application/xml;q=1, application/scim+json;q=0"),
        Some("nonsense"),
        Some(""),
    ] {
        let headers: Vec<_> = accept.iter().map(|value| ("accept", *value)).collect();
        for (path, status) in [
            (found.as_str(), 200),
            ("/Users", 200),
            ("/Users/nobody", 404),
        ] {
            let answer = acme.send(Method::GET, path, &headers, "").await;
            let answer = answer.expect(status);
            assert_eq!(
                answer.header("content-type"),
                "application/scim+json",
                "{accept:?} {path}"
            );
        }
    }
}

#[tokio::test]
async fn a_body_is_json_by_its_type_too() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    let ada = acme.user("ada").await;
    let path = format!("/Users/{ada}");
    let user = json!({"userName": "ada", "title": "Countess"}).to_string();
    for media_type in [
        "application/scim+json",
        "application/json",
        "Application/JSON; charset=UTF-8",
        "application/scim+json;charset=utf-8",
        "application/vnd.acme+json",
        "text/json",
        "",
    ] {
        let headers = [("content-type", media_type)];
        let answer = acme.send(Method::PUT, &path, &headers, user.clone()).await;
        answer.expect(200);
    }
    for media_type in [
        "application/xml",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/scim",
        "json",
    ] {
        let headers = [("content-type", media_type)];
        for (method, path) in [
            (Method::PUT, path.as_str()),
            (Method::PATCH, &path),
            (Method::POST, "/Users"),
            (Method::POST, "/.search"),
            (Method::POST, "/Bulk"),
        ] {
            let refused = acme.send(method, path, &headers, user.clone()).await;
            let refused = refused.expect(415);
            assert_eq!(refused.header("content-type"), "application/scim+json");
            assert_eq!(
                refused.header("accept"),
                "application/scim+json, application/json"
            );
            assert_eq!(refused.json["status"], "415");
            let named = media_type.split(';').next().unwrap();
            let detail = refused.json["detail"].as_str().unwrap();
            assert!(detail.contains(named), "{detail}");
        }
        // Where there is no body to read, its type says nothing.
        acme.send(Method::GET, &path, &headers, "")
            .await
            .expect(200);
    }
    let headers = [("content-type", "text/plain")];
    let gone = acme.send(Method::DELETE, &path, &headers, "").await;
    gone.expect(204);
}

#[tokio::test]
async fn a_groups_version_counts_its_members_and_not_their_names() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    let ada = acme.user("ada").await;
    let ben = acme.user("ben").await;
    let user = format!("/Users/{ada}");
    let inner = acme.group("Inner", &[]).await;
    let group = format!("/Groups/{}", acme.group("Engines", &[&ada, &inner]).await);
    let version = async |path: &str| {
        let answer = acme.get(path).await.expect(200);
        let etag = answer.header("etag").to_owned();
        assert_eq!(answer.json["meta"]["version"], etag);
        etag
    };
    let unchanged = async |path: &str, etag: &str| {
        let headers = [("if-none-match", etag)];
        let answer = acme.send(Method::GET, path, &headers, "").await;
        answer.status.as_u16() == 304
    };
    let before = version(&group).await;
    let name = |name: &str| json!([{"op": "replace", "path": "displayName", "value": name}]);
    acme.patch(&user, name("Ada Lovelace")).await.expect(200);
    acme.patch(&format!("/Groups/{inner}"), name("Nested"))
        .await
        .expect(200);
    // Their names are new, the group's version is not.
    let shown = acme.get(&group).await.expect(200);
    let names: Vec<&Value> = shown.json["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| &m["display"])
        .collect();
    assert!(
        names.contains(&&json!("Ada Lovelace")) && names.contains(&&json!("Nested")),
        "{names:?}"
    );
    assert_eq!(version(&group).await, before);
    assert!(unchanged(&group, &before).await);
    let if_match = [("if-match", before.as_str())];
    let body = json!({"schemas": [PATCH], "Operations": [
        {"op": "add", "path": "members", "value": [{"value": ben}]}]});
    let added = acme
        .send(Method::PATCH, &group, &if_match, body.to_string())
        .await;
    added.expect(200);

    // Who is a member counts on both sides, and so does the name of a user's group.
    assert!(!unchanged(&group, &before).await);
    let stale = acme
        .send(Method::PATCH, &group, &if_match, body.to_string())
        .await;
    stale.expect(412);
    let stale = acme.send(Method::DELETE, &group, &if_match, "").await;
    stale.expect(412);
    let (of_group, of_user) = (version(&group).await, version(&user).await);
    acme.patch(&group, name("Machines")).await.expect(200);
    assert!(!unchanged(&group, &of_group).await);
    assert!(!unchanged(&user, &of_user).await);

    // Nor does the name of a manager count in the people below.
    let manager = json!([{"op": "add", "value": {
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager": {"value": ada}}}]);
    let below = format!("/Users/{ben}");
    acme.patch(&below, manager).await.expect(200);
    let of_ben = version(&below).await;
    acme.patch(&user, name("Countess")).await.expect(200);
    assert!(unchanged(&below, &of_ben).await);
}
