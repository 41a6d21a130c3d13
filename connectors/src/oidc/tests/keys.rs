use chrono::TimeDelta;

use super::fake_idp::{Login, METADATA, Signer};

/// The provider signs with a new key; `published` says whether it also shows it.
fn rotate(login: &mut Login, kid: &str, published: bool) {
    login.idp.signer = Signer::p256();
    login.idp.header["kid"] = kid.into();
    if published {
        login.idp.keys.push(login.idp.signer.jwk(kid));
    }
}

#[tokio::test]
async fn a_new_key_is_fetched_when_it_first_signs() {
    let mut login = Login::new();
    let connector = login.connector();
    assert_eq!(login.code_with(&connector).await, "ok");
    rotate(&mut login, "k2", true);
    login.later(TimeDelta::seconds(10));
    assert_eq!(login.code_with(&connector).await, "ok");
    assert_eq!(login.idp.asked("/jwks"), 2);
    assert_eq!(login.idp.asked(METADATA), 1);
}

#[tokio::test]
async fn a_key_that_took_over_its_predecessor_s_kid_is_found_too() {
    let mut login = Login::new();
    let connector = login.connector();
    assert_eq!(login.code_with(&connector).await, "ok");
    rotate(&mut login, "k1", false);
    login.idp.keys = vec![login.idp.signer.jwk("k1")];
    assert_eq!(login.code_with(&connector).await, "ok");
}

#[tokio::test]
async fn unknown_kids_cause_one_refetch_a_minute() {
    let mut login = Login::new();
    let connector = login.connector();
    assert_eq!(login.code_with(&connector).await, "ok");
    rotate(&mut login, "unknown", false);
    for _ in 0..20 {
        assert_eq!(login.code_with(&connector).await, "signature_invalid");
        login.later(TimeDelta::seconds(2));
    }
    assert_eq!(login.idp.asked("/jwks"), 2);
    login.later(TimeDelta::seconds(20));
    assert_eq!(login.code_with(&connector).await, "signature_invalid");
    assert_eq!(login.idp.asked("/jwks"), 3);
}

#[tokio::test]
async fn metadata_and_keys_survive_an_outage_of_the_provider() {
    let mut login = Login::new();
    login.idp.cache_control = "max-age=300";
    let connector = login.connector();
    assert_eq!(login.code_with(&connector).await, "ok");
    login.idp.down = vec![METADATA, "/jwks"];
    login.later(TimeDelta::minutes(6));
    assert_eq!(login.code_with(&connector).await, "ok");
    assert_eq!(login.idp.asked("/jwks"), 2);
    login.later(TimeDelta::seconds(59));
    assert_eq!(login.code_with(&connector).await, "ok");
    assert_eq!(login.idp.asked("/jwks"), 2, "one try a minute");
    login.idp.down.clear();
    login.later(TimeDelta::seconds(2));
    assert_eq!(login.code_with(&connector).await, "ok");
    assert_eq!(login.idp.asked("/jwks"), 3);
    // A day from when it was missed first, however long nobody signed in.
    login.later(TimeDelta::hours(60));
    login.idp.down = vec!["/jwks"];
    assert_eq!(login.code_with(&connector).await, "ok");
    login.later(TimeDelta::hours(23));
    assert_eq!(login.code_with(&connector).await, "ok");
    login.later(TimeDelta::hours(1));
    assert_eq!(
        login.code_with(&connector).await,
        "idp_unreachable",
        "too old to be believed"
    );
}

#[tokio::test]
async fn a_key_set_without_keys_takes_no_good_one_s_place() {
    let mut login = Login::new();
    login.idp.cache_control = "max-age=300";
    let connector = login.connector();
    assert_eq!(login.code_with(&connector).await, "ok");
    let keys = std::mem::take(&mut login.idp.keys);
    login.later(TimeDelta::minutes(6));
    assert_eq!(login.code_with(&connector).await, "ok");
    let unheard_of = login.connector();
    assert_eq!(login.code_with(&unheard_of).await, "discovery_invalid");
    login.idp.keys = keys;
    assert_eq!(login.code_with(&unheard_of).await, "ok");
}

#[tokio::test]
async fn a_withdrawn_key_stops_counting_when_the_copy_ends() {
    let mut login = Login::new();
    let connector = login.connector();
    assert_eq!(login.code_with(&connector).await, "ok");
    login.idp.keys = vec![Signer::p256().jwk("k2")];
    login.later(TimeDelta::minutes(59));
    assert_eq!(login.code_with(&connector).await, "ok");
    login.later(TimeDelta::minutes(1));
    assert_eq!(login.code_with(&connector).await, "signature_invalid");
}

#[tokio::test]
async fn a_change_of_settings_keeps_what_is_known_of_the_same_provider() {
    let mut login = Login::new();
    let before = login.connector();
    assert_eq!(login.code_with(&before).await, "ok");
    login.idp.down = vec![METADATA, "/jwks"];
    login.settings.client_secret = Some("another".into());
    let after = login.connector().remembering(&before);
    assert_eq!(login.code_with(&after).await, "ok");
    let forgetful = login.connector();
    assert_eq!(login.code_with(&forgetful).await, "idp_unreachable");

    // Another provider's keys are not this one's.
    login.settings.issuer = "https://other.example".into();
    let elsewhere = login.connector().remembering(&before);
    assert_eq!(login.code_with(&elsewhere).await, "idp_unreachable");
}

#[tokio::test]
async fn kept_documents_stand_in_after_a_restart_during_an_outage() {
    let mut login = Login::new();
    let before = login.connector();
    assert_eq!(before.new_documents(), None);
    assert_eq!(login.code_with(&before).await, "ok");
    let kept = before.new_documents().expect("both were read");
    assert_eq!(before.new_documents(), None, "nothing new");

    login.idp.down = vec![METADATA, "/jwks"];
    let after = login.connector();
    assert_eq!(login.code_with(&after).await, "idp_unreachable");
    assert!(after.lacks_documents() && after.recall(&kept, login.now));
    assert_eq!(login.code_with(&after).await, "ok");
    login.later(TimeDelta::hours(24));
    assert_eq!(login.code_with(&after).await, "idp_unreachable");

    // Of another issuer they are worth nothing.
    login.settings.issuer = "https://other.example".into();
    let elsewhere = login.connector();
    assert!(!elsewhere.recall(&kept, login.now));
}
