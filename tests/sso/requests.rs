//! What the application asks for, as the identity provider hears it (SAML Core 3.4.1), and what comes of it.

use chrono::TimeDelta;
use gateway::clock::{Clock as _, SystemClock};
use gateway::sandbox::idp::{AuthnRequest, IdpSession};
use integration::{Idp, Page, RelyingParty, UserAgent, claims};
use serde_json::json;

use crate::{acme, assert_failed_and_changed_nothing};

const HINT: &str = "login_hint=ada@acme.example";
const STRONG: &str = "urn:example:strong";

#[tokio::test]
async fn a_posted_request_is_signed_and_needs_no_script() {
    let (tenon, organization, idp) = acme().await;
    let settings = json!({
        "sso_binding": "post",
        "sign_requests": true,
        "send_login_hint": true,
        "name_id_format": "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
    });
    let made = idp.saml_connection(&tenon, &organization, settings).await;
    assert_eq!(made["saml"]["send_login_hint"], true);
    let app = RelyingParty::register(&tenon).await;
    let mut browser = UserAgent::new();
    let more = format!("{HINT}&acr_values=urn:a%20urn:b");
    let page = browser.get(&app.authorize_url(&more)).await;
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy");
    // The script that submits it is a file of ours; nothing inline runs, not even with a nonce.
    assert!(policy.contains("script-src 'self';"), "{policy}");
    assert!(page.body.contains("<script src="), "{}", page.body);
    assert!(page.body.contains("<button"), "{}", page.body);
    let form = page.form();
    assert_eq!(form.action.as_str(), idp.practice().saml_sso_url());
    assert!(form.post && !form.value("RelayState").is_empty());

    let request = page.decoded("SAMLRequest");
    for part in [
        "<ds:Signature ",
        ">ada@acme.example</saml:NameID></saml:Subject>",
        "<samlp:NameIDPolicy Format=\"urn:oasis:names:tc:SAML:2.0:nameid-format:persistent\"",
        "<saml:AuthnContextClassRef>urn:b</saml:AuthnContextClassRef>",
    ] {
        assert!(request.contains(part), "no {part} in {request}");
    }
    let page = browser.submit(&page, form).await;
    let posting = idp
        .sign_in(&mut browser, &page, "ada@acme.example", None)
        .await;
    let landed = browser.submit(&posting, posting.form()).await;
    app.redeem(&landed).await.expect(200);
}

#[tokio::test]
async fn prompt_and_max_age_reach_the_identity_provider() {
    let (tenon, organization, idp) = acme().await;
    let post = json!({"sso_binding": "post"});
    idp.saml_connection(&tenon, &organization, post).await;
    let app = RelyingParty::register(&tenon).await;
    for (more, forced) in [
        ("", false),
        ("&prompt=login", true),
        ("&max_age=0", true),
        ("&max_age=600", true),
        ("&prompt=select_account", false),
    ] {
        let url = app.authorize_url(&format!("{HINT}{more}"));
        let request = UserAgent::new().get(&url).await.decoded("SAMLRequest");
        assert_eq!(request.contains("ForceAuthn=\"true\""), forced, "{more}");
        assert!(!request.contains("IsPassive"), "{more}");
        // An opt-in that nobody took.
        assert!(!request.contains("Subject"), "{request}");
        assert!(!request.contains("NameIDPolicy"), "{request}");
    }
}

#[tokio::test]
async fn who_is_not_signed_in_at_the_identity_provider_needs_a_page() {
    let (tenon, organization, idp) = acme().await;
    idp.saml_connection(&tenon, &organization, json!({"sso_binding": "post"}))
        .await;
    let app = RelyingParty::register(&tenon).await;
    let mut browser = UserAgent::new();
    let page = browser
        .get(&app.authorize_url(&format!("{HINT}&prompt=none")))
        .await;
    let request = page.decoded("SAMLRequest");
    assert!(request.contains("IsPassive=\"true\""), "{request}");
    // The practice IdP says NoPassive, as SAML Core 3.2.2.2 has it.
    let answer = browser.submit(&page, page.form()).await;
    let landed = browser.submit(&answer, answer.form()).await;
    assert_eq!(landed.query("error").as_deref(), Some("login_required"));
    let description = landed.query("error_description").unwrap_or_default();
    assert!(description.starts_with("idp_status (lgn_"), "{description}");
}

#[derive(Clone, Copy, PartialEq)]
enum Over {
    Saml,
    Oidc,
}

impl Over {
    /// The IdP heard it as its protocol says it.
    fn assert_asked(self, page: &Page) {
        if self == Self::Oidc {
            assert_eq!(page.query("max_age").as_deref(), Some("300"));
            let classes = page.query("acr_values");
            assert_eq!(classes.as_deref(), Some("urn:example:strong urn:b"));
            return;
        }
        let request = page.query("SAMLRequest").expect("the redirect binding");
        let request = AuthnRequest::from_redirect(&request).expect("an AuthnRequest");
        assert!(request.force_authn, "SAML has no word for an age");
        assert_eq!(request.context_classes, [STRONG, "urn:b"]);
    }

    /// Where a sign-in ends that the IdP dates `ago`.
    async fn sign_in(self, app: &RelyingParty, idp: &Idp, more: &str, ago: TimeDelta) -> Page {
        idp.practice().set_session(IdpSession {
            age: ago,
            lasts: None,
        });
        let mut browser = UserAgent::new();
        let page = browser
            .get(&app.authorize_url(&format!("{HINT}{more}")))
            .await;
        if more.contains("max_age") {
            self.assert_asked(&page);
        }
        let page = idp
            .sign_in(&mut browser, &page, "ada@acme.example", None)
            .await;
        match self {
            Self::Saml => browser.submit(&page, page.form()).await,
            Self::Oidc => page,
        }
    }

    /// OIDC Core 3.1.2.1: a sign-in is as young as the application asks, though the IdP may not have listened, and the
    /// application hears when it was and of which class.
    async fn holds(self) {
        let (tenon, organization, idp) = acme().await;
        let (to_come, check) = match self {
            Self::Saml => {
                idp.saml_connection(&tenon, &organization, json!({})).await;
                ("assertion_not_yet_valid", "time")
            }
            Self::Oidc => {
                idp.oidc_connection(&tenon, &organization, json!({})).await;
                ("token_invalid", "id_token")
            }
        };
        let app = RelyingParty::register(&tenon).await;
        let asked = format!("&max_age=300&acr_values={STRONG}%20urn:b");
        for (ago, code) in [(10, "assertion_expired"), (-2, to_come)] {
            let ago = TimeDelta::minutes(ago);
            let page = self.sign_in(&app, &idp, &asked, ago).await;
            assert_eq!(page.tenon_error(), code, "{ago}");
            assert_failed_and_changed_nothing(&tenon, &organization, code).await;
        }
        let logins = tenon.api().get("/logins").await.expect(200);
        let login = format!("/logins/{}", integration::text(&logins["data"][0]["id"]));
        let login = tenon.api().get(&login).await.expect(200);
        let mut checks = login["checks"].as_array().expect("a trace").iter();
        let failed = checks.find(|check| check["status"] == "failed");
        assert_eq!(failed.expect("one failed")["check"], check, "{login}");

        // A new sign-in was asked for, and an old one is none (OIDC Core 3.1.2.1).
        let stale = TimeDelta::minutes(10);
        let page = self.sign_in(&app, &idp, "&prompt=login", stale).await;
        assert_eq!(page.tenon_error(), "assertion_expired");
        let landed = self
            .sign_in(&app, &idp, "&prompt=login", TimeDelta::zero())
            .await;
        app.redeem(&landed).await.expect(200);

        // Nobody asked how old: any age will do, and is told.
        for (more, minutes) in [(asked.as_str(), 4), ("", 600)] {
            let ago = TimeDelta::minutes(minutes);
            let earliest = (SystemClock.now() - ago).timestamp();
            let landed = self.sign_in(&app, &idp, more, ago).await;
            let tokens = app.redeem(&landed).await.expect(200);
            let latest = (SystemClock.now() - ago).timestamp();
            let first = claims(&tokens["id_token"]);
            let at = first["auth_time"].as_i64().expect("a time");
            assert!((earliest..=latest).contains(&at), "{first}");
            if !more.is_empty() {
                assert_eq!(first["acr"], STRONG, "{first}");
            }
            // Also later on, when nobody signs in any more (OIDC Core 12.2).
            let userinfo = app.userinfo(&tokens).await.expect(200);
            let refreshed = app.refresh(&tokens).await.expect(200);
            let refreshed = claims(&refreshed["id_token"]);
            for name in ["auth_time", "acr"] {
                assert_eq!(userinfo[name], first[name], "{name}");
                assert_eq!(refreshed[name], first[name], "{name}");
            }
        }
    }
}

#[tokio::test]
async fn max_age_and_acr_values_hold_over_saml() {
    Over::Saml.holds().await;
}

#[tokio::test]
async fn max_age_and_acr_values_hold_over_oidc() {
    Over::Oidc.holds().await;
}
