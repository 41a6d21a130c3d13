//! SECURITY-MODEL G3, the test `domain_claims`: a domain routes logins only for the organization that has
//! proven it. What time does to a proof is in `domain_checks`.

use integration::{Answer, Api, NameServer, Tenon, text};
use serde_json::{Value, json};

use super::event_types;

struct World {
    tenon: Tenon,
    dns: NameServer,
    api: Api,
}

impl World {
    async fn new() -> Self {
        let dns = NameServer::start().await;
        let tenon = Tenon::start_with(&[("TENON_DNS_SERVERS", dns.address())]).await;
        let api = tenon.api();
        Self { tenon, dns, api }
    }

    /// The path of a new organization with an active connection.
    async fn organization(&self, name: &str) -> String {
        let organization = self.api.organization(name, &[]).await;
        let path = format!("/organizations/{}", text(&organization["id"]));
        connection(&self.api, &path, name).await;
        path
    }

    async fn claim(&self, path: &str, domain: &str) -> Value {
        let body = json!({"domain": domain});
        let answer = self.api.post(&format!("{path}/domains"), body).await;
        answer.expect(201)
    }

    async fn verify(&self, domain: &Value) -> Answer {
        let path = format!(
            "/organizations/{}/domains/{}/verify",
            text(&domain["organization_id"]),
            text(&domain["id"])
        );
        self.api.post(&path, json!({})).await
    }

    /// The path of the organization that an address signs in to.
    async fn owner(&self, email: &str) -> Option<String> {
        let answer = self.api.post("/discovery", json!({"email": email})).await;
        let organization = answer.expect(200)["organization_id"].clone();
        let id = organization.as_str()?;
        Some(format!("/organizations/{id}"))
    }
}

async fn connection(api: &Api, path: &str, name: &str) -> String {
    let oidc = json!({"issuer": "https://idp.example", "client_id": "c", "client_secret": "s"});
    let body = json!({"name": name, "type": "oidc", "oidc": oidc, "activate": true});
    let made = api.post(&format!("{path}/connections"), body).await;
    text(&made.expect(201)["id"])
}

#[tokio::test]
async fn the_proof_of_one_organization_is_none_of_another() {
    let world = World::new().await;
    let (acme, thief) = (
        world.organization("Acme").await,
        world.organization("Thief").await,
    );
    let claim = world.claim(&acme, "acme.example").await;
    let theft = world.claim(&thief, "acme.example").await;
    assert_eq!(claim["txt_record"]["name"], theft["txt_record"]["name"]);
    assert_ne!(claim["txt_record"]["value"], theft["txt_record"]["value"]);

    // Acme's record is there, the thief's isn't.
    world.dns.publish(&claim["txt_record"]);
    let refused = world.verify(&theft).await.expect(200);
    assert_eq!(refused["state"], "failed");
    assert_eq!(refused["last_check"]["result"], "other_value");
    assert_eq!(world.owner("ada@acme.example").await, None);

    assert_eq!(world.verify(&claim).await.expect(200)["state"], "verified");
    assert_eq!(world.owner("ada@acme.example").await, Some(acme.clone()));
    // Even the right record: Acme's stands, so the domain is Acme's. Nobody is told whose it is.
    world.dns.publish(&theft["txt_record"]);
    let taken = world.verify(&theft).await;
    assert!(!taken.body.contains(&acme[15..]), "{}", taken.body);
    assert_eq!(taken.problem(409), "domain_taken");
    assert_eq!(world.owner("ada@acme.example").await, Some(acme));
}

#[tokio::test]
async fn a_new_proof_takes_over_a_domain_whose_record_is_gone() {
    let world = World::new().await;
    let (old, new) = (
        world.organization("Old").await,
        world.organization("New").await,
    );
    let held = world.claim(&old, "sold.example").await;
    let claim = world.claim(&new, "sold.example").await;
    world.dns.publish(&held["txt_record"]);
    world.verify(&held).await.expect(200);

    // The domain was sold: its new zone has the new owner's record alone.
    world.dns.withdraw("_tenon-challenge.sold.example");
    world.dns.publish(&claim["txt_record"]);
    assert_eq!(world.verify(&claim).await.expect(200)["state"], "verified");
    assert_eq!(world.owner("ada@sold.example").await, Some(new.clone()));
    let types = event_types(&world.api, &old).await;
    assert_eq!(types.last().map(String::as_str), Some("domain.failed"));
    let of_old = world.api.get(&format!("{old}/domains")).await.expect(200);
    assert_eq!(of_old["data"][0]["state"], "failed");
    assert_eq!(of_old["data"][0]["last_check"]["result"], "taken");
    assert!(of_old["data"][0]["missing_since"].is_string());

    // The old owner gets it back in no other way than by the same proof.
    assert_eq!(
        world.verify(&held).await.expect(200)["last_check"]["result"],
        "other_value"
    );
    assert_eq!(world.owner("ada@sold.example").await, Some(new));
}

#[tokio::test]
async fn what_the_application_vouches_for_is_not_taken_over_by_dns() {
    let world = World::new().await;
    let other = world.organization("Other").await;
    let claim = world.claim(&other, "vouched.example").await;
    world.api.organization("Acme", &["vouched.example"]).await;
    world.dns.publish(&claim["txt_record"]);
    assert_eq!(world.verify(&claim).await.problem(409), "domain_taken");
    let body = json!({"domain": "vouched.example"});
    let again = world.organization("Third").await;
    let again = world.api.post(&format!("{again}/domains"), body).await;
    assert_eq!(again.problem(409), "domain_taken");
}

#[tokio::test]
async fn a_look_alike_is_another_domain_and_a_spelling_is_not() {
    let world = World::new().await;
    let (acme, other) = (
        world.organization("Acme").await,
        world.organization("Other").await,
    );
    let real = world.claim(&acme, "apple.example").await;
    world.dns.publish(&real["txt_record"]);
    world.verify(&real).await.expect(200);

    // Cyrillic а, р, р, ӏ, е.
    let fake = world.claim(&other, "аррӏе.example").await;
    let name = text(&fake["domain"]);
    assert!(name.starts_with("xn--"), "{name}");
    world.dns.publish(&fake["txt_record"]);
    world.verify(&fake).await.expect(200);
    assert_eq!(world.owner("ada@аррӏе.example").await, Some(other.clone()));
    assert_eq!(
        world.owner(&format!("ada@{name}")).await,
        Some(other.clone())
    );
    assert_eq!(world.owner("ada@apple.example").await, Some(acme));

    for spelling in [
        "APPLE.example",
        "apple.example.",
        "ａｐｐｌｅ.example",
        "apple。example",
    ] {
        let body = json!({"domain": spelling});
        let answer = world.api.post(&format!("{other}/domains"), body).await;
        assert_eq!(answer.problem(409), "domain_taken", "{spelling}");
    }
}

#[tokio::test]
async fn a_parent_speaks_for_its_subdomains_only_where_it_says_so() {
    let world = World::new().await;
    let (acme, eu) = (
        world.organization("Acme").await,
        world.organization("Acme EU").await,
    );
    let parent = world.claim(&acme, "acme.example").await;
    world.dns.publish(&parent["txt_record"]);
    world.verify(&parent).await.expect(200);
    assert_eq!(world.owner("ada@eu.acme.example").await, None);

    let path = format!("{acme}/domains/{}", text(&parent["id"]));
    let body = json!({"include_subdomains": true});
    let changed = world.api.patch(&path, body).await.expect(200);
    assert_eq!(changed["include_subdomains"], true);
    assert_eq!(world.api.get(&path).await.expect(200), changed);
    for address in ["ada@eu.acme.example", "ada@a.b.acme.example"] {
        assert_eq!(world.owner(address).await, Some(acme.clone()), "{address}");
    }
    assert_eq!(world.owner("ada@notacme.example").await, None);

    // The parent's record proves nothing below it, and a nearer domain that is proven decides.
    let child = world.claim(&eu, "eu.acme.example").await;
    let failed = world.verify(&child).await.expect(200);
    assert_eq!(failed["state"], "failed");
    assert_eq!(world.owner("ada@eu.acme.example").await, Some(acme.clone()));
    world.dns.publish(&child["txt_record"]);
    world.verify(&child).await.expect(200);
    assert_eq!(world.owner("ada@eu.acme.example").await, Some(eu.clone()));
    // It stands for itself alone, and hides its parent.
    assert_eq!(world.owner("ada@x.eu.acme.example").await, None);
    assert_eq!(world.owner("ada@us.acme.example").await, Some(acme));
}

#[tokio::test]
async fn a_domain_that_is_removed_routes_nothing_and_is_free_again() {
    let world = World::new().await;
    let (acme, next) = (
        world.organization("Acme").await,
        world.organization("Next").await,
    );
    let first = world.claim(&acme, "acme.example").await;
    world.dns.publish(&first["txt_record"]);
    world.verify(&first).await.expect(200);
    let path = format!("{acme}/domains/{}", text(&first["id"]));
    world.api.delete(&path).await.expect(204);
    assert_eq!(world.owner("ada@acme.example").await, None);

    // The record that is left behind proves nothing: neither for the next one nor for a new claim of the first.
    for owner in [&next, &acme] {
        let claim = world.claim(owner, "acme.example").await;
        assert_eq!(world.verify(&claim).await.expect(200)["state"], "failed");
    }
    assert_eq!(world.owner("ada@acme.example").await, None);
}

#[tokio::test]
async fn of_claims_that_race_one_wins() {
    let world = World::new().await;
    let mut paths = Vec::new();
    for name in ["One", "Two", "Three", "Four"] {
        paths.push(world.organization(name).await);
    }
    for round in 0..5 {
        let name = format!("race{round}.example");
        let mut claims = Vec::new();
        for path in &paths {
            let claim = world.claim(path, &name).await;
            world.dns.publish(&claim["txt_record"]);
            claims.push(claim);
        }
        let answers =
            futures_util::future::join_all(claims.iter().map(|claim| world.verify(claim))).await;
        let won: Vec<_> = answers
            .iter()
            .filter(|it| it.status.as_u16() == 200)
            .collect();
        assert_eq!(won.len(), 1, "{answers:?}");
        assert_eq!(won[0].json["state"], "verified");
        for lost in answers.iter().filter(|it| it.status.as_u16() != 200) {
            assert_eq!(lost.status.as_u16(), 409, "{}", lost.body);
            assert_eq!(lost.json["code"], "domain_taken");
        }
        let owner = world.owner(&format!("ada@{name}")).await;
        let winner = format!("/organizations/{}", text(&won[0].json["organization_id"]));
        assert_eq!(owner, Some(winner));

        // The same for claims that the application vouches for.
        let body = json!({"domain": format!("trusted-{name}"), "trusted": true});
        let claims = paths.iter().map(|path| {
            let body = body.clone();
            let api = &world.api;
            async move {
                api.post(&format!("{path}/domains"), body)
                    .await
                    .status
                    .as_u16()
            }
        });
        let mut statuses = futures_util::future::join_all(claims).await;
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409, 409, 409]);
    }
    drop(world.tenon);
}

#[tokio::test]
async fn a_domain_may_lead_to_one_of_several_connections() {
    let world = World::new().await;
    let acme = world.organization("Employees").await;
    let contractors = connection(&world.api, &acme, "Contractors").await;
    let other = world.organization("Other").await;
    let foreign = connection(&world.api, &other, "Foreign").await;
    let domains = format!("{acme}/domains");
    for name in ["acme.example", "acme-contractors.example"] {
        let body = json!({"domain": name, "trusted": true});
        world.api.post(&domains, body).await.expect(201);
    }
    let listed = world.api.get(&domains).await.expect(200);
    let path = format!("{domains}/{}", text(&listed["data"][0]["id"]));
    let discover = async |email: &str| {
        let answer = world.api.post("/discovery", json!({"email": email})).await;
        let answer = answer.expect(200);
        let names = answer["connections"].as_array().expect("a list").iter();
        let names: Vec<String> = names.map(|it| text(&it["name"])).collect();
        (text(&answer["decision"]), names)
    };
    let both = vec!["Employees".to_owned(), "Contractors".to_owned()];
    let choose = ("choose".to_owned(), both);
    assert_eq!(discover("ada@acme-contractors.example").await, choose);

    let patch = |id: Value| world.api.patch(&path, json!({"connection_id": id}));
    let refused = patch(json!(foreign)).await;
    assert_eq!(
        super::errors(refused),
        ["connection_id: is no connection of this organization"]
    );
    let changed = patch(json!(contractors)).await.expect(200);
    assert_eq!(changed["connection_id"], *contractors);
    let one = ("sso".to_owned(), vec!["Contractors".to_owned()]);
    assert_eq!(discover("ada@acme-contractors.example").await, one);
    assert_eq!(discover("ada@acme.example").await, choose);
    let entries = world.api.get("/audit_log?action=domain.updated").await;
    let entries = entries.expect(200);
    assert_eq!(entries["data"][0]["before"], json!({"connection_id": null}));
    assert_eq!(
        entries["data"][0]["after"],
        json!({"connection_id": contractors})
    );

    // While it is off nobody is sent elsewhere.
    let path = format!("/connections/{contractors}");
    let off = format!("{path}/deactivate");
    world.api.post(&off, json!({})).await.expect(200);
    assert_eq!(
        discover("ada@acme-contractors.example").await,
        ("none".to_owned(), Vec::new())
    );
    world.api.delete(&path).await.expect(204);
    let left = ("sso".to_owned(), vec!["Employees".to_owned()]);
    assert_eq!(discover("ada@acme-contractors.example").await, left);
}
