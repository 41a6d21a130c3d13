//! Codes and refresh tokens: once, and then nothing of the session is left (SECURITY-MODEL G12, G17, G18).

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::desk::{Desk, payload};
use crate::flows::housekeeping;
use crate::model::{SessionState, Timestamp, UserRole};
use crate::store::{user_roles, users};

#[tokio::test]
async fn a_code_used_twice_ends_the_session_with_its_tokens() {
    let desk = Desk::open().await;
    let (code, session) = desk.code_with(|_, _| ()).await;
    let tokens = desk.redeem(&code).await.ok();
    assert_eq!(desk.redeem(&code).await.refusal(), (400, "invalid_grant"));
    assert_eq!(desk.session_state(session).await, SessionState::Revoked);
    assert_eq!(
        desk.refresh(&tokens["refresh_token"]).await.refusal(),
        (400, "invalid_grant")
    );
    let access = tokens["access_token"].as_str().unwrap();
    assert_eq!(
        desk.userinfo(access).await.refusal(),
        (401, "invalid_token")
    );
    assert_eq!(desk.redeem(&code).await.refusal(), (400, "invalid_grant"));
}

#[tokio::test]
async fn a_code_used_again_long_after_its_minute_ends_the_session_too() {
    let desk = Desk::open().await;
    let (code, session) = desk.code_with(|_, _| ()).await;
    desk.redeem(&code).await.ok();
    desk.advance(TimeDelta::hours(1));
    assert_eq!(desk.redeem(&code).await.refusal(), (400, "invalid_grant"));
    assert_eq!(desk.session_state(session).await, SessionState::Revoked);
}

#[tokio::test]
async fn of_many_who_redeem_one_code_at_once_one_wins_and_then_nobody() {
    let desk = Desk::open().await;
    let (code, session) = desk.code_with(|_, _| ()).await;
    let attempts = (0..16).map(|_| desk.redeem(&code));
    let answers = futures_util::future::join_all(attempts).await;
    let won: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status == 200)
        .collect();
    assert_eq!(won.len(), 1);
    assert_eq!(desk.session_state(session).await, SessionState::Revoked);
    let refused = desk.refresh(&won[0].json["refresh_token"]).await;
    assert_eq!(refused.refusal(), (400, "invalid_grant"));
}

#[tokio::test]
async fn a_lost_reply_gives_the_same_successor_again() {
    let desk = Desk::open().await;
    let first = desk.redeem(&desk.code().await).await.ok();
    let attempts = (0..8).map(|_| desk.refresh(&first["refresh_token"]));
    let answers = futures_util::future::join_all(attempts).await;
    let successor = answers[0].json["refresh_token"].clone();
    assert_ne!(successor, first["refresh_token"]);
    for answer in answers {
        assert_eq!(answer.ok()["refresh_token"], successor);
    }
    desk.advance(TimeDelta::seconds(10));
    assert_eq!(
        desk.refresh(&first["refresh_token"]).await.ok()["refresh_token"],
        successor
    );
    let third = desk.refresh(&successor).await.ok();
    assert_ne!(third["refresh_token"], successor);
}

#[tokio::test]
async fn a_refresh_token_used_again_later_ends_its_family() {
    let desk = Desk::open().await;
    let (code, session) = desk.code_with(|_, _| ()).await;
    let first = desk.redeem(&code).await.ok();
    let second = desk.refresh(&first["refresh_token"]).await.ok();
    desk.advance(TimeDelta::milliseconds(10_001));
    assert_eq!(
        desk.refresh(&first["refresh_token"]).await.refusal(),
        (400, "invalid_grant")
    );
    assert_eq!(desk.session_state(session).await, SessionState::Revoked);
    assert_eq!(
        desk.refresh(&second["refresh_token"]).await.refusal(),
        (400, "invalid_grant")
    );
    let access = second["access_token"].as_str().unwrap();
    assert_eq!(
        desk.userinfo(access).await.refusal(),
        (401, "invalid_token")
    );
}

#[tokio::test]
async fn a_stranger_with_a_used_code_or_token_ends_nobodys_session() {
    let mut desk = Desk::open().await;
    let (code, session) = desk.code_with(|_, _| ()).await;
    let tokens = desk.redeem(&code).await.ok();
    let mut form = desk.redemption(&code);
    form.pop();
    assert_eq!(desk.token(&form).await.refusal(), (400, "invalid_grant"));
    desk.client = desk.application(|_| ()).await;
    desk.advance(TimeDelta::minutes(1));
    assert_eq!(desk.redeem(&code).await.refusal(), (400, "invalid_grant"));
    assert_eq!(
        desk.refresh(&tokens["refresh_token"]).await.refusal(),
        (400, "invalid_grant")
    );
    assert_eq!(desk.session_state(session).await, SessionState::Active);
}

#[tokio::test]
async fn a_scope_narrows_one_answer_and_not_the_family() {
    let desk = Desk::open().await;
    let first = desk.redeem(&desk.code().await).await.ok();
    let token = first["refresh_token"].as_str().unwrap();
    let narrow = [
        ("grant_type", "refresh_token"),
        ("refresh_token", token),
        ("scope", "email"),
    ];
    let second = desk.token(&narrow).await.ok();
    assert_eq!(second["scope"], "email");
    assert_eq!(second.get("id_token"), None);
    assert_eq!(payload(&second["access_token"])["scope"], "email");
    let third = desk.refresh(&second["refresh_token"]).await.ok();
    assert_eq!(third["scope"], first["scope"]);
}

#[tokio::test]
async fn an_ended_session_and_a_deactivated_user_get_nothing() {
    let desk = Desk::open().await;
    let (code, session) = desk.code_with(|_, _| ()).await;
    let (unused, _) = desk.code_with(|code, _| code.nonce = None).await;
    let tokens = desk.redeem(&code).await.ok();
    desk.end_session(session).await;
    assert_eq!(
        desk.refresh(&tokens["refresh_token"]).await.refusal(),
        (400, "invalid_grant")
    );

    desk.deactivate_user().await;
    assert_eq!(desk.redeem(&unused).await.refusal(), (400, "invalid_grant"));
}

#[tokio::test]
async fn a_session_past_its_time_gives_no_tokens() {
    let desk = Desk::open().await;
    let (code, _) = desk
        .code_with(|_, session| {
            session.expires_at = Timestamp(session.created_at.0 + TimeDelta::minutes(30));
        })
        .await;
    let tokens = desk.redeem(&code).await.ok();
    desk.advance(TimeDelta::minutes(30));
    assert_eq!(
        desk.refresh(&tokens["refresh_token"]).await.refusal(),
        (400, "invalid_grant")
    );
}

#[tokio::test]
async fn a_deactivation_amid_refreshes_leaves_no_survivor() {
    let desk = Desk::open().await;
    for turns in 0..40 {
        desk.activate_user().await;
        let (code, unused) = (desk.code().await, desk.code().await);
        let tokens = desk.redeem(&code).await.ok();
        let refreshes = async {
            let mut held = vec![tokens["refresh_token"].clone()];
            for _ in 0..4 {
                let answer = desk.refresh(held.last().unwrap()).await;
                held.extend(answer.json.get("refresh_token").cloned());
            }
            held
        };
        let deactivation = async {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
            desk.deactivate_user().await;
        };
        let (mut held, redeemed, ()) = tokio::join!(refreshes, desk.redeem(&unused), deactivation);
        held.extend(redeemed.json.get("refresh_token").cloned());
        for token in held {
            assert_eq!(desk.refresh(&token).await.refusal(), (400, "invalid_grant"));
        }
        assert_eq!(desk.redeem(&unused).await.refusal(), (400, "invalid_grant"));
    }
}

const ROLE: &str = "admin";

impl Desk {
    /// As a directory's change of a group does it.
    async fn set_role(&self, held: bool) {
        let role = UserRole {
            role: ROLE.to_owned(),
            source: "grp_01jd8m0000000000000000000a".to_owned(),
        };
        let tx = self.app.store.begin().await.unwrap();
        let user = [self.user];
        users::lock(&tx, &self.scope, &user).await.unwrap();
        let change = [(self.user, role)];
        let (gained, lost): (&[_], &[_]) = if held { (&change, &[]) } else { (&[], &change) };
        let written = user_roles::write(&tx, &self.scope, gained, lost);
        written.await.unwrap();
        tx.commit().await.unwrap();
    }
}

fn roles_of(tokens: &Value) -> [Value; 2] {
    [&tokens["access_token"], &tokens["id_token"]].map(|token| payload(token)["roles"].clone())
}

/// SECURITY-MODEL G12: what a removal has acknowledged enters no token that is asked for then, whoever asks, and
/// however many are under way.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_removed_role_enters_no_new_token() {
    let desk = Desk::open().await;
    desk.set_role(true).await;
    let mut before = 0;
    for turn in 0..60_u32 {
        let code = desk.code().await;
        let mut tokens = desk.redeem(&code).await.ok();
        assert_eq!(roles_of(&tokens), [json!([ROLE]), json!([ROLE])]);
        let unused = desk.code().await;
        let (removed, refreshed) = (AtomicBool::new(false), AtomicU32::new(0));
        let refreshes = async {
            for _ in 0..4 {
                let late = removed.load(Ordering::SeqCst);
                tokens = desk.refresh(&tokens["refresh_token"]).await.ok();
                let roles = roles_of(&tokens);
                // One answer never says both.
                assert_eq!(roles[0], roles[1]);
                assert!(!late || roles[0] == json!([]), "{roles:?}");
                before += u32::from(roles[0] != json!([]));
                refreshed.fetch_add(1, Ordering::SeqCst);
            }
        };
        let removal = async {
            // Beside each of them in turn, each time a little later.
            while refreshed.load(Ordering::SeqCst) < turn % 4 {
                tokio::task::yield_now().await;
            }
            tokio::time::sleep(Duration::from_micros(200 * u64::from(turn / 4))).await;
            desk.set_role(false).await;
            removed.store(true, Ordering::SeqCst);
            // Asked for after the acknowledgement.
            desk.redeem(&unused).await.ok()
        };
        let ((), late) = tokio::join!(refreshes, removal);
        assert_eq!(roles_of(&late), [json!([]), json!([])]);
        let last = desk.refresh(&late["refresh_token"]).await.ok();
        assert_eq!(roles_of(&last), [json!([]), json!([])]);
        let userinfo = desk.userinfo(last["access_token"].as_str().unwrap()).await;
        assert_eq!(userinfo.ok()["roles"], json!([]));
        desk.set_role(true).await;
    }
    assert!((1..240).contains(&before), "it was a race: {before}");
}

#[tokio::test]
async fn housekeeping_forgets_only_what_has_ended() {
    let desk = Desk::open().await;
    let soon = Timestamp(desk.now().0 + TimeDelta::hours(2));
    let (short, _) = desk.code_with(|_, session| session.expires_at = soon).await;
    let (long, long_session) = desk.code_with(|_, _| ()).await;
    let short = desk.redeem(&short).await.ok();
    let kept = desk.redeem(&long).await.ok();
    desk.advance(TimeDelta::hours(3));
    housekeeping::tidy(&desk.app).await.unwrap();
    let unknown = desk.refresh(&short["refresh_token"]).await;
    assert_eq!(
        unknown.json["error_description"],
        "the refresh token is not valid"
    );
    desk.refresh(&kept["refresh_token"]).await.ok();
    assert_eq!(
        desk.redeem(&long).await.json["error_description"],
        "the code was used before"
    );
    assert_eq!(
        desk.session_state(long_session).await,
        SessionState::Revoked
    );
}
