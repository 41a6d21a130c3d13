use std::time::Duration;

use gateway::{
    flows::{
        directories::{self, NewDirectory},
        organizations::{self, NewOrganization},
        provisioning::Push,
    },
    model::Cause,
};
use integration::{Api, InProcess, Tenon, text};
use serde_json::{Value, json};

use super::{acme, errors, event_types, events, fields};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

async fn role(api: &Api, slug: &str) {
    let role = json!({"name": slug, "priority": 1});
    api.put(&format!("/roles/{slug}"), role).await.expect(200);
}

/// A directory with one user in one group, and the ids of both.
async fn pushed(api: &Api, path: &str) -> (Value, Api, String, String) {
    let body = json!({"name": "Okta", "provider": "okta"});
    let directory = api
        .post(&format!("{path}/directories"), body)
        .await
        .expect(201);
    let scim = Api::scim(&directory);
    let user = json!({"schemas": [USER], "userName": "ada@acme.example", "active": true});
    let user = scim.post("/Users", user).await.expect(201);
    let group = json!({
        "schemas": [GROUP], "displayName": "Admins", "members": [{"value": user["id"]}]
    });
    let group = scim.post("/Groups", group).await.expect(201);
    let users = api.get(&format!("{path}/users")).await.expect(200);
    let user = text(&users["data"][0]["id"]);
    (directory, scim, user, text(&group["id"]))
}

#[tokio::test]
async fn a_directory_shows_its_token_once_and_has_at_most_two() {
    let tenon = Tenon::start().await;
    let (api, path) = acme(&tenon).await;
    let directories = format!("{path}/directories");
    let directory = api
        .post(&directories, json!({"name": "Okta"}))
        .await
        .expect(201);
    let id = text(&directory["id"]);
    assert_eq!(
        directory["scim"]["base_url"],
        format!("{}/scim/v2/{id}", tenon.url())
    );
    assert_eq!(directory["state"], "waiting");
    let first = text(&directory["scim"]["bearer_token"]);
    let one = format!("/directories/{id}");
    let shown = api.get(&one).await.expect(200);
    assert!(shown["scim"].get("bearer_token").is_none());
    assert!(!shown.to_string().contains(&first));
    assert_eq!(shown["tokens"][0]["last_four"], first[first.len() - 4..]);
    assert_eq!(
        api.get(&directories).await.expect(200)["data"],
        json!([shown])
    );

    let tokens = format!("{one}/tokens");
    let second = api.post(&tokens, json!({})).await.expect(201);
    let bearer = text(&second["bearer_token"]);
    assert_eq!(
        api.post(&tokens, json!({})).await.problem(409),
        "too_many_tokens"
    );
    let scim = Api::scim(&directory);
    scim.get("/Users").await.expect(200);
    scim.with_token(&bearer).get("/Users").await.expect(200);

    let old = text(&shown["tokens"][0]["id"]);
    api.delete(&format!("{tokens}/{old}")).await.expect(204);
    api.delete(&format!("{tokens}/{old}")).await.problem(404);
    scim.get("/Users").await.expect(401);
    scim.with_token(&bearer).get("/Users").await.expect(200);
    assert_eq!(
        fields(
            api.post(&tokens, json!({"expires_at": "2026-01-01T00:00:00Z"}))
                .await
        ),
        ["expires_at"]
    );
    let ending = json!({"expires_at": "2099-01-01T00:00:00.000Z"});
    let third = api.post(&tokens, ending.clone()).await.expect(201);
    assert_eq!(third["expires_at"], ending["expires_at"]);
    let shown = api.get(&one).await.expect(200);
    assert_eq!(shown["tokens"][1]["expires_at"], ending["expires_at"]);
    assert_eq!(shown["state"], "syncing");
    assert!(shown["last_request_at"].is_string(), "{shown}");
    assert!(shown["tokens"][0]["last_used_at"].is_string(), "{shown}");
}

#[tokio::test]
async fn an_expired_token_opens_nothing_and_makes_room_for_another() {
    let tenon = InProcess::start().await;
    let app = &tenon.app;
    let tx = app.store.begin().await.expect("the database answers");
    let cause = Cause::system("test");
    let new = NewOrganization {
        name: "Acme".to_owned(),
        slug: None,
        external_id: None,
        domains: Vec::new(),
        metadata: Default::default(),
    };
    let organization = organizations::create(app, &tx, new, &cause).await;
    let scope = organization.expect("an organization").id;
    let scope = app.store.organization_named(scope);
    let new = NewDirectory {
        name: "Okta".to_owned(),
        provider: None,
        default_role: None,
        change_brake: None,
        protected_user_ids: Vec::new(),
    };
    let made = directories::create(app, &tx, &scope, new, &cause).await;
    let (directory, _, _) = made.expect("a directory");
    let day = Duration::from_secs(24 * 60 * 60);
    let end = Some((tenon.app.clock.now() + day).into());
    let token = async |tx| directories::create_token(app, tx, &scope, directory.id, end).await;
    let (_, text) = token(&tx).await.expect("a second token");
    assert_eq!(token(&tx).await.unwrap_err().code(), "too_many_tokens");
    tx.commit().await.expect("it commits");
    let id = directory.id.to_string();
    let opens = async || Push::authenticate(app, &id, &text, "test").await.is_ok();
    assert!(opens().await);

    tenon.clock.advance(day);
    assert!(!opens().await);
    let tx = app.store.begin().await.expect("the database answers");
    let made = directories::create_token(app, &tx, &scope, directory.id, None).await;
    assert!(made.is_ok(), "the expired one does not count");
}

#[tokio::test]
async fn changes_of_a_directory_are_told() {
    let tenon = Tenon::start().await;
    let (api, path) = acme(&tenon).await;
    let directories = format!("{path}/directories");
    let body = json!({"name": "Okta", "default_role": "member"});
    assert_eq!(
        errors(api.post(&directories, body.clone()).await),
        ["default_role: there is no such role"]
    );
    role(&api, "member").await;
    let directory = api.post(&directories, body).await.expect(201);
    let one = format!("/directories/{}", text(&directory["id"]));
    let patch = json!({"name": "Entra", "provider": "entra", "default_role": null});
    let changed = api.patch(&one, patch.clone()).await.expect(200);
    assert_eq!(changed["default_role"], json!(null));
    let (kind, data) = events(&api, &path).await.pop().expect("an event");
    assert_eq!(kind, "directory.updated");
    assert_eq!(
        data["previous"],
        json!({"name": "Okta", "provider": null, "default_role": "member"})
    );
    let count = events(&api, &path).await.len();
    api.patch(&one, patch).await.expect(200);
    assert_eq!(events(&api, &path).await.len(), count);
    api.patch(&one, json!({"default_role": "nobody"}))
        .await
        .problem(400);
}

#[tokio::test]
async fn mappings_give_roles_at_once_and_a_preview_gives_none() {
    let tenon = Tenon::start().await;
    let (api, path) = acme(&tenon).await;
    role(&api, "admin").await;
    role(&api, "member").await;
    let (directory, _, user, group) = pushed(&api, &path).await;
    let mappings = format!("/directories/{}/role_mappings", text(&directory["id"]));
    let by_name = json!({"mappings": [{"group_display_name": "admins", "role": "admin"}]});
    let roles = || async {
        let user = api.get(&format!("/users/{user}")).await.expect(200);
        (user["roles"].clone(), user["role_sources"].clone())
    };

    let count = events(&api, &path).await.len();
    let preview = api
        .post(&format!("{mappings}/preview"), by_name.clone())
        .await;
    let gain = json!([{"user_id": user, "role": "admin"}]);
    let expected = json!({"gains": gain, "gain_count": 1, "losses": [], "loss_count": 0});
    assert_eq!(preview.expect(200), expected);
    assert_eq!(roles().await, (json!([]), json!([])));
    assert_eq!(events(&api, &path).await.len(), count);

    let put = api.put(&mappings, by_name.clone()).await.expect(200);
    assert_eq!(put, api.get(&mappings).await.expect(200));
    assert_eq!(
        roles().await,
        (
            json!(["admin"]),
            json!([{"role": "admin", "source": group}])
        )
    );
    let types = event_types(&api, &path).await;
    assert_eq!(
        types[count..],
        ["role_mapping.updated", "user.roles_changed"]
    );
    api.put(&mappings, by_name).await.expect(200);
    assert_eq!(events(&api, &path).await.len(), count + 2);

    let by_id = json!({"mappings": [{"group_id": group, "role": "member"}]});
    api.put(&mappings, by_id).await.expect(200);
    assert_eq!(roles().await.0, json!(["member"]));
    api.put(&mappings, json!({"mappings": []}))
        .await
        .expect(200);
    assert_eq!(roles().await.0, json!([]));

    let one = format!("/directories/{}", text(&directory["id"]));
    api.patch(&one, json!({"default_role": "member"}))
        .await
        .expect(200);
    assert_eq!(roles().await.0, json!(["member"]));
}

#[tokio::test]
async fn wrong_mappings_change_nothing() {
    let tenon = Tenon::start().await;
    let (api, path) = acme(&tenon).await;
    role(&api, "admin").await;
    let (directory, _, _, group) = pushed(&api, &path).await;
    let body = json!({"name": "Other"});
    let other = api
        .post(&format!("{path}/directories"), body)
        .await
        .expect(201);
    let mappings = format!("/directories/{}/role_mappings", text(&directory["id"]));
    for (rows, expected) in [
        (json!([{"role": "admin"}]), vec!["mappings[0]"]),
        (
            json!([{"group_id": group, "group_display_name": "Admins", "role": "admin"}]),
            vec!["mappings[0]"],
        ),
        (
            json!([{"group_id": group, "role": "admin"}, {"group_id": group, "role": "admin"}]),
            vec!["mappings[1]"],
        ),
        (
            json!([{"group_display_name": "Admins", "role": "nobody"}]),
            vec!["mappings[0].role"],
        ),
        (
            json!([{"group": "Admins", "role": "admin"}]),
            vec!["mappings[0].group"],
        ),
        (
            json!([{"group_id": "grp_nonsense", "role": "admin"}]),
            vec!["mappings[0].group_id"],
        ),
    ] {
        let body = json!({"mappings": rows});
        assert_eq!(
            fields(api.put(&mappings, body.clone()).await),
            expected,
            "{body}"
        );
    }
    // Another directory's group is as unknown as an invented one.
    let of_other = format!("/directories/{}/role_mappings", text(&other["id"]));
    let body = json!({"mappings": [{"group_id": group, "role": "admin"}]});
    assert_eq!(
        fields(api.put(&of_other, body).await),
        ["mappings[0].group_id"]
    );
    assert_eq!(
        api.get(&mappings).await.expect(200),
        json!({"mappings": []})
    );
}

#[tokio::test]
async fn a_deleted_directory_takes_along_what_it_pushed() {
    let tenon = Tenon::start().await;
    let (api, path) = acme(&tenon).await;
    let (directory, scim, user, group) = pushed(&api, &path).await;
    let count = events(&api, &path).await.len();
    let one = format!("/directories/{}", text(&directory["id"]));
    api.delete(&one).await.expect(204);
    let types = event_types(&api, &path).await;
    assert_eq!(
        types[count..],
        ["group.deleted", "user.deleted", "directory.deleted"]
    );
    for gone in [one, format!("/users/{user}"), format!("/groups/{group}")] {
        assert_eq!(api.get(&gone).await.problem(404), "not_found");
    }
    scim.get("/Users").await.expect(401);
}

#[tokio::test]
async fn a_directory_that_takes_too_many_away_is_held_until_somebody_releases_it() {
    let tenon = Tenon::start().await;
    let (api, path) = acme(&tenon).await;
    let directories = format!("{path}/directories");
    let bad = json!({"name": "Okta", "change_brake": {"share": 101}, "protected_user_ids": []});
    assert_eq!(
        fields(api.post(&directories, bad).await),
        ["change_brake.share"]
    );
    let (directory, scim, user, _) = pushed(&api, &path).await;
    let one = format!("/directories/{}", text(&directory["id"]));
    let of_nobody = json!({"protected_user_ids": [user, "usr_01h455vb4pex5vsknk084sn02q"]});
    assert_eq!(
        fields(api.patch(&one, of_nobody).await),
        ["protected_user_ids[1]"]
    );
    assert_eq!(
        (&directory["change_brake"], &directory["held_at"]),
        (&Value::Null, &Value::Null)
    );
    let brake = json!({"change_brake": {"share": 50, "minimum": 1, "answer": "accept"}});
    let changed = api.patch(&one, brake.clone()).await.expect(200);
    assert_eq!(changed["change_brake"], brake["change_brake"]);
    let defaults = json!({"name": "Entra", "change_brake": {"share": 5}});
    let other = api.post(&directories, defaults).await.expect(201);
    assert_eq!(
        other["change_brake"],
        json!({"share": 5, "minimum": 10, "answer": "refuse"})
    );

    let people = scim.get("/Users").await.expect(200);
    let ada = format!("/Users/{}", text(&people["Resources"][0]["id"]));
    scim.delete(&ada).await.expect(204);
    let held = api.get(&one).await.expect(200);
    assert!(held["held_at"].is_string(), "{held}");
    assert_eq!(held["waiting_changes"], 1);
    assert_eq!(
        api.get(&directories).await.expect(200)["data"][1]["waiting_changes"],
        1
    );
    let waiting = api.get(&format!("{one}/waiting_changes?limit=1")).await;
    let expected = json!({
        "data": [{
            "directory_user_id": people["Resources"][0]["id"],
            "user_id": user,
            "user_name": people["Resources"][0]["userName"],
            "change": "deletion",
        }],
        "next_cursor": null,
    });
    assert_eq!(waiting.expect(200), expected);
    let off = json!({"change_brake": null});
    assert_eq!(
        api.patch(&one, off.clone()).await.problem(409),
        "directory_held"
    );

    let release = format!("{one}/release");
    assert_eq!(fields(api.post(&release, json!({})).await), ["apply"]);
    let done = api.post(&release, json!({"apply": true})).await.expect(200);
    assert_eq!(done, json!({"applied": 1, "dropped": 0}));
    scim.get(&ada).await.expect(404);
    let again = api.post(&release, json!({"apply": true})).await.expect(200);
    assert_eq!(again, json!({"applied": 0, "dropped": 0}));
    let free = api.get(&one).await.expect(200);
    assert_eq!(
        (&free["held_at"], &free["waiting_changes"]),
        (&Value::Null, &json!(0))
    );
    assert_eq!(
        api.patch(&one, off).await.expect(200)["change_brake"],
        Value::Null
    );
    let types = event_types(&api, &path).await;
    for (event_type, count) in [
        ("directory.change_held", 1),
        ("user.deleted", 1),
        ("directory.change_released", 1),
    ] {
        let found = types.iter().filter(|found| *found == event_type);
        assert_eq!(found.count(), count, "{event_type}");
    }
}
