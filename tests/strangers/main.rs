//! Nobody, and another tenant, reach nothing (SECURITY-MODEL G1).
//!
//! The operations come from the gateway's own OpenAPI document: one that the table does not know fails the test, so
//! a new route can't be forgotten.

mod management;
mod scim;

use integration::{Api, Idp, RelyingParty, Sink, Tenon, UserAgent, text};
use serde_json::{Value, json};

/// Acme, with one of everything, and Globex, whose credentials are in a stranger's hands.
struct Scene {
    tenon: Tenon,
    /// Path parameters and their values, by the collection that they stand behind.
    ids: Vec<(&'static str, String)>,
    acme: Value,
    /// A management key of Globex.
    stranger: Api,
    acme_scim: Api,
    globex_token: String,
    _sink: Sink,
}

impl Scene {
    async fn set() -> Self {
        let tenon = Tenon::start().await;
        let api = tenon.api();
        let acme = api.organization("Acme", &["acme.example"]).await;
        let globex = api.organization("Globex", &["globex.example"]).await;
        let organization = text(&acme["id"]);

        let mut sink = Sink::start().await;
        let endpoint = json!({"url": sink.url(), "organization_id": organization});
        let endpoint = api.webhook_endpoint(endpoint).await;
        let idp = Idp::start(&tenon, &["ada@acme.example"]).await;
        let connection = idp.saml_connection(&tenon, &acme, json!({})).await;
        let app = RelyingParty::register(&tenon).await;
        let mut browser = UserAgent::new();
        let page = browser
            .get(&app.authorize_url("login_hint=ada@acme.example"))
            .await;
        let posting = idp
            .sign_in(&mut browser, &page, "ada@acme.example", None)
            .await;
        app.redeem(&browser.submit(&posting, posting.form()).await)
            .await
            .expect(200);
        sink.next_event("login.succeeded").await;

        let directory = api.directory(&acme, "Acme").await;
        let directory_id = text(&directory["id"]);
        let token = api
            .post(&format!("/directories/{directory_id}/tokens"), json!({}))
            .await
            .expect(201);
        let acme_scim = Api::scim(&directory);
        let group = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
            "displayName": "Admins",
        });
        acme_scim.post("/Groups", group).await.expect(201);
        api.put(
            "/roles/admin",
            json!({"name": "Administrator", "priority": 10}),
        )
        .await
        .expect(200);
        let globex_directory = api.directory(&globex, "Globex").await;

        let first = |list: Value| text(&list["data"][0]["id"]);
        let of_acme = |path: &str| {
            let path = format!("{path}?organization_id={organization}");
            let api = api.clone();
            async move { first(api.get(&path).await.expect(200)) }
        };
        let below = |path: String| {
            let api = api.clone();
            async move { first(api.get(&path).await.expect(200)) }
        };
        let endpoint_id = text(&endpoint["id"]);
        let key_of_acme = json!({"name": "acme", "organization_id": organization});
        let key_of_acme = api.post("/api_keys", key_of_acme).await.expect(201);
        let key_of_globex = json!({"name": "stranger", "organization_id": globex["id"]});
        let key_of_globex = api.post("/api_keys", key_of_globex).await.expect(201);
        let ids = vec![
            ("connections", text(&connection["id"])),
            (
                "requests",
                below(format!("/directories/{directory_id}/requests")).await,
            ),
            ("directories", directory_id),
            ("tokens", text(&token["id"])),
            ("domains", text(&acme["domains"][0]["id"])),
            (
                "users",
                below(format!("/organizations/{organization}/users")).await,
            ),
            (
                "groups",
                below(format!("/organizations/{organization}/groups")).await,
            ),
            ("applications", below("/applications".to_owned()).await),
            (
                "deliveries",
                below(format!("/webhook_endpoints/{endpoint_id}/deliveries")).await,
            ),
            ("webhook_endpoints", endpoint_id),
            ("logins", of_acme("/logins").await),
            ("sessions", of_acme("/sessions").await),
            ("roles", "admin".to_owned()),
            ("api_keys", text(&key_of_acme["id"])),
            ("organizations", organization),
        ];
        Self {
            stranger: api.with_token(&text(&key_of_globex["key"])),
            tenon,
            ids,
            acme,
            acme_scim,
            globex_token: text(&globex_directory["scim"]["bearer_token"]),
            _sink: sink,
        }
    }

    /// A path of the document with Acme's ids in it.
    fn path(&self, template: &str) -> String {
        let mut path = String::new();
        let mut collection = "";
        for segment in template.split('/').skip(1) {
            path.push('/');
            if segment.starts_with('{') {
                let id = self.ids.iter().find(|(name, _)| *name == collection);
                path.push_str(&id.unwrap_or_else(|| panic!("no id for {template}")).1);
            } else {
                path.push_str(segment);
                collection = segment;
            }
        }
        path
    }

    /// Everything that a stranger could have changed, as the operator sees it.
    async fn everything(&self) -> Value {
        let api = self.tenon.api();
        let id = text(&self.acme["id"]);
        let mut all = json!({});
        for path in [
            "/organizations".to_owned(),
            "/applications".to_owned(),
            "/roles".to_owned(),
            "/api_keys".to_owned(),
            "/webhook_endpoints".to_owned(),
            format!("/sessions?organization_id={id}"),
            format!("/events?organization_id={id}&limit=1000"),
        ] {
            all[&path] = api.get(&path).await.expect(200)["data"].clone();
        }
        // When a key was last used is no change.
        for key in all["/api_keys"].as_array_mut().into_iter().flatten() {
            if let Some(key) = key.as_object_mut() {
                key.remove("last_used_at");
            }
        }
        all
    }
}
