//! `tenon keys`, beside the gateway whose tokens the keys sign.

use integration::{Api, Idp, RelyingParty, Tenon, UserAgent, tenon, text};
use serde_json::{Value, json};

const HINT: &str = "login_hint=ada@acme.example";

/// One line of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    alg: String,
    state: String,
    kid: String,
}

/// The command while no gateway runs, since SQLite has one process; then the gateway again.
async fn keys(tenon: &mut Tenon, arguments: &[&str]) -> Vec<Key> {
    tenon.terminate().await;
    let answered = tenon.command(&[&["keys"], arguments].concat(), b"");
    assert_eq!(answered.code, 0, "{}", answered.errors);
    let listed = answered.output.lines().map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [alg, state, "since", since, kid] = words[..] else {
            panic!("{line}");
        };
        since
            .parse::<chrono::DateTime<chrono::Utc>>()
            .expect("a time");
        Key {
            alg: alg.to_owned(),
            state: state.to_owned(),
            kid: kid.to_owned(),
        }
    });
    let listed = listed.collect();
    tenon.restart().await;
    listed
}

fn in_state(keys: &[Key], state: &str) -> Vec<Key> {
    let found = keys.iter().filter(|key| key.state == state);
    let mut found: Vec<Key> = found.cloned().collect();
    found.sort_by(|one, other| one.alg.cmp(&other.alg));
    found
}

#[track_caller]
fn assert_one_of_each_algorithm(keys: &[Key]) {
    let algorithms: Vec<&str> = keys.iter().map(|key| key.alg.as_str()).collect();
    assert_eq!(algorithms, ["ES256", "EdDSA", "RS256"], "{keys:?}");
}

async fn published(tenon: &Tenon) -> Vec<String> {
    let keys = Api::at(tenon.url(), None).get("/oauth/jwks").await;
    let keys = keys.expect(200);
    let keys = keys["keys"].as_array().expect("a list").iter();
    let mut kids: Vec<String> = keys.map(|key| text(&key["kid"])).collect();
    kids.sort();
    kids
}

fn kids(keys: &[Key]) -> Vec<String> {
    let mut kids: Vec<String> = keys.iter().map(|key| key.kid.clone()).collect();
    kids.sort();
    kids
}

fn signed_by(token: &Value) -> String {
    let header = jsonwebtoken::decode_header(text(token));
    header.expect("a JWT").kid.expect("a kid")
}

#[tokio::test]
async fn keys_are_listed_announced_and_after_a_leak_replaced() {
    let mut tenon = Tenon::start().await;
    let organization = tenon.api().organization("Acme", &["acme.example"]).await;
    let idp = Idp::start(&tenon, &["ada@acme.example"]).await;
    idp.saml_connection(&tenon, &organization, json!({})).await;
    let app = RelyingParty::register(&tenon).await;
    let mut browser = UserAgent::new();
    let page = browser.get(&app.authorize_url(HINT)).await;
    let posting = idp
        .sign_in(&mut browser, &page, "ada@acme.example", None)
        .await;
    let landed = browser.submit(&posting, posting.form()).await;
    let tokens = app.redeem(&landed).await.expect(200);

    let listed = keys(&mut tenon, &["list"]).await;
    let active = in_state(&listed, "active");
    assert_one_of_each_algorithm(&active);
    assert_eq!(listed.len(), 3, "{listed:?}");
    assert_eq!(published(&tenon).await, kids(&listed));
    assert!(kids(&active).contains(&signed_by(&tokens["id_token"])));

    // The next keys are published for a day before they sign; who asks twice gets no more of them.
    let announced = keys(&mut tenon, &["rotate"]).await;
    assert_eq!(in_state(&announced, "active"), active);
    assert_one_of_each_algorithm(&in_state(&announced, "next"));
    assert_eq!(announced.len(), 6, "{announced:?}");
    let again = keys(&mut tenon, &["rotate"]).await;
    assert_eq!(kids(&again), kids(&announced));
    assert_eq!(published(&tenon).await, kids(&announced));
    app.userinfo(&tokens).await.expect(200);
    let second = app.refresh(&tokens).await.expect(200);
    assert!(kids(&active).contains(&signed_by(&second["id_token"])));

    // A leaked key is no key any more, and neither is what was announced beside it; sessions go on.
    let replaced = keys(&mut tenon, &["rotate", "--revoke"]).await;
    assert_one_of_each_algorithm(&in_state(&replaced, "active"));
    assert_eq!(replaced.len(), 3, "{replaced:?}");
    let (old, new) = (kids(&announced), kids(&replaced));
    assert!(new.iter().all(|kid| !old.contains(kid)), "{old:?} {new:?}");
    assert_eq!(published(&tenon).await, new);
    for old in [&tokens, &second] {
        assert_eq!(app.userinfo(old).await.status, 401);
    }
    let third = app.refresh(&second).await.expect(200);
    assert!(new.contains(&signed_by(&third["id_token"])));
    app.userinfo(&third).await.expect(200);

    let api = tenon.api();
    for (action, times) in [("announced", 2), ("revoked", 1)] {
        let path = format!("/audit_log?action=signing_keys.{action}");
        let entries = api.get(&path).await.expect(200);
        let entries = entries["data"].as_array().expect("a list").clone();
        assert_eq!(entries.len(), times, "{entries:?}");
        assert_eq!(entries[0]["actor"]["kind"], "operator", "{entries:?}");
    }
}

#[test]
fn what_keys_can_do_is_said() {
    for (arguments, told) in [
        (&["keys"][..], "rotate"),
        (&["keys", "list", "--revoke"], "--revoke"),
        (&["keys", "remove"], "remove"),
    ] {
        let answered = tenon(arguments, b"");
        assert_eq!(answered.code, 2, "{arguments:?}");
        assert!(answered.errors.contains(told), "{}", answered.errors);
    }
    let help = tenon(&["keys", "rotate", "--help"], b"");
    assert_eq!(help.code, 0, "{}", help.errors);
    assert!(help.output.contains("leaked"), "{}", help.output);
}
