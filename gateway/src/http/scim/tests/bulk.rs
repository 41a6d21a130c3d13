//! Bulk requests (RFC 7644 section 3.7).

use super::*;

const BULK: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";

fn user(bulk_id: &str) -> Value {
    json!({"method": "POST", "path": "/Users", "bulkId": bulk_id,
        "data": {"schemas": [USER], "userName": bulk_id}})
}

fn group(bulk_id: &str, members: &[&str]) -> Value {
    let members: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
    json!({"method": "POST", "path": "/Groups", "bulkId": bulk_id,
        "data": {"schemas": [GROUP], "displayName": bulk_id, "members": members}})
}

async fn bulk(acme: &Client, fail_on_errors: Option<u32>, operations: Value) -> Vec<Value> {
    let mut body = json!({"schemas": [BULK], "Operations": operations});
    if let Some(number) = fail_on_errors {
        body["failOnErrors"] = number.into();
    }
    let answer = acme.post("/Bulk", body).await.expect(200);
    assert_eq!(answer.header("content-type"), "application/scim+json");
    let urn = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";
    assert_eq!(answer.json["schemas"], json!([urn]));
    answer.json["Operations"].as_array().unwrap().clone()
}

fn statuses(results: &[Value]) -> Vec<&str> {
    results
        .iter()
        .map(|r| r["status"].as_str().unwrap())
        .collect()
}

/// Path below the directory's base URL.
fn path(result: &Value) -> String {
    let location = result["location"].as_str().unwrap();
    let (_, below) = location.split_once("/scim/v2/").unwrap();
    below[below.find('/').unwrap()..].to_owned()
}

#[tokio::test]
async fn operations_refer_to_what_others_create_before_and_after_them() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    let old = acme.user("old").await;
    let results = bulk(&acme, None, json!([
        group("Team", &["bulkId:ada", &old]),
        user("ada"),
        {"method": "PATCH", "path": "/Groups/bulkId:Team", "data": {"schemas": [PATCH], "Operations": [
            {"op": "add", "path": "members", "value": [{"value": "bulkId:ben"}]},
            {"op": "remove", "path": format!("members[value eq \"{old}\"]")},
        ]}},
        user("ben"),
        {"method": "PATCH", "path": "/Users/bulkId:ben", "data": {"schemas": [PATCH], "Operations": [
            {"op": "add", "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager",
             "value": "bulkId:ada"},
        ]}},
        {"method": "DELETE", "path": format!("/Users/{old}")},
    ]))
    .await;
    assert_eq!(
        statuses(&results),
        ["201", "201", "200", "201", "200", "204"]
    );
    let keys = |result: &Value| {
        result
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(
        keys(&results[1]),
        ["location", "method", "bulkId", "version", "status"]
    );
    assert_eq!(path(&results[5]), format!("/Users/{old}"));
    let team = acme.find(&path(&results[0])).await;
    assert_eq!(team["members"].as_array().unwrap().len(), 2);
    let ada = acme.find(&path(&results[1])).await;
    let ben = acme.find(&path(&results[3])).await;
    let manager = &ben["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"]["manager"];
    assert_eq!(manager["value"], ada["id"]);
    assert_eq!(results[4]["version"], ben["meta"]["version"]);
    assert_eq!(results[1]["location"], ada["meta"]["location"]);
}

#[tokio::test]
async fn references_in_a_circle_are_resolved() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    let manager = |bulk_id: &str, of: &str| {
        let mut user = user(bulk_id);
        user["data"]["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"] =
            json!({"manager": {"value": format!("bulkId:{of}")}});
        user
    };
    let results = bulk(
        &acme,
        Some(1),
        json!([
            group("A", &["bulkId:B"]),
            group("B", &["bulkId:A", "bulkId:ada"]),
            manager("ada", "ben"),
            manager("ben", "ada"),
        ]),
    )
    .await;
    assert_eq!(statuses(&results), ["201"; 4]);
    for (holder, member) in [(0, 1), (1, 0), (1, 2)] {
        let members = acme.find(&path(&results[holder])).await["members"].clone();
        let id = path(&results[member]);
        let mut ids = members
            .as_array()
            .unwrap()
            .iter()
            .map(|m| m["value"].as_str().unwrap());
        assert!(ids.any(|member| id.ends_with(member)), "{members}");
    }
    for (person, manager) in [(2, 3), (3, 2)] {
        let person = acme.find(&path(&results[person])).await;
        let urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        let value = person[urn]["manager"]["value"].as_str().unwrap();
        assert!(path(&results[manager]).ends_with(value), "{person}");
    }
    // The first part of it made version 1; nothing else has changed it since.
    let ben = acme.find(&path(&results[3])).await;
    assert_eq!(results[3]["version"], "W/\"2\"");
    assert_eq!(results[3]["version"], ben["meta"]["version"]);
}

#[tokio::test]
async fn each_operation_stands_alone_until_there_are_too_many_errors() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    let operations = json!([
        user("ada"),
        {"method": "POST", "path": "/Users", "bulkId": "again", "data": {"schemas": [USER], "userName": "ADA"}},
        group("Of nobody", &["bulkId:again"]),
        {"method": "PUT", "path": "/Users/nonsense", "data": {"schemas": [USER], "userName": "x"}},
        user("ben"),
    ]);
    let results = bulk(&acme, None, operations.clone()).await;
    assert_eq!(statuses(&results), ["201", "409", "409", "404", "201"]);
    let refused = &results[1];
    assert_eq!(refused["response"]["scimType"], "uniqueness");
    assert_eq!(refused["response"]["status"], "409");
    assert_eq!(refused["location"], Value::Null);
    assert_eq!(refused["bulkId"], "again");
    assert!(
        results[2]["response"]["detail"]
            .as_str()
            .unwrap()
            .contains("again")
    );
    assert!(
        results[3]["location"]
            .as_str()
            .unwrap()
            .ends_with("/Users/nonsense")
    );
    assert_eq!(acme.find("/Users").await["totalResults"], 2);
    assert_eq!(
        acme.event_types()
            .await
            .iter()
            .filter(|t| *t == "user.created")
            .count(),
        2
    );

    let globex = gateway.directory().await;
    let results = bulk(&globex, Some(2), operations).await;
    assert_eq!(statuses(&results), ["201", "409", "409"]);
    assert_eq!(globex.find("/Users").await["totalResults"], 1);
}

#[tokio::test]
async fn versions_hold_and_other_directories_are_out_of_reach() {
    let gateway = Gateway::start().await;
    let (acme, globex) = (gateway.directory().await, gateway.directory().await);
    let (ada, eve) = (acme.user("ada").await, globex.user("eve").await);
    let patch = json!({"schemas": [PATCH], "Operations": [{"op": "replace", "path": "active", "value": false}]});
    let results = bulk(&acme, None, json!([
        {"method": "PATCH", "path": format!("/Users/{ada}"), "version": "W/\"9\"", "data": patch},
        {"method": "PATCH", "path": format!("/Users/{ada}"), "version": "W/\"1\"", "data": patch},
        {"method": "DELETE", "path": format!("/Users/{eve}")},
        {"method": "DELETE", "path": format!("/../{}/Users/{eve}", globex.directory)},
        {"method": "DELETE", "path": format!("http://localhost:8080/scim/v2/{}/Users/{eve}", globex.directory)},
        group("Mixed", &[&eve]),
        {"method": "POST", "path": "/Bulk", "bulkId": "inner", "data": {"Operations": []}},
        {"method": "POST", "path": "/.search", "bulkId": "search", "data": {}},
        {"method": "DELETE", "path": "/Users"},
    ]))
    .await;
    assert_eq!(
        statuses(&results),
        [
            "412", "200", "404", "404", "400", "400", "404", "404", "405"
        ]
    );
    assert_eq!(results[1]["version"], "W/\"2\"");
    globex.get(&format!("/Users/{eve}")).await.expect(200);
    assert_eq!(acme.find("/Groups").await["totalResults"], 0);
}

#[tokio::test]
async fn the_limits_are_those_that_are_published() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    let published = acme.find("/ServiceProviderConfig").await["bulk"].clone();
    assert_eq!(published["supported"], true);
    let most = published["maxOperations"].as_u64().unwrap() as usize;
    let delete = json!({"method": "DELETE", "path": "/Users/x"});
    let body = |number| json!({"schemas": [BULK], "Operations": vec![delete.clone(); number]});
    let answer = acme.post("/Bulk", body(most + 1)).await.expect(413);
    assert_eq!(answer.json["status"], "413");
    let padding = " ".repeat(published["maxPayloadSize"].as_u64().unwrap() as usize);
    let large = body(1).to_string() + &padding;
    let headers = [("transfer-encoding", "chunked")];
    let answer = acme.send(Method::POST, "/Bulk", &headers, large).await;
    assert_eq!(answer.expect(413).json["status"], "413");
    let answer = acme.post("/Bulk", body(most)).await.expect(200);
    assert_eq!(answer.json["Operations"].as_array().unwrap().len(), most);
    acme.get("/Bulk").await.expect(405);
    for wrong in [
        json!([]),
        json!({}),
        json!({"Operations": [], "failOnErrors": "many"}),
    ] {
        acme.post("/Bulk", wrong).await.expect(400);
    }
}

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

fn managed(bulk_id: &str, by: &str) -> Value {
    let mut user = user(bulk_id);
    user["data"][ENTERPRISE] = json!({"manager": {"value": format!("bulkId:{by}")}});
    user
}

/// Of two that refer to each other, the one that the other waits for is made first, without it.
#[tokio::test]
async fn of_a_circle_that_breaks_what_was_made_stays_and_is_told() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    let nameless = |bulk_id: &str, members: &[&str]| {
        let mut group = group(bulk_id, members);
        group["data"]["displayName"] = "".into();
        group
    };
    let ada = acme.user("ada").await;

    // The second creation fails: the first is there, without it, and the caller learns both.
    let circle = json!([
        nameless("A", &["bulkId:B"]),
        group("B", &["bulkId:A", &ada])
    ]);
    let results = bulk(&acme, None, circle).await;
    assert_eq!(statuses(&results), ["400", "409"]);
    assert_eq!(results[0]["location"], Value::Null);
    assert_eq!(results[0]["response"]["scimType"], "invalidValue");
    let detail = results[1]["response"]["detail"].as_str().unwrap();
    assert!(detail.contains("bulkId:A"), "{detail}");
    let left = acme.find(&path(&results[1])).await;
    assert_eq!(left["displayName"], "B");
    assert_eq!(left["members"].as_array().unwrap().len(), 1, "{left}");
    assert_eq!(left["members"][0]["value"], ada);
    assert_eq!(acme.find("/Groups").await["totalResults"], 1);
    acme.delete(&path(&results[1])).await.expect(204);

    // The first fails: nothing is made.
    let circle = json!([group("A", &["bulkId:B"]), nameless("B", &["bulkId:A"])]);
    let results = bulk(&acme, None, circle).await;
    assert_eq!(statuses(&results), ["409", "400"]);
    assert_eq!(results[0]["location"], Value::Null);
    assert_eq!(acme.find("/Groups").await["totalResults"], 0);

    // The job ends between the two.
    let circle = json!([
        nameless("A", &["bulkId:B"]),
        group("B", &["bulkId:A"]),
        user("ben"),
    ]);
    let results = bulk(&acme, Some(1), circle).await;
    assert_eq!(statuses(&results), ["400", "409"]);
    acme.delete(&path(&results[1])).await.expect(204);

    // Each other's manager: Ada's name is taken.
    let taken = json!([managed("ada", "ben"), managed("ben", "ada")]);
    let results = bulk(&acme, None, taken).await;
    assert_eq!(statuses(&results), ["409", "409"]);
    assert_eq!(results[0]["response"]["scimType"], "uniqueness");
    let ben = acme.find(&path(&results[1])).await;
    assert_eq!(ben["userName"], "ben");
    assert_eq!(ben[ENTERPRISE], Value::Null);
    acme.delete(&path(&results[1])).await.expect(204);

    // The same once more, as it should have been.
    let repaired = json!([managed("adam", "ben"), managed("ben", "adam")]);
    let results = bulk(&acme, None, repaired).await;
    assert_eq!(statuses(&results), ["201", "201"]);
}

#[tokio::test]
async fn circles_of_one_and_of_three_close_or_say_why_not() {
    let gateway = Gateway::start().await;
    let acme = gateway.directory().await;
    let own = json!([group("Self", &["bulkId:Self"]), managed("boss", "boss")]);
    let results = bulk(&acme, None, own).await;
    assert_eq!(statuses(&results), ["201", "201"]);
    let group_itself = acme.find(&path(&results[0])).await;
    assert_eq!(group_itself["members"][0]["value"], group_itself["id"]);
    let boss = acme.find(&path(&results[1])).await;
    assert_eq!(boss[ENTERPRISE]["manager"]["value"], boss["id"]);
    for (result, resource) in results.iter().zip([&group_itself, &boss]) {
        assert_eq!(result["version"], resource["meta"]["version"]);
    }

    let three = json!([
        group("A", &["bulkId:B"]),
        group("B", &["bulkId:C"]),
        group("C", &["bulkId:A", "bulkId:B"]),
    ]);
    let results = bulk(&acme, None, three).await;
    assert_eq!(statuses(&results), ["201"; 3]);
    let mut found = Vec::new();
    for result in &results {
        let group = acme.find(&path(result)).await;
        assert_eq!(result["version"], group["meta"]["version"], "{group}");
        let members = group["members"].as_array().unwrap();
        let mut names: Vec<String> = members
            .iter()
            .map(|member| member["display"].as_str().unwrap().to_owned())
            .collect();
        names.sort();
        found.push(names.concat());
    }
    assert_eq!(found, ["B", "C", "AB"]);

    // A reference that can't be added later: nothing is made that waits for it.
    let mut stuck = managed("one", "two");
    stuck["data"]["urn:acme:1.0:User"] = json!({"value": "bulkId:two"});
    let mut other = managed("two", "one");
    other["data"]["urn:acme:1.0:User"] = json!({"value": "bulkId:one"});
    let before = acme.find("/Users").await["totalResults"].clone();
    let results = bulk(&acme, None, json!([stuck, other])).await;
    assert_eq!(statuses(&results), ["409", "409"]);
    assert_eq!(acme.find("/Users").await["totalResults"], before);
}
