//! Groups claimed at login beside groups that a directory pushes: the directory wins.

use connectors::{SamlSettings, Settings};

use super::*;
use crate::ids::{ConnectionId, UserId};
use crate::model::{
    ActorKind, Connection, ConnectionState, ConnectionType, EmailDomainPolicy, Window,
};
use crate::store::audit::{self, AuditFilter};
use crate::store::connections;
use crate::store::identities::{self, Claimed, IdentityKey};
use crate::store::users::{self, UserRecord};

/// A user who signed in by a connection that maps the group `Staff` to `member`, and claimed it.
pub(super) async fn signed_in(gateway: &Gateway, scope: &OrgScope, external_id: &str) -> UserId {
    let connection = Connection {
        id: ConnectionId::generate(&SystemClock, &SystemEntropy),
        organization_id: scope.organization(),
        name: "Okta".to_owned(),
        kind: ConnectionType::Saml,
        provider: None,
        state: ConnectionState::Active,
        settings: Settings::Saml(SamlSettings::default()),
        metadata_url: None,
        client_secret_sealed: None,
        previous_client_secret_sealed: None,
        email_domain_policy: EmailDomainPolicy::VerifiedOnly,
        jit_provisioning: true,
        default_application_id: None,
        created_at: now(),
        updated_at: now(),
    };
    let mapping = RoleMapping {
        group_id: None,
        group_name: Some("Staff".to_owned()),
        role: "member".to_owned(),
    };
    let user = UserId::generate(&SystemClock, &SystemEntropy);
    let record = UserRecord {
        external_id: Some(external_id.to_owned()),
        active: true,
        ..UserRecord::default()
    };
    let key = IdentityKey {
        connection: connection.id,
        issuer: "https://idp.example",
        subject: external_id,
    };
    let claimed = Claimed {
        idp_subject: external_id,
        groups: &["Staff".to_owned()],
        email_doubted: false,
    };
    let source = RoleSource::Connection(connection.id);
    let tx = gateway.app.store.begin().await.unwrap();
    connections::insert(&tx, scope, &connection).await.unwrap();
    role_mappings::replace(&tx, scope, source, &[mapping])
        .await
        .unwrap();
    users::insert(&tx, scope, user, &record, now())
        .await
        .unwrap();
    identities::insert(&tx, scope, key, user, claimed, now())
        .await
        .unwrap();
    let made = users::find(&tx, scope, user).await.unwrap().unwrap();
    crate::flows::roles::grant_first(&tx, scope, made)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    user
}

#[tokio::test]
async fn a_directory_that_pushes_groups_wins_over_groups_claimed_at_login() {
    let gateway = Gateway::start().await;
    gateway.role("member", 1).await;
    gateway.role("admin", 2).await;
    let acme = gateway.directory().await;
    let user = signed_in(&gateway, &acme.organization, "ext-ada").await;
    let bystander = signed_in(&gateway, &acme.organization, "ext-bob").await;
    let roles = async |user: UserId| {
        let found = users::find(&gateway.app.store.read(), &acme.organization, user).await;
        found.unwrap().unwrap().roles
    };
    assert_eq!(roles(user).await, ["member"]);

    // As Google: users, and no group. What is claimed counts.
    let body = json!({"schemas": [USER], "userName": "ada", "externalId": "ext-ada"});
    let ada = acme.post("/Users", body.clone()).await.expect(201).id();
    assert_eq!(roles(user).await, ["member"]);

    // The first group ends that, for the directory's own users only.
    acme.map_group("Admins", "admin").await;
    let first = acme.group("Others", &[]).await;
    assert_eq!(roles(user).await, Vec::<String>::new());
    assert_eq!(roles(bystander).await, ["member"]);
    let events = acme.events().await;
    assert_eq!(events.last().unwrap()["type"], "user.roles_changed");
    let second = acme.group("Admins", &[&ada]).await;
    assert_eq!(roles(user).await, ["admin"]);
    acme.delete(&format!("/Groups/{first}")).await.expect(204);
    assert_eq!(roles(user).await, ["admin"]);
    acme.delete(&format!("/Groups/{second}")).await.expect(204);
    assert_eq!(roles(user).await, ["member"]);

    // Who joins a directory with groups is told by them from the first moment.
    acme.group("Others", &[]).await;
    let body = json!({"schemas": [USER], "userName": "bob", "externalId": "ext-bob"});
    acme.post("/Users", body).await.expect(201);
    assert_eq!(roles(bystander).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_large_directory_is_deleted_in_steps_and_who_signs_in_or_is_protected_stays() {
    let gateway = Gateway::start().await;
    gateway.role("member", 1).await;
    let acme = gateway.directory().await;
    let stays = signed_in(&gateway, &acme.organization, "user-7").await;
    let operation = |n: usize| {
        let name = format!("user-{n}");
        json!({"method": "POST", "path": "/Users", "bulkId": name,
            "data": {"schemas": [USER], "userName": name, "externalId": name}})
    };
    let mut members = Vec::new();
    for range in [0..1_000, 1_000..1_020] {
        let body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
            "Operations": range.map(operation).collect::<Vec<_>>(),
        });
        let made = acme.post("/Bulk", body).await.expect(200).json;
        for result in made["Operations"].as_array().unwrap() {
            assert_eq!(result["status"], "201", "{result}");
            let (_, id) = result["location"]
                .as_str()
                .unwrap()
                .rsplit_once('/')
                .unwrap();
            members.push(id.to_owned());
        }
    }
    let protected = acme.user_id(&members[8]).await;
    acme.set(|directory| directory.protected_user_ids = vec![protected])
        .await;
    let members: Vec<&str> = members.iter().map(String::as_str).collect();
    let group = acme.group("Everybody", &members).await;
    let rename = json!([{"op": "replace", "path": "displayName", "value": "All"}]);
    let renamed = acme.patch(&format!("/Groups/{group}"), rename).await;
    assert_eq!(renamed.expect(204).json, Value::Null);
    let before = acme.events().await.len();
    let cause = Cause::new(ActorKind::ApiKey, "key_1", "request");
    crate::flows::directories::remove_in_steps(
        &gateway.app,
        &acme.organization,
        acme.directory,
        &cause,
    )
    .await
    .unwrap();
    acme.get("/Users").await.expect(401);
    let types = acme.event_types().await.split_off(before);
    let count = |wanted: &str| types.iter().filter(|it| *it == wanted).count();
    assert_eq!(count("user.deleted"), 1_018);
    assert_eq!(count("group.deleted"), 1);
    // Their source went, and what one of them claims at login counts again.
    assert_eq!(count("user.updated"), 2);
    assert_eq!(count("user.roles_changed"), 1);
    assert_eq!(types.last().unwrap(), "directory.deleted");
    let found = users::find(&gateway.app.store.read(), &acme.organization, stays).await;
    let user = found.unwrap().unwrap();
    assert_eq!(user.roles, ["member"]);
    assert_eq!(user.sources.len(), 1);
    let found = users::find(&gateway.app.store.read(), &acme.organization, protected).await;
    let user = found.unwrap().unwrap();
    assert!(user.active && user.sources.is_empty(), "{user:?}");
    // One act, however many steps it took.
    let window = Window {
        limit: 100,
        before: None,
    };
    let (db, organization) = (gateway.app.store.read(), Some(&acme.organization));
    let entries = audit::list(&db, organization, &AuditFilter::default(), window).await;
    let entries = entries.unwrap().rows;
    assert_eq!(entries.len(), 1, "{entries:?}");
    assert_eq!(entries[0].action, "directory.deleted");
}
