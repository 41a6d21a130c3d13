//! Ciphertexts of a stranger: a signature inside one is read by whoever may try often enough (SAML.md section 3).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gateway::sandbox::idp::{Behaviour, Sign};
use integration::{Idp, RelyingParty, Tenon, UserAgent};
use serde_json::json;

#[tokio::test]
async fn after_a_hundred_failed_decryptions_a_connection_takes_nothing_more_from_that_network() {
    let tenon = Tenon::start_with(&[("TENON_RATE_LIMITS", "on")]).await;
    let organization = tenon.api().organization("Acme", &["acme.example"]).await;
    let idp = Idp::start(&tenon, &["ada@acme.example"]).await;
    idp.saml_connection(&tenon, &organization, json!({})).await;
    idp.practice().set_behaviour(Behaviour {
        fault: None,
        sign: Sign::Assertion,
        encrypt: true,
    });
    let app = RelyingParty::register(&tenon).await;
    let mut browser = UserAgent::new();
    let page = browser
        .get(&app.authorize_url("login_hint=ada@acme.example"))
        .await;
    let posting = idp
        .sign_in(&mut browser, &page, "ada@acme.example", None)
        .await;
    let genuine = posting.form();
    let mut damaged = genuine.clone();
    let field = damaged
        .fields
        .iter_mut()
        .find(|(name, _)| name == "SAMLResponse")
        .map(|(_, value)| value)
        .expect("a response");
    let xml = String::from_utf8(STANDARD.decode(&*field).expect("base64")).expect("UTF-8");
    // The last ciphertext is the assertion's; another last block.
    let at = xml.rfind("</xenc:CipherValue>").expect("a ciphertext") - 8;
    let other = if &xml[at..=at] == "A" { "B" } else { "A" };
    *field = STANDARD.encode(format!("{}{other}{}", &xml[..at], &xml[at + 1..]));

    for attempt in 0..100 {
        let refused = browser.submit(&posting, damaged.clone()).await;
        assert_eq!(refused.tenon_error(), "decryption_failed", "{attempt}");
    }
    for form in [damaged, genuine] {
        let refused = browser.submit(&posting, form).await;
        assert_eq!(refused.status, 429, "{}", refused.body);
        let wait: u32 = refused.header("retry-after").parse().expect("seconds");
        assert!((1..=601).contains(&wait), "{wait}");
    }
}
