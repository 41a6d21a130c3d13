//! A directory deactivates a person in the middle of all that gives them tokens (SECURITY-MODEL G12).

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use poem::http::Method;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::desk::{Desk, request};
use crate::ids::{DirectoryId, DirectoryTokenId, UserId};
use crate::model::{Directory, DirectoryState, DirectoryToken, Profile, SessionState};
use crate::store::users::UserRecord;
use crate::store::{directories, users};

/// As many people at once, each with as many deactivations, each beside as many sessions that refresh and as many
/// that begin, every one after a pause of its own: a thousand interleavings.
const PEOPLE: usize = 4;
const TURNS: usize = 32;
const SESSIONS: usize = 4;
const REFRESHES: usize = 2;
const _: () = assert!(PEOPLE * TURNS * SESSIONS * 2 >= 1000);

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

    /// Redeemed once, then refreshed for as long as it goes: all the tokens, and how many refreshes were in time.
    async fn refreshed(&self, tokens: Value, done: &watch::Sender<usize>) -> (Vec<Value>, usize) {
        let mut held = vec![tokens];
        while held.len() <= REFRESHES {
            let answer = self.refresh(&held[held.len() - 1]["refresh_token"]).await;
            if answer.status != 200 {
                assert_eq!(answer.refusal(), (400, "invalid_grant"));
                break;
            }
            done.send_modify(|done| *done += 1);
            held.push(answer.json);
        }
        let in_time = held.len() - 1;
        (held, in_time)
    }

    /// One deactivation beside several sessions that refresh and several that begin: for each of the first how many
    /// refreshes were in time, and for each of the others whether its code was.
    async fn race(
        &self,
        provider: &Provider,
        person: &Person,
        chance: &mut Chance,
    ) -> (Vec<usize>, Vec<bool>) {
        let theirs = async || {
            self.code_with(|_, session| session.user_id = person.user)
                .await
        };
        let (mut first, mut unused, mut sessions) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..SESSIONS {
            let (code, session) = theirs().await;
            first.push(self.redeem(&code).await.ok());
            let (other, another) = theirs().await;
            unused.push(other);
            sessions.extend([session, another]);
        }
        let (done, mut refreshed) = watch::channel(0);
        let after = chance.below((SESSIONS * REFRESHES) as u64);
        let after = usize::try_from(after).unwrap();
        let refreshes = first.into_iter().map(|tokens| {
            let (pause, done) = (chance.pause(), &done);
            async move {
                pause.await;
                self.refreshed(tokens, done).await
            }
        });
        let refreshes = join_all(refreshes.collect::<Vec<_>>());
        let redemptions = unused.iter().map(|code| {
            let pause = chance.pause();
            async move {
                pause.await;
                self.redeem(code).await
            }
        });
        let redemptions = join_all(redemptions.collect::<Vec<_>>());
        let pause = chance.pause();
        let deactivation = async {
            refreshed.wait_for(|done| *done >= after).await.unwrap();
            pause.await;
            self.set_active_by_scim(provider, person, false).await;
        };
        let (held, redeemed, ()) = tokio::join!(refreshes, redemptions, deactivation);
        let (held, refreshes): (Vec<_>, Vec<_>) = held.into_iter().unzip();
        let mut tokens: Vec<Value> = held.into_iter().filter_map(|mut held| held.pop()).collect();
        let mut redemptions = Vec::new();
        for answer in redeemed {
            redemptions.push(answer.status == 200);
            if answer.status == 200 {
                tokens.push(answer.json);
            } else {
                assert_eq!(answer.refusal(), (400, "invalid_grant"));
            }
        }
        // One session's in full; that the others are over is seen below.
        self.assert_dead(&tokens[0]).await;
        // It is not only that the person may not enter: nothing is left that would open once they may again.
        self.set_active_by_scim(provider, person, true).await;
        for tokens in &tokens {
            self.assert_dead(tokens).await;
        }
        for code in &unused {
            assert_eq!(self.redeem(code).await.refusal(), (400, "invalid_grant"));
        }
        for session in sessions {
            assert_eq!(self.session_state(session).await, SessionState::Revoked);
        }
        (refreshes, redemptions)
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
    let (mut refreshes, mut redemptions) = (Vec::new(), Vec::new());
    for person in people.collect::<Vec<_>>() {
        for (refreshed, redeemed) in person.await.unwrap() {
            refreshes.extend(refreshed);
            redemptions.extend(redeemed);
        }
    }
    // It was a race: no side was always first.
    for refreshed in 0..=REFRESHES {
        assert!(
            refreshes.contains(&refreshed),
            "never {refreshed} refreshes in time"
        );
    }
    for in_time in [false, true] {
        assert!(
            redemptions.contains(&in_time),
            "the code was never in time: {in_time}"
        );
    }
}
