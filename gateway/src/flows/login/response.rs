//! What an identity provider sent, as it came: sealed beside the login for a few days, for the cases in which the
//! trace is not enough.

use crate::app::App;
use crate::error::Error;
use crate::ids::LoginId;
use crate::store::logins::StoredLogin;
use crate::store::{OrgScope, Reads, Tx, login_responses};

/// Longest response kept of a sign-in that we began, in bytes of base64: a thousand groups and more.
const MAX_KEPT: usize = 512 * 1024;
/// Of one that nobody asked for: whoever floods us with those must not fill the disk.
const MAX_KEPT_UNASKED: usize = 32 * 1024;

/// Keeps it, in the transaction of what it led to.
pub(super) async fn keep(
    app: &App,
    tx: &Tx,
    scope: &OrgScope,
    stored: &StoredLogin,
) -> Result<(), Error> {
    let most = match stored.is_solicited() {
        true => MAX_KEPT,
        false => MAX_KEPT_UNASKED,
    };
    let Some(response) = stored.response.as_ref().filter(|it| it.len() <= most) else {
        return Ok(());
    };
    let id = stored.login.id;
    let row = id.to_string();
    let sealed = app.vault.seal(tx, scope, place(&row), response.as_bytes());
    login_responses::keep(tx, scope, id, sealed.await?).await?;
    Ok(())
}

/// The form field as it came, base64; `None` where nothing was kept, or its time is over.
pub async fn kept_response(
    app: &App,
    db: &impl Reads,
    scope: &OrgScope,
    login: LoginId,
) -> Result<Option<String>, Error> {
    let Some(sealed) = login_responses::find(db, scope, login).await? else {
        return Ok(None);
    };
    let row = login.to_string();
    let opened = app.vault.unseal(db, scope, place(&row), &sealed).await?;
    let text = String::from_utf8(opened.expose().clone());
    text.map(Some)
        .map_err(|_| Error::Secret("a kept response is not text".to_owned()))
}

fn place(row: &str) -> (&str, &str, &str) {
    ("login_responses", "sealed", row)
}
