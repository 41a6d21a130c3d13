use sea_orm::{ActiveValue::Set, EntityTrait};

use super::*;
use crate::clock::{Clock, SystemClock, SystemEntropy};
use crate::ids::{DirectoryUserId, GroupId};
use crate::model::{DirectoryState, RolePolicy};
use crate::store::Store;
use crate::store::columns::JsonText;
use crate::store::entity::{directories, organizations, roles};
use crate::test_database::Database;

fn now() -> Timestamp {
    SystemClock.now().into()
}

async fn organization(store: &Store) -> OrgScope {
    let id = OrganizationId::generate(&SystemClock, &SystemEntropy);
    let tx = store.begin().await.unwrap();
    organizations::Entity::insert(organizations::ActiveModel {
        id: Set(id),
        name: Set("Acme".to_owned()),
        name_folded: Set(String::new()),
        slug: Set(id.to_string()),
        external_id: Set(None),
        metadata: Set(JsonText(Default::default())),
        role_policy: Set(RolePolicy::Union),
        created_at: Set(now()),
        updated_at: Set(now()),
    })
    .exec_without_returning(tx.db())
    .await
    .unwrap();
    tx.commit().await.unwrap();
    OrgScope::from_evidence(id)
}

async fn insert_user(store: &Store, scope: &OrgScope, email: &str) -> UserId {
    let id = UserId::generate(&SystemClock, &SystemEntropy);
    let record = UserRecord {
        external_id: Some(format!("ext-{email}")),
        active: true,
        email: Some(email.to_owned()),
        ..UserRecord::default()
    };
    let tx = store.begin().await.unwrap();
    insert(&tx, scope, id, &record, now()).await.unwrap();
    tx.commit().await.unwrap();
    id
}

/// A directory that feeds `user`, one group with it, and a role from that group.
async fn feed(store: &Store, scope: &OrgScope, user: UserId) -> (DirectoryId, DirectoryUserId) {
    let directory = DirectoryId::generate(&SystemClock, &SystemEntropy);
    let resource = DirectoryUserId::generate(&SystemClock, &SystemEntropy);
    let group = GroupId::generate(&SystemClock, &SystemEntropy);
    let tx = store.begin().await.unwrap();
    directories::Entity::insert(directories::ActiveModel {
        id: Set(directory),
        organization_id: Set(scope.organization()),
        name: Set("Okta".to_owned()),
        provider: Set(None),
        default_role: Set(None),
        state: Set(DirectoryState::Waiting),
        last_request_at: Set(None),
        created_at: Set(now()),
        updated_at: Set(now()),
        ..Default::default()
    })
    .exec_without_returning(tx.db())
    .await
    .unwrap();
    directory_users::Entity::insert(directory_users::ActiveModel {
        id: Set(resource),
        organization_id: Set(scope.organization()),
        directory_id: Set(directory),
        user_id: Set(user),
        user_name: Set("Ada".to_owned()),
        user_name_folded: Set("ada".to_owned()),
        external_id: Set(None),
        display_name: Set(None),
        display_name_folded: Set(None),
        active: Set(true),
        resource: Set(JsonText(serde_json::Map::new())),
        version: Set(1),
        created_at: Set(now()),
        updated_at: Set(now()),
        ..Default::default()
    })
    .exec_without_returning(tx.db())
    .await
    .unwrap();
    groups::Entity::insert(groups::ActiveModel {
        id: Set(group),
        organization_id: Set(scope.organization()),
        directory_id: Set(directory),
        display_name: Set("Engineers".to_owned()),
        display_name_folded: Set("engineers".to_owned()),
        external_id: Set(None),
        resource: Set(JsonText(serde_json::Map::new())),
        member_count: Set(1),
        version: Set(1),
        created_at: Set(now()),
        updated_at: Set(now()),
    })
    .exec_without_returning(tx.db())
    .await
    .unwrap();
    memberships::Entity::insert(memberships::ActiveModel {
        group_id: Set(group),
        member_id: Set(resource.to_string()),
        organization_id: Set(scope.organization()),
        directory_id: Set(directory),
        member_user_id: Set(Some(resource)),
        member_group_id: Set(None),
        created_at: Set(now()),
    })
    .exec_without_returning(tx.db())
    .await
    .unwrap();
    roles::Entity::insert(roles::ActiveModel {
        slug: Set("admin".to_owned()),
        name: Set("Admin".to_owned()),
        description: Set(None),
        priority: Set(1),
        created_at: Set(now()),
        updated_at: Set(now()),
    })
    .exec_without_returning(tx.db())
    .await
    .unwrap();
    for source in [group.to_string(), directory.to_string()] {
        user_roles::Entity::insert(user_roles::ActiveModel {
            organization_id: Set(scope.organization()),
            user_id: Set(user),
            role: Set("admin".to_owned()),
            source: Set(source),
        })
        .exec_without_returning(tx.db())
        .await
        .unwrap();
    }
    tx.commit().await.unwrap();
    (directory, resource)
}

#[tokio::test]
async fn a_user_is_read_whole_and_only_inside_its_organization() {
    let database = Database::fresh().await;
    let store = database.store().await;
    let acme = organization(&store).await;
    let other = organization(&store).await;
    let id = insert_user(&store, &acme, "ada@acme.example").await;
    let (directory, resource) = feed(&store, &acme, id).await;

    let user = find(&store.read(), &acme, id).await.unwrap().unwrap();
    assert_eq!(user.roles, ["admin"]);
    assert_eq!(user.role_sources.len(), 2);
    assert_eq!(user.groups[0].display_name, "Engineers");
    assert_eq!(user.sources[0].id, directory.to_string());
    assert_eq!(user.sources[0].subject, resource.to_string());
    assert_eq!(find(&store.read(), &other, id).await.unwrap(), None);
}

#[tokio::test]
async fn a_list_is_newest_first_pages_by_key_and_filters() {
    let database = Database::fresh().await;
    let store = database.store().await;
    let acme = organization(&store).await;
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(insert_user(&store, &acme, &format!("User{n}@acme.example")).await);
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    let (directory, _) = feed(&store, &acme, ids[2]).await;
    let page = async |filter: UserFilter, after| {
        let users = list(&store.read(), &acme, &filter, after, 2).await.unwrap();
        users.into_iter().map(|user| user.id).collect::<Vec<_>>()
    };
    let all = UserFilter::default();
    assert_eq!(page(all.clone(), None).await, [ids[4], ids[3]]);
    assert_eq!(page(all, Some(ids[3])).await, [ids[2], ids[1]]);
    let by_email = UserFilter {
        email: Some("uSer1@ACME.example".to_owned()),
        ..UserFilter::default()
    };
    assert_eq!(page(by_email, None).await, [ids[1]]);
    let fed_admins = UserFilter {
        role: Some("admin".to_owned()),
        directory_id: Some(directory),
        active: Some(true),
        ..UserFilter::default()
    };
    assert_eq!(page(fed_admins, None).await, [ids[2]]);
}

#[tokio::test]
async fn a_source_joins_by_external_id_then_by_email_and_never_twice_by_directory() {
    let database = Database::fresh().await;
    let store = database.store().await;
    let acme = organization(&store).await;
    let ada = insert_user(&store, &acme, "Ada@acme.example").await;
    let bob = insert_user(&store, &acme, "bob@acme.example").await;
    feed(&store, &acme, ada).await;
    let join = async |external_id, verified_email, without_directory| {
        let tx = store.begin().await.unwrap();
        let key = JoinKey {
            external_id,
            verified_email,
            without_directory,
        };
        find_to_join(&tx, &acme, key).await.unwrap()
    };
    let ada_email = Some("ada@ACME.example");
    assert_eq!(join(None, ada_email, false).await, Some(ada));
    assert_eq!(join(None, ada_email, true).await, None);
    assert_eq!(
        join(Some("ext-bob@acme.example"), ada_email, false).await,
        Some(bob)
    );
    assert_eq!(join(None, None, false).await, None);
}
