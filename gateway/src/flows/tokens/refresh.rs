//! The refresh token grant (RFC 6749 6), with rotation and a family that ends at the first reuse
//! (RFC 9700 4.14.2).
//!
//! A reply can get lost, or an application may refresh twice at once. So for ten seconds a used token still
//! gives its successor, the same one as before: it is derived from the token with a key that no table holds,
//! and needs not be kept to be said again.

use chrono::TimeDelta;

use super::issue::{Issue, TokenResponse};
use super::{GrantRefusal, active_user, end_after_reuse};
use crate::app::App;
use crate::error::Error;
use crate::flows::authorize::scopes;
use crate::model::{Application, Timestamp};
use crate::store::tokens::{self, StoredRefreshToken};
use crate::store::{Vault, global, sessions};

/// How long a used token gives its successor again (CONTRACT section 4).
const GRACE: TimeDelta = TimeDelta::seconds(10);

/// What the application presents.
#[derive(Clone, Copy)]
pub struct RefreshRequest<'a> {
    pub refresh_token: &'a str,
    /// Narrows the scope of the new access and id token; the refresh token keeps all of it.
    pub scope: Option<&'a str>,
    pub request_id: &'a str,
}

/// Rotates a refresh token. `client` is authenticated.
///
/// # Errors
/// Ours alone; what is the caller's fault is the inner refusal.
pub async fn refresh(
    app: &App,
    client: &Application,
    request: RefreshRequest<'_>,
) -> Result<Result<TokenResponse, GrantRefusal>, Error> {
    let now = Timestamp(app.clock.now());
    let token_hash = app.vault.hash(request.refresh_token);
    let found = global::find_refresh_token(&app.store.read(), &token_hash).await?;
    let Some((tenant, token)) = found else {
        return Ok(Err(GrantRefusal::RefreshTokenUnknown));
    };
    if token.application_id != client.id {
        return Ok(Err(GrantRefusal::OtherClient));
    }
    if token.expires_at <= now {
        return Ok(Err(GrantRefusal::RefreshTokenExpired));
    }
    let Some(scope) = narrowed(&token.scope, request.scope) else {
        return Ok(Err(GrantRefusal::ScopeExceeded));
    };

    let tx = app.store.begin().await?;
    let session = sessions::lock(&tx, &tenant.scope, token.session_id).await?;
    let Some(mut session) = session.filter(|session| session.is_open(now)) else {
        return Ok(Err(GrantRefusal::SessionEnded));
    };
    let successor = successor(&app.vault, request.refresh_token);
    if tokens::rotate_refresh_token(&tx, &tenant.scope, &token_hash, now).await? {
        let stored = StoredRefreshToken {
            token_hash: app.vault.hash(&successor),
            created_at: now,
            rotated_at: None,
            ..token
        };
        tokens::insert_refresh_token(&tx, &tenant.scope, &stored).await?;
        if let Some(ends_at) = session.claims.ends_at {
            let expires_at = client.session_expires_at(now, ends_at);
            sessions::move_end(&tx, &tenant.scope, &mut session, expires_at).await?;
        }
    } else {
        let used = tokens::find_refresh_token(&tx, &tenant.scope, &token_hash).await?;
        let Some(used_at) = used.and_then(|token| token.rotated_at) else {
            return Ok(Err(GrantRefusal::RefreshTokenUnknown));
        };
        if now.0 - used_at.0 > GRACE {
            end_after_reuse(tx, &tenant, &session, request.request_id, now).await?;
            return Ok(Err(GrantRefusal::RefreshTokenReused));
        }
    }
    tx.commit().await?;
    let user = match active_user(app, &tenant, &session).await? {
        Ok(user) => user,
        Err(refusal) => return Ok(Err(refusal)),
    };
    app.metrics.token_issued("refresh_token");
    let issue = Issue {
        tenant,
        session,
        user,
        scope,
        // OIDC Core 12.2: only the id token of the sign-in carries it.
        nonce: None,
        refresh_token: Some(successor),
    };
    issue.sign(app, client, now.0).await.map(Ok)
}

/// 256 bits that only this deployment can derive from the token.
fn successor(vault: &Vault, token: &str) -> String {
    vault.hash(&format!("refresh token after {token}"))
}

/// The scope for this time: what is asked for of what was granted, or all of it. `None` when anything else is asked
/// for, be it a scope that there is not (RFC 6749 6).
fn narrowed(granted: &str, asked: Option<&str>) -> Option<Vec<String>> {
    let granted: Vec<String> = granted.split(' ').map(str::to_owned).collect();
    let Some(asked) = asked else {
        return Some(granted);
    };
    let was_granted = |word: &str| granted.iter().any(|scope| scope == word);
    let mut words = asked.split(' ').filter(|word| !word.is_empty());
    let known = scopes(Some(asked));
    (words.all(was_granted) && !known.is_empty()).then_some(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_narrows_and_never_widens() {
        let granted = "openid email offline_access";
        let ask = |scope| narrowed(granted, scope);
        assert_eq!(ask(None).unwrap().join(" "), granted);
        assert_eq!(ask(Some("email  email")).unwrap(), ["email"]);
        for more in ["openid roles", "email unknown", "email\u{a0}openid", " "] {
            assert_eq!(ask(Some(more)), None, "{more}");
        }
    }
}
