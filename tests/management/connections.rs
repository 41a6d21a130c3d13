use integration::{Idp, Tenon, Trap, text};
use serde_json::{Value, json};

use super::{acme, errors, event_types, events, fields, stranger};

fn oidc() -> Value {
    json!({"issuer": "https://idp.example", "client_id": "c", "client_secret": "top-secret"})
}

#[tokio::test]
async fn a_draft_shows_what_the_identity_provider_has_to_know() {
    let tenon = Tenon::start().await;
    let (api, path) = acme(&tenon).await;
    let connections = format!("{path}/connections");
    let body = json!({"name": "Okta", "provider": "okta", "type": "saml"});
    let connection = api.post(&connections, body).await.expect(201);
    let id = text(&connection["id"]);
    assert_eq!(connection["state"], "draft");
    assert_eq!(connection["jit_provisioning"], true);
    assert_eq!(connection["email_domain_policy"], "verified_only");
    assert_eq!(connection["saml"]["idp_initiated"], "restart");
    let sp = &connection["saml"]["sp"];
    let base = format!("{}/saml/{id}", tenon.url());
    assert_eq!(sp["entity_id"], format!("{base}/metadata"));
    assert_eq!(sp["metadata_url"], format!("{base}/metadata"));
    assert_eq!(sp["acs_url"], format!("{base}/acs"));
    assert_eq!(sp["slo_url"], format!("{base}/slo"));
    let certificates = sp["certificates"].as_array().expect("certificates");
    assert_eq!(certificates.len(), 1);
    assert!(text(&certificates[0]).starts_with("-----BEGIN CERTIFICATE-----\n"));
    assert!(connection.get("oidc").is_none());

    let body = json!({"name": "Entra", "type": "oidc"});
    let other = api.post(&connections, body).await.expect(201);
    let redirect_uri = format!("{}/oidc/{}/callback", tenon.url(), text(&other["id"]));
    assert_eq!(other["oidc"]["redirect_uri"], redirect_uri);
    assert!(other.get("saml").is_none());

    let listed = api.get(&connections).await.expect(200);
    assert_eq!(listed["data"], json!([other, connection]));
    assert_eq!(
        api.get(&format!("/connections/{id}")).await.expect(200),
        connection
    );

    // It is not whole, so it can't be switched on.
    let activate = format!("/connections/{id}/activate");
    let mut missing = fields(api.post(&activate, json!({})).await);
    missing.sort();
    assert_eq!(
        missing,
        ["saml.certificates", "saml.idp_entity_id", "saml.sso_url"]
    );
}

#[tokio::test]
async fn metadata_fills_in_what_the_identity_provider_says() {
    let tenon = Tenon::start().await;
    let (api, path) = acme(&tenon).await;
    let acme = api.get(&path).await.expect(200);
    let idp = Idp::start(&tenon, &["ada@acme.example"]).await;
    let own = json!({"force_authn": true});
    let connection = idp.saml_connection(&tenon, &acme, own).await;
    assert_eq!(connection["state"], "active");
    let saml = &connection["saml"];
    assert_eq!(saml["force_authn"], true);
    assert!(saml["idp_entity_id"].is_string() && saml["sso_url"].is_string());
    assert_eq!(saml["certificates"].as_array().map(Vec::len), Some(1));
    let types = event_types(&api, &path).await;
    assert!(types.ends_with(&[
        "connection.created".to_owned(),
        "connection.activated".to_owned()
    ]));

    let refresh = format!("/connections/{}/refresh_metadata", text(&connection["id"]));
    let answer = api.post(&refresh, json!({})).await;
    assert_eq!(answer.problem(409), "no_metadata_url");
}

#[tokio::test]
async fn the_switches_of_a_saml_connection_are_kept_shown_and_given_back() {
    let tenon = Tenon::start().await;
    let (api, path) = acme(&tenon).await;
    let acme = api.get(&path).await.expect(200);
    let idp = Idp::start(&tenon, &["ada@acme.example"]).await;
    let connection = idp.saml_connection(&tenon, &acme, json!({})).await;
    let path = format!("/connections/{}", text(&connection["id"]));
    let defaults = json!({
        "sso_binding": "redirect",
        "slo_url": null,
        "slo_binding": "redirect",
        "sign_requests": false,
        "require_signed_response": false,
        "require_signed_assertion": false,
        "want_encrypted_assertions": false,
        "require_valid_certificate": false,
        "allow_sha1": false,
        "idp_initiated": "restart",
        "skew_seconds": null,
        "alternate_sp_entity_id": null,
        "name_id_format": null,
        "force_authn": false,
        "send_login_hint": false,
        "sign_metadata": false,
    });
    let switched = json!({
        "sso_binding": "post",
        "slo_url": "https://idp.example/slo",
        "slo_binding": "post",
        "sign_requests": true,
        "require_signed_response": true,
        "require_signed_assertion": true,
        "want_encrypted_assertions": true,
        "require_valid_certificate": true,
        "allow_sha1": true,
        "idp_initiated": "reject",
        "skew_seconds": 300,
        "alternate_sp_entity_id": "https://old.example/saml",
        "name_id_format": "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
        "force_authn": true,
        "send_login_hint": true,
        "sign_metadata": true,
    });
    let shows = |shown: &Value, expected: &Value| {
        for (name, value) in expected.as_object().expect("an object") {
            assert_eq!(shown["saml"][name], *value, "{name}");
        }
    };
    api.patch(&path, json!({"saml": {"slo_url": null}}))
        .await
        .expect(200);
    let before = api.get(&path).await.expect(200);
    shows(&before, &defaults);
    let changed = api.patch(&path, json!({"saml": switched})).await;
    shows(&changed.expect(200), &switched);
    shows(&api.get(&path).await.expect(200), &switched);
    // Another address is spoken to by redirect until something else is said.
    let moved = json!({"saml": {"slo_url": "https://idp.example/logout"}});
    let moved = api.patch(&path, moved).await.expect(200);
    assert_eq!(moved["saml"]["slo_binding"], "redirect");
    let mut cleared = defaults.clone();
    for (_, value) in cleared.as_object_mut().expect("an object") {
        *value = Value::Null;
    }
    let cleared = api.patch(&path, json!({"saml": cleared})).await;
    shows(&cleared.expect(200), &defaults);
    for (field, value) in [
        ("skew_seconds", json!(301)),
        ("skew_seconds", json!(-1)),
        ("alternate_sp_entity_id", json!("")),
        ("slo_binding", json!("soap")),
        ("idp_initiated", json!("always")),
    ] {
        let body = json!({"saml": {field: value}});
        let refused = api.patch(&path, body).await;
        assert_eq!(fields(refused), [format!("saml.{field}")], "{value}");
    }
}

#[tokio::test]
async fn metadata_is_fetched_where_requests_may_go_and_nowhere_else() {
    let tenon = Tenon::start().await;
    let (api, path) = acme(&tenon).await;
    let path = format!("{path}/connections");
    let body = |url: &str| json!({"name": "x", "type": "saml", "saml": {"metadata_url": url}});
    for url in [
        "http://169.254.169.254/latest/meta-data",
        "https://10.0.0.1/metadata",
        "http://acme.example/metadata",
        "file:///etc/passwd",
        "nonsense",
    ] {
        assert_eq!(
            fields(api.post(&path, body(url)).await),
            ["saml.metadata_url"],
            "{url}"
        );
    }
    let strict = Tenon::start_with(&[("TENON_EGRESS_ALLOW", "")]).await;
    let (api, path) = super::acme(&strict).await;
    let path = format!("{path}/connections");
    let trap = Trap::set().await;
    let answer = api
        .post(&path, body(&format!("{}/metadata", trap.url())))
        .await;
    assert_eq!(fields(answer), ["saml.metadata_url"]);
    assert_eq!(trap.connections(), 0);
}

#[tokio::test]
async fn every_problem_of_the_settings_is_named() {
    let tenon = Tenon::start().await;
    let (api, path) = acme(&tenon).await;
    let path = format!("{path}/connections");
    for (body, expected) in [
        (json!({"type": "saml"}), vec!["name"]),
        (json!({"name": "x", "type": "ldap"}), vec!["type"]),
        (
            json!({"name": "x", "type": "saml", "saml": {"sso_binding": "soap", "colour": 1}}),
            vec!["saml.sso_binding", "saml.colour"],
        ),
        (
            json!({"name": "x", "type": "saml", "oidc": oidc()}),
            vec!["oidc"],
        ),
        (
            json!({"name": "x", "type": "oidc", "saml": {}}),
            vec!["saml"],
        ),
        (
            json!({"name": "x", "type": "oidc", "oidc": {}}),
            vec!["oidc.issuer", "oidc.client_id"],
        ),
        (
            json!({"name": "x", "type": "saml", "saml": {"metadata_xml": "<x/>"}}),
            vec!["saml.metadata_xml"],
        ),
        (
            json!({"name": "x", "type": "saml", "saml": {"certificates": ["nonsense"]}}),
            vec!["saml.certificates[0]"],
        ),
        (
            json!({"name": "x", "type": "oidc", "oidc": {"issuer": "http://10.1.2.3", "client_id": "c"}}),
            vec!["oidc.issuer"],
        ),
        (
            json!({"name": "x", "type": "saml", "attribute_mapping": {"email": 1, "mail": "m"}}),
            vec!["attribute_mapping.email", "attribute_mapping.mail"],
        ),
        (
            json!({"name": "x", "type": "saml", "default_application_id": "app_01jdxyzdxyzdxyzdxyzdxyzdxy"}),
            vec!["default_application_id"],
        ),
    ] {
        assert_eq!(
            fields(api.post(&path, body.clone()).await),
            expected,
            "{body}"
        );
    }
    assert_eq!(api.get(&path).await.expect(200)["data"], json!([]));
}

#[tokio::test]
async fn a_client_secret_is_never_shown_and_its_change_is_a_change() {
    let tenon = Tenon::start().await;
    let (api, path) = acme(&tenon).await;
    let body = json!({"name": "IdP", "type": "oidc", "oidc": oidc(), "activate": true,
        "attribute_mapping": {"email": "mail", "custom": {"cost_centre": ["cc", "costCentre"]}}});
    let connection = api
        .post(&format!("{path}/connections"), body)
        .await
        .expect(201);
    assert_eq!(connection["oidc"]["has_client_secret"], true);
    assert_eq!(connection["attribute_mapping"]["email"], json!(["mail"]));
    assert_eq!(
        connection["attribute_mapping"]["custom"],
        json!({"cost_centre": ["cc", "costCentre"]})
    );
    let one = format!("/connections/{}", text(&connection["id"]));
    let patch = json!({"oidc": {"client_secret": "another-secret"}});
    let changed = api.patch(&one, patch).await.expect(200);
    let (kind, data) = events(&api, &path).await.pop().expect("an event");
    assert_eq!(
        (kind.as_str(), &data["previous"]),
        ("connection.updated", &json!({"oidc": connection["oidc"]}))
    );
    assert_eq!(data["object"], changed);
    let patch = json!({"oidc": {"client_secret": "yet-another-secret"}});
    api.patch(&one, patch).await.expect(200);
    let (_, data) = events(&api, &path).await.pop().expect("an event");
    assert_eq!(data["previous"], json!({}), "nothing of it is shown");
    let everything = format!(
        "{connection}{changed}{}{}",
        json!(events(&api, &path).await),
        tenon.log()
    );
    assert!(!everything.contains("top-secret") && !everything.contains("another-secret"));
}

#[tokio::test]
async fn a_new_client_secret_keeps_the_one_before_it_for_the_same_client() {
    let tenon = Tenon::start().await;
    let (api, path) = acme(&tenon).await;
    let mut first = oidc();
    first["client_secret_expires_at"] = json!("2030-01-01T00:00:00Z");
    let body = json!({"name": "IdP", "type": "oidc", "oidc": first, "activate": true});
    let connections = format!("{path}/connections");
    let made = api.post(&connections, body).await.expect(201);
    let one = format!("/connections/{}", text(&made["id"]));
    let shown = |view: &Value| {
        let oidc = &view["oidc"];
        let secrets = ["has_client_secret", "has_previous_client_secret"];
        let [current, previous] = secrets.map(|name| oidc[name].as_bool().expect("a bool"));
        (current, previous, oidc["client_secret_expires_at"].clone())
    };
    let patch = async |oidc: Value| {
        let changed = api.patch(&one, json!({ "oidc": oidc })).await.expect(200);
        shown(&changed)
    };
    let date = || json!("2030-01-01T00:00:00.000Z");
    assert_eq!(shown(&made), (true, false, date()));
    let same = json!({"client_secret": oidc()["client_secret"]});
    assert_eq!(patch(same).await, (true, false, date()), "nothing is new");
    let fresh = json!({"client_secret": "second"});
    assert_eq!(patch(fresh).await, (true, true, Value::Null));
    let dated =
        json!({"client_secret": "third", "client_secret_expires_at": "2030-01-01T00:00:00Z"});
    assert_eq!(patch(dated).await, (true, true, date()));
    let none = json!({ "previous_client_secret": null });
    assert_eq!(patch(none).await, (true, false, date()));
    let given = json!({"previous_client_secret": "zeroth"});
    assert_eq!(patch(given).await, (true, true, date()));
    let other = json!({"client_id": "another", "client_secret": "its own"});
    assert_eq!(patch(other).await, (true, false, Value::Null));
    let public = json!({"client_secret": null, "token_endpoint_auth_method": "none"});
    assert_eq!(patch(public).await, (false, false, Value::Null));
}

#[tokio::test]
async fn transforms_are_kept_as_given_and_each_wrong_one_is_named() {
    let tenon = Tenon::start().await;
    let (api, path) = acme(&tenon).await;
    let mapping = json!({
        "custom": {"tier": "plan"},
        "transforms": {
            "groups": [{"kind": "split", "separator": ";"}, {"kind": "regex", "pattern": "^CN=([^,]+)"}],
            "tier": [{"kind": "fixed", "value": "gold"}],
        },
        "required": ["groups"],
    });
    let body = |mapping: Value| json!({"name": "IdP", "type": "oidc", "oidc": oidc(), "attribute_mapping": mapping});
    let connections = format!("{path}/connections");
    let connection = api
        .post(&connections, body(mapping.clone()))
        .await
        .expect(201);
    for part in ["transforms", "required"] {
        assert_eq!(connection["attribute_mapping"][part], mapping[part]);
    }

    let wrong = json!({
        "transforms": {"groups": [{"kind": "regex", "pattern": "("}], "shoes": []},
        "required": ["shoes"],
    });
    let refused = api.post(&connections, body(wrong)).await;
    assert_eq!(refused.status, 400);
    let fields: Vec<&Value> = refused.json["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .map(|error| &error["field"])
        .collect();
    assert_eq!(
        fields,
        [
            "attribute_mapping.transforms.groups[0]",
            "attribute_mapping.transforms.shoes",
            "attribute_mapping.required[0]",
        ]
    );
}

#[tokio::test]
async fn a_patch_changes_single_settings_and_an_active_connection_stays_whole() {
    let tenon = Tenon::start().await;
    let (api, path) = acme(&tenon).await;
    let acme = api.get(&path).await.expect(200);
    let idp = Idp::start(&tenon, &["ada@acme.example"]).await;
    let connection = idp.saml_connection(&tenon, &acme, json!({})).await;
    let one = format!("/connections/{}", text(&connection["id"]));
    let patch =
        json!({"name": "Renamed", "saml": {"sign_requests": true, "name_id_format": "urn:x"}});
    let changed = api.patch(&one, patch).await.expect(200);
    assert_eq!(changed["saml"]["sign_requests"], true);
    assert_eq!(changed["saml"]["sso_url"], connection["saml"]["sso_url"]);
    let (_, data) = events(&api, &path).await.pop().expect("an event");
    assert_eq!(data["previous"]["name"], "Practice");
    assert_eq!(data["previous"]["saml"], connection["saml"]);

    let cleared = api
        .patch(&one, json!({"saml": {"name_id_format": null}}))
        .await;
    assert_eq!(cleared.expect(200)["saml"]["name_id_format"], json!(null));
    let broken = api
        .patch(&one, json!({"saml": {"sso_url": null, "certificates": []}}))
        .await;
    let mut problems = fields(broken);
    problems.sort();
    assert_eq!(problems, ["saml.certificates", "saml.sso_url"]);
    let now = api.get(&one).await.expect(200);
    assert_eq!(now["saml"]["sso_url"], connection["saml"]["sso_url"]);
    assert_eq!(
        errors(api.patch(&one, json!({"type": "oidc"})).await),
        ["type: is not a field of this request"]
    );
}

#[tokio::test]
async fn a_connection_routes_while_it_is_active_and_is_gone_when_deleted() {
    let tenon = Tenon::start().await;
    let (api, path) = acme(&tenon).await;
    let body = json!({"name": "IdP", "type": "oidc", "oidc": oidc()});
    let connection = api
        .post(&format!("{path}/connections"), body)
        .await
        .expect(201);
    let id = text(&connection["id"]);
    let one = format!("/connections/{id}");
    let discover = || async {
        let answer = api.post("/discovery", json!({"email": "Ada@ACME.example"}));
        answer.await.expect(200)
    };
    assert_eq!(discover().await["decision"], "none");
    let draft = api.post(&format!("{one}/deactivate"), json!({})).await;
    assert_eq!(draft.expect(200)["state"], "draft");

    for _ in 0..2 {
        let active = api
            .post(&format!("{one}/activate"), json!({}))
            .await
            .expect(200);
        assert_eq!(active["state"], "active");
    }
    let found = discover().await;
    assert_eq!(found["decision"], "sso");
    assert_eq!(
        found["connections"],
        json!([{"id": id, "name": "IdP", "type": "oidc", "provider": null}])
    );
    assert_eq!(
        path,
        format!("/organizations/{}", text(&found["organization_id"]))
    );

    let second = json!({"name": "Second", "type": "oidc", "oidc": oidc(), "activate": true});
    let second = api
        .post(&format!("{path}/connections"), second)
        .await
        .expect(201);
    assert_eq!(discover().await["decision"], "choose");
    api.delete(&format!("/connections/{}", text(&second["id"])))
        .await
        .expect(204);

    let inactive = api
        .post(&format!("{one}/deactivate"), json!({}))
        .await
        .expect(200);
    assert_eq!(inactive["state"], "inactive");
    assert_eq!(discover().await["decision"], "none");
    api.delete(&one).await.expect(204);
    api.get(&one).await.problem(404);
    let types = event_types(&api, &path).await;
    assert_eq!(
        types[3..],
        [
            "connection.created",
            "connection.activated",
            "connection.created",
            "connection.activated",
            "connection.deleted",
            "connection.deactivated",
            "connection.deleted"
        ]
    );
    let wrong = api.post("/discovery", json!({"email": "no address"})).await;
    assert_eq!(errors(wrong), ["email: is not an email address"]);
}

#[tokio::test]
async fn a_stranger_discovers_nothing_of_another_organization() {
    let tenon = Tenon::start().await;
    let (api, path) = acme(&tenon).await;
    let body = json!({"name": "IdP", "type": "oidc", "oidc": oidc(), "activate": true});
    let connection = api
        .post(&format!("{path}/connections"), body)
        .await
        .expect(201);
    let stranger = stranger(&api).await;
    let answer = stranger
        .post("/discovery", json!({"email": "ada@acme.example"}))
        .await;
    assert_eq!(
        answer.expect(200),
        json!({"decision": "none", "organization_id": null, "connections": []})
    );
    let one = format!("/connections/{}", text(&connection["id"]));
    stranger.get(&one).await.problem(404);
    stranger
        .patch(&one, json!({"name": "x"}))
        .await
        .problem(404);
    stranger.delete(&one).await.problem(404);
}

#[tokio::test]
async fn the_provider_goes_with_the_issuer_unless_somebody_names_it() {
    let tenon = Tenon::start().await;
    let (api, path) = acme(&tenon).await;
    let connections = format!("{path}/connections");
    let entra = "https://login.microsoftonline.com/8a6f2f4e-3c1d-4f0a-9b7e-2d5c8e1f0a3b/v2.0";
    let to = |issuer: &str| json!({"issuer": issuer, "client_id": "c", "client_secret": "s"});
    let made = async |issuer: &str, provider: Value| {
        let mut body = json!({"name": "IdP", "type": "oidc", "oidc": to(issuer)});
        if !provider.is_null() {
            body["provider"] = provider;
        }
        api.post(&connections, body).await.expect(201)
    };
    for (issuer, provider) in [
        (entra, json!("entra")),
        (
            "https://login.microsoftonline.com/acme.example",
            json!("entra"),
        ),
        (
            "https://sts.windows.net/8a6f2f4e-3c1d-4f0a-9b7e-2d5c8e1f0a3b/",
            json!("entra"),
        ),
        ("https://accounts.google.com", json!("google")),
        ("https://acme.okta.com/oauth2/default", json!("okta")),
        ("https://idp.example", Value::Null),
        (
            "https://login.microsoftonline.com.evil.example",
            Value::Null,
        ),
    ] {
        assert_eq!(
            made(issuer, Value::Null).await["provider"],
            provider,
            "{issuer}"
        );
    }
    let patch = async |connection: &Value, body: Value| {
        let one = format!("/connections/{}", text(&connection["id"]));
        api.patch(&one, body).await.expect(200)["provider"].clone()
    };
    let move_to = |issuer: &str| json!({"oidc": {"issuer": issuer}});

    // It moves along, and what is named in the same request counts.
    let moved = made("https://idp.example", Value::Null).await;
    assert_eq!(patch(&moved, move_to(entra)).await, "entra");
    assert_eq!(patch(&moved, json!({"name": "Work"})).await, "entra");
    assert_eq!(
        patch(&moved, move_to("https://idp.example")).await,
        Value::Null
    );
    let named = json!({"provider": "keycloak", "oidc": {"issuer": entra}});
    assert_eq!(patch(&moved, named).await, "keycloak");
    assert_eq!(
        patch(&moved, move_to("https://accounts.google.com")).await,
        "keycloak"
    );

    // So does what somebody typed, while it is that of the issuer.
    let typed = made(entra, json!("Azure AD")).await;
    assert_eq!(typed["provider"], "Azure AD");
    assert_eq!(
        patch(&typed, move_to("https://acme.okta.com")).await,
        "okta"
    );
    let plain = made(entra, json!("generic")).await;
    assert_eq!(
        patch(&plain, move_to("https://accounts.google.com")).await,
        "generic"
    );

    // One that has none at such an issuer keeps its people: another claim would make them somebody new.
    let old = made(entra, Value::Null).await;
    assert_eq!(patch(&old, json!({ "provider": null })).await, Value::Null);
    let v1 = "https://login.microsoftonline.com/8a6f2f4e-3c1d-4f0a-9b7e-2d5c8e1f0a3b";
    for issuer in [v1, entra] {
        assert_eq!(patch(&old, move_to(issuer)).await, Value::Null);
    }

    let draft = json!({"name": "Later", "type": "oidc"});
    let draft = api.post(&connections, draft).await.expect(201);
    assert_eq!(patch(&draft, json!({ "oidc": to(entra) })).await, "entra");
}
