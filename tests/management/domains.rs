use std::sync::{Arc, Mutex};

use integration::{Tenon, text};
use serde_json::json;
use tokio::net::UdpSocket;

use super::{acme, errors, event_types, events, stranger};

/// A name server that knows TXT records and nothing else.
pub(super) struct NameServer {
    pub(super) address: String,
    records: Arc<Mutex<Vec<(String, String)>>>,
}

impl NameServer {
    pub(super) async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
        let address = socket.local_addr().expect("an address").to_string();
        let records: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
        let known = records.clone();
        tokio::spawn(async move {
            let mut buffer = [0; 512];
            while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
                let answer = answer(&buffer[..length], &known.lock().expect("no panic"));
                let _ = socket.send_to(&answer, peer).await;
            }
        });
        Self { address, records }
    }

    fn publish(&self, record: &serde_json::Value) {
        let entry = (text(&record["name"]), text(&record["value"]));
        self.records.lock().expect("no panic").push(entry);
    }
}

/// RFC 1035 4.1: the question again, and the TXT records of its name, or NXDOMAIN.
fn answer(query: &[u8], records: &[(String, String)]) -> Vec<u8> {
    let mut labels = Vec::new();
    let mut at = 12;
    while query[at] != 0 {
        let length = usize::from(query[at]);
        labels.push(String::from_utf8_lossy(&query[at + 1..at + 1 + length]).into_owned());
        at += 1 + length;
    }
    let question = &query[12..at + 5];
    let name = labels.join(".").to_lowercase();
    let found: Vec<_> = records.iter().filter(|(known, _)| *known == name).collect();
    let mut reply = query[..2].to_vec();
    reply.extend([0x85, if found.is_empty() { 0x83 } else { 0x80 }]);
    reply.extend([0, 1, 0, found.len() as u8, 0, 0, 0, 0]);
    reply.extend(question);
    for (_, value) in found {
        reply.extend([0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 1]);
        reply.extend(((value.len() + 1) as u16).to_be_bytes());
        reply.push(value.len() as u8);
        reply.extend(value.as_bytes());
    }
    reply
}

#[tokio::test]
async fn a_domain_is_proven_by_its_txt_record_and_routes_nothing_before() {
    let dns = NameServer::start().await;
    let tenon = Tenon::start_with(&[("TENON_DNS_SERVERS", &dns.address)]).await;
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
    dns.publish(&json!({"name": record["name"], "value": "tenon-verification=another"}));
    assert_eq!(
        api.post(&verify, json!({})).await.expect(200)["state"],
        "failed"
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
    assert_eq!(
        data["previous"],
        json!({"state": "failed", "verified_at": null})
    );

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
    let tenon = Tenon::start_with(&[("TENON_DNS_SERVERS", &dns.address)]).await;
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
