use integration::{NameServer, Tenon, text};
use serde_json::json;
use tokio::net::UdpSocket;

use super::{acme, errors, event_types, events, stranger};

#[tokio::test]
async fn a_domain_is_proven_by_its_txt_record_and_routes_nothing_before() {
    let dns = NameServer::start().await;
    let tenon = Tenon::start_with(&[("TENON_DNS_SERVERS", dns.address())]).await;
    let (api, path) = acme(&tenon).await;
    let domains = format!("{path}/domains");
    let domain = api
        .post(&domains, json!({"domain": "Proof.Example"}))
        .await
        .expect(201);
    assert_eq!(domain["domain"], "proof.example");
    assert_eq!(domain["state"], "pending");
    let record = &domain["txt_record"];
    assert_eq!(record["name"], "_tenon-challenge.proof.example");
    let value = text(&record["value"]);
    let token = value
        .strip_prefix("tenon-verification=")
        .expect("the prefix");
    assert_eq!(token.len(), 43);

    let oidc = json!({"issuer": "https://idp.example", "client_id": "c", "client_secret": "s"});
    let body = json!({"name": "IdP", "type": "oidc", "oidc": oidc, "activate": true});
    api.post(&format!("{path}/connections"), body)
        .await
        .expect(201);
    let decision = || async {
        let answer = api.post("/discovery", json!({"email": "ada@proof.example"}));
        text(&answer.await.expect(200)["decision"])
    };
    assert_eq!(decision().await, "none");

    let verify = format!("{domains}/{}/verify", text(&domain["id"]));
    let failed = api.post(&verify, json!({})).await.expect(200);
    assert_eq!(failed["state"], "failed");
    assert_eq!(failed["last_check"]["result"], "no_such_domain");
    dns.txt(&text(&record["name"]), "tenon-verification=another");
    let failed = api.post(&verify, json!({})).await.expect(200);
    assert_eq!(failed["state"], "failed");
    assert_eq!(failed["last_check"]["result"], "other_value");
    assert_eq!(
        failed["last_check"]["found"],
        json!(["tenon-verification=another"])
    );
    assert_eq!(decision().await, "none");

    dns.publish(record);
    let verified = api.post(&verify, json!({})).await.expect(200);
    assert_eq!(verified["state"], "verified");
    assert!(verified["verified_at"].is_string());
    assert_eq!(decision().await, "sso");
    assert_eq!(api.post(&verify, json!({})).await.expect(200), verified);

    let types = event_types(&api, &path).await;
    let of_proof: Vec<_> = types
        .iter()
        .skip(3)
        .filter(|kind| kind.starts_with("domain."))
        .collect();
    assert_eq!(
        of_proof,
        ["domain.created", "domain.failed", "domain.verified"]
    );
    let (_, data) = events(&api, &path).await.pop().expect("an event");
    assert_eq!(data["object"], verified);
    assert_eq!(data["previous"]["state"], "failed");
    assert_eq!(data["previous"]["verified_at"], json!(null));

    api.delete(&format!("{domains}/{}", text(&domain["id"])))
        .await
        .expect(204);
    assert_eq!(decision().await, "none");
    assert_eq!(api.post(&verify, json!({})).await.problem(404), "not_found");
}

#[tokio::test]
async fn a_name_server_that_does_not_answer_says_nothing_about_the_domain() {
    // Nobody listens there.
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    let address = socket.local_addr().expect("an address").to_string();
    let tenon = Tenon::start_with(&[("TENON_DNS_SERVERS", &address)]).await;
    let (api, path) = acme(&tenon).await;
    let domains = format!("{path}/domains");
    let body = json!({"domain": "proof.example"});
    let domain = api.post(&domains, body).await.expect(201);
    let verify = format!("{domains}/{}/verify", text(&domain["id"]));
    let answer = api.post(&verify, json!({})).await;
    assert_eq!(answer.problem(502), "dns_unavailable");
    let listed = api.get(&domains).await.expect(200);
    assert_eq!(listed["data"][0], domain);
}

#[tokio::test]
async fn two_claims_of_one_domain_end_with_the_first_proof() {
    let dns = NameServer::start().await;
    let tenon = Tenon::start_with(&[("TENON_DNS_SERVERS", dns.address())]).await;
    let (api, one) = acme(&tenon).await;
    let two = api.organization("Globex", &[]).await;
    let two = format!("/organizations/{}", text(&two["id"]));
    let mut claims = Vec::new();
    for path in [&one, &two] {
        let body = json!({"domain": "shared.example"});
        let domain = api.post(&format!("{path}/domains"), body).await.expect(201);
        dns.publish(&domain["txt_record"]);
        claims.push(format!("{path}/domains/{}/verify", text(&domain["id"])));
    }
    let first = api.post(&claims[1], json!({})).await.expect(200);
    assert_eq!(first["state"], "verified");
    let second = api.post(&claims[0], json!({})).await;
    assert_eq!(second.problem(409), "domain_taken");

    // Held now: no third claim, trusted or not, and not twice by its owner.
    let third = api.organization("Initech", &[]).await;
    let third = format!("/organizations/{}/domains", text(&third["id"]));
    for trusted in [true, false] {
        let body = json!({"domain": "shared.example", "trusted": trusted});
        assert_eq!(api.post(&third, body).await.problem(409), "domain_taken");
    }
    let body = json!({"domain": "shared.example"});
    let again = api.post(&format!("{two}/domains"), body).await;
    assert_eq!(again.problem(409), "domain_exists");
}

#[tokio::test]
async fn domains_that_nobody_can_own_are_refused() {
    let tenon = Tenon::start().await;
    let (api, path) = acme(&tenon).await;
    let path = format!("{path}/domains");
    for (domain, message) in [
        ("gmail.com", "domain: gmail.com gives mailboxes to anybody"),
        (
            "co.uk",
            "domain: co.uk is a public suffix, under which anybody can register",
        ),
        ("127.0.0.1", "domain: \"127.0.0.1\" is not a domain name"),
    ] {
        assert_eq!(
            errors(api.post(&path, json!({"domain": domain})).await),
            [message]
        );
    }
    let stranger = stranger(&api).await;
    stranger.get(&path).await.problem(404);
    let domain = api.get(&path).await.expect(200)["data"][0].clone();
    stranger
        .delete(&format!("{path}/{}", text(&domain["id"])))
        .await
        .problem(404);
}
