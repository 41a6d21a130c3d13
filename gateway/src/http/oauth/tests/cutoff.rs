//! A directory deactivates a person in the middle of all that gives them tokens (SECURITY-MODEL G12).

use std::sync::Arc;
use std::time::Duration;

use poem::http::Method;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::desk::{Desk, request};
use crate::ids::{DirectoryId, DirectoryTokenId, UserId};
use crate::model::{Directory, DirectoryState, DirectoryToken, Profile, SessionState};
use crate::store::users::UserRecord;
use crate::store::{directories, users};

/// As many people at once, each with as many deactivations: a thousand interleavings.
const PEOPLE: usize = 8;
const TURNS: usize = 125;
const REFRESHES: usize = 2;

/// One directory, as its provider reaches it.
struct Provider {
    directory: DirectoryId,
    token: String,
}

/// Known to the application as `user`, and to the directory by this path.
struct Person {
    user: UserId,
    path: String,
}

/// SplitMix64: what is ours of the interleavings is the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    /// Some turns of the scheduler, or some milliseconds: less than one statement, or several.
    fn pause(&mut self) -> impl Future<Output = ()> + use<> {
        let (yields, millis) = (self.below(32), self.below(2) * self.below(6));
        async move {
            for _ in 0..yields {
                tokio::task::yield_now().await;
            }
            if millis > 0 {
                tokio::time::sleep(Duration::from_millis(millis)).await;
            }
        }
    }
}

impl Desk {
    async fn provider(&self) -> Provider {
        let (clock, entropy) = (&*self.app.clock, &*self.app.entropy);
        let directory = Directory {
            id: DirectoryId::generate(clock, entropy),
            organization_id: self.scope.organization(),
            name: "Okta".to_owned(),
            provider: None,
            default_role: None,
            state: DirectoryState::Waiting,
            change_brake: None,
            protected_user_ids: Vec::new(),
            held_at: None,
            created_at: self.now(),
            updated_at: self.now(),
        };
        let token = entropy.token();
        let row = DirectoryToken {
            id: DirectoryTokenId::generate(clock, entropy),
            last_four: "abcd".to_owned(),
            created_at: self.now(),
            last_used_at: None,
            expires_at: None,
        };
        let tx = self.app.store.begin().await.unwrap();
        directories::insert(&tx, &self.scope, &directory)
            .await
            .unwrap();
        let hash = self.app.vault.hash(&token);
        directories::insert_token(&tx, &self.scope, directory.id, &row, &hash)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        Provider {
            directory: directory.id,
            token,
        }
    }

    async fn scim(&self, provider: &Provider, method: Method, path: &str, body: Value) -> Value {
        let path = format!("/scim/v2/{}{path}", provider.directory);
        let bearer = format!("Bearer {}", provider.token);
        let asked = request(method, &path, Some(&bearer)).content_type("application/scim+json");
        let answer = self.send(asked.body(body.to_string())).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.text);
        answer.json
    }

    /// A user of ours whom the directory then takes for its own, by the external id.
    async fn person(&self, provider: &Provider, name: &str) -> Person {
        let user = UserId::generate(&*self.app.clock, &*self.app.entropy);
        let record = UserRecord {
            external_id: Some(name.to_owned()),
            active: true,
            user_name: Some(name.to_owned()),
            email: None,
            profile: Profile::default(),
        };
        let tx = self.app.store.begin().await.unwrap();
        users::insert(&tx, &self.scope, user, &record, self.now())
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let body = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": name,
            "externalId": name,
        });
        let made = self.scim(provider, Method::POST, "/Users", body).await;
        Person {
            user,
            path: format!("/Users/{}", made["id"].as_str().unwrap()),
        }
    }

    async fn set_active_by_scim(&self, provider: &Provider, person: &Person, active: bool) {
        let body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "replace", "value": {"active": active}}],
        });
        let said = self.scim(provider, Method::PATCH, &person.path, body).await;
        assert_eq!(said["active"], active);
    }

    async fn assert_dead(&self, tokens: &Value) {
        let refused = self.refresh(&tokens["refresh_token"]).await;
        assert_eq!(refused.refusal(), (400, "invalid_grant"));
        let access = tokens["access_token"].as_str().unwrap();
        let refused = self.userinfo(access).await;
        assert_eq!(refused.refusal(), (401, "invalid_token"));
        let access = self.introspect(&tokens["access_token"]).await;
        assert_eq!(access, json!({"active": false}));
    }

    /// How many refreshes were in time, and whether the code of the other sign-in was.
    async fn race(
        &self,
        provider: &Provider,
        person: &Person,
        chance: &mut Chance,
    ) -> (usize, bool) {
        let theirs = async || {
            self.code_with(|_, session| session.user_id = person.user)
                .await
        };
        let (code, first) = theirs().await;
        let (unused, second) = theirs().await;
        let tokens = self.redeem(&code).await.ok();
        let (done, mut refreshed) = watch::channel(0);
        let after = usize::try_from(chance.below(REFRESHES as u64)).unwrap();
        let pauses = [chance.pause(), chance.pause(), chance.pause()];
        let [first_pause, second_pause, third_pause] = pauses;
        let refreshes = async {
            first_pause.await;
            let mut held = vec![tokens];
            while held.len() <= REFRESHES {
                let answer = self.refresh(&held[held.len() - 1]["refresh_token"]).await;
                if answer.status != 200 {
                    assert_eq!(answer.refusal(), (400, "invalid_grant"));
                    break;
                }
                done.send_replace(held.len());
                held.push(answer.json);
            }
            held
        };
        let redemption = async {
            second_pause.await;
            self.redeem(&unused).await
        };
        let deactivation = async {
            refreshed.wait_for(|done| *done >= after).await.unwrap();
            third_pause.await;
            self.set_active_by_scim(provider, person, false).await;
        };
        let (mut held, redeemed, ()) = tokio::join!(refreshes, redemption, deactivation);
        let refreshed = held.len() - 1;
        let mut newest: Vec<Value> = held.drain(refreshed..).collect();
        let in_time = redeemed.status == 200;
        if in_time {
            newest.push(redeemed.json);
        } else {
            assert_eq!(redeemed.refusal(), (400, "invalid_grant"));
        }
        for tokens in &newest {
            self.assert_dead(tokens).await;
        }
        // It is not only that the person may not enter: nothing is left that would open once they may again.
        self.set_active_by_scim(provider, person, true).await;
        for tokens in held.iter().chain(&newest) {
            let status = self.introspect(&tokens["access_token"]).await;
            assert_eq!(status, json!({"active": false}));
            let refused = self.refresh(&tokens["refresh_token"]).await;
            assert_eq!(refused.refusal(), (400, "invalid_grant"));
        }
        assert_eq!(self.redeem(&unused).await.refusal(), (400, "invalid_grant"));
        for session in [first, second] {
            assert_eq!(self.session_state(session).await, SessionState::Revoked);
        }
        (refreshed, in_time)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn deprovision_cutoff() {
    let desk = Arc::new(Desk::open().await);
    let provider = Arc::new(desk.provider().await);
    let people = (0..PEOPLE).map(|number| {
        let (desk, provider) = (Arc::clone(&desk), Arc::clone(&provider));
        tokio::spawn(async move {
            let person = desk.person(&provider, &format!("person-{number}")).await;
            let mut chance = Chance(number as u64);
            let mut outcomes = Vec::new();
            for _ in 0..TURNS {
                outcomes.push(desk.race(&provider, &person, &mut chance).await);
            }
            outcomes
        })
    });
    let mut outcomes = Vec::new();
    for person in people.collect::<Vec<_>>() {
        outcomes.extend(person.await.unwrap());
    }
    // It was a race: no side was always first.
    for refreshed in 0..=REFRESHES {
        let times = outcomes.iter().filter(|(other, _)| *other == refreshed);
        assert!(times.count() > 0, "never {refreshed} refreshes in time");
    }
    for in_time in [false, true] {
        let times = outcomes.iter().filter(|(_, other)| *other == in_time);
        assert!(times.count() > 0, "the code was never in time: {in_time}");
    }
}
