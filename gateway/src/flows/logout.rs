//! Logout: an application ends a session (OpenID Connect RP-Initiated Logout 1.0), an IdP does (SAML Profiles
//! 4.4, Back-Channel Logout 1.0), and applications hear of the sessions that others have ended (Back-Channel Logout 1.0).

pub mod notices;
pub mod oidc;
pub mod slo;

use chrono::TimeDelta;
use connectors::{Begin, NameId, NormalizedIdentity};
use serde::Deserialize;

use crate::app::App;
use crate::error::Error;
use crate::flows::authorize::redirect_with;
use crate::flows::tokens::signed_by_us;
use crate::ids::{ApplicationId, SessionId};
use crate::model::{ActorKind, Application, Cause, Timestamp};
use crate::store::sessions::{self, IdpSession};
use crate::store::{OrgScope, Tx, applications, global, logouts};

/// What an application asks for; each value as it was sent.
#[derive(Debug, Clone, Copy)]
pub struct EndSessionRequest<'a> {
    pub id_token_hint: Option<&'a str>,
    pub client_id: Option<&'a str>,
    pub post_logout_redirect_uri: Option<&'a str>,
    pub state: Option<&'a str>,
    pub request_id: &'a str,
}

/// How long an IdP's answer is waited for.
const LOGOUT_LIFETIME: TimeDelta = TimeDelta::minutes(10);

/// Where the browser goes when the session has ended.
#[derive(Debug)]
pub enum Ended {
    /// To the IdP, whose session ends too; back to the application then.
    AtIdp(Box<Application>, Begin),
    /// Back to the application.
    Return { url: String },
    /// Nowhere: the application named no address. Its name, where it is known.
    Here { application: Option<String> },
    /// Nowhere, and nothing has ended: nobody said which session.
    Nothing { application: Option<String> },
}

/// Why nothing was ended. The person sees it as a page: an address that is not known to be the application's
/// gets nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LogoutRefusal {
    #[error("id_token_hint is not an id token of this issuer")]
    HintInvalid,
    #[error("client_id is not the client that the id token was issued to")]
    ClientMismatch,
    #[error("there is no such client")]
    ClientUnknown,
    #[error("post_logout_redirect_uri needs an id_token_hint or a client_id")]
    ClientMissing,
    #[error("post_logout_redirect_uri is not registered with this client")]
    RedirectUriMismatch,
}

/// What counts of an id token that comes back as a hint. It may have expired: a person signs out late.
#[derive(Deserialize)]
struct Hint {
    iss: String,
    aud: ApplicationId,
    sid: SessionId,
}

/// Ends the session of the hint. Without a hint nothing ends: Tenon keeps no sign-on of its own by which it
/// could know the person.
///
/// # Errors
/// Ours alone; what is the caller's fault is the inner refusal.
pub async fn end_session(
    app: &App,
    asked: EndSessionRequest<'_>,
) -> Result<Result<Ended, LogoutRefusal>, Error> {
    let hint = match asked.id_token_hint {
        None => None,
        Some(token) => match signed_by_us::<Hint>(app, token, "JWT").await? {
            Some(hint) if hint.iss == app.public_url.as_str() => Some(hint),
            _ => return Ok(Err(LogoutRefusal::HintInvalid)),
        },
    };
    let named = match asked.client_id.map(str::parse::<ApplicationId>) {
        None => None,
        Some(Ok(id)) => Some(id),
        Some(Err(_)) => return Ok(Err(LogoutRefusal::ClientUnknown)),
    };
    let client = match (hint.as_ref().map(|hint| hint.aud), named) {
        (Some(of_hint), Some(named)) if of_hint != named => {
            return Ok(Err(LogoutRefusal::ClientMismatch));
        }
        (of_hint, named) => of_hint.or(named),
    };
    let application = match client {
        None => None,
        Some(id) => match applications::find(&app.store.read(), id).await? {
            Some(found) => Some(found.application),
            None => return Ok(Err(LogoutRefusal::ClientUnknown)),
        },
    };
    let url = match return_to(application.as_ref(), asked) {
        Ok(url) => url,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let hinted = hint.is_some();
    let at_idp = match hint {
        Some(hint) => end(app, hint, url.as_deref(), asked.request_id).await?,
        None => None,
    };
    Ok(Ok(match (at_idp, application, url) {
        (Some(begin), Some(application), _) => Ended::AtIdp(Box::new(application), begin),
        (_, _, Some(url)) => Ended::Return { url },
        (_, application, None) => {
            let application = application.map(|application| application.name);
            match hinted {
                true => Ended::Here { application },
                false => Ended::Nothing { application },
            }
        }
    }))
}

/// The address to return to, if it is registered, with the `state` (RP-Initiated Logout 1.0, section 3).
fn return_to(
    application: Option<&Application>,
    asked: EndSessionRequest<'_>,
) -> Result<Option<String>, LogoutRefusal> {
    let Some(uri) = asked.post_logout_redirect_uri else {
        return Ok(None);
    };
    let application = application.ok_or(LogoutRefusal::ClientMissing)?;
    let registered = &application.post_logout_redirect_uris;
    if !registered.iter().any(|known| known == uri) {
        return Err(LogoutRefusal::RedirectUriMismatch);
    }
    Ok(Some(match asked.state {
        Some(state) => redirect_with(uri, &[("state", state)]),
        None => uri.to_owned(),
    }))
}

/// Ends the session, and with it those that the same session of the IdP's has opened, if that one is going to
/// end too: then the request to the IdP comes back.
async fn end(
    app: &App,
    hint: Hint,
    return_to: Option<&str>,
    request_id: &str,
) -> Result<Option<Begin>, Error> {
    let Some((tenant, stored)) = global::find_session(&app.store.read(), hint.sid).await? else {
        return Ok(None);
    };
    let now = Timestamp(app.clock.now());
    if stored.application_id != hint.aud || !stored.is_open(now) {
        return Ok(None);
    }
    let at_idp = match slo::begin(app, &stored, return_to).await? {
        Some(begun) => Some(begun),
        None => oidc::begin(app, &stored, return_to).await?,
    };
    let cause = Cause::new(ActorKind::System, "tenon", request_id);
    let source = format!("/connections/{}", stored.session.connection_id);
    let tx = app.store.begin().await?;
    let mut ending = vec![hint.sid];
    let mut begin = None;
    if let Some((request, pending)) = at_idp {
        ending.extend(slo::siblings(app, &tx, &tenant.scope, &stored).await?);
        logouts::insert(&tx, &tenant.scope, pending).await?;
        begin = Some(request);
    }
    sessions::end_these(&tx, &tenant.scope, &ending, &source, &cause, now).await?;
    tx.commit().await?;
    Ok(begin)
}

/// By what a session is found again when the IdP ends its own, and what the IdP is told when we do.
pub async fn idp_session(
    app: &App,
    tx: &Tx,
    scope: &OrgScope,
    id: SessionId,
    identity: &NormalizedIdentity,
) -> Result<IdpSession, Error> {
    let row = id.to_string();
    let place = ("sessions", "idp_id_token_sealed", row.as_str());
    let id_token_sealed = match &identity.id_token {
        Some(token) => Some(app.vault.seal(tx, scope, place, token.as_bytes()).await?),
        None => None,
    };
    let session = identity.session_index.as_ref();
    Ok(IdpSession {
        subject_hash: Some(app.vault.hash(idp_subject(
            identity.name_id.as_ref(),
            &identity.idp_subject,
        ))),
        session_hash: session.map(|session| app.vault.hash(session)),
        id_token_sealed,
    })
}

/// The person as the IdP names it in a logout: the NameID, or the upstream `sub`.
fn idp_subject<'a>(name_id: Option<&'a NameId>, idp_subject: &'a str) -> &'a str {
    name_id.map_or(idp_subject, |name_id| &name_id.value)
}
