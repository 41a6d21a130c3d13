//! What is refused before it is looked at: too many requests, and tokens that have expired. It may come in floods,
//! and the log stays short.

use chrono::{DateTime, TimeDelta, Utc};

use super::*;
use crate::flows::provisioning_log;
use crate::http::limits::Limit;
use crate::model::{DirectoryRequest, Window};
use crate::store::directory_requests::{self, RequestFilter};
use crate::store::housekeeping;

/// The system's clock, so much ahead.
struct Ahead(TimeDelta);

impl Clock for Ahead {
    fn now(&self) -> DateTime<Utc> {
        SystemClock.now() + self.0
    }
}

impl Client {
    fn later(&self, seconds: i64) -> Self {
        let mut later = self.clone();
        later.app.clock = Arc::new(Ahead(TimeDelta::seconds(seconds)));
        later
    }

    /// Another token of the directory; `None` has no end.
    async fn token_until(&self, expires_at: Option<Timestamp>) -> Self {
        let token = self.app.entropy.token();
        let row = DirectoryToken {
            id: DirectoryTokenId::generate(&SystemClock, &SystemEntropy),
            last_four: "abcd".to_owned(),
            created_at: now(),
            last_used_at: None,
            expires_at,
        };
        let hash = self.app.vault.hash(&token);
        let tx = self.app.store.begin().await.unwrap();
        directories::insert_token(&tx, &self.organization, self.directory, &row, &hash)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        Self {
            token,
            ..self.clone()
        }
    }

    /// Rows with these statuses, oldest first.
    async fn rows(&self, statuses: std::ops::RangeInclusive<u16>) -> Vec<DirectoryRequest> {
        provisioning_log::flush(&self.app).await;
        let db = self.app.store.read();
        let scope = directories::scope_of(&db, &self.organization, self.directory).await;
        let filter = RequestFilter {
            statuses: vec![statuses],
            ..RequestFilter::default()
        };
        let window = Window {
            limit: 100,
            before: None,
        };
        let scope = scope.unwrap().unwrap();
        let slice = directory_requests::list(&db, &scope, &filter, window).await;
        let mut rows = slice.unwrap().rows;
        rows.reverse();
        rows
    }

    fn empty_the_bucket(&self) {
        let limits = &self.app.rate_limits;
        while limits.check(Limit::Directory, self.directory).is_ok() {}
    }

    async fn tokens_left(&self) -> usize {
        let db = self.app.store.read();
        let tokens = directories::tokens(&db, &self.organization, self.directory).await;
        tokens.unwrap().len()
    }
}

#[tokio::test]
async fn of_throttled_requests_one_is_told_and_the_others_are_counted() {
    let gateway = Gateway::with_rate_limits("on").await;
    let acme = gateway.directory().await;
    acme.get("/Users").await.expect(200);
    let second = acme.token_until(None).await;
    let throttled = async |client: &Client| {
        client.empty_the_bucket();
        let answer = client.post("/Users", json!({"userName": "ada"})).await;
        answer.status.as_u16() == 429
    };
    let mut refused = 0;
    while refused < 50 {
        refused += i32::from(throttled(&acme).await);
    }
    let rows = acme.rows(429..=429).await;
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(
        (rows[0].method.as_str(), rows[0].path.as_str()),
        ("POST", "/Users")
    );
    let first = "Refused: too many requests; try again in 1 s";
    assert_eq!(rows[0].summary, first);
    // The caller beside it has a row of its own.
    while !throttled(&second).await {}
    let rows = acme.rows(429..=429).await;
    assert_eq!(rows.len(), 2);
    assert_ne!(rows[0].token_id, rows[1].token_id);

    let later = acme.later(61);
    let rows = later.rows(429..=429).await;
    assert_eq!(rows.len(), 3, "{rows:?}");
    let counted = format!("{first}; 49 more requests like it in the minute from 20");
    assert!(rows[2].summary.starts_with(&counted), "{}", rows[2].summary);
    assert_eq!(rows[2].token_id, rows[0].token_id);
    assert_eq!(later.rows(429..=429).await.len(), 3, "it is told once");
    // The next minute begins anew.
    while !throttled(&later).await {}
    while !throttled(&later).await {}
    assert_eq!(later.rows(429..=429).await.len(), 4);
    // What is counted when the process ends is told then.
    provisioning_log::last_call(&later.app).await;
    let rows = later.rows(429..=429).await;
    assert_eq!(rows.len(), 5);
    assert!(rows[4].summary.contains("; 1 more requests like it"));
}

#[tokio::test]
async fn the_operations_of_a_bulk_that_find_no_room_are_counted_too() {
    let gateway = Gateway::with_rate_limits("on").await;
    let acme = gateway.directory().await;
    for _ in 0..1_990 {
        let limits = &gateway.app.rate_limits;
        limits.check(Limit::Directory, acme.directory).unwrap();
    }
    let operation = json!({"method": "DELETE", "path": "/Users/nobody"});
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": vec![operation; 1_000],
    });
    acme.post("/Bulk", body).await.expect(200);
    let rows = acme.rows(429..=429).await;
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(
        (rows[0].method.as_str(), rows[0].path.as_str()),
        ("DELETE", "/Users/:id")
    );
}

#[tokio::test]
async fn an_expired_token_says_so_to_who_has_it_and_is_seen_for_thirty_days() {
    let gateway = Gateway::start().await;
    let (acme, globex) = (gateway.directory().await, gateway.directory().await);
    let end = Timestamp(now().0 + TimeDelta::minutes(10));
    let old = acme.token_until(Some(end)).await;
    old.get("/Users").await.expect(200);

    let late = old.later(601);
    for path in ["/Users", "/Users/nobody", "/nowhere"] {
        let refused = late.get(path).await.expect(401);
        let detail = refused.json["detail"].as_str().unwrap();
        assert!(detail.contains(&format!("expired at {end}")), "{detail}");
        assert_eq!(
            refused.header("www-authenticate"),
            "Bearer realm=\"scim\", error=\"invalid_token\", error_description=\"the token has expired\""
        );
    }
    // Elsewhere it is a stranger's, and nothing is told of it.
    let elsewhere = Client {
        token: late.token.clone(),
        ..globex.later(601)
    };
    let refused = elsewhere.get("/Users").await.expect(401);
    assert_eq!(
        refused.json["detail"],
        "a bearer token of this directory is needed"
    );
    assert_eq!(globex.rows(401..=401).await, []);

    let rows = acme.rows(401..=401).await;
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert!(
        rows[0].summary.contains("expired at"),
        "{}",
        rows[0].summary
    );
    let rows = old.later(700).rows(401..=401).await;
    assert_eq!(rows.len(), 2);
    assert!(rows[1].summary.contains("; 2 more requests like it"));

    for (days, left) in [(29, 2), (31, 1)] {
        let chores = housekeeping::chores(end.0 + TimeDelta::days(days)).into_iter();
        for chore in chores.filter(|chore| chore.table == "directory_tokens") {
            housekeeping::tidy(&gateway.app.store, &chore)
                .await
                .unwrap();
        }
        assert_eq!(acme.tokens_left().await, left, "after {days} days");
    }
    acme.get("/Users").await.expect(200);
    // It may be remembered for a moment, and opens nothing either way.
    late.get("/Users").await.expect(401);
}
