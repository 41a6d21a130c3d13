//! What time alone does to connections, with time moved on: on both databases, and by two replicas where there
//! can be two.

use std::time::Duration;

use chrono::{DateTime, Datelike, TimeDelta, Utc};
use gateway::{
    clock::{Clock as _, SystemClock},
    flows::{
        connections::{self, ConnectionChange, OidcChange, SettingsChange, upkeep},
        housekeeping,
        organizations::{self, NewOrganization},
    },
    ids::ConnectionId,
    model::{Cause, ConnectionKeyState, ConnectionType, ConnectionView},
    store::{
        self, OrgScope,
        feed::{self, After},
    },
};
use integration::{DatabaseKind, InProcess, MetadataHost};
use serde_json::Value;

struct World {
    tenon: InProcess,
    scope: OrgScope,
    id: ConnectionId,
    host: MetadataHost,
}

impl World {
    /// One active connection whose metadata has these certificates.
    async fn with(certificates: &[&str]) -> Self {
        let tenon = InProcess::start().await;
        let host = MetadataHost::start(&metadata("https://idp.example", certificates)).await;
        let app = &tenon.app;
        let cause = Cause::system("test");
        let metadata = connections::fetch(app, host.url(), None)
            .await
            .expect("metadata");
        let tx = app.store.begin().await.expect("the database answers");
        let new = NewOrganization {
            name: "Acme".to_owned(),
            slug: None,
            external_id: None,
            domains: Vec::new(),
            metadata: Default::default(),
        };
        let organization = organizations::create(app, &tx, new, &cause)
            .await
            .expect("an organization");
        let scope = app.store.organization_named(organization.id);
        let change = ConnectionChange {
            name: Some("IdP".to_owned()),
            metadata_url: Some(Some(host.url().to_owned())),
            metadata: Some(metadata),
            ..Default::default()
        };
        let saml = ConnectionType::Saml;
        let made = connections::create(app, &tx, &scope, saml, change, true, &cause)
            .await
            .expect("a connection");
        tx.commit().await.expect("it commits");
        Self {
            tenon,
            scope,
            id: made.id,
            host,
        }
    }

    /// One round of every replica at once.
    async fn round(&self) {
        if DatabaseKind::of_this_run() == DatabaseKind::Postgres {
            let other = self.tenon.replica().await;
            let (one, two) = tokio::join!(upkeep::once(&self.tenon.app), upkeep::once(&other.app));
            one.and(two).expect("a round");
        } else {
            upkeep::once(&self.tenon.app).await.expect("a round");
        }
    }

    async fn after(&self, time: TimeDelta) {
        self.tenon
            .clock
            .advance(time.to_std().unwrap_or(Duration::ZERO));
        self.round().await;
    }

    async fn view(&self) -> ConnectionView {
        let app = &self.tenon.app;
        let db = app.store.read();
        let found = store::connections::find(&db, &self.scope, self.id).await;
        let found = found.expect("the database answers").expect("it is there");
        let view = connections::view(app, &db, &self.scope, &found).await;
        view.expect("a view")
    }

    /// The `data` of the organization's events of one type.
    async fn events(&self, kind: &str) -> Vec<Value> {
        let store = &self.tenon.app.store;
        feed::sequence(store).await.expect("the database answers");
        let events = feed::read(
            &store.read(),
            Some(&self.scope),
            After::Sequence(0),
            &[kind.to_owned()],
            1000,
        )
        .await;
        let events = events.expect("the database answers").into_iter();
        events
            .map(|event| serde_json::from_str::<Value>(&event.body).expect("JSON")["data"].clone())
            .collect()
    }

    fn now(&self) -> DateTime<Utc> {
        self.tenon.app.clock.now()
    }
}

/// Base64 of a certificate that ends at this day's beginning.
fn certificate(end: DateTime<Utc>) -> String {
    use base64::Engine as _;
    let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048)
        .expect("a key");
    let mut params = rcgen::CertificateParams::default();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(end.year(), end.month() as u8, end.day() as u8);
    let certificate = params.self_signed(&key).expect("a certificate");
    base64::engine::general_purpose::STANDARD.encode(certificate.der())
}

fn metadata(entity_id: &str, certificates: &[&str]) -> String {
    let keys: String = certificates
        .iter()
        .map(|certificate| {
            format!(
                "<KeyDescriptor use=\"signing\"><KeyInfo xmlns=\"http://www.w3.org/2000/09/xmldsig#\"><X509Data>\
                 <X509Certificate>{certificate}</X509Certificate></X509Data></KeyInfo></KeyDescriptor>"
            )
        })
        .collect();
    format!(
        "<EntityDescriptor xmlns=\"urn:oasis:names:tc:SAML:2.0:metadata\" entityID=\"{entity_id}\">\
         <IDPSSODescriptor protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\">{keys}\
         <SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\" \
         Location=\"https://idp.example/sso\"/></IDPSSODescriptor></EntityDescriptor>"
    )
}

fn far() -> DateTime<Utc> {
    DateTime::parse_from_rfc3339("2044-01-01T00:00:00Z")
        .expect("a time")
        .to_utc()
}

#[tokio::test]
async fn metadata_is_read_daily_and_what_fails_breaks_nothing() {
    let (old, new) = (certificate(far()), certificate(far()));
    let world = World::with(&[&old]).await;
    let asked = || world.host.asked();
    world.round().await;
    assert_eq!(asked(), (1, 0), "read when it was made, and not again yet");
    world.after(TimeDelta::hours(27)).await;
    world.after(TimeDelta::hours(27)).await;
    assert_eq!(asked(), (3, 1), "once a day, and only if it has changed");
    assert_eq!(
        world.events("connection.updated").await,
        Vec::<Value>::new()
    );

    // A rollover: both are trusted while the metadata says so.
    world
        .host
        .serve(&metadata("https://idp.example", &[&old, &new]));
    world.after(TimeDelta::hours(27)).await;
    let saml = world.view().await.saml.expect("SAML");
    assert_eq!(saml.certificates.len(), 2);
    world.host.serve(&metadata("https://idp.example", &[&new]));
    world.after(TimeDelta::hours(27)).await;
    let saml = world.view().await.saml.expect("SAML");
    assert_eq!(saml.certificates.len(), 1);
    assert_eq!(world.events("connection.updated").await.len(), 2);
    let refreshed_at = saml.metadata_refreshed_at;

    // Failures are shown, tried again soon and then less often, and told nobody.
    let before = asked().0;
    world.host.fail(true);
    world.after(TimeDelta::hours(27)).await;
    let broken = world.view().await.saml.expect("SAML");
    assert!(
        broken
            .metadata_failure
            .is_some_and(|said| said.contains("503"))
    );
    assert_eq!(broken.metadata_refreshed_at, refreshed_at);
    assert_eq!(broken.certificates, saml.certificates);
    world.after(TimeDelta::minutes(14)).await;
    assert_eq!(asked().0, before + 1);
    world.after(TimeDelta::minutes(1)).await;
    world.after(TimeDelta::minutes(15)).await;
    assert_eq!(asked().0, before + 2, "the second pause is twice as long");
    world.host.fail(false);
    world.host.serve("<html>");
    world.after(TimeDelta::minutes(15)).await;
    assert_eq!(asked().0, before + 3);
    assert!(
        world
            .view()
            .await
            .saml
            .expect("SAML")
            .metadata_failure
            .is_some()
    );

    // Another issuer waits, whoever asks.
    world.host.serve(&metadata("https://evil.example", &[&old]));
    world.after(TimeDelta::hours(1)).await;
    let held = world.view().await.saml.expect("SAML");
    assert_eq!(held.metadata_failure, None);
    assert_eq!(held.idp_entity_id.as_deref(), Some("https://idp.example"));
    assert_eq!(held.certificates, saml.certificates);
    let waiting = held.metadata_held.expect("a change");
    assert_eq!(waiting.idp_entity_id, "https://evil.example");
    world.after(TimeDelta::hours(27)).await;
    assert!(
        world
            .view()
            .await
            .saml
            .expect("SAML")
            .metadata_held
            .is_some()
    );
    assert_eq!(world.events("connection.updated").await.len(), 3);
    world.host.serve(&metadata("https://idp.example", &[&new]));
    world.after(TimeDelta::hours(27)).await;
    assert!(
        world
            .view()
            .await
            .saml
            .expect("SAML")
            .metadata_held
            .is_none()
    );

    // Nothing of all that stands in the way of tidying up.
    housekeeping::tidy(&world.tenon.app).await.expect("a round");
}

#[tokio::test]
async fn a_certificate_that_ends_is_told_of_once_for_each_day_that_counts() {
    let start = SystemClock.now();
    let ending = certificate(start + TimeDelta::days(65));
    let world = World::with(&[&ending, &certificate(far())]).await;
    let notices = async || -> Vec<i64> {
        let events = world.events("connection.certificate_expiring").await;
        let days = events.iter();
        days.map(|data| data["certificate"]["days_left"].as_i64().expect("days"))
            .collect()
    };
    world.round().await;
    assert!(notices().await.is_empty());
    let mut told = Vec::new();
    let end = (start + TimeDelta::days(65))
        .date_naive()
        .and_hms_opt(0, 0, 0)
        .expect("midnight")
        .and_utc();
    for days in [60, 30, 14, 7, 3, 1] {
        let due = end - TimeDelta::days(days);
        world.after(due - world.now() - TimeDelta::minutes(5)).await;
        assert_eq!(notices().await, told, "too early for {days}");
        told.push(days);
        for _ in 0..3 {
            world.after(TimeDelta::minutes(6)).await;
            assert_eq!(notices().await, told);
        }
    }
    let expired = async || world.events("connection.certificate_expired").await;
    assert_eq!(expired().await.len(), 0);
    world.after(TimeDelta::days(2)).await;
    world.after(TimeDelta::days(2)).await;
    let expired = expired().await;
    assert_eq!(expired.len(), 1);
    assert_eq!(expired[0]["certificate"]["days_left"], 0);
    assert_eq!(expired[0]["object"]["id"], world.id.to_string());
    assert_eq!(notices().await, told);
}

#[tokio::test]
async fn a_client_secret_that_ends_is_told_of_beforehand() {
    let world = World::with(&[&certificate(far())]).await;
    let app = &world.tenon.app;
    let until = world.now() + TimeDelta::days(65);
    let oidc = OidcChange {
        issuer: Some(Some("https://idp.example".to_owned())),
        client_id: Some(Some("tenon".to_owned())),
        client_secret: Some(Some("throw-away".to_owned())),
        client_secret_expires_at: Some(Some(until)),
        ..Default::default()
    };
    let change = ConnectionChange {
        settings: SettingsChange {
            oidc: Some(oidc),
            ..Default::default()
        },
        ..Default::default()
    };
    let (kind, cause) = (ConnectionType::Oidc, Cause::system("test"));
    let tx = app.store.begin().await.expect("the database answers");
    let made = connections::create(app, &tx, &world.scope, kind, change, true, &cause).await;
    tx.commit().await.expect("it commits");
    let id = made.expect("a connection").id.to_string();

    let told = async || world.events("connection.client_secret_expiring").await;
    world.round().await;
    assert!(told().await.is_empty());
    world.after(TimeDelta::days(10)).await;
    world.after(TimeDelta::hours(1)).await;
    let first = told().await;
    assert_eq!(first.len(), 1);
    assert_eq!(first[0]["object"]["id"], id);
    let shown = &first[0]["object"]["oidc"]["client_secret_expires_at"];
    let shown: DateTime<Utc> = shown.as_str().expect("a time").parse().expect("a time");
    assert_eq!(shown.timestamp(), until.timestamp());
    world.after(TimeDelta::days(26)).await;
    assert_eq!(told().await.len(), 2);
    let ended = async || world.events("connection.client_secret_expired").await;
    assert!(ended().await.is_empty());
    world.after(TimeDelta::days(20)).await;
    world.after(TimeDelta::days(20)).await;
    assert_eq!(ended().await.len(), 1);
}

#[tokio::test]
async fn a_key_changes_over_by_itself() {
    let world = World::with(&[&certificate(far())]).await;
    let app = &world.tenon.app;
    let states = async || -> Vec<ConnectionKeyState> {
        let keys = world.view().await.keys.into_iter();
        keys.map(|key| key.state).collect()
    };
    let first = world.view().await.keys[0].certificate.clone();
    let fresh = connections::make_key(app).await.expect("a key");
    let tx = app.store.begin().await.expect("the database answers");
    let cause = Cause::system("test");
    connections::rotate(app, &tx, &world.scope, world.id, Some(fresh), false, &cause)
        .await
        .expect("a next key");
    tx.commit().await.expect("it commits");

    use ConnectionKeyState::{Current, Next, Previous};
    world.after(TimeDelta::days(13)).await;
    assert_eq!(states().await, [Current, Next]);
    assert_eq!(world.view().await.keys[0].certificate, first);
    world.after(TimeDelta::days(1)).await;
    assert_eq!(states().await, [Current, Previous]);
    assert_eq!(world.view().await.keys[1].certificate, first);
    world.after(TimeDelta::days(13)).await;
    assert_eq!(states().await, [Current, Previous]);
    world.after(TimeDelta::days(1)).await;
    assert_eq!(states().await, [Current]);
    assert_ne!(world.view().await.keys[0].certificate, first);
    assert_eq!(world.events("connection.updated").await.len(), 3);
}
