//! The SCIM face without a socket, on SQLite or, with `TEST_DATABASE=postgres`, on PostgreSQL.

mod brake;
mod bulk;
mod claims;
mod concurrent;
mod cost;
mod cursors;
mod extensions;
mod filters;
mod floods;
mod flows;
mod large;
mod log;
mod mappings;
mod members;
mod negotiation;
mod nested;
mod provenance;
mod schemas;
mod stories;

use std::sync::Arc;

use poem::http::{Method, StatusCode};
use poem::{Endpoint, Request, Response};
use serde_json::{Value, json};

use super::routes;
use crate::app::App;
use crate::clock::{Clock, SystemClock, SystemEntropy};
use crate::config::{Config, PublicUrl};
use crate::ids::{DirectoryId, DirectoryTokenId, OrganizationId};
use crate::model::{
    Cause, Directory, DirectoryState, DirectoryToken, Organization, RoleMapping, RolePolicy,
    RoleSource, Timestamp,
};
use crate::store::{OrgScope, directories, organizations, role_mappings};
use crate::test_database::Database;

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

pub(super) struct Gateway {
    pub(super) app: App,
    _database: Database,
}

/// One directory's client.
#[derive(Clone)]
pub(super) struct Client {
    app: App,
    pub(super) organization: OrgScope,
    pub(super) directory: DirectoryId,
    token: String,
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: poem::http::HeaderMap,
    pub(super) json: Value,
}

fn now() -> Timestamp {
    SystemClock.now().into()
}

impl Gateway {
    pub(super) async fn start() -> Self {
        Self::with_rate_limits("off").await
    }

    pub(super) async fn with_rate_limits(limits: &str) -> Self {
        let database = Database::fresh().await;
        Self::open(database, Arc::new(SystemClock), limits).await
    }

    async fn open(database: Database, clock: Arc<dyn Clock>, limits: &str) -> Self {
        let key = format!("k1:{}=", "A".repeat(43));
        let variable = |name: &str| match name {
            "TENON_DATABASE_URL" => Some(database.url.clone()),
            "TENON_ENCRYPTION_KEYS" => Some(key.clone()),
            "TENON_RATE_LIMITS" => Some(limits.to_owned()),
            _ => None,
        };
        let config = Config::load(None, variable).unwrap();
        let public_url = PublicUrl::localhost(8080);
        let entropy = Arc::new(SystemEntropy);
        let app = App::open(config, public_url, clock, entropy).await.unwrap();
        Self {
            app,
            _database: database,
        }
    }

    /// A new organization with one directory.
    pub(super) async fn directory(&self) -> Client {
        let app = &self.app;
        let id = OrganizationId::generate(&SystemClock, &SystemEntropy);
        let organization = Organization {
            id,
            name: "Acme".to_owned(),
            slug: id.to_string(),
            external_id: None,
            metadata: Default::default(),
            role_policy: RolePolicy::Union,
            domains: Vec::new(),
            created_at: now(),
            updated_at: now(),
        };
        let tx = app.store.begin().await.unwrap();
        let scope = organizations::insert(&tx, &app.vault, &organization)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        self.directory_in(scope, None).await
    }

    pub(super) async fn directory_in(&self, scope: OrgScope, default_role: Option<&str>) -> Client {
        let app = &self.app;
        let directory = Directory {
            id: DirectoryId::generate(&SystemClock, &SystemEntropy),
            organization_id: scope.organization(),
            name: "Okta".to_owned(),
            provider: None,
            default_role: default_role.map(str::to_owned),
            state: DirectoryState::Waiting,
            change_brake: None,
            protected_user_ids: Vec::new(),
            held_at: None,
            created_at: now(),
            updated_at: now(),
        };
        let token = app.entropy.token();
        let row = DirectoryToken {
            id: DirectoryTokenId::generate(&SystemClock, &SystemEntropy),
            last_four: "abcd".to_owned(),
            created_at: now(),
            last_used_at: None,
            expires_at: None,
        };
        let tx = app.store.begin().await.unwrap();
        directories::insert(&tx, &scope, &directory).await.unwrap();
        let hash = app.vault.hash(&token);
        directories::insert_token(&tx, &scope, directory.id, &row, &hash)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        Client {
            app: app.clone(),
            organization: scope,
            directory: directory.id,
            token,
        }
    }

    /// Makes a role of the deployment.
    pub(super) async fn role(&self, slug: &str, priority: i64) {
        crate::store::tests::insert_role(&self.app.store, slug, priority).await;
    }
}

impl Client {
    /// A request as it comes from the socket, below `/scim/v2`.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<poem::Body>,
    ) -> Answer {
        let uri = format!("/{}{path}", self.directory).parse().unwrap();
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header("authorization", format!("Bearer {}", self.token));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(&self.app, request.body(body)).await
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], "").await
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, &[], body.to_string()).await
    }

    pub(super) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, &[], body.to_string()).await
    }

    pub(super) async fn patch(&self, path: &str, operations: Value) -> Answer {
        let body = json!({"schemas": [PATCH], "Operations": operations});
        self.send(Method::PATCH, path, &[], body.to_string()).await
    }

    pub(super) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[], "").await
    }

    /// Makes a user and returns its id.
    pub(super) async fn user(&self, name: &str) -> String {
        let body = json!({"schemas": [USER], "userName": name, "active": true});
        self.post("/Users", body).await.expect(201).id()
    }

    /// Makes a group and returns its id.
    pub(super) async fn group(&self, name: &str, members: &[&str]) -> String {
        let members: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
        let body = json!({"schemas": [GROUP], "displayName": name, "members": members});
        self.post("/Groups", body).await.expect(201).id()
    }

    pub(super) async fn find(&self, path: &str) -> Value {
        self.get(path).await.expect(200).json
    }

    /// `type subject` of each event of the organization, oldest first.
    pub(super) async fn events(&self) -> Vec<Value> {
        crate::store::tests::event_bodies(&self.app.store, &self.organization).await
    }

    pub(super) async fn event_types(&self) -> Vec<String> {
        let events = self.events().await;
        let types = events.iter().map(|event| event["type"].as_str().unwrap());
        types.map(str::to_owned).collect()
    }

    pub(super) async fn map_group(&self, name: &str, role: &str) {
        let mapping = RoleMapping {
            group_id: None,
            group_name: Some(name.to_owned()),
            role: role.to_owned(),
        };
        let (scope, source) = (self.organization, RoleSource::Directory(self.directory));
        let tx = self.app.store.begin().await.unwrap();
        role_mappings::replace(&tx, &scope, source, &[mapping])
            .await
            .unwrap();
        let cause = Cause::system("test");
        crate::flows::roles::recompute_directory(&tx, &scope, self.directory, &cause)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }
}

impl Answer {
    #[track_caller]
    pub(super) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.json);
        self
    }

    pub(super) fn id(&self) -> String {
        self.json["id"].as_str().unwrap().to_owned()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

pub(super) async fn answer(app: &App, request: Request) -> Answer {
    let response: Response = routes(app).get_response(request).await;
    let (status, headers) = (response.status(), response.headers().clone());
    let body = response.into_body().into_string().await.unwrap();
    Answer {
        status,
        headers,
        json: serde_json::from_str(&body).unwrap_or_default(),
    }
}
