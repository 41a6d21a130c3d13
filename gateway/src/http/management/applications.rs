//! Applications: the OIDC clients.

use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::MaybeUndefined;
use poem_openapi::{Object, OpenApi};
use serde_json::Value;

use super::Tag;
use super::answer::{Answer, Created, Deleted, Done};
use super::body::{Body, OptionalBody};
use super::key::{ApiKey, Write};
use super::once::{Attempt, Once};
use super::page::{Cursor, Limit, Page, window};
use super::problem::Problem;
use crate::app::App;
use crate::error::Error;
use crate::flows::applications as flow;
use crate::ids::ApplicationId;
use crate::model::{
    Application, ApplicationType, ClientAuthMethod, DiscoveryMode, SigningAlgorithm,
};
use crate::store::applications;

#[derive(Debug, Object)]
struct NewApplication {
    #[oai(validator(min_length = 1, max_length = 200))]
    name: String,
    /// Matched byte for byte: https, or http to a loopback host, without a fragment.
    #[oai(validator(min_items = 1, max_items = 100))]
    redirect_uris: Vec<String>,
    #[oai(validator(max_items = 100))]
    post_logout_redirect_uris: Option<Vec<String>>,
    /// `confidential` by default.
    #[oai(rename = "type")]
    kind: Option<ApplicationType>,
    /// `RS256` by default.
    id_token_signing_alg: Option<SigningAlgorithm>,
    /// Seconds, at most 300, which is the default.
    #[oai(validator(minimum(value = "1"), maximum(value = "300")))]
    access_token_ttl: Option<i64>,
    /// Seconds, 30 days by default; also a session's longest life.
    #[oai(validator(minimum(value = "1"), maximum(value = "31536000")))]
    refresh_token_ttl: Option<i64>,
    /// Seconds without a refresh after which a session has expired; without it, a session lives to its end. At least
    /// twice the longest life of an access token, so that whoever refreshes when one is over is in time.
    #[oai(validator(minimum(value = "600"), maximum(value = "31536000")))]
    session_idle_ttl: Option<i64>,
    backchannel_logout_uri: Option<String>,
    /// Where a sign-in that an identity provider starts is sent for a fresh request.
    initiate_login_uri: Option<String>,
    /// `client_secret_basic` by default, `private_key_jwt` when keys are given, `none` for a public application.
    token_endpoint_auth_method: Option<ClientAuthMethod>,
    /// What the hosted sign-in page asks for: the work `email` (default), the organization's `slug`, or nothing
    /// (`hint_only`).
    discovery: Option<DiscoveryMode>,
    /// Public keys for `private_key_jwt` (RFC 7517).
    jwks: Option<Value>,
    /// Where those keys are published instead: https.
    jwks_uri: Option<String>,
}

#[derive(Debug, Object)]
struct ApplicationPatch {
    #[oai(validator(min_length = 1, max_length = 200))]
    name: Option<String>,
    #[oai(validator(min_items = 1, max_items = 100))]
    redirect_uris: Option<Vec<String>>,
    #[oai(validator(max_items = 100))]
    post_logout_redirect_uris: MaybeUndefined<Vec<String>>,
    id_token_signing_alg: MaybeUndefined<SigningAlgorithm>,
    #[oai(validator(minimum(value = "1"), maximum(value = "300")))]
    access_token_ttl: MaybeUndefined<i64>,
    #[oai(validator(minimum(value = "1"), maximum(value = "31536000")))]
    refresh_token_ttl: MaybeUndefined<i64>,
    #[oai(validator(minimum(value = "600"), maximum(value = "31536000")))]
    session_idle_ttl: MaybeUndefined<i64>,
    backchannel_logout_uri: MaybeUndefined<String>,
    initiate_login_uri: MaybeUndefined<String>,
    token_endpoint_auth_method: MaybeUndefined<ClientAuthMethod>,
    discovery: MaybeUndefined<DiscoveryMode>,
    jwks: MaybeUndefined<Value>,
    jwks_uri: MaybeUndefined<String>,
}

/// An application with its secret.
#[derive(Debug, Object)]
struct ApplicationWithSecret {
    #[oai(flatten)]
    application: Application,
    /// Shown this once; null for an application that has none.
    client_secret: Option<String>,
}

/// How a secret changes over.
#[derive(Debug, Default, Object)]
struct SecretRotation {
    /// End every secret before it at once.
    revoke_previous: Option<bool>,
}

pub(super) struct Applications;

#[OpenApi(tag = "Tag::Applications")]
impl Applications {
    /// Create an application.
    #[oai(
        path = "/applications",
        method = "post",
        operation_id = "createApplication"
    )]
    async fn create(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        #[oai(name = "Idempotency-Key")] once: Once,
        Body(new): Body<NewApplication>,
    ) -> Result<Created<ApplicationWithSecret>, Problem> {
        key.of_deployment()?;
        let application = checked(new.into_application(&app))?;
        let (tx, claim) = match once.begin(&app, &key).await? {
            Attempt::First(tx, claim) => (tx, claim),
            Attempt::Again(answer) => return Ok(answer),
        };
        let (application, client_secret) = flow::create(&app, &tx, application).await?;
        tx.audit(
            key.act("application.created", application.id)
                .made(&application),
        );
        let answer = Answer::new(&ApplicationWithSecret {
            application,
            client_secret,
        });
        Ok(claim.commit(&app, tx, answer).await?)
    }

    /// List applications.
    #[oai(
        path = "/applications",
        method = "get",
        operation_id = "listApplications"
    )]
    async fn list(
        &self,
        app: Data<&App>,
        key: ApiKey,
        limit: Query<Limit>,
        cursor: Query<Cursor<ApplicationId>>,
    ) -> Result<Json<Page<Application>>, Problem> {
        key.of_deployment()?;
        let window = window(limit.0, cursor.0);
        let slice = applications::list(&app.store.read(), window).await?;
        Ok(Json(Page::of(slice)))
    }

    /// Find an application.
    #[oai(
        path = "/applications/:id",
        method = "get",
        operation_id = "findApplication"
    )]
    async fn find(
        &self,
        app: Data<&App>,
        key: ApiKey,
        id: Path<ApplicationId>,
    ) -> Result<Json<Application>, Problem> {
        key.of_deployment()?;
        let stored = applications::find(&app.store.read(), id.0)
            .await?
            .ok_or(Error::NotFound("application"))?;
        Ok(Json(stored.application))
    }

    /// Change an application.
    #[oai(
        path = "/applications/:id",
        method = "patch",
        operation_id = "updateApplication"
    )]
    async fn update(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        id: Path<ApplicationId>,
        Body(patch): Body<ApplicationPatch>,
    ) -> Result<Json<Application>, Problem> {
        key.of_deployment()?;
        let tx = app.store.begin().await?;
        let mut stored = applications::lock(&tx, id.0)
            .await?
            .ok_or(Error::NotFound("application"))?;
        let before = stored.application.clone();
        stored.application = checked(patch.applied_to(stored.application))?;
        flow::drop_unused_secrets(&mut stored);
        if stored.application != before {
            stored.application.updated_at = app.clock.now().into();
            applications::update(&tx, &stored).await?;
            let act = key.act("application.updated", id.0);
            tx.audit(act.changed(&before, &stored.application));
            tx.commit().await?;
        }
        Ok(Json(stored.application))
    }

    /// Delete an application.
    ///
    /// Its tokens are refused from now on.
    #[oai(
        path = "/applications/:id",
        method = "delete",
        operation_id = "deleteApplication"
    )]
    async fn remove(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        id: Path<ApplicationId>,
    ) -> Result<Deleted, Problem> {
        key.of_deployment()?;
        let tx = app.store.begin().await?;
        let removed = flow::remove(&app, &tx, id.0, &key.cause()).await?;
        tx.audit(key.act("application.deleted", id.0).removed(&removed));
        tx.commit().await?;
        Ok(Deleted)
    }

    /// Give an application another secret.
    ///
    /// The one before works for 24 hours more; with `revoke_previous`, for a secret that leaked, it ends at once. 409
    /// `public_client` for a public application, `no_client_secret` for one that signs its own assertions.
    #[oai(
        path = "/applications/:id/rotate_secret",
        method = "post",
        operation_id = "rotateApplicationSecret"
    )]
    async fn rotate_secret(
        &self,
        app: Data<&App>,
        key: ApiKey<Write>,
        id: Path<ApplicationId>,
        #[oai(name = "Idempotency-Key")] once: Once,
        OptionalBody(wish): OptionalBody<SecretRotation>,
    ) -> Result<Done<ApplicationWithSecret>, Problem> {
        key.of_deployment()?;
        let (tx, claim) = match once.begin(&app, &key).await? {
            Attempt::First(tx, claim) => (tx, claim),
            Attempt::Again(answer) => return Ok(answer),
        };
        let leaked = wish.revoke_previous.unwrap_or(false);
        let (application, secret) = flow::rotate_secret(&app, &tx, id.0, leaked).await?;
        tx.audit(key.act("application.secret_rotated", id.0));
        let answer = Answer::new(&ApplicationWithSecret {
            application,
            client_secret: Some(secret),
        });
        Ok(claim.commit(&app, tx, answer).await?)
    }
}

fn checked(application: Application) -> Result<Application, Error> {
    match flow::check(&application) {
        problems if problems.is_empty() => Ok(application),
        problems => Err(Error::Invalid(problems)),
    }
}

/// What an application most likely means that does not say.
fn usual_method(kind: ApplicationType, by_keys: bool) -> ClientAuthMethod {
    match kind {
        ApplicationType::Public => ClientAuthMethod::None,
        ApplicationType::Confidential if by_keys => ClientAuthMethod::PrivateKeyJwt,
        ApplicationType::Confidential => ClientAuthMethod::ClientSecretBasic,
    }
}

impl NewApplication {
    fn into_application(self, app: &App) -> Application {
        let id = ApplicationId::generate(&*app.clock, &*app.entropy);
        let now = app.clock.now().into();
        let by_keys = self.jwks.is_some() || self.jwks_uri.is_some();
        let asked = self.token_endpoint_auth_method;
        let kind = self.kind.unwrap_or(match asked {
            Some(ClientAuthMethod::None) => ApplicationType::Public,
            _ => ApplicationType::Confidential,
        });
        Application {
            id,
            client_id: id,
            name: self.name,
            kind,
            redirect_uris: self.redirect_uris,
            post_logout_redirect_uris: self.post_logout_redirect_uris.unwrap_or_default(),
            id_token_signing_alg: self.id_token_signing_alg.unwrap_or_default(),
            access_token_ttl: self.access_token_ttl.unwrap_or(flow::MAX_ACCESS_TOKEN_TTL),
            refresh_token_ttl: self
                .refresh_token_ttl
                .unwrap_or(flow::DEFAULT_REFRESH_TOKEN_TTL),
            session_idle_ttl: self.session_idle_ttl,
            backchannel_logout_uri: self.backchannel_logout_uri,
            initiate_login_uri: self.initiate_login_uri,
            token_endpoint_auth_method: asked.unwrap_or_else(|| usual_method(kind, by_keys)),
            discovery: self.discovery.unwrap_or_default(),
            jwks: self.jwks,
            jwks_uri: self.jwks_uri,
            created_at: now,
            updated_at: now,
        }
    }
}

impl ApplicationPatch {
    fn applied_to(self, mut application: Application) -> Application {
        fn set<T>(field: &mut T, change: MaybeUndefined<T>, default: T) {
            match change {
                MaybeUndefined::Undefined => {}
                MaybeUndefined::Null => *field = default,
                MaybeUndefined::Value(value) => *field = value,
            }
        }
        if let Some(name) = self.name {
            application.name = name;
        }
        if let Some(redirect_uris) = self.redirect_uris {
            application.redirect_uris = redirect_uris;
        }
        set(
            &mut application.post_logout_redirect_uris,
            self.post_logout_redirect_uris,
            Vec::new(),
        );
        set(
            &mut application.id_token_signing_alg,
            self.id_token_signing_alg,
            SigningAlgorithm::default(),
        );
        set(
            &mut application.access_token_ttl,
            self.access_token_ttl,
            flow::MAX_ACCESS_TOKEN_TTL,
        );
        set(
            &mut application.refresh_token_ttl,
            self.refresh_token_ttl,
            flow::DEFAULT_REFRESH_TOKEN_TTL,
        );
        self.session_idle_ttl
            .update_to(&mut application.session_idle_ttl);
        self.backchannel_logout_uri
            .update_to(&mut application.backchannel_logout_uri);
        self.initiate_login_uri
            .update_to(&mut application.initiate_login_uri);
        set(
            &mut application.discovery,
            self.discovery,
            DiscoveryMode::default(),
        );
        self.jwks.update_to(&mut application.jwks);
        self.jwks_uri.update_to(&mut application.jwks_uri);
        let by_keys = application.jwks.is_some() || application.jwks_uri.is_some();
        let usual = usual_method(application.kind, by_keys);
        set(
            &mut application.token_endpoint_auth_method,
            self.token_endpoint_auth_method,
            usual,
        );
        application
    }
}
