//! SECURITY-MODEL G4: an assertion signs in addresses of its organization's verified domains, and no others.

use gateway::sandbox::people::Person;
use integration::{Api, Idp, RelyingParty, Tenon, UserAgent, claims, text};
use serde_json::json;

const OUTSIDE: [&str; 4] = [
    "eve@outside.example",
    "fay@eu.acme.example",
    "gil@acme.example.evil.example",
    "hal@notacme.example",
];

/// The practice IdP sends the address as NameID and as attribute over SAML, and as `email` over OIDC.
#[tokio::test]
async fn assertion_domain_scope() {
    let tenon = Tenon::start().await;
    let api = tenon.api();
    let acme = api.organization("Acme", &["acme.example"]).await;
    api.organization("Other", &["outside.example"]).await;
    let people: Vec<&str> = OUTSIDE.into_iter().chain(["ADA@Acme.Example"]).collect();
    let idp = Idp::start(&tenon, &people).await;
    // A directory may know people with other addresses. They are kept, and not let in.
    let directory = api.directory(&acme, "Okta").await;
    let person = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": OUTSIDE[0],
        "emails": [{"value": OUTSIDE[0], "primary": true}],
    });
    Api::scim(&directory)
        .post("/Users", person)
        .await
        .expect(201);
    let users = format!("/organizations/{}/users", text(&acme["id"]));
    let kept = api.get(&users).await.expect(200)["data"].clone();
    assert_eq!(kept[0]["email"], OUTSIDE[0]);

    let by_saml = idp.saml_connection(&tenon, &acme, json!({})).await;
    let by_oidc = idp.oidc_connection(&tenon, &acme, json!({})).await;
    let app = RelyingParty::register(&tenon).await;
    for connection in [&by_saml, &by_oidc] {
        let id = text(&connection["id"]);
        let is_saml = connection["type"] == "saml";
        let sign_in = async |email: &str| {
            let mut browser = UserAgent::new();
            let url = app.authorize_url(&format!("connection_id={id}"));
            let page = browser.get(&url).await;
            let page = idp.sign_in(&mut browser, &page, email, None).await;
            match is_saml {
                true => browser.submit(&page, page.form()).await,
                false => page,
            }
        };
        for email in OUTSIDE {
            let refused = sign_in(email).await;
            assert_eq!(refused.tenon_error(), "email_domain_not_allowed", "{email}");
        }
        assert_eq!(api.get(&users).await.expect(200)["data"], kept);

        let landed = sign_in("ADA@Acme.Example").await;
        let tokens = app.redeem(&landed).await.expect(200);
        assert_eq!(claims(&tokens["id_token"])["email_verified"], true);
        let made = api.get(&users).await.expect(200)["data"].clone();
        let ada = made[0]["id"].as_str().expect("an id");
        api.delete(&format!("/users/{ada}")).await.expect(204);

        // Unless the connection says so; then the address counts for nothing.
        let path = format!("/connections/{id}");
        let body = json!({"email_domain_policy": "any"});
        api.patch(&path, body).await.expect(200);
        let landed = sign_in(OUTSIDE[1]).await;
        let tokens = app.redeem(&landed).await.expect(200);
        assert_eq!(claims(&tokens["id_token"])["email_verified"], false);
        let made = api.get(&users).await.expect(200)["data"].clone();
        let eve = made[0]["id"].as_str().expect("an id");
        api.delete(&format!("/users/{eve}")).await.expect(204);
    }
}

/// Each of the two places of a SAML address alone: the attribute, and the NameID where there is no attribute.
#[tokio::test]
async fn a_name_id_and_an_attribute_are_each_held_to_the_domains() {
    let tenon = Tenon::start().await;
    let api = tenon.api();
    let acme = api.organization("Acme", &["acme.example"]).await;
    let inside = ["ada@acme.example", "bob@acme.example"];
    // The department stands for an attribute that says something else than the NameID does.
    let person = |email: &str, attribute: &str| {
        let mut person = Person::with_email(email);
        attribute.clone_into(&mut person.department);
        person
    };
    let people = vec![
        person(inside[0], OUTSIDE[0]),
        person(OUTSIDE[0], "cyd@acme.example"),
        person(inside[1], ""),
        person(OUTSIDE[1], ""),
    ];
    let idp = Idp::start_with(&tenon, people).await;
    let connection = idp.saml_connection(&tenon, &acme, json!({})).await;
    let id = text(&connection["id"]);
    let body = json!({"attribute_mapping": {"email": "department"}});
    let path = format!("/connections/{id}");
    api.patch(&path, body).await.expect(200);
    let app = RelyingParty::register(&tenon).await;
    let sign_in = async |email: &str| {
        let mut browser = UserAgent::new();
        let url = app.authorize_url(&format!("connection_id={id}"));
        let page = browser.get(&url).await;
        let page = idp.sign_in(&mut browser, &page, email, None).await;
        browser.submit(&page, page.form()).await
    };

    for outside in [inside[0], OUTSIDE[1]] {
        let refused = sign_in(outside).await;
        let code = "email_domain_not_allowed";
        assert_eq!(refused.tenon_error(), code, "{outside}");
    }
    // An attribute that is there is the address; the NameID only says who it is.
    for (name_id, email) in [(OUTSIDE[0], "cyd@acme.example"), (inside[1], inside[1])] {
        let landed = sign_in(name_id).await;
        let tokens = app.redeem(&landed).await.expect(200);
        let claims = claims(&tokens["id_token"]);
        assert_eq!(claims["email"], email, "{name_id}");
        assert_eq!(claims["email_verified"], true, "{name_id}");
    }
}
