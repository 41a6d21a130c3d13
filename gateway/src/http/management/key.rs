//! Who calls: an API key in `Authorization: Bearer`.

use std::marker::PhantomData;
use std::sync::Arc;

use chrono::TimeDelta;
use poem::{FromRequest, Request, RequestBody};
use poem_openapi::registry::{MetaSecurityScheme, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use super::problem::Problem;
use super::request_id;
use crate::app::App;
use crate::error::Error;
use crate::http::client_ip::ClientIp;
use crate::http::limits::Limit;
use crate::ids::OrganizationId;
use crate::model::{self, Act, ActorKind, ApiScope, Cause};
use crate::store::global::Owned;
use crate::store::{OrgScope, Reads, api_keys};

const SCHEME: &str = "api_key";
/// `last_used_at` is true to this much, so that reading does not mean writing.
const USE_NOTED_EVERY: TimeDelta = TimeDelta::minutes(1);

/// What an operation needs of its key.
pub(super) trait Right: Send + Sync + 'static {
    const SCOPE: ApiScope;
    const MISSING: &'static str;
}

/// Operations that change nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Read;

/// Operations that change something.
#[derive(Debug, Clone, Copy)]
pub(super) struct Write;

impl Right for Read {
    const SCOPE: ApiScope = ApiScope::Read;
    const MISSING: &'static str = "it lacks the scope read";
}

impl Right for Write {
    const SCOPE: ApiScope = ApiScope::Write;
    const MISSING: &'static str = "it lacks the scope write";
}

/// A valid API key with the right `R`. Always the first extractor of an operation: nobody learns anything
/// without a key.
#[derive(Debug)]
pub(super) struct ApiKey<R = Read> {
    key: Arc<model::ApiKey>,
    request_id: String,
    client: ClientIp,
    right: PhantomData<R>,
}

impl<R> ApiKey<R> {
    /// The door to an organization's rows, by the owner of the id asked for. What does not exist, and what
    /// this key can't reach, is the same 404.
    pub(super) async fn scope_owning<Id: Owned>(
        &self,
        db: &impl Reads,
        id: Id,
    ) -> Result<OrgScope, Error> {
        match id.owner(db).await? {
            Some(scope) if self.reaches(scope.organization()) => Ok(scope),
            _ => Err(Error::NotFound(Id::NAME)),
        }
    }

    /// The only organization that this key reaches; `None` when it reaches all.
    pub(super) fn bound_to(&self) -> Option<OrganizationId> {
        self.key.organization_id
    }

    pub(super) fn reaches(&self, organization: OrganizationId) -> bool {
        self.bound_to().is_none_or(|only| only == organization)
    }

    /// For operations on what stands above organizations. That a bound key can't do them is nothing to hide.
    pub(super) fn of_deployment(&self) -> Result<(), Error> {
        match self.bound_to() {
            None => Ok(()),
            Some(_) => Err(Error::Forbidden("it is bound to one organization")),
        }
    }

    pub(super) fn has(&self, scope: ApiScope) -> bool {
        self.key.scopes.contains(&scope)
    }

    pub(super) fn id(&self) -> crate::ids::ApiKeyId {
        self.key.id
    }

    /// Who makes the changes of this request.
    pub(super) fn cause(&self) -> Cause {
        Cause::new(ActorKind::ApiKey, self.key.id, &self.request_id).from_ip(self.client.0)
    }

    /// An act of this request that no event tells of.
    pub(super) fn act(&self, action: &'static str, target: impl ToString) -> Act {
        Act::new(action, target, &self.cause())
    }
}

impl<R: Right> ApiKey<R> {
    async fn authenticate(app: &App, request: &Request, client: ClientIp) -> Result<Self, Error> {
        let now = app.clock.now();
        let hash = bearer(request).map(|presented| app.vault.hash(presented));
        let key = match &hash {
            Some(hash) => api_keys::recall(&app.store, hash).await?,
            None => None,
        };
        let key = key.filter(|key| key.expires_at.is_none_or(|end| end.0 > now));
        let (Some(key), Some(hash)) = (key, hash) else {
            app.rate_limits
                .check(Limit::FailedCredential, client.network())?;
            return Err(Error::Unauthorized);
        };
        app.rate_limits.check(Limit::ApiKey, key.id)?;
        if !key.scopes.contains(&R::SCOPE) {
            return Err(Error::Forbidden(R::MISSING));
        }
        let noted = key
            .last_used_at
            .is_some_and(|at| now - at.0 < USE_NOTED_EVERY);
        if !noted && let Err(error) = note_use(app, &key, &hash).await {
            // A full disk must not stop reads.
            tracing::warn!(%error, "the use of an API key could not be noted");
        }
        Ok(Self {
            key,
            request_id: request_id(request),
            client,
            right: PhantomData,
        })
    }
}

async fn note_use(app: &App, key: &model::ApiKey, hash: &str) -> Result<(), Error> {
    let now = app.clock.now().into();
    let tx = app.store.begin_relaxed().await?;
    api_keys::touch(&tx, key.id, now).await?;
    tx.commit().await?;
    api_keys::remember_use(&app.store, hash, now);
    Ok(())
}

/// RFC 6750 2.1; the scheme's name is case-insensitive (RFC 9110 11.1).
fn bearer(request: &Request) -> Option<&str> {
    let value = request
        .headers()
        .get(http::header::AUTHORIZATION)?
        .to_str()
        .ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim_matches(' '))
}

impl<'a, R: Right> ApiExtractor<'a> for ApiKey<R> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        registry.create_security_scheme(
            SCHEME,
            MetaSecurityScheme {
                ty: "http",
                description: Some("An API key; `tenon api-key create` makes the first one."),
                name: None,
                key_in: None,
                scheme: Some("bearer"),
                bearer_format: None,
                flows: None,
                openid_connect_url: None,
            },
        );
    }

    fn security_schemes() -> Vec<&'static str> {
        vec![SCHEME]
    }

    async fn from_request(
        request: &'a Request,
        _: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let app: &App = request
            .data()
            .ok_or_else(|| Problem::from(Error::Internal("routes without an App".to_owned())))?;
        let client = ClientIp::from_request_without_body(request).await?;
        Ok(Self::authenticate(app, request, client)
            .await
            .map_err(Problem::from)?)
    }
}
