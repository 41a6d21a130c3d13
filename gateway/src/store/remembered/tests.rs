use std::time::{Duration, Instant};

use super::super::{api_keys, applications};
use super::*;
use crate::clock::{Clock, SystemClock, SystemEntropy};
use crate::ids::ApiKeyId;
use crate::model::{ApiScope, Application, ApplicationType, ClientAuthMethod, SigningAlgorithm};
use crate::test_database::Database;

const HASH: &str = "the-hash-of-a-key";

async fn insert_key(store: &Store) -> ApiKeyId {
    let key = ApiKey {
        id: ApiKeyId::generate(&SystemClock, &SystemEntropy),
        name: "CI".to_owned(),
        scopes: vec![ApiScope::Read],
        organization_id: None,
        last_four: "abcd".to_owned(),
        created_at: SystemClock.now().into(),
        last_used_at: None,
        expires_at: None,
    };
    let tx = store.begin().await.unwrap();
    api_keys::insert(&tx, &key, HASH).await.unwrap();
    tx.commit().await.unwrap();
    key.id
}

async fn remove_key(store: &Store, id: ApiKeyId) {
    let tx = store.begin().await.unwrap();
    assert!(api_keys::remove(&tx, None, id).await.unwrap());
    tx.commit().await.unwrap();
}

async fn is_accepted(store: &Store) -> bool {
    api_keys::recall(store, HASH).await.unwrap().is_some()
}

#[tokio::test]
async fn a_removed_key_is_refused_here_at_once_and_elsewhere_after_the_next_look() {
    let database = Database::fresh().await;
    let (here, there) = (database.store().await, database.store().await);
    assert!(!is_accepted(&here).await && !is_accepted(&there).await);
    let key = insert_key(&here).await;
    assert!(
        is_accepted(&here).await && is_accepted(&there).await,
        "nobody remembers that there was none"
    );

    let mut statements = 0;
    for _ in 0..4 {
        here.refresh_routing().await.unwrap();
        let asked = here.counters().statements.get();
        assert!(is_accepted(&here).await);
        statements += here.counters().statements.get() - asked;
    }
    // On a machine that stands still for a second, it asks again.
    assert!(statements < 4, "from memory");

    remove_key(&here, key).await;
    assert!(!is_accepted(&here).await);
    there.refresh_routing().await.unwrap();
    assert!(!is_accepted(&there).await);
}

#[tokio::test]
async fn a_replica_that_does_not_look_for_changes_stops_trusting_its_memory() {
    let database = Database::fresh().await;
    let (here, there) = (database.store().await, database.store().await);
    let key = insert_key(&here).await;
    assert!(is_accepted(&there).await);
    remove_key(&here, key).await;
    let removed = Instant::now();
    while is_accepted(&there).await {
        assert!(removed.elapsed() < Duration::from_secs(5));
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_rotated_secret_and_a_removed_application_are_noticed() {
    let database = Database::fresh().await;
    let (here, there) = (database.store().await, database.store().await);
    let id = ApplicationId::generate(&SystemClock, &SystemEntropy);
    let now = SystemClock.now().into();
    let mut stored = StoredApplication {
        application: Application {
            id,
            client_id: id,
            name: "Sample".to_owned(),
            kind: ApplicationType::Confidential,
            redirect_uris: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
            id_token_signing_alg: SigningAlgorithm::Rs256,
            access_token_ttl: 300,
            refresh_token_ttl: 300,
            session_idle_ttl: None,
            backchannel_logout_uri: None,
            initiate_login_uri: None,
            token_endpoint_auth_method: ClientAuthMethod::ClientSecretBasic,
            discovery: Default::default(),
            jwks: None,
            jwks_uri: None,
            created_at: now,
            updated_at: now,
        },
        secret_hash: Some("old".to_owned()),
        previous_secret: None,
    };
    let tx = here.begin().await.unwrap();
    applications::insert(&tx, &stored).await.unwrap();
    tx.commit().await.unwrap();
    let secret = async |store: &Store| {
        let found = applications::recall(store, id).await.unwrap();
        found.and_then(|stored| stored.secret_hash.clone())
    };
    assert_eq!(secret(&there).await.as_deref(), Some("old"));

    stored.secret_hash = Some("new".to_owned());
    let tx = here.begin().await.unwrap();
    applications::update(&tx, &stored).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(secret(&here).await.as_deref(), Some("new"));
    there.refresh_routing().await.unwrap();
    assert_eq!(secret(&there).await.as_deref(), Some("new"));

    let tx = here.begin().await.unwrap();
    assert!(applications::remove(&tx, id).await.unwrap());
    tx.commit().await.unwrap();
    there.refresh_routing().await.unwrap();
    assert_eq!(secret(&there).await, None);
}
