//! A gateway's OAuth endpoints with one organization, one user, one application, and codes at will.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use poem::endpoint::BoxEndpoint;
use poem::http::{HeaderMap, Method, StatusCode, header};
use poem::{Endpoint as _, EndpointExt as _, Request, Response, Route, get};
use serde_json::{Value, json};

use super::super::{authorize, logout};
use crate::app::App;
use crate::clock::{Clock, SystemEntropy};
use crate::config::{Config, PublicUrl};
use crate::ids::{
    ApplicationId, ConnectionId, DomainId, LoginId, OrganizationId, SessionId, UserId,
};
use crate::model::{
    Application, ApplicationType, Cause, ClientAuthMethod, Domain, DomainState, Organization,
    Profile, RolePolicy, Session, SessionClaims, SessionState, SigningAlgorithm, Timestamp,
    TxtRecord,
};
use crate::store::applications::{self, StoredApplication};
use crate::store::tokens::{self, StoredCode};
use crate::store::users::UserRecord;
use crate::store::{OrgScope, Tx, domains, organizations, sessions, users};
use crate::test_database::Database;

pub(super) const ISSUER: &str = "http://localhost:8080";
pub(super) const REDIRECT_URI: &str = "https://app.example/callback";
pub(super) const SECRET: &str = "throw-away";
/// RFC 7636 appendix B.
pub(super) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(super) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub(super) const ALL_SCOPES: &str = "openid profile email groups roles offline_access";

/// Stands still until it is told.
struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

pub(super) struct Desk {
    pub(super) app: App,
    pub(super) scope: OrgScope,
    pub(super) user: UserId,
    pub(super) client: ApplicationId,
    clock: Arc<TestClock>,
    endpoint: BoxEndpoint<'static, Response>,
    _database: Database,
}

/// An answer, read.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
    pub(super) json: Value,
}

impl Answer {
    #[track_caller]
    pub(super) fn ok(self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.json);
        self.json
    }

    /// Status and `error`.
    pub(super) fn refusal(&self) -> (u16, &str) {
        (
            self.status.as_u16(),
            self.json["error"].as_str().unwrap_or_default(),
        )
    }

    pub(super) fn header(&self, name: header::HeaderName) -> &str {
        self.headers
            .get(name)
            .map(|value| value.to_str().unwrap())
            .unwrap_or_default()
    }
}

impl Desk {
    pub(super) async fn open() -> Self {
        let database = Database::fresh().await;
        let config = Config::load(None, |name| match name {
            "TENON_DATABASE_URL" => Some(database.url.clone()),
            "TENON_ENCRYPTION_KEYS" => Some(format!("test:{}", STANDARD.encode([7; 32]))),
            "TENON_RATE_LIMITS" => Some("off".to_owned()),
            "TENON_EGRESS_ALLOW" => Some("127.0.0.0/8".to_owned()),
            _ => None,
        });
        let start = DateTime::parse_from_rfc3339("2026-11-22T09:30:00Z").unwrap();
        let clock = Arc::new(TestClock(AtomicI64::new(start.timestamp_millis())));
        let url = PublicUrl::localhost(8080);
        let app = App::open(config.unwrap(), url, clock.clone(), Arc::new(SystemEntropy));
        let app = app.await.unwrap();
        let endpoint = super::super::mount(Route::new(), &app)
            .at(
                "/oauth/authorize",
                get(authorize::get).post(authorize::post),
            )
            .at(logout::PATH, get(logout::get).post(logout::post))
            .nest("/scim/v2", crate::http::scim::routes(&app))
            .data(app.clone());
        let endpoint = endpoint.map_to_response().boxed();
        let scope = organization(&app).await;
        let user = user(&app, &scope).await;
        let mut desk = Self {
            client: ApplicationId::generate(&*clock, &SystemEntropy),
            app,
            scope,
            user,
            clock,
            endpoint,
            _database: database,
        };
        desk.client = desk.application(|_| ()).await;
        desk
    }

    pub(super) fn advance(&self, by: TimeDelta) {
        self.clock
            .0
            .fetch_add(by.num_milliseconds(), Ordering::SeqCst);
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp(self.app.clock.now())
    }

    /// A confidential application with the usual secret, after `change`.
    pub(super) async fn application(
        &self,
        change: impl FnOnce(&mut StoredApplication),
    ) -> ApplicationId {
        let now = self.now();
        let id = ApplicationId::generate(&*self.app.clock, &*self.app.entropy);
        let mut stored = StoredApplication {
            application: Application {
                id,
                client_id: id,
                name: "Sample".to_owned(),
                kind: ApplicationType::Confidential,
                redirect_uris: vec![REDIRECT_URI.to_owned()],
                post_logout_redirect_uris: Vec::new(),
                id_token_signing_alg: SigningAlgorithm::Es256,
                access_token_ttl: 300,
                refresh_token_ttl: 2_592_000,
                session_idle_ttl: None,
                backchannel_logout_uri: None,
                initiate_login_uri: None,
                token_endpoint_auth_method: ClientAuthMethod::ClientSecretBasic,
                discovery: Default::default(),
                jwks: None,
                jwks_uri: None,
                created_at: now,
                updated_at: now,
            },
            secret_hash: Some(self.app.vault.hash(SECRET)),
            previous_secret: None,
        };
        change(&mut stored);
        let tx = self.app.store.begin().await.unwrap();
        applications::insert(&tx, &stored).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    /// A code as a sign-in leaves it, in a session of its own, after `change`.
    pub(super) async fn code_with(
        &self,
        change: impl FnOnce(&mut StoredCode, &mut Session),
    ) -> (String, SessionId) {
        let now = self.now();
        let mut session = Session {
            id: SessionId::generate(&*self.app.clock, &*self.app.entropy),
            organization_id: self.scope.organization(),
            user_id: self.user,
            connection_id: ConnectionId::generate(&*self.app.clock, &*self.app.entropy),
            login_id: LoginId::generate(&*self.app.clock, &*self.app.entropy),
            state: SessionState::Active,
            created_at: now,
            expires_at: Timestamp(now.0 + TimeDelta::days(30)),
        };
        let text = self.app.entropy.token();
        let mut code = StoredCode {
            code_hash: self.app.vault.hash(&text),
            session_id: session.id,
            application_id: self.client,
            redirect_uri: REDIRECT_URI.to_owned(),
            code_challenge: Some(CHALLENGE.to_owned()),
            nonce: Some("the-nonce".to_owned()),
            scope: ALL_SCOPES.to_owned(),
            expires_at: Timestamp(now.0 + TimeDelta::seconds(60)),
            redeemed_at: None,
        };
        change(&mut code, &mut session);
        let claims = SessionClaims {
            connection_type: "saml".to_owned(),
            idp_subject: "ada@idp".to_owned(),
            auth_time: now.0.timestamp() - 5,
            acr: Some("urn:example:strong".to_owned()),
            amr: vec!["mfa".to_owned()],
            groups: vec!["Engineering".to_owned()],
            attributes: [("team".to_owned(), json!("blue"))].into(),
            raw_attributes: [("urn:oid:0.9.2342".to_owned(), json!(["ada"]))].into(),
            session_index: None,
            name_id: None,
            ends_at: Some(session.expires_at),
        };
        let tx = self.app.store.begin().await.unwrap();
        sessions::insert(
            &tx,
            &self.scope,
            &session,
            code.application_id,
            claims,
            Default::default(),
        )
        .await
        .unwrap();
        tokens::insert_code(&tx, &self.scope, &code).await.unwrap();
        tx.commit().await.unwrap();
        (text, session.id)
    }

    pub(super) async fn code(&self) -> String {
        self.code_with(|_, _| ()).await.0
    }

    pub(super) async fn session_state(&self, id: SessionId) -> SessionState {
        let found = sessions::find(&self.app.store.read(), &self.scope, id)
            .await
            .unwrap();
        found.unwrap().session.state
    }

    pub(super) async fn end_session(&self, id: SessionId) {
        let tx = self.app.store.begin().await.unwrap();
        let cause = Cause::system("test");
        sessions::end(&tx, &self.scope, id, "", &cause, self.now())
            .await
            .unwrap()
            .unwrap();
        tx.commit().await.unwrap();
    }

    pub(super) async fn activate_user(&self) {
        let tx = self.app.store.begin().await.unwrap();
        self.set_active(&tx, true).await;
        tx.commit().await.unwrap();
    }

    /// As a directory does it: the change and the end of the sessions in one transaction.
    pub(super) async fn deactivate_user(&self) {
        let tx = self.app.store.begin().await.unwrap();
        self.set_active(&tx, false).await;
        let cause = Cause::system("test");
        sessions::end_sessions_of_user(&tx, &self.scope, self.user, "", &cause, self.now())
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    async fn set_active(&self, tx: &Tx, active: bool) {
        let record = users::find_record(tx, &self.scope, self.user)
            .await
            .unwrap()
            .unwrap();
        let record = UserRecord { active, ..record };
        users::update(tx, &self.scope, self.user, &record, self.now())
            .await
            .unwrap();
    }

    /// The form of a code's redemption by the usual application, for a test to alter.
    pub(super) fn redemption<'a>(&self, code: &'a str) -> Vec<(&'static str, &'a str)> {
        vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT_URI),
            ("code_verifier", VERIFIER),
        ]
    }

    pub(super) async fn redeem(&self, code: &str) -> Answer {
        self.token(&self.redemption(code)).await
    }

    pub(super) async fn refresh(&self, token: &Value) -> Answer {
        let token = token.as_str().unwrap();
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", token)])
            .await
    }

    /// The token endpoint, by `client_secret_basic`.
    pub(super) async fn token(&self, form: &[(&str, &str)]) -> Answer {
        let basic = basic(&self.client.to_string(), SECRET);
        self.token_as(Some(&basic), form).await
    }

    pub(super) async fn token_as(
        &self,
        authorization: Option<&str>,
        form: &[(&str, &str)],
    ) -> Answer {
        self.post("/oauth/token", authorization, form).await
    }

    /// As the usual application, by `client_secret_basic`.
    pub(super) async fn call(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let basic = basic(&self.client.to_string(), SECRET);
        self.post(path, Some(&basic), form).await
    }

    pub(super) async fn post(
        &self,
        path: &str,
        authorization: Option<&str>,
        form: &[(&str, &str)],
    ) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let request = request(Method::POST, path, authorization)
            .content_type("application/x-www-form-urlencoded")
            .body(body);
        self.send(request).await
    }

    pub(super) async fn userinfo(&self, access_token: &str) -> Answer {
        let authorization = format!("Bearer {access_token}");
        let request = request(Method::GET, "/oauth/userinfo", Some(&authorization)).finish();
        self.send(request).await
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.send(request(Method::GET, path, None).finish()).await
    }

    pub(super) async fn send(&self, request: Request) -> Answer {
        let response = self.endpoint.get_response(request).await;
        let (parts, body) = response.into_parts();
        let body = body.into_vec().await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8_lossy(&body).into_owned(),
            json: serde_json::from_slice(&body).unwrap_or_default(),
        }
    }
}

pub(super) fn request(
    method: Method,
    path: &str,
    authorization: Option<&str>,
) -> poem::RequestBuilder {
    let request = Request::builder().method(method).uri(path.parse().unwrap());
    match authorization {
        Some(value) => request.header(header::AUTHORIZATION, value),
        None => request,
    }
}

pub(super) fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

/// The payload of a token, unchecked.
pub(super) fn payload(token: &Value) -> Value {
    let part = token.as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

async fn organization(app: &App) -> OrgScope {
    let now = Timestamp(app.clock.now());
    let id = OrganizationId::generate(&*app.clock, &*app.entropy);
    let organization = Organization {
        id,
        name: "Acme".to_owned(),
        slug: "acme".to_owned(),
        external_id: Some("customer-7".to_owned()),
        metadata: std::collections::BTreeMap::new(),
        role_policy: RolePolicy::Union,
        domains: Vec::new(),
        created_at: now,
        updated_at: now,
    };
    let domain = Domain {
        id: DomainId::generate(&*app.clock, &*app.entropy),
        organization_id: id,
        domain: "acme.example".to_owned(),
        state: DomainState::Verified,
        trusted: true,
        include_subdomains: false,
        connection_id: None,
        missing_since: None,
        last_check: None,
        txt_record: TxtRecord {
            name: String::new(),
            value: String::new(),
        },
        verified_at: Some(now),
        created_at: now,
        updated_at: now,
    };
    let tx = app.store.begin().await.unwrap();
    let scope = organizations::insert(&tx, &app.vault, &organization)
        .await
        .unwrap();
    domains::insert(&tx, &scope, &domain, "", None)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    scope
}

async fn user(app: &App, scope: &OrgScope) -> UserId {
    let id = UserId::generate(&*app.clock, &*app.entropy);
    let record = UserRecord {
        external_id: None,
        active: true,
        user_name: Some("ada".to_owned()),
        email: Some("ada@acme.example".to_owned()),
        profile: Profile {
            name: Some("Ada Lovelace".to_owned()),
            given_name: Some("Ada".to_owned()),
            family_name: Some("Lovelace".to_owned()),
            attributes: [("cost_center".to_owned(), json!(42))].into(),
            ..Profile::default()
        },
    };
    let tx = app.store.begin().await.unwrap();
    users::insert(&tx, scope, id, &record, Timestamp(app.clock.now()))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    id
}
