//! The Standard Webhooks libraries verify what arrives.

use integration::{
    Api, Sink, Tenon,
    peers::{Language, verify_webhooks},
    text,
};
use serde_json::json;

#[tokio::test]
async fn the_webhook_libraries_verify_deliveries() {
    let tenon = Tenon::start().await;
    let api = tenon.api();
    let mut sink = Sink::start().await;
    let endpoint = api
        .webhook_endpoint(json!({"url": sink.url(), "event_types": ["user.*"]}))
        .await;
    let organization = api.organization("Acme", &["acme.example"]).await;
    let scim = Api::scim(&api.directory(&organization, "Acme").await);
    for name in ["ada", "chloé", "line\u{2028}separator", "a\"quote"] {
        let user = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": format!("{name}@acme.example"),
            "displayName": name,
        });
        scim.post("/Users", user).await.expect(201);
    }
    let mut deliveries = Vec::new();
    for _ in 0..4 {
        deliveries.push(sink.next().await);
    }

    let secret = text(&endpoint["secret"]);
    for language in [Language::JavaScript, Language::Python] {
        let verified = verify_webhooks(language, &secret, &deliveries).await;
        assert_eq!(verified, Ok(()), "{language:?}");
        let mut altered = deliveries[0].clone();
        altered.body = [altered.body.as_ref(), b" "].concat().into();
        let refused = verify_webhooks(language, &secret, &[altered]).await;
        assert!(refused.is_err(), "{language:?} accepts an altered body");
    }
}
