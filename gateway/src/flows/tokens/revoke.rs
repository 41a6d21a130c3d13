//! Token revocation (RFC 7009). A refresh token takes its session with it, and so the whole family and every
//! access token; an access token goes alone.

use super::access::{spent, verify};
use crate::app::App;
use crate::error::Error;
use crate::model::{ActorKind, Application, Cause, Timestamp};
use crate::store::{global, sessions, spent_ids};

/// Why a token stays: it is somebody else's (RFC 7009 2.1). What is no token at all is as gone as the caller
/// wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RevocationRefusal {
    #[error("the token was issued to another client")]
    OtherClient,
}

/// Revokes a token, whatever it is. `client` is authenticated.
///
/// # Errors
/// Ours alone; what is the caller's fault is the inner refusal.
pub async fn revoke(
    app: &App,
    client: &Application,
    token: &str,
    request_id: &str,
) -> Result<Result<(), RevocationRefusal>, Error> {
    let now = Timestamp(app.clock.now());
    if let Ok(access) = verify(app, token).await? {
        if access.aud != client.id {
            return Ok(Err(RevocationRefusal::OtherClient));
        }
        let Some(expires_at) = chrono::DateTime::from_timestamp(access.exp, 0) else {
            return Ok(Ok(()));
        };
        let tx = app.store.begin().await?;
        spent_ids::spend(&tx, spent(app, &access), Timestamp(expires_at)).await?;
        tx.commit().await?;
        return Ok(Ok(()));
    }
    let found = global::find_refresh_token(&app.store.read(), &app.vault.hash(token)).await?;
    let Some((tenant, token)) = found else {
        return Ok(Ok(()));
    };
    if token.application_id != client.id {
        return Ok(Err(RevocationRefusal::OtherClient));
    }
    let cause = Cause::new(ActorKind::System, "tenon", request_id);
    let tx = app.store.begin().await?;
    // A token that was used before is of the same family: whoever holds it wants all of it gone.
    sessions::end(&tx, &tenant.scope, token.session_id, "", &cause, now).await?;
    tx.commit().await?;
    Ok(Ok(()))
}
