//! The identity provider's metadata over its life: chosen, read again, changed, and ours for it.

use gateway::sandbox::idp::{Behaviour, Fault, Sign};
use integration::{Api, Idp, MetadataHost, RelyingParty, Tenon, UserAgent, text};
use serde_json::{Value, json};

use crate::acme;

/// Signs in as far as the page that posts the response, then posts it.
async fn sign_in(app: &RelyingParty, idp: &Idp, fault: Option<Fault>) -> integration::Page {
    let mut browser = UserAgent::new();
    let page = browser
        .get(&app.authorize_url("login_hint=ada@acme.example"))
        .await;
    let posting = idp
        .sign_in(&mut browser, &page, "ada@acme.example", fault)
        .await;
    browser.submit(&posting, posting.form()).await
}

async fn connection(tenon: &Tenon, organization: &Value, saml: Value) -> Value {
    let body = json!({"name": "IdP", "type": "saml", "saml": saml, "activate": true});
    tenon.api().connection(organization, body).await
}

fn certificate_in(metadata: &str) -> &str {
    let (_, rest) = metadata.split_once("X509Certificate>").expect("one");
    rest.split_once('<').expect("its end").0
}

/// Without the declaration, to be put inside of another document.
fn bare(metadata: &str) -> &str {
    &metadata[metadata.find("<md:").expect("an element")..]
}

#[tokio::test]
async fn a_new_key_of_the_identity_provider_is_read_when_it_first_signs() {
    let (tenon, organization, idp) = acme().await;
    let other = Idp::start(&tenon, &[]).await;
    let now = idp.practice().saml_metadata();
    let before = now.replace(
        certificate_in(&now),
        certificate_in(&other.practice().saml_metadata()),
    );
    let host = MetadataHost::start(&before).await;
    connection(&tenon, &organization, json!({"metadata_url": host.url()})).await;
    assert_eq!(host.asked().0, 1);
    let app = RelyingParty::register(&tenon).await;

    host.serve(&now);
    let landed = sign_in(&app, &idp, None).await;
    app.redeem(&landed).await.expect(200);
    assert_eq!(host.asked().0, 2);
    app.redeem(&sign_in(&app, &idp, None).await)
        .await
        .expect(200);

    // A stranger's key is no reason to ask again and again.
    for _ in 0..2 {
        let refused = sign_in(&app, &idp, Some(Fault::WrongKey)).await;
        let code = refused.tenon_error();
        assert!(
            matches!(code, "certificate_unknown" | "signature_invalid"),
            "{code}"
        );
    }
    assert_eq!(host.asked().0, 2);
}

#[tokio::test]
async fn another_identity_provider_at_the_url_waits_for_a_person() {
    let (tenon, organization, idp) = acme().await;
    let other = Idp::start(&tenon, &["ada@acme.example"]).await;
    let host = MetadataHost::start(&idp.practice().saml_metadata()).await;
    let made = connection(&tenon, &organization, json!({"metadata_url": host.url()})).await;
    let app = RelyingParty::register(&tenon).await;
    let (api, one) = (tenon.api(), format!("/connections/{}", text(&made["id"])));
    let refresh = format!("{one}/refresh_metadata");
    assert_eq!(made["saml"]["metadata_held"], json!(null));
    assert!(made["saml"]["metadata_refreshed_at"].is_string());

    host.serve(&other.practice().saml_metadata());
    for _ in 0..2 {
        let held = api.post(&refresh, json!({})).await.expect(200);
        let shown = &held["saml"]["metadata_held"];
        assert_eq!(shown["idp_entity_id"], other.practice().entity_id());
        assert_eq!(shown["sso_url"], other.practice().saml_sso_url());
        assert_eq!(held["saml"]["sso_url"], made["saml"]["sso_url"]);
        assert_eq!(held["saml"]["certificates"], made["saml"]["certificates"]);
    }
    app.redeem(&sign_in(&app, &idp, None).await)
        .await
        .expect(200);

    // What is applied is what was shown, not what stands there by now.
    host.serve("<html></html>");
    let accept = json!({"accept_held": true});
    let applied = api.post(&refresh, accept.clone()).await.expect(200);
    assert_eq!(applied["saml"]["metadata_held"], json!(null));
    assert_eq!(
        applied["saml"]["idp_entity_id"],
        other.practice().entity_id()
    );
    app.redeem(&sign_in(&app, &other, None).await)
        .await
        .expect(200);
    assert_eq!(
        api.post(&refresh, accept).await.problem(409),
        "nothing_held"
    );

    let id = text(&organization["id"]);
    let path = format!("/events?organization_id={id}&types=connection.updated");
    let events = api.get(&path).await.expect(200);
    assert_eq!(events["data"].as_array().map(Vec::len), Some(2), "{events}");
}

#[tokio::test]
async fn of_several_identity_providers_in_one_document_one_is_picked() {
    let (tenon, organization, idp) = acme().await;
    let other = Idp::start(&tenon, &[]).await;
    let (first, second) = (
        idp.practice().saml_metadata(),
        other.practice().saml_metadata(),
    );
    let both = format!(
        "<md:EntitiesDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\">{}{}</md:EntitiesDescriptor>",
        bare(&first),
        bare(&second)
    );
    let host = MetadataHost::start(&both).await;
    let (api, id) = (tenon.api(), text(&organization["id"]));
    let path = format!("/organizations/{id}/connections");
    let body = |saml: Value| json!({"name": "x", "type": "saml", "saml": saml});
    for (field, saml) in [
        ("saml.metadata_xml", json!({"metadata_xml": both})),
        ("saml.metadata_url", json!({"metadata_url": host.url()})),
    ] {
        let refused = api.post(&path, body(saml.clone())).await;
        let errors = refused.expect(400)["errors"].clone();
        assert_eq!(errors[0]["field"], field);
        // A page can offer them: each is an entry of its own.
        for (offered, idp) in [(&errors[1], &idp), (&errors[2], &other)] {
            let expected =
                json!({"field": "saml.idp_entity_id", "message": idp.practice().entity_id()});
            assert_eq!(*offered, expected);
        }
        let mut unknown = saml.clone();
        unknown["idp_entity_id"] = "https://nobody.example/".into();
        let refused = api.post(&path, body(unknown)).await.expect(400);
        assert_eq!(
            refused["errors"].as_array().map(Vec::len),
            Some(3),
            "{refused}"
        );
        let mut picked = saml;
        picked["idp_entity_id"] = other.practice().entity_id().into();
        let made = api.post(&path, body(picked)).await.expect(201);
        assert_eq!(made["saml"]["sso_url"], other.practice().saml_sso_url());
    }
    let dtd = format!("<!DOCTYPE x [<!ENTITY e \"e\">]>{}", bare(&first));
    let large = format!("{}<!--{}-->", bare(&first), "x".repeat(1_100_000));
    for (xml, said) in [(dtd, "DTD"), (large, "1 MiB")] {
        let refused = api.post(&path, body(json!({"metadata_xml": xml}))).await;
        let message = refused.expect(400)["errors"][0]["message"].clone();
        assert!(text(&message).contains(said), "{message}");
        host.serve(&xml);
        let refused = api
            .post(&path, body(json!({"metadata_url": host.url()})))
            .await;
        assert_eq!(
            refused.expect(400)["errors"][0]["field"],
            "saml.metadata_url"
        );
    }
}

#[tokio::test]
async fn a_next_key_is_published_before_it_is_used_and_the_one_before_still_decrypts() {
    let (tenon, organization, idp) = acme().await;
    let made = idp
        .saml_connection(&tenon, &organization, json!({"sign_metadata": true}))
        .await;
    let (api, one) = (tenon.api(), format!("/connections/{}", text(&made["id"])));
    let rotate = format!("{one}/rotate_keys");
    let published = async || {
        let url = text(&made["saml"]["sp"]["metadata_url"]);
        UserAgent::new().get(&url).await.body
    };
    let states = |view: &Value| -> Vec<String> {
        let keys = view["keys"].as_array().expect("keys").iter();
        keys.map(|key| text(&key["state"])).collect()
    };
    assert_eq!(states(&made), ["current"]);
    assert_eq!(published().await.matches("use=\"signing\"").count(), 1);
    assert!(published().await.contains("<ds:SignatureValue>"));

    // A response that is encrypted for the first key, and arrives after the change.
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

    let announced = api.post(&rotate, json!({})).await.expect(200);
    assert_eq!(states(&announced), ["current", "next"]);
    assert!(announced["keys"][1]["changes_at"].is_string());
    assert_eq!(published().await.matches("use=\"signing\"").count(), 2);
    assert_eq!(published().await.matches("use=\"encryption\"").count(), 1);
    let again = api.post(&rotate, json!({})).await;
    assert_eq!(again.problem(409), "rotation_under_way");

    let switched = api.post(&rotate, json!({"activate_now": true})).await;
    let switched = switched.expect(200);
    assert_eq!(states(&switched), ["current", "previous"]);
    assert_eq!(
        switched["keys"][0]["certificate"],
        announced["keys"][1]["certificate"]
    );
    let landed = browser.submit(&posting, posting.form()).await;
    app.redeem(&landed).await.expect(200);
    app.redeem(&sign_in(&app, &idp, None).await)
        .await
        .expect(200);

    let oidc = json!({"name": "O", "type": "oidc"});
    let oidc = api.connection(&organization, oidc).await;
    let path = format!("/connections/{}/rotate_keys", text(&oidc["id"]));
    assert_eq!(api.post(&path, json!({})).await.problem(409), "no_key");
}

#[tokio::test]
async fn a_draft_shows_what_its_identity_provider_needs_and_signs_nobody_in() {
    let (tenon, organization, _) = acme().await;
    let draft = json!({"name": "Soon", "type": "saml"});
    let draft = tenon.api().connection(&organization, draft).await;
    let sp = &draft["saml"]["sp"];
    let mut browser = UserAgent::new();
    let metadata = browser.get(&text(&sp["metadata_url"])).await;
    assert_eq!(metadata.status, 200, "{}", metadata.body);
    assert!(metadata.body.contains(&text(&sp["acs_url"])));

    let app = RelyingParty::register(&tenon).await;
    let hint = format!("connection_id={}", text(&draft["id"]));
    let page = browser.get(&app.authorize_url(&hint)).await;
    assert_eq!(page.status, 200, "{}", page.body);
    assert!(page.body.contains("name=\"email\""), "{}", page.body);
    let acs = format!("/saml/{}/acs", text(&draft["id"]));
    let posted = Api::at(tenon.url(), None)
        .request(reqwest::Method::POST, &acs)
        .form(&[("SAMLResponse", "eA==")]);
    assert_eq!(Api::answer(posted).await.status, 404);
}
