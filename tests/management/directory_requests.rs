use integration::{Api, Tenon, text};
use serde_json::{Value, json};

use super::acme;

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// A directory that found nobody, made somebody, failed to make the same again, and deactivated the first.
async fn pushed(tenon: &Tenon) -> (Api, String, String) {
    let (api, path) = acme(tenon).await;
    let body = json!({"name": "Entra", "provider": "entra"});
    let directory = api.post(&format!("{path}/directories"), body).await;
    let directory = directory.expect(201);
    let scim = Api::scim(&directory);
    let filter = "userName%20eq%20%22ada@acme.example%22";
    scim.get(&format!("/Users?filter={filter}"))
        .await
        .expect(200);
    let user = json!({"schemas": [USER], "userName": "ada@acme.example", "password": "hunter2"});
    let ada = scim.post("/Users", user.clone()).await.expect(201);
    assert_eq!(scim.post("/Users", user).await.status, 409);
    let ada = text(&ada["id"]);
    let disable = json!({"schemas": [PATCH], "Operations": [
        {"op": "Replace", "path": "active", "value": "False"},
    ]});
    scim.patch(&format!("/Users/{ada}"), disable)
        .await
        .expect(200);
    let log = format!("/directories/{}/requests", text(&directory["id"]));
    (api, log, ada)
}

fn summaries(list: &Value) -> Vec<String> {
    let rows = list["data"].as_array().expect("a list");
    rows.iter().map(|row| text(&row["summary"])).collect()
}

const LOOKED: &str = "Looked for users with userName eq \"ada@acme.example\": none found";
const CREATED: &str = "Created user \"ada@acme.example\"";
const REFUSED: &str = "Refused: this directory has a user \"ada@acme.example\" already";
const DEACTIVATED: &str = "Deactivated user \"ada@acme.example\"";

#[tokio::test]
async fn the_log_of_a_directory_shows_what_it_asked_and_what_came_of_it() {
    let tenon = Tenon::start().await;
    let (api, log, ada) = pushed(&tenon).await;
    let all = api.get(&log).await.expect(200);
    assert_eq!(summaries(&all), [DEACTIVATED, REFUSED, CREATED, LOOKED]);
    let row = &all["data"][0];
    assert_eq!(row["method"], "PATCH");
    assert_eq!(row["path"], "/Users/:id");
    assert_eq!(row["resource_id"], ada);
    assert_eq!(
        (&row["status"], &row["outcome"]),
        (&json!(200), &json!("succeeded"))
    );
    assert_eq!(row["provider"], "entra");
    assert_eq!(row["quirks"], json!(["capitalised_op", "boolean_as_text"]));
    assert_eq!(row["events"][0]["type"], "user.deactivated");
    assert_eq!(row["event_count"], 1);
    assert!(text(&row["token_id"]).starts_with("dtok_"));
    assert_eq!(row["ip"], "127.0.0.1");
    assert_eq!(row["request_body"], json!(null));
    assert_eq!(all["data"][1]["scim_type"], "uniqueness");
    let event = text(&row["events"][0]["id"]);
    let organization = text(&row["organization_id"]);
    let events = api
        .get(&format!("/events?organization_id={organization}"))
        .await
        .expect(200);
    let events = events["data"].as_array().expect("a list");
    let event = events
        .iter()
        .find(|it| it["id"] == event)
        .expect("the event");
    assert_eq!(event["data"]["request_id"], row["request_id"]);

    let created = text(&all["data"][2]["id"]);
    let one = api.get(&format!("{log}/{created}")).await.expect(200);
    let body: Value = serde_json::from_str(&text(&one["request_body"])).expect("JSON");
    assert_eq!(body["userName"], "ada@acme.example");
    assert_eq!(body["password"], "[redacted]");
    assert!(text(&one["answer_body"]).contains(&ada));
    let looked = text(&all["data"][3]["id"]);
    let one = api.get(&format!("{log}/{looked}")).await.expect(200);
    assert_eq!(
        one["query"],
        json!({"filter": "userName eq \"ada@acme.example\""})
    );
    assert_eq!(one["request_body"], json!(null));
}

#[tokio::test]
async fn the_log_is_filtered_and_paged() {
    let tenon = Tenon::start().await;
    let (api, log, ada) = pushed(&tenon).await;
    let at = text(&api.get(&log).await.expect(200)["data"][1]["created_at"]);
    for (filter, expected) in [
        ("status=409".to_owned(), &[REFUSED][..]),
        ("status=2xx".to_owned(), &[DEACTIVATED, CREATED, LOOKED]),
        ("outcome=refused".to_owned(), &[REFUSED]),
        ("outcome=failed".to_owned(), &[]),
        ("outcome=refused&status=2xx".to_owned(), &[]),
        (format!("resource_id={ada}"), &[DEACTIVATED, CREATED]),
        (format!("since={at}"), &[DEACTIVATED, REFUSED]),
        (format!("until={at}"), &[CREATED, LOOKED]),
        ("since=2999-01-01T00:00:00.000Z".to_owned(), &[]),
    ] {
        let found = api.get(&format!("{log}?{filter}")).await.expect(200);
        assert_eq!(summaries(&found), expected, "{filter}");
    }
    let first = api.get(&format!("{log}?limit=3")).await.expect(200);
    assert_eq!(summaries(&first), [DEACTIVATED, REFUSED, CREATED]);
    let cursor = text(&first["next_cursor"]);
    let last = api.get(&format!("{log}?limit=3&cursor={cursor}")).await;
    let last = last.expect(200);
    assert_eq!(summaries(&last), [LOOKED]);
    assert_eq!(last["next_cursor"], json!(null));
    for wrong in [
        "status=6xx",
        "status=40",
        "status=x",
        "outcome=maybe",
        "quirk=x",
    ] {
        let refused = api.get(&format!("{log}?{wrong}")).await;
        assert_eq!(refused.status, 400, "{wrong}: {}", refused.body);
    }
    let stranger = format!("{log}/dreq_01h455vb4pex5vsknk084sn02q");
    assert_eq!(api.get(&stranger).await.status, 404);
}

#[tokio::test]
async fn the_last_request_before_a_stop_is_in_the_log() {
    let mut tenon = Tenon::start().await;
    let (api, log, _) = pushed(&tenon).await;
    assert!(tenon.terminate().await.success());
    tenon.restart().await;
    let all = api.get(&log).await.expect(200);
    assert_eq!(summaries(&all), [DEACTIVATED, REFUSED, CREATED, LOOKED]);
}
