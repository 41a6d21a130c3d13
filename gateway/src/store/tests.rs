//! The storage core: group commit, rollback, dense sequences.

use std::sync::Arc;

use sea_orm::{EntityTrait, QueryOrder, Set};

use super::entity::{events, roles};
use super::{Reads, Store};
use crate::clock::{Clock, SystemClock, SystemEntropy};
use crate::ids::OrganizationId;
use crate::model::{Cause, EventType, IdentityEvent};
use crate::store::OrgScope;
use crate::test_database::Database;

/// Makes a role of the deployment.
pub(crate) async fn insert_role(store: &Store, slug: &str, priority: i64) {
    let tx = store.begin().await.unwrap();
    let row = roles::ActiveModel {
        priority: Set(priority),
        ..role(slug)
    };
    roles::Entity::insert(row)
        .exec_without_returning(tx.db())
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

/// The organization's events as the application gets them, oldest first.
pub(crate) async fn event_bodies(store: &Store, scope: &OrgScope) -> Vec<serde_json::Value> {
    let rows = scope
        .select::<events::Entity>()
        .order_by_asc(events::Column::Seq)
        .all(store.read().db())
        .await
        .unwrap();
    let rows = rows.into_iter();
    rows.map(|row| serde_json::from_str(&row.body).unwrap())
        .collect()
}

fn role(slug: &str) -> roles::ActiveModel {
    let now = SystemClock.now().into();
    roles::ActiveModel {
        slug: Set(slug.to_owned()),
        name: Set(slug.to_owned()),
        description: Set(None),
        priority: Set(0),
        created_at: Set(now),
        updated_at: Set(now),
    }
}

#[expect(clippy::disallowed_methods, reason = "a test counts rows")]
async fn slugs(store: &Store) -> Vec<String> {
    let rows = roles::Entity::find().all(store.read().db()).await.unwrap();
    rows.into_iter().map(|row| row.slug).collect()
}

#[tokio::test]
async fn a_dropped_transaction_leaves_nothing_and_its_neighbours_stay() {
    let database = Database::fresh().await;
    let store = database.store().await;
    for (slug, keep) in [("first", true), ("second", false), ("third", true)] {
        let tx = store.begin().await.unwrap();
        roles::Entity::insert(role(slug))
            .exec_without_returning(tx.db())
            .await
            .unwrap();
        if keep {
            tx.commit().await.unwrap();
        }
    }
    assert_eq!(slugs(&store).await, ["first", "third"]);
}

#[tokio::test]
async fn concurrent_writers_share_commits_and_number_events_without_holes() {
    let database = Database::fresh().await;
    let store = database.store().await;
    let scope = OrgScope::from_evidence(OrganizationId::generate(&SystemClock, &SystemEntropy));
    let writers = (0..64).map(|n| {
        let store = store.clone();
        tokio::spawn(async move {
            let tx = store.begin().await.unwrap();
            let slug = format!("role-{n}");
            roles::Entity::insert(role(&slug))
                .exec_without_returning(tx.db())
                .await
                .unwrap();
            let event = IdentityEvent::new(EventType::UserCreated, "", &slug, &slug);
            tx.record(&scope, event, &Cause::system("test"));
            if n % 4 == 3 {
                drop(tx)
            } else {
                tx.commit().await.unwrap()
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    assert_eq!(slugs(&store).await.len(), 48);
    let rows = scope
        .select::<events::Entity>()
        .all(store.read().db())
        .await
        .unwrap();
    let mut sequences: Vec<i64> = rows.iter().map(|row| row.seq).collect();
    sequences.sort_unstable();
    assert_eq!(sequences, (1..=48).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_rotated_encryption_key_can_be_taken_out_after_the_rewrap() {
    use crate::secrets::{EncryptionKey, KeyRing, Secret};
    use crate::store::Vault;

    let database = Database::fresh().await;
    let store = database.store().await;
    let entropy: Arc<dyn crate::clock::Entropy> = Arc::new(SystemEntropy);
    let key = |id: &str, byte| EncryptionKey {
        id: id.to_owned(),
        key: Secret::new([byte; 32]),
    };
    let open = |keys: &[EncryptionKey]| {
        Vault::open(&store, KeyRing::new(keys).unwrap(), Arc::clone(&entropy))
    };
    let place = ("signing_keys", "private_key_sealed", "k");

    let old = open(&[key("old", 1)]).await.unwrap();
    let sealed = old.seal_global(place, b"secret").unwrap();
    let hash = old.hash("token");
    let both = open(&[key("new", 2), key("old", 1)]).await.unwrap();
    assert_eq!(both.rewrap(&store).await.unwrap(), 2);
    assert_eq!(both.rewrap(&store).await.unwrap(), 0);

    let new = open(&[key("new", 2)]).await.unwrap();
    assert_eq!(
        new.unseal_global(place, &sealed)
            .unwrap()
            .expose()
            .as_slice(),
        b"secret"
    );
    assert_eq!(new.hash("token"), hash);
    assert!(open(&[key("old", 1)]).await.is_err());
}
