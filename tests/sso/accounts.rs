//! Which user a sign-in is: who joins whom, who is made, and who stays out (CONTRACT section 5, SECURITY-MODEL G2).

use gateway::sandbox::people::Person;
use integration::{Api, Idp, Page, RelyingParty, Tenon, UserAgent, claims, text};
use serde_json::{Value, json};

use crate::assert_failed_and_changed_nothing;

struct Scene {
    tenon: Tenon,
    idp: Idp,
    app: RelyingParty,
}

impl Scene {
    async fn start(emails: &[&str]) -> Self {
        let people = emails.iter().map(|email| Person::with_email(email));
        Self::start_with(people.collect()).await
    }

    async fn start_with(people: Vec<Person>) -> Self {
        let tenon = Tenon::start().await;
        let idp = Idp::start_with(&tenon, people).await;
        let app = RelyingParty::register(&tenon).await;
        Self { tenon, idp, app }
    }

    /// A connection of the organization to the one IdP.
    async fn connect(&self, organization: &Value, policy: &str) -> Value {
        let (tenon, idp) = (&self.tenon, &self.idp);
        let made = idp.oidc_connection(tenon, organization, json!({})).await;
        self.change(&made, json!({"email_domain_policy": policy}))
            .await
    }

    async fn change(&self, connection: &Value, change: Value) -> Value {
        let path = format!("/connections/{}", text(&connection["id"]));
        self.tenon.api().patch(&path, change).await.expect(200)
    }

    async fn sign_in(&self, connection: &Value, email: &str) -> Page {
        let mut browser = UserAgent::new();
        let hint = format!("connection_id={}", text(&connection["id"]));
        let page = browser.get(&self.app.authorize_url(&hint)).await;
        self.idp.sign_in(&mut browser, &page, email, None).await
    }

    /// The claims of the id token.
    async fn claims(&self, connection: &Value, email: &str) -> Value {
        let landed = self.sign_in(connection, email).await;
        claims(&self.app.redeem(&landed).await.expect(200)["id_token"])
    }

    async fn users(&self, organization: &Value) -> Vec<Value> {
        let path = format!("/organizations/{}/users", text(&organization["id"]));
        let users = self.tenon.api().get(&path).await.expect(200);
        users["data"].as_array().expect("a list").clone()
    }
}

async fn push(organization: &Value, tenon: &Tenon, email: &str) -> (Api, Value) {
    let directory = tenon.api().directory(organization, "Directory").await;
    let scim = Api::scim(&directory);
    let person = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": email,
        "externalId": format!("directory-{email}"),
        "emails": [{"value": email, "primary": true}],
        "active": true,
    });
    let person = scim.post("/Users", person).await.expect(201);
    (scim, person)
}

async fn deactivate(scim: &Api, person: &Value) {
    let disable = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "value": {"active": false}}],
    });
    let path = format!("/Users/{}", text(&person["id"]));
    scim.patch(&path, disable).await.expect(200);
}

#[tokio::test]
async fn an_email_collision_never_reaches_another_organizations_user() {
    let emails = ["ada@acme.example", "ADA@ACME.EXAMPLE", "ada+x@acme.example"];
    let scene = Scene::start(&emails).await;
    let api = scene.tenon.api();
    let acme = api.organization("Acme", &["acme.example"]).await;
    let globex = api.organization("Globex", &["globex.example"]).await;
    let victim = scene.connect(&acme, "verified_only").await;
    let victim = scene.claims(&victim, "ada@acme.example").await;
    let before = scene.users(&acme).await;

    let evil = scene.connect(&globex, "verified_only").await;
    for email in emails {
        let page = scene.sign_in(&evil, email).await;
        assert_eq!(page.tenon_error(), "email_domain_not_allowed", "{email}");
        assert_failed_and_changed_nothing(&scene.tenon, &globex, "email_domain_not_allowed").await;
    }
    let evil = scene
        .change(&evil, json!({"email_domain_policy": "any"}))
        .await;
    for email in emails {
        let claims = scene.claims(&evil, email).await;
        assert_ne!(claims["sub"], victim["sub"], "{email}");
        assert_eq!(claims["org_id"], globex["id"], "{email}");
        assert_eq!(claims["email_verified"], false, "{email}");
    }
    assert_eq!(scene.users(&acme).await, before);
}

#[tokio::test]
async fn inside_an_organization_only_an_address_of_its_verified_domains_joins() {
    let emails = [
        "ada@acme.example",
        "ADA@ACME.EXAMPLE",
        "ada+x@acme.example",
        "zoe@elsewhere.example",
        "mark@acme.example",
        "mar\u{212a}@acme.example",
        "x@y,mark@acme.example",
    ];
    let scene = Scene::start(&emails).await;
    let api = scene.tenon.api();
    let acme = api.organization("Acme", &["acme.example"]).await;
    let first = scene.connect(&acme, "any").await;
    let second = scene.connect(&acme, "any").await;
    let sub =
        async |connection: &Value, email| scene.claims(connection, email).await["sub"].clone();

    // A KELVIN SIGN, which Unicode folds to a k; and what another reader could take for two addresses.
    let mark = sub(&first, "mark@acme.example").await;
    assert_ne!(sub(&second, "mar\u{212a}@acme.example").await, mark);
    assert_ne!(sub(&second, "x@y,mark@acme.example").await, mark);

    let ada = sub(&first, "ada@acme.example").await;
    assert_eq!(sub(&second, "ADA@ACME.EXAMPLE").await, ada);
    assert_ne!(sub(&second, "ada+x@acme.example").await, ada);
    let outside = sub(&first, "zoe@elsewhere.example").await;
    assert_ne!(sub(&second, "zoe@elsewhere.example").await, outside);
    assert_eq!(sub(&first, "zoe@elsewhere.example").await, outside);
}

/// CONTRACT section 5, as docs/api.md tells it: whoever connects an identity provider lets it speak for all of the
/// organization's domains. Where another organization holds the domain it never does.
#[tokio::test]
async fn a_domains_route_is_no_wall_inside_its_organization() {
    let scene = Scene::start(&["ada@acme.example", "zoe@contractors.example"]).await;
    let api = scene.tenon.api();
    let domains = ["acme.example", "contractors.example"];
    let acme = api.organization("Acme", &domains).await;
    let staff = scene.connect(&acme, "verified_only").await;
    let contractors = scene.connect(&acme, "verified_only").await;
    let org = text(&acme["id"]);
    for domain in acme["domains"].as_array().expect("a list") {
        let leads_to = match domain["domain"] == "acme.example" {
            true => &staff,
            false => &contractors,
        };
        let route = json!({"connection_id": leads_to["id"]});
        let path = format!("/organizations/{org}/domains/{}", text(&domain["id"]));
        api.patch(&path, route).await.expect(200);
    }
    let discovered = api
        .post("/discovery", json!({"email": "ada@acme.example"}))
        .await
        .expect(200);
    assert_eq!(discovered["connections"][0]["id"], staff["id"]);

    let ada = scene.claims(&staff, "ada@acme.example").await;
    let asserted = scene.claims(&contractors, "ada@acme.example").await;
    assert_eq!(asserted["sub"], ada["sub"]);
    assert_eq!(
        asserted["connection_id"], contractors["id"],
        "and it is told"
    );
}

#[tokio::test]
async fn an_address_that_the_idp_does_not_vouch_for_joins_nobody() {
    let mut impostor = Person::with_email("ADA@acme.example");
    impostor.email_verified = false;
    let people = vec![Person::with_email("ada@acme.example"), impostor];
    let scene = Scene::start_with(people).await;
    let api = scene.tenon.api();
    let acme = api.organization("Acme", &["acme.example"]).await;
    let first = scene.connect(&acme, "verified_only").await;
    let ada = scene.claims(&first, "ada@acme.example").await;
    assert_eq!(ada["email_verified"], true);

    // By another subject of the same connection, by another connection, and in another organization.
    let second = scene.connect(&acme, "verified_only").await;
    let globex = api.organization("Globex", &["globex.example"]).await;
    let elsewhere = scene.connect(&globex, "any").await;
    for connection in [&first, &second, &elsewhere] {
        let claims = scene.claims(connection, "ADA@acme.example").await;
        assert_ne!(claims["sub"], ada["sub"], "{claims}");
        assert_eq!(claims["email_verified"], false, "{claims}");
    }
    assert_eq!(
        scene.claims(&second, "ada@acme.example").await["sub"],
        ada["sub"]
    );
}

/// Who came first under an address that is not theirs must not be joined by its owner.
#[tokio::test]
async fn nobody_joins_a_user_by_an_address_that_the_idp_does_not_vouch_for() {
    let mut impostor = Person::with_email("ADA@acme.example");
    impostor.email_verified = false;
    let people = vec![Person::with_email("ada@acme.example"), impostor];
    let scene = Scene::start_with(people).await;
    let api = scene.tenon.api();
    let acme = api.organization("Acme", &["acme.example"]).await;
    let connection = scene.connect(&acme, "verified_only").await;
    let impostor = scene.claims(&connection, "ADA@acme.example").await;
    let ada = scene.claims(&connection, "ada@acme.example").await;
    assert_ne!(ada["sub"], impostor["sub"]);
    // The directory's Ada is the one who is vouched for.
    push(&acme, &scene.tenon, "ada@acme.example").await;
    let users = scene.users(&acme).await;
    assert_eq!(users.len(), 2);
    let fed = users.iter().find(|user| {
        let mut sources = user["sources"].as_array().expect("sources").iter();
        sources.any(|source| source["kind"] == "directory")
    });
    assert_eq!(fed.expect("a user of the directory")["id"], ada["sub"]);
}

#[tokio::test]
async fn an_external_id_joins_where_the_connection_says_what_it_is() {
    let scene = Scene::start(&["ada@acme.example"]).await;
    let api = scene.tenon.api();
    let acme = api.organization("Acme", &["acme.example"]).await;
    let scim = Api::scim(&api.directory(&acme, "Directory").await);
    let person = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": "berg",
        // The practice IdP's `sub`.
        "externalId": "id-ada",
        "emails": [{"value": "ada.berg@acme.example", "primary": true}],
        "active": true,
    });
    scim.post("/Users", person).await.expect(201);
    let pushed = scene.users(&acme).await[0]["id"].clone();
    let plain = scene.connect(&acme, "verified_only").await;
    let stranger = scene.claims(&plain, "ada@acme.example").await;
    assert_ne!(stranger["sub"], pushed);

    let mapping = json!({"attribute_mapping": {"external_id": ["sub"]}});
    let mapped = scene.connect(&acme, "verified_only").await;
    scene.change(&mapped, mapping).await;
    let claims = scene.claims(&mapped, "ada@acme.example").await;
    assert_eq!(claims["sub"], pushed);
}

#[tokio::test]
async fn without_jit_only_people_of_the_directory_come_in() {
    let scene = Scene::start(&["ada@acme.example", "eve@acme.example"]).await;
    let api = scene.tenon.api();
    let acme = api.organization("Acme", &["acme.example"]).await;
    let connection = scene.connect(&acme, "verified_only").await;
    scene
        .change(&connection, json!({"jit_provisioning": false}))
        .await;
    let page = scene.sign_in(&connection, "eve@acme.example").await;
    assert_eq!(page.tenon_error(), "user_not_provisioned");
    assert_failed_and_changed_nothing(&scene.tenon, &acme, "user_not_provisioned").await;

    push(&acme, &scene.tenon, "ada@acme.example").await;
    let claims = scene.claims(&connection, "ada@acme.example").await;
    let users = scene.users(&acme).await;
    assert_eq!(users.len(), 1);
    assert_eq!(users[0]["id"], claims["sub"]);
    let kinds = users[0]["sources"].as_array().expect("sources").iter();
    let mut kinds: Vec<String> = kinds.map(|source| text(&source["kind"])).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["connection", "directory"]);
}

#[tokio::test]
async fn a_deactivated_user_comes_back_by_no_alias() {
    let aliases = [
        "ada.berg@acme.example",
        "ADA@elsewhere.example",
        "Ada_100%@acme.example",
    ];
    let strangers = ["ada@other.example", "adaX100%@acme.example"];
    let scene = Scene::start(&[&aliases[..], &strangers].concat()).await;
    let api = scene.tenon.api();
    let acme = api.organization("Acme", &["acme.example"]).await;
    let connection = scene.connect(&acme, "any").await;
    let directory = api.directory(&acme, "Directory").await;
    let scim = Api::scim(&directory);
    let person = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": "Ada@Elsewhere.example",
        "emails": [
            {"value": "first@acme.example", "primary": true},
            {"value": "ada.berg@acme.example", "type": "other"},
            {"value": "ada_100%@acme.example", "type": "other"},
        ],
        "active": true,
    });
    let ada = scim.post("/Users", person).await.expect(201);
    deactivate(&scim, &ada).await;
    for alias in aliases {
        let page = scene.sign_in(&connection, alias).await;
        assert_eq!(page.tenon_error(), "user_deactivated", "{alias}");
    }
    assert_eq!(scene.users(&acme).await.len(), 1);
    for stranger in strangers {
        scene.claims(&connection, stranger).await;
    }
}

#[tokio::test]
async fn a_deactivated_user_comes_back_by_no_sign_in() {
    let emails = ["ada@acme.example", "ben@elsewhere.example"];
    let scene = Scene::start(&emails).await;
    let api = scene.tenon.api();
    let acme = api.organization("Acme", &["acme.example"]).await;
    let known = scene.connect(&acme, "any").await;
    let (scim, ada) = push(&acme, &scene.tenon, "ada@acme.example").await;
    let (elsewhere, ben) = push(&acme, &scene.tenon, "ben@elsewhere.example").await;
    scene.claims(&known, "ada@acme.example").await;
    deactivate(&scim, &ada).await;
    deactivate(&elsewhere, &ben).await;

    let other = scene.connect(&acme, "any").await;
    for email in emails {
        // By the identity that is known, and as somebody new.
        for connection in [&known, &other] {
            let page = scene.sign_in(connection, email).await;
            assert_eq!(page.tenon_error(), "user_deactivated", "{email}");
        }
    }
    let users = scene.users(&acme).await;
    assert_eq!(users.len(), 2, "{users:?}");
    assert!(users.iter().all(|user| user["active"] == false));
    let sessions = api.get("/sessions").await.expect(200);
    let mut sessions = sessions["data"].as_array().expect("a list").iter();
    assert!(sessions.all(|session| session["state"] == "revoked"));
}
