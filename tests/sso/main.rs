//! A person signs in at their organization's identity provider, or does not.

mod accounts;
mod decryption;
mod discovery;
mod domain_scope;
mod failures;
mod hostile_xml;
mod metadata;
mod oidc;
mod outage;
mod replicas;
mod requests;
mod saml;
mod session_lifetime;
mod traces;
mod unsolicited;
mod upkeep;

use integration::{Idp, Tenon, text};
use serde_json::Value;

/// What a failed sign-in must have left behind: its trace and its event, and nothing else.
async fn assert_failed_and_changed_nothing(tenon: &Tenon, organization: &Value, code: &str) {
    let api = tenon.api();
    let id = text(&organization["id"]);
    let logins = api
        .get(&format!("/logins?organization_id={id}&outcome=failed"))
        .await
        .expect(200);
    let login = &logins["data"][0];
    assert_eq!(login["code"], code, "{logins}");
    let login = api
        .get(&format!("/logins/{}", text(&login["id"])))
        .await
        .expect(200);
    let checks = login["checks"].as_array().expect("a trace");
    let failed: Vec<_> = checks
        .iter()
        .filter(|check| check["status"] == "failed")
        .collect();
    assert_eq!(failed.len(), 1, "{login}");
    assert_eq!(failed[0]["code"], code, "{login}");
    for text in ["title", "why", "fix"] {
        assert!(
            failed[0][text]
                .as_str()
                .is_some_and(|text| !text.is_empty()),
            "no {text}: {login}"
        );
    }

    let users = api
        .get(&format!("/organizations/{id}/users"))
        .await
        .expect(200);
    assert_eq!(
        users["data"],
        serde_json::json!([]),
        "a failure made a user"
    );
    let sessions = api
        .get(&format!("/sessions?organization_id={id}"))
        .await
        .expect(200);
    assert_eq!(
        sessions["data"],
        serde_json::json!([]),
        "a failure opened a session"
    );
    let events = api
        .get(&format!("/events?organization_id={id}&types=login.failed"))
        .await
        .expect(200);
    let last = events["data"].as_array().and_then(|events| events.last());
    assert_eq!(last.expect("an event")["data"]["object"]["code"], code);
}

/// One gateway, one organization with `acme.example`, and the practice IdP with one person in it.
async fn acme() -> (Tenon, Value, Idp) {
    let tenon = Tenon::start().await;
    let organization = tenon.api().organization("Acme", &["acme.example"]).await;
    let idp = Idp::start(&tenon, &["ada@acme.example"]).await;
    (tenon, organization, idp)
}
