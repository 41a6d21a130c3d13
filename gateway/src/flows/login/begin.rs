//! The begin of a login: a pending row, and the browser on its way to the IdP.

use std::sync::Arc;

use connectors::{Begin, BeginLogin, CheckName, ConnectorError, Protocol, Trace};
use serde::{Deserialize, Serialize};

use super::complete::{Refusal, record_failure};
use super::{Browser, LOGIN_LIFETIME, OpenConnection, documents};
use crate::app::App;
use crate::error::Error;
use crate::flows::authorize::{AuthorizeRequest, Prompt};
use crate::ids::LoginId;
use crate::model::{ConnectionState, ConnectionType, Login, LoginOutcome, LoginState, Timestamp};
use crate::store::logins::{self, StoredLogin};

/// A login on its way.
#[derive(Debug)]
pub struct Begun {
    pub login: LoginId,
    pub begin: Begin,
}

/// The `ID` of a message of ours: an NCName with 160 random bits.
pub(crate) fn message_id(app: &App) -> String {
    format!("_{}", hex(&app.entropy.bytes::<20>()))
}

/// What a pending login must not show in the database.
#[derive(Serialize, Deserialize)]
pub(super) struct Pending {
    pub nonce: String,
    pub code_verifier: String,
}

/// Starts a login at this connection for an application's request. `browser.cookie` must be set: it is what
/// the continue step compares.
///
/// # Errors
/// A [`Refusal`] when the connection is turned off or its IdP can't be asked; it is recorded as a failed
/// login with its trace.
pub async fn begin(
    app: &App,
    open: &Arc<OpenConnection>,
    request: AuthorizeRequest,
    browser: &Browser,
) -> Result<Result<Begun, Refusal>, Error> {
    let now = app.clock.now();
    let connection = &open.connection;
    let mut stored = StoredLogin {
        login: new_login(app, open, browser, request.login_hint.as_deref()),
        state: LoginState::Pending,
        application_id: Some(request.client_id),
        request_id: None,
        relay_state: None,
        browser_hash: browser
            .cookie
            .as_deref()
            .map(|cookie| app.vault.hash(cookie)),
        sealed: None,
        request: Some(request.clone()),
        trace: None,
        response: None,
        expires_at: Timestamp(now + LOGIN_LIFETIME),
    };
    let mut trace = Trace::new(protocol(connection.kind));
    if connection.state != ConnectionState::Active {
        let refusal = ConnectorError::ConnectionInactive;
        return Ok(Err(record_failure(
            app, open, stored, trace, refusal, browser,
        )
        .await?));
    }
    trace.pass_with(CheckName::Connection, &connection.name);

    let request_id = message_id(app);
    let state = app.entropy.token();
    let pending = Pending {
        nonce: app.entropy.token(),
        code_verifier: app.entropy.token(),
    };
    let login = BeginLogin {
        request_id: request_id.clone(),
        state: state.clone(),
        nonce: pending.nonce.clone(),
        code_verifier: pending.code_verifier.clone(),
        login_hint: request.login_hint.clone(),
        domain_hint: request.domain_hint.clone(),
        force_authn: request.forces_authentication(),
        passive: request.is_passive(),
        consent: request.prompt.contains(&Prompt::Consent),
        select_account: request.prompt.contains(&Prompt::SelectAccount),
        max_age: request.max_age,
        acr_values: request.acr_values.clone(),
        now,
    };
    let mut begun = open.connector.begin(login.clone(), &app.egress).await;
    if let Err(error) = &begun
        && documents::recall(app, open, error).await?
    {
        begun = open.connector.begin(login, &app.egress).await;
    }
    documents::keep(app, open);
    let begin = match begun {
        Ok(begin) => begin,
        Err(error) => {
            return Ok(Err(record_failure(
                app, open, stored, trace, error, browser,
            )
            .await?));
        }
    };

    let id = stored.login.id;
    let place = id.to_string();
    let document = serde_json::to_vec(&pending).map_err(crate::store::StoreError::from)?;
    // A pending login that a power failure takes only makes the person start again.
    let tx = app.store.begin_relaxed().await?;
    stored.sealed = Some(
        app.vault
            .seal(&tx, &open.scope, ("logins", "sealed", &place), &document)
            .await?,
    );
    stored.request_id = Some(request_id);
    stored.relay_state = Some(state);
    stored.trace = Some(trace);
    logins::insert(&tx, &open.scope, &stored).await?;
    tx.commit().await?;
    Ok(Ok(Begun { login: id, begin }))
}

pub(super) fn new_login(
    app: &App,
    open: &OpenConnection,
    browser: &Browser,
    email: Option<&str>,
) -> Login {
    Login {
        id: LoginId::generate(&*app.clock, &*app.entropy),
        organization_id: open.scope.organization(),
        connection_id: open.connection.id,
        user_id: None,
        email: email.map(str::to_lowercase),
        outcome: LoginOutcome::Pending,
        code: None,
        ip: browser.ip.clone(),
        user_agent: browser.user_agent(),
        created_at: Timestamp(app.clock.now()),
    }
}

pub(super) fn protocol(kind: ConnectionType) -> Protocol {
    match kind {
        ConnectionType::Saml => Protocol::Saml,
        ConnectionType::Oidc => Protocol::Oidc,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
