//! What the IdP sent back: checked, and kept under a one-time handle for the browser that began.

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use connectors::saml::SKEW_SECONDS;
use connectors::{
    Callback, CheckName, Completion, Connector, ConnectorError, Expected, NormalizedIdentity,
    Settings, Trace,
};

use super::begin::{Pending, new_login, protocol};
use super::{Browser, LOGIN_LIFETIME, OpenConnection, documents, response, unsolicited};
use crate::app::App;
use crate::error::Error;
use crate::flows::authorize::Prompt;
use crate::flows::connections;
use crate::flows::discovery::domain_of_email;
use crate::ids::LoginId;
use crate::model::{
    ActorKind, Cause, ConnectionState, EmailDomainPolicy, EventType, IdentityEvent, LoginOutcome,
    LoginState, Timestamp,
};
use crate::store::logins::{self, CallbackKey, Progress, StoredLogin};
use crate::store::{OrgScope, StoreError, Tx, organizations};

/// Why a login ended, as the page tells it.
#[derive(Debug)]
pub struct Refusal {
    pub login: LoginId,
    pub error: ConnectorError,
    pub trace: Trace,
    /// The application's request, where it is known: for "Back to the application".
    pub request: Option<crate::flows::authorize::AuthorizeRequest>,
    pub email: Option<String>,
    /// The organization's name; `None` for an answer to nothing, since its sender may be anybody.
    pub organization: Option<String>,
}

/// Where the callback leads.
#[derive(Debug)]
pub enum Answer {
    /// To `/login/continue/{handle}`.
    Continue {
        handle: String,
    },
    Refused(Box<Refusal>),
}

/// Checks an IdP's answer at the connection in whose path it arrived.
pub async fn complete(
    app: &App,
    open: &Arc<OpenConnection>,
    callback: Callback,
    browser: &Browser,
) -> Result<Answer, Error> {
    let now = app.clock.now();
    let scope = &open.scope;
    let key = match &callback {
        Callback::SamlPost { saml_response } => saml_response
            .as_deref()
            .and_then(connectors::saml::peek_in_response_to)
            .map(|id| (id, true)),
        Callback::OidcRedirect { state, .. } => state.clone().map(|state| (state, false)),
    };
    let stored = match &key {
        Some((key, saml)) => {
            let key = if *saml {
                CallbackKey::RequestId(key)
            } else {
                CallbackKey::RelayState(key)
            };
            logins::find_by_callback(&app.store.read(), scope, open.connection.id, key).await?
        }
        None => None,
    };
    let sent = sent(&callback);
    let Some(mut pending) = stored else {
        return unsolicited::complete(app, open, callback, browser).await;
    };

    pending.response = sent;
    let trace = || Trace::new(protocol(open.connection.kind));
    if open.connection.state != ConnectionState::Active {
        let refusal = record_failure(
            app,
            open,
            pending,
            trace(),
            ConnectorError::ConnectionInactive,
            browser,
        );
        return Ok(Answer::Refused(Box::new(refusal.await?)));
    }
    let expected = expected(app, scope, &pending).await?;
    let Some(expected) = expected.filter(|_| pending.expires_at.0 > now) else {
        // Verified or ended before, or too old. What it says is still worth a trace: a replay is named so.
        return used_before(app, open, callback, pending, browser).await;
    };
    let (mut completion, open) = check_refreshed(app, open, callback, Some(&expected), now).await?;
    let open = &open;
    completion
        .trace
        .pass_with(CheckName::Connection, &open.connection.name);
    let identity = match completion.outcome {
        Ok(identity) => identity,
        Err(error) => {
            let refusal = record_failure(app, open, pending, completion.trace, error, browser);
            return Ok(Answer::Refused(Box::new(refusal.await?)));
        }
    };
    let mut trace = completion.trace;
    let accepted = check_email(app, open, &identity, &mut trace)
        .and_then(|()| check_fresh(open, &pending, &identity));
    if let Err(error) = accepted {
        let mut pending = pending;
        pending.login.email = identity.email.clone();
        let refusal = record_failure(app, open, pending, trace, error, browser);
        return Ok(Answer::Refused(Box::new(refusal.await?)));
    }
    let kept = Kept {
        login: pending,
        fresh: false,
        identity,
        trace,
    };
    keep(app, open, kept, &completion.replay_ids, browser).await
}

/// The response as it came. An OIDC callback has none: its code is a credential.
pub(super) fn sent(callback: &Callback) -> Option<String> {
    match callback {
        Callback::SamlPost { saml_response } => saml_response.clone(),
        Callback::OidcRedirect { .. } => None,
    }
}

/// A login whose answer was accepted.
pub(super) struct Kept {
    pub login: StoredLogin,
    /// Not in the database yet: nobody asked for it.
    pub fresh: bool,
    pub identity: NormalizedIdentity,
    pub trace: Trace,
}

/// One transaction: the ids are used up, the login is verified, the identity waits under a handle.
pub(super) async fn keep(
    app: &App,
    open: &OpenConnection,
    kept: Kept,
    replay_ids: &[(String, DateTime<Utc>)],
    browser: &Browser,
) -> Result<Answer, Error> {
    let Kept {
        login: pending,
        fresh,
        identity,
        trace,
    } = kept;
    let now = Timestamp(app.clock.now());
    let scope = &open.scope;
    let handle = app.entropy.token();
    let document = serde_json::to_vec(&identity).map_err(StoreError::from)?;
    let id = pending.login.id;
    let ids: Vec<(String, Timestamp)> = replay_ids
        .iter()
        .map(|(id, until)| (id.clone(), Timestamp(*until)))
        .collect();

    // Nothing is issued yet: the continue step's durable commit, which comes after this one, takes it to the
    // disk before the code is out. What a power failure takes before that was of no use to anybody.
    let tx = app.store.begin_relaxed().await?;
    let row = id.to_string();
    let sealed = app
        .vault
        .seal(&tx, scope, ("logins", "sealed", &row), &document)
        .await?;
    let refused = if !logins::use_once(&tx, scope, open.connection.id, &ids).await? {
        let id = ids
            .into_iter()
            .next_back()
            .map(|(id, _)| id)
            .unwrap_or_default();
        Some(ConnectorError::AssertionReplayed { id })
    } else {
        if fresh {
            logins::insert(&tx, scope, &pending).await?;
        }
        response::keep(app, &tx, scope, &pending).await?;
        let progress = Progress {
            trace: &trace,
            email: identity.email.as_deref(),
        };
        let hash = app.vault.hash(&handle);
        let verified = logins::verify(&tx, scope, id, &hash, &sealed, progress, now).await?;
        (!verified).then_some(ConnectorError::LoginExpired)
    };
    match refused {
        None => {
            tx.commit().await?;
            Ok(Answer::Continue { handle })
        }
        Some(error) => {
            drop(tx);
            // Another request, perhaps at another replica, was first: the login stays as that one left it.
            let attempt = second_answer(app, open, pending, browser);
            let refusal = record_failure(app, open, attempt, trace, error, browser).await?;
            Ok(Answer::Refused(Box::new(refusal)))
        }
    }
}

/// An answer to a login that is no longer pending: a second use of its response is a replay, anything else
/// came too late. The login itself stays as it ended.
async fn used_before(
    app: &App,
    open: &Arc<OpenConnection>,
    callback: Callback,
    ended: StoredLogin,
    browser: &Browser,
) -> Result<Answer, Error> {
    let now = app.clock.now();
    let mut error = ConnectorError::LoginExpired;
    let mut trace = Trace::new(protocol(open.connection.kind));
    if let (Connector::Saml(_), Some(request_id)) = (&*open.connector, &ended.request_id) {
        let expected = Expected {
            request_id: request_id.clone(),
            state: String::new(),
            nonce: String::new(),
            code_verifier: String::new(),
            max_age: None,
        };
        let completion = check(app, open, callback, Some(&expected), now).await;
        trace = completion.trace;
        match completion.outcome {
            Err(failed) => error = failed,
            Ok(_) => {
                let ids: Vec<(String, Timestamp)> = completion
                    .replay_ids
                    .into_iter()
                    .map(|(id, until)| (id, Timestamp(until)))
                    .collect();
                // Only asked, never kept: the transaction is dropped.
                let tx = app.store.begin().await?;
                if !logins::use_once(&tx, &open.scope, open.connection.id, &ids).await? {
                    let id = ids
                        .into_iter()
                        .next_back()
                        .map(|(id, _)| id)
                        .unwrap_or_default();
                    error = ConnectorError::AssertionReplayed { id };
                }
            }
        }
    }
    let attempt = second_answer(app, open, ended, browser);
    let refusal = record_failure(app, open, attempt, trace, error, browser).await?;
    Ok(Answer::Refused(Box::new(refusal)))
}

/// An attempt of its own, for an answer to a login that another answer ended.
fn second_answer(
    app: &App,
    open: &OpenConnection,
    ended: StoredLogin,
    browser: &Browser,
) -> StoredLogin {
    StoredLogin {
        request: ended.request,
        application_id: ended.application_id,
        response: ended.response,
        ..unrequested(app, open, browser)
    }
}

/// The protocol's own checks, made once more if the connection's metadata says by now who signed the answer: with what
/// it says.
pub(super) async fn check_refreshed(
    app: &App,
    open: &Arc<OpenConnection>,
    callback: Callback,
    expected: Option<&Expected>,
    now: DateTime<Utc>,
) -> Result<(Completion, Arc<OpenConnection>), Error> {
    let metadata_url = open.connection.metadata_url.as_ref();
    let again = metadata_url.map(|_| callback.clone());
    let completion = check(app, open, callback, expected, now).await;
    if let (Err(error), Some(again)) = (&completion.outcome, again)
        && let Some(fresh) = connections::after_unknown_key(app, open, error).await?
    {
        return Ok((check(app, &fresh, again, expected, now).await, fresh));
    }
    Ok((completion, Arc::clone(open)))
}

/// The protocol's own checks. SAML is CPU-bound, and a decryption takes most of a millisecond: off the
/// async threads. OIDC talks to the IdP.
pub(super) async fn check(
    app: &App,
    open: &Arc<OpenConnection>,
    callback: Callback,
    expected: Option<&Expected>,
    now: DateTime<Utc>,
) -> Completion {
    if !matches!(&*open.connector, Connector::Saml(_)) {
        let complete = |callback| {
            open.connector
                .complete(callback, expected, now, &app.egress)
        };
        let mut completion = complete(callback.clone()).await;
        if let Err(error) = &completion.outcome {
            let recalled = documents::recall(app, open, error).await;
            let recalled = recalled.unwrap_or_else(|error| {
                tracing::warn!(connection = %open.connection.id, %error, "kept documents could not be read");
                false
            });
            if recalled {
                // The code is not spent: keys come before it.
                completion = complete(callback).await;
            }
        }
        documents::keep(app, open);
        return completion;
    }
    let connector = Arc::clone(&open.connector);
    let expected = expected.cloned();
    let checked = tokio::task::spawn_blocking(move || match &*connector {
        Connector::Saml(saml) => Some(saml.complete(callback, expected.as_ref(), now)),
        Connector::Oidc(_) => None,
    });
    match checked.await {
        Ok(Some(completion)) => completion,
        // Only a panic in the verifier ends here: nobody is signed in by it.
        _ => Completion {
            trace: Trace::new(protocol(open.connection.kind)),
            outcome: Err(ConnectorError::ResponseMalformed {
                reason: "the verifier could not read it".to_owned(),
            }),
            replay_ids: Vec::new(),
        },
    }
}

/// What the pending login expects; `None` when it is no longer waiting for an answer.
async fn expected(
    app: &App,
    scope: &OrgScope,
    pending: &StoredLogin,
) -> Result<Option<Expected>, Error> {
    let waiting = matches!(pending.state, LoginState::Pending | LoginState::Failed);
    let (Some(request_id), Some(state), Some(sealed), true) = (
        &pending.request_id,
        &pending.relay_state,
        &pending.sealed,
        waiting,
    ) else {
        return Ok(None);
    };
    let row = pending.login.id.to_string();
    let place = ("logins", "sealed", row.as_str());
    let document = app
        .vault
        .unseal(&app.store.read(), scope, place, sealed)
        .await?;
    // A login that failed after it was verified keeps an identity here, and can't be answered again.
    let Ok(secrets) = serde_json::from_slice::<Pending>(document.expose()) else {
        return Ok(None);
    };
    Ok(Some(Expected {
        request_id: request_id.clone(),
        state: state.clone(),
        nonce: secrets.nonce,
        code_verifier: secrets.code_verifier,
        max_age: pending.request.as_ref().and_then(|request| request.max_age),
    }))
}

/// SECURITY-MODEL G4: an organization signs in its own verified domains, unless its connection says `any`.
pub(crate) fn check_email(
    app: &App,
    open: &OpenConnection,
    identity: &NormalizedIdentity,
    trace: &mut Trace,
) -> Result<(), ConnectorError> {
    let expected = match open.connection.email_domain_policy {
        EmailDomainPolicy::Any => "any address".to_owned(),
        EmailDomainPolicy::VerifiedOnly => {
            allowed_email(app, open, identity)?;
            app.store.verified_domains(&open.scope).join(", ")
        }
    };
    let received = identity.email.as_deref().unwrap_or("none");
    trace.observe(CheckName::Email, Some(&expected), Some(received));
    trace.pass(CheckName::Email);
    Ok(())
}

/// `prompt=login` wants a new authentication (OIDC Core 3.1.2.1), and an IdP may disregard what we asked of it. One that
/// doesn't say when it authenticated is believed: only `max_age` obliges it to.
fn check_fresh(
    open: &OpenConnection,
    pending: &StoredLogin,
    identity: &NormalizedIdentity,
) -> Result<(), ConnectorError> {
    let asked = pending.request.as_ref();
    if !asked.is_some_and(|request| request.prompt.contains(&Prompt::Login)) {
        return Ok(());
    }
    let skew = match &open.connection.settings {
        Settings::Saml(saml) => saml.skew_seconds.unwrap_or(SKEW_SECONDS),
        Settings::Oidc(_) => SKEW_SECONDS,
    };
    let began = pending.login.created_at.0;
    let shown = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
    match identity.auth_time {
        Some(at) if at + TimeDelta::seconds(skew.into()) < began => {
            Err(ConnectorError::AssertionExpired {
                until: format!("{}, since prompt=login wants a later sign-in", shown(at)),
                now: shown(began),
            })
        }
        _ => Ok(()),
    }
}

fn allowed_email(
    app: &App,
    open: &OpenConnection,
    identity: &NormalizedIdentity,
) -> Result<(), ConnectorError> {
    let email = identity.email.clone().ok_or(ConnectorError::EmailMissing)?;
    let owned =
        domain_of_email(&email).is_some_and(|domain| app.store.owns_domain(&open.scope, &domain));
    if owned {
        return Ok(());
    }
    let domains = app.store.verified_domains(&open.scope);
    Err(ConnectorError::EmailDomainNotAllowed { email, domains })
}

/// A login that nobody of ours began.
pub(super) fn unrequested(app: &App, open: &OpenConnection, browser: &Browser) -> StoredLogin {
    let login = new_login(app, open, browser, None);
    StoredLogin {
        expires_at: Timestamp(login.created_at.0 + LOGIN_LIFETIME),
        login,
        state: LoginState::Pending,
        application_id: None,
        request_id: None,
        relay_state: None,
        browser_hash: None,
        sealed: None,
        request: None,
        trace: None,
        response: None,
    }
}

/// Keeps a failed login with its trace and records `login.failed`, in one transaction. A login that is not
/// in the database yet is inserted.
pub(super) async fn record_failure(
    app: &App,
    open: &OpenConnection,
    stored: StoredLogin,
    mut trace: Trace,
    error: ConnectorError,
    browser: &Browser,
) -> Result<Refusal, Error> {
    trace.fail(&error, open.connection.provider.as_deref());
    let tx = app.store.begin().await?;
    fail_in(app, &tx, open, &stored, &trace, &error, browser).await?;
    let organization = match stored.request {
        Some(_) => organizations::find(&tx, &open.scope).await?,
        None => None,
    };
    tx.commit().await?;
    app.metrics
        .sso_login(open.connection.kind.as_str(), "failed", error.code());
    Ok(Refusal {
        organization: organization.map(|organization| organization.name),
        login: stored.login.id,
        email: stored.login.email.clone(),
        request: stored.request,
        error,
        trace,
    })
}

pub(super) async fn fail_in(
    app: &App,
    tx: &Tx,
    open: &OpenConnection,
    stored: &StoredLogin,
    trace: &Trace,
    error: &ConnectorError,
    browser: &Browser,
) -> Result<(), Error> {
    let scope = &open.scope;
    let now = Timestamp(app.clock.now());
    let mut login = stored.login.clone();
    login.outcome = LoginOutcome::Failed;
    login.code = Some(error.code().to_owned());
    let progress = Progress {
        trace,
        email: login.email.as_deref(),
    };
    let known = logins::fail(tx, scope, login.id, error.code(), progress, now).await?;
    if !known && logins::find(tx, scope, login.id).await?.is_none() {
        let mut stored = stored.clone();
        stored.login = login.clone();
        stored.state = LoginState::Failed;
        stored.trace = Some(trace.clone());
        logins::insert(tx, scope, &stored).await?;
    }
    response::keep(app, tx, scope, stored).await?;
    let cause = Cause::new(
        ActorKind::Connection,
        open.connection.id,
        &browser.request_id,
    );
    let source = format!("/connections/{}", open.connection.id);
    tx.record(
        scope,
        IdentityEvent::new(EventType::LoginFailed, source, login.id, &login),
        &cause,
    );
    Ok(())
}
