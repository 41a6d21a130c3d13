//! The continue step: the browser that began ends the login, and the application gets its code.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use connectors::{CheckName, ConnectorError, NormalizedIdentity, Settings, Trace};

use super::begin::protocol;
use super::complete::{Refusal, check_email, fail_in, record_failure};
use super::{Browser, OpenConnection, account};
use crate::app::App;
use crate::error::Error;
use crate::flows::authorize::{AuthorizeRequest, ReturnTo};
use crate::flows::logout;
use crate::ids::SessionId;
use crate::model::{
    Act, ActorKind, Application, Cause, ConnectionState, EventType, IdentityEvent, LoginOutcome,
    LoginState, Session, SessionClaims, SessionState, Timestamp, User,
};
use crate::store::logins::StoredLogin;
use crate::store::tokens::{self, StoredCode};
use crate::store::{StoreError, Tx, applications, logins, organizations, sessions};

/// SECURITY-MODEL G17.
const CODE_LIFETIME: TimeDelta = TimeDelta::seconds(60);

/// Where the continue step leads.
#[derive(Debug)]
pub enum Finished {
    /// To the application, with a code.
    Answered {
        return_to: ReturnTo,
        code: String,
    },
    Refused(Box<Refusal>),
    /// Nobody asked for this login: the person is shown the account first (PORTAL H5).
    Confirm(Confirmation),
    /// The handle is not, or no longer, one of ours: nothing is known of the login.
    Unknown,
}

/// What the page that names the account shows.
#[derive(Debug)]
pub struct Confirmation {
    pub application: String,
    /// Email, or the subject where there is none.
    pub account: String,
    pub idp_host: String,
    pub redirect_uri: String,
}

/// The person's word on that page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Continue,
    Deny,
}

/// Ends the login that waits under `handle`. A handle works once, in the browser that began.
/// A login that nobody asked for has no browser that began it: it needs a `decision`, made on a page that this
/// browser was given.
pub async fn finish(
    app: &App,
    handle: &str,
    browser: &Browser,
    decision: Option<Decision>,
) -> Result<Finished, Error> {
    let found = logins::find_by_handle(&app.store.read(), &app.vault.hash(handle)).await?;
    let Some((_, stored)) = found else {
        return Ok(Finished::Unknown);
    };
    let Some(open) = super::open(app, stored.login.connection_id).await? else {
        return Ok(Finished::Unknown);
    };
    let now = app.clock.now();
    let mut trace = stored
        .trace
        .clone()
        .unwrap_or_else(|| Trace::new(protocol(open.connection.kind)));
    if stored.state != LoginState::Verified || stored.expires_at.0 <= now {
        return Ok(Finished::Unknown);
    }
    let solicited = stored.is_solicited();
    let refused = match decision {
        _ if solicited && !same_browser(app, &stored, browser) => {
            Some(ConnectorError::BrowserMismatch)
        }
        // Somebody else's response, as the person says: then nobody asked for it.
        Some(Decision::Deny) if !solicited => Some(ConnectorError::IdpInitiatedForbidden),
        _ => None,
    };
    if let Some(error) = refused {
        let refusal = record_failure(app, &open, stored, trace, error, browser).await?;
        return Ok(Finished::Refused(Box::new(refusal)));
    }
    let (Some(sealed), Some(request)) = (stored.sealed.clone(), stored.request.clone()) else {
        return Ok(Finished::Unknown);
    };
    let row = stored.login.id.to_string();
    let place = ("logins", "sealed", row.as_str());
    let document = app
        .vault
        .unseal(&app.store.read(), &open.scope, place, &sealed)
        .await?;
    let identity: NormalizedIdentity =
        serde_json::from_slice(document.expose()).map_err(StoreError::from)?;
    let Some(client) = applications::recall(&app.store, request.client_id).await? else {
        return Ok(Finished::Unknown);
    };
    let client = client.application.clone();

    // What held at the callback may have been taken back since: the connection, or the domain.
    let standing = match open.connection.state {
        ConnectionState::Active => check_email(app, &open, &identity, &mut trace),
        _ => Err(ConnectorError::ConnectionInactive),
    };
    if let Err(error) = standing {
        let refusal = record_failure(app, &open, stored, trace, error, browser).await?;
        return Ok(Finished::Refused(Box::new(refusal)));
    }
    if !solicited && decision.is_none() {
        return Ok(Finished::Confirm(confirmation(
            &open,
            &identity,
            client.name,
            request,
        )));
    }
    let came = match solicited {
        true => "the same cookie",
        false => "the person's word: nobody began it here",
    };
    trace.pass_with(CheckName::Browser, came);
    let attempt = Attempt {
        open: &open,
        stored,
        request,
        client,
        identity,
        browser,
    };
    attempt.sign_in(app, trace).await
}

fn confirmation(
    open: &OpenConnection,
    identity: &NormalizedIdentity,
    application: String,
    request: AuthorizeRequest,
) -> Confirmation {
    let idp = match &open.connection.settings {
        Settings::Saml(saml) => &saml.sso_url,
        Settings::Oidc(oidc) => &oidc.issuer,
    };
    let host = url::Url::parse(idp)
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned));
    Confirmation {
        application,
        account: identity
            .email
            .clone()
            .unwrap_or_else(|| identity.idp_subject.clone()),
        idp_host: host.unwrap_or_else(|| open.connection.name.clone()),
        redirect_uri: request.redirect_uri,
    }
}

fn same_browser(app: &App, stored: &StoredLogin, browser: &Browser) -> bool {
    let (Some(expected), Some(cookie)) = (&stored.browser_hash, &browser.cookie) else {
        return false;
    };
    use subtle::ConstantTimeEq as _;
    expected
        .as_bytes()
        .ct_eq(app.vault.hash(cookie).as_bytes())
        .into()
}

/// All that the last transaction of a login works on.
struct Attempt<'a> {
    open: &'a Arc<OpenConnection>,
    stored: StoredLogin,
    request: AuthorizeRequest,
    client: Application,
    identity: NormalizedIdentity,
    browser: &'a Browser,
}

impl Attempt<'_> {
    /// One transaction: the user and roles, the session, the code, the events.
    async fn sign_in(mut self, app: &App, mut trace: Trace) -> Result<Finished, Error> {
        let open = self.open;
        let scope = &open.scope;
        let now = app.clock.now();
        let cause = Cause::new(
            ActorKind::Connection,
            open.connection.id,
            &self.browser.request_id,
        );
        let tx = app.store.begin().await?;
        let groups_known = !trace.has_warned("groups_truncated");
        let identity = &mut self.identity;
        let resolved = account::resolve(app, &tx, open, identity, groups_known, &cause);
        let user = match resolved.await? {
            Ok(user) => user,
            Err(error) => {
                // What `resolve` may have written goes; the refusal is kept in its place.
                drop(tx);
                return self.refuse(app, trace, error).await;
            }
        };
        let hinted = self.request.hinted_user;
        if hinted.is_some_and(|hinted| hinted != user.id) {
            drop(tx);
            return self.refuse(app, trace, ConnectorError::UserMismatch).await;
        }
        trace.pass_with(CheckName::User, &user.id.to_string());
        let id = self.stored.login.id;
        if !logins::succeed(&tx, scope, id, user.id, &trace, Timestamp(now)).await? {
            return Ok(Finished::Unknown);
        }
        let session = self.open_session(app, &tx, &user, now).await?;
        let code = self.issue_code(app, &tx, &session, now).await?;

        if !self.stored.is_solicited() {
            let act = Act::new("login.unsolicited_accepted", id, &cause);
            tx.audit(act.inside(scope.organization()));
        }
        let mut login = self.stored.login.clone();
        login.outcome = LoginOutcome::Succeeded;
        login.user_id = Some(user.id);
        login.code = None;
        let source = format!("/connections/{}", open.connection.id);
        let succeeded = IdentityEvent::new(EventType::LoginSucceeded, &source, id, &login);
        tx.record(scope, succeeded, &cause);
        let created = IdentityEvent::new(EventType::SessionCreated, &source, session.id, &session);
        tx.record(scope, created, &cause);
        tx.commit().await?;
        app.metrics
            .sso_login(open.connection.kind.as_str(), "succeeded", "none");

        Ok(Finished::Answered {
            return_to: self.request.return_to(),
            code,
        })
    }

    async fn refuse(
        mut self,
        app: &App,
        mut trace: Trace,
        error: ConnectorError,
    ) -> Result<Finished, Error> {
        trace.fail(&error, self.open.connection.provider.as_deref());
        self.stored.login.email = self.identity.email.clone();
        let tx = app.store.begin().await?;
        fail_in(
            app,
            &tx,
            self.open,
            &self.stored,
            &trace,
            &error,
            self.browser,
        )
        .await?;
        let organization = organizations::find(&tx, &self.open.scope).await?;
        tx.commit().await?;
        app.metrics
            .sso_login(self.open.connection.kind.as_str(), "failed", error.code());
        Ok(Finished::Refused(Box::new(Refusal {
            organization: organization.map(|organization| organization.name),
            login: self.stored.login.id,
            email: self.identity.email,
            request: Some(self.request),
            error,
            trace,
        })))
    }

    /// Never longer than the IdP allowed (SECURITY-MODEL G10).
    async fn open_session(
        &self,
        app: &App,
        tx: &Tx,
        user: &User,
        now: DateTime<Utc>,
    ) -> Result<Session, Error> {
        let identity = &self.identity;
        let longest = now + TimeDelta::seconds(self.client.refresh_token_ttl);
        let ends_at = identity
            .session_expires_at
            .map_or(longest, |limit| limit.min(longest));
        let (now, ends_at) = (Timestamp(now), Timestamp(ends_at));
        let session = Session {
            id: SessionId::generate(&*app.clock, &*app.entropy),
            organization_id: self.open.scope.organization(),
            user_id: user.id,
            connection_id: self.open.connection.id,
            login_id: self.stored.login.id,
            state: SessionState::Active,
            created_at: now,
            expires_at: self.client.session_expires_at(now, ends_at),
        };
        let claims = SessionClaims {
            connection_type: self.open.connection.kind.as_str().to_owned(),
            idp_subject: identity.idp_subject.clone(),
            auth_time: identity.auth_time.unwrap_or(now.0).timestamp(),
            acr: identity.acr.clone(),
            amr: identity.amr.clone(),
            groups: identity.groups.clone(),
            attributes: identity.attributes.clone(),
            raw_attributes: identity.raw_attributes.clone(),
            session_index: identity.session_index.clone(),
            name_id: identity.name_id.clone(),
            ends_at: Some(ends_at),
        };
        let scope = &self.open.scope;
        let idp = logout::idp_session(app, tx, scope, session.id, identity).await?;
        let application = self.client.id;
        sessions::insert(tx, &self.open.scope, &session, application, claims, idp).await?;
        Ok(session)
    }

    async fn issue_code(
        &self,
        app: &App,
        tx: &Tx,
        session: &Session,
        now: DateTime<Utc>,
    ) -> Result<String, Error> {
        let code = app.entropy.token();
        let stored = StoredCode {
            code_hash: app.vault.hash(&code),
            session_id: session.id,
            application_id: self.client.id,
            redirect_uri: self.request.redirect_uri.clone(),
            code_challenge: self.request.code_challenge.clone(),
            nonce: self.request.nonce.clone(),
            scope: self.request.scope.join(" "),
            expires_at: Timestamp(now + CODE_LIFETIME),
            redeemed_at: None,
        };
        tokens::insert_code(tx, &self.open.scope, &stored).await?;
        Ok(code)
    }
}
