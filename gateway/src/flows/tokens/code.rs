//! The authorization code grant (RFC 6749 4.1.3, RFC 7636, OIDC Core 3.1.3).

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq as _;

use super::issue::{Issue, TokenResponse};
use super::{GrantRefusal, active_user, end_after_reuse};
use crate::app::App;
use crate::error::Error;
use crate::model::{Application, Timestamp};
use crate::store::tokens::{self, StoredCode, StoredRefreshToken};
use crate::store::{global, sessions};

/// What the application presents.
#[derive(Clone, Copy)]
pub struct CodeRequest<'a> {
    pub code: &'a str,
    pub redirect_uri: &'a str,
    pub code_verifier: Option<&'a str>,
    pub request_id: &'a str,
}

/// Turns a code into tokens, once. Of two that present it at the same time one gets tokens, and the other
/// ends the session with them (SECURITY-MODEL G17). `client` is authenticated.
///
/// # Errors
/// Ours alone; what is the caller's fault is the inner refusal.
pub async fn redeem(
    app: &App,
    client: &Application,
    request: CodeRequest<'_>,
) -> Result<Result<TokenResponse, GrantRefusal>, Error> {
    let now = Timestamp(app.clock.now());
    let code_hash = app.vault.hash(request.code);
    // Looked up outside the transaction: whoever guesses codes does not queue for a writer's turn.
    let found = global::find_code(&app.store.read(), &code_hash).await?;
    let Some((tenant, code, session)) = found else {
        return Ok(Err(GrantRefusal::CodeUnknown));
    };
    if let Err(refusal) = check(&code, client, &request, now) {
        return Ok(Err(refusal));
    }
    if !session.is_open(now) {
        return Ok(Err(GrantRefusal::SessionEnded));
    }

    let tx = app.store.begin().await?;
    if !tokens::redeem_code(&tx, &tenant.scope, &code_hash, now).await? {
        let session = sessions::lock(&tx, &tenant.scope, code.session_id).await?;
        let Some(session) = session.filter(|session| session.is_open(now)) else {
            return Ok(Err(GrantRefusal::SessionEnded));
        };
        end_after_reuse(tx, &tenant, &session, request.request_id, now).await?;
        return Ok(Err(GrantRefusal::CodeReused));
    }
    let scope: Vec<String> = code.scope.split(' ').map(str::to_owned).collect();
    let mut refresh_token = None;
    if scope.iter().any(|scope| scope == "offline_access") {
        let token = app.entropy.token();
        let stored = StoredRefreshToken {
            token_hash: app.vault.hash(&token),
            session_id: code.session_id,
            application_id: client.id,
            scope: code.scope.clone(),
            created_at: now,
            // To the very end, so that a token used twice is known even where the session lay idle meanwhile.
            expires_at: session.ends_at(),
            rotated_at: None,
        };
        tokens::insert_refresh_token(&tx, &tenant.scope, &stored).await?;
        refresh_token = Some(token);
    }
    tx.commit().await?;
    let user = match active_user(app, &tenant, &session).await? {
        Ok(user) => user,
        Err(refusal) => return Ok(Err(refusal)),
    };
    app.metrics.token_issued("authorization_code");
    let issue = Issue {
        tenant,
        session,
        user,
        scope,
        nonce: code.nonce,
        refresh_token,
    };
    issue.sign(app, client, now.0).await.map(Ok)
}

/// What must hold of the code whether or not it was used before: a stranger who holds a used code can't end
/// somebody's session with it.
fn check(
    code: &StoredCode,
    client: &Application,
    request: &CodeRequest<'_>,
    now: Timestamp,
) -> Result<(), GrantRefusal> {
    if code.application_id != client.id {
        return Err(GrantRefusal::OtherClient);
    }
    if code.redirect_uri != request.redirect_uri {
        return Err(GrantRefusal::RedirectUriMismatch);
    }
    match (&code.code_challenge, request.code_verifier) {
        (Some(challenge), Some(verifier)) if answers(verifier, challenge) => {}
        (Some(_), _) => return Err(GrantRefusal::VerifierMismatch),
        // An attacker may have taken the challenge out of the authorization request (RFC 9700 4.8.2).
        (None, Some(_)) => return Err(GrantRefusal::VerifierUnexpected),
        (None, None) => {}
    }
    if code.redeemed_at.is_none() && code.expires_at <= now {
        return Err(GrantRefusal::CodeExpired);
    }
    Ok(())
}

/// RFC 7636 4.1 and 4.6, S256.
fn answers(verifier: &str, challenge: &str) -> bool {
    let well_formed = (43..=128).contains(&verifier.len())
        && verifier
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
    let made = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
    well_formed && bool::from(made.as_bytes().ct_eq(challenge.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_answers_its_challenge_and_no_other() {
        // RFC 7636 appendix B
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        assert!(answers(verifier, challenge));
        assert!(!answers(challenge, challenge), "`plain` is not supported");
        assert!(!answers(&verifier[1..], challenge));
        let short = "a".repeat(42);
        let digest = URL_SAFE_NO_PAD.encode(digest(&SHA256, short.as_bytes()));
        assert!(!answers(&short, &digest), "shorter than 256 bits");
    }
}
