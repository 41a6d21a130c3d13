//! Tokens for the application: a code becomes tokens once, a refresh token rotates, an access token opens
//! userinfo. A session is what they all hang on: it ends, and they end (SECURITY-MODEL G12, G17, G18, G22).

mod access;
mod claims;
mod code;
mod issue;
mod refresh;
mod status;

pub(super) use access::signed_by_us;
pub use access::{AccessRefusal, UserInfo, userinfo};
pub use claims::CLAIMS;
pub use code::{CodeRequest, redeem};
pub use issue::TokenResponse;
pub use refresh::{RefreshRequest, refresh};
pub use status::{TokenStatus, introspect, revoke};

use crate::app::App;
use crate::error::Error;
use crate::model::{ActorKind, Cause, Timestamp, User};
use crate::store::global::Tenant;
use crate::store::sessions::StoredSession;
use crate::store::{StoreError, Tx, sessions, users};

/// Why a grant gives no tokens (RFC 6749 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GrantRefusal {
    /// Never issued, or gone with its session.
    #[error("the code is not valid")]
    CodeUnknown,
    #[error("the code has expired")]
    CodeExpired,
    /// Its session has ended with this: somebody else may have seen the code.
    #[error("the code was used before")]
    CodeReused,
    #[error("the grant was issued to another client")]
    OtherClient,
    #[error("redirect_uri is not the one of the authorization request")]
    RedirectUriMismatch,
    #[error("code_verifier does not answer the code_challenge of the authorization request")]
    VerifierMismatch,
    #[error("the authorization request had no code_challenge")]
    VerifierUnexpected,
    /// Never issued, or gone with its session.
    #[error("the refresh token is not valid")]
    RefreshTokenUnknown,
    #[error("the refresh token has expired")]
    RefreshTokenExpired,
    /// Its session has ended with this: one of the two who hold it is a thief.
    #[error("the refresh token was used before")]
    RefreshTokenReused,
    #[error("the session has ended")]
    SessionEnded,
    #[error("the user is deactivated")]
    UserDeactivated,
    #[error("a scope was asked for that the person's sign-in did not grant")]
    ScopeExceeded,
}

impl GrantRefusal {
    /// The standard's own word for it.
    pub fn error(self) -> &'static str {
        match self {
            Self::ScopeExceeded => "invalid_scope",
            _ => "invalid_grant",
        }
    }
}

/// The user of an open session as of now. Read when the grant's transaction is over, the last thing before the
/// signing: no deactivation and no removal of a role that was acknowledged before is passed over. A deactivation
/// that waited for the transaction has ended the session with what it issued.
async fn active_user(
    app: &App,
    tenant: &Tenant,
    session: &StoredSession,
) -> Result<Result<User, GrantRefusal>, StoreError> {
    let db = app.store.read();
    Ok(
        match users::find(&db, &tenant.scope, session.session.user_id).await? {
            Some(user) if user.active => Ok(user),
            Some(_) => Err(GrantRefusal::UserDeactivated),
            None => Err(GrantRefusal::SessionEnded),
        },
    )
}

/// Ends a session of which a code or refresh token came twice.
async fn end_after_reuse(
    tx: Tx,
    tenant: &Tenant,
    session: &StoredSession,
    request_id: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let session = &session.session;
    let cause = Cause::new(ActorKind::System, "tenon", request_id);
    let source = format!("/connections/{}", session.connection_id);
    sessions::end(&tx, &tenant.scope, session.id, &source, &cause, now).await?;
    tx.commit().await?;
    tracing::warn!(
        organization_id = %session.organization_id,
        session_id = %session.id,
        "a code or refresh token was used twice: the session has ended"
    );
    Ok(())
}
