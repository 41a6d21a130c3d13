//! Cursors (RFC 9865): where the next page starts, as the key of the last resource of this one, so that
//! what is created or deleted meanwhile shifts nothing. A cursor is sealed for one directory, filter and
//! order: it says nothing to its bearer and opens nothing else.

use scim::{ListQuery, ResourceType, ScimError, SortOrder};
use serde::{Deserialize, Serialize};

use super::error::Refusal;
use super::request::Call;
use crate::error::Error;
use crate::store::scim_list::{After, Page};

/// How long a cursor lives, in seconds.
pub(super) const TIMEOUT: u32 = 3_600;
/// Longer than any that we made: a sort key is text of a directory's attribute.
const LONGEST: usize = 64 * 1024;

/// Which resource comes next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cursor {
    expires_at: i64,
    /// Of all resources, users come before groups.
    pub(super) in_groups: bool,
    /// None for the first of them.
    pub(super) after: Option<After>,
    /// Whether the page ends there, instead of beginning behind it.
    #[serde(default)]
    pub(super) back: bool,
}

/// The cursors of the pages beside this one.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    pub(super) next: Option<String>,
    pub(super) previous: Option<String>,
}

/// Where the page starts that a query asks for by cursor; None where it counts from an index.
pub(super) async fn open(
    call: &Call,
    query: &ListQuery,
    of: Option<ResourceType>,
) -> Result<Option<Cursor>, Refusal> {
    let first = Cursor {
        expires_at: 0,
        in_groups: of == Some(ResourceType::Group),
        after: None,
        back: false,
    };
    let sealed = match query.cursor.as_deref() {
        None => return Ok(None),
        Some("") => return Ok(Some(first)),
        Some(sealed) => sealed,
    };
    let strange = || Refusal::from(ScimError::CursorInvalid);
    if sealed.len() > LONGEST {
        return Err(strange());
    }
    let (db, organization) = (call.push.app.store.read(), call.push.organization());
    let list = list(call, query, of);
    let place = ("scim_lists", "cursor", list.as_str());
    let opened = match call
        .push
        .app
        .vault
        .unseal(&db, organization, place, sealed)
        .await
    {
        Err(Error::Store(error)) => return Err(error.into()),
        Err(_) => return Err(strange()),
        Ok(opened) => opened,
    };
    let cursor: Cursor = serde_json::from_slice(opened.expose()).map_err(|_| strange())?;
    if cursor.expires_at <= call.push.app.clock.now().timestamp() {
        return Err(ScimError::CursorExpired.into());
    }
    Ok(Some(cursor))
}

/// The cursors beside a page of one type.
pub(super) async fn beside<T>(
    call: &Call,
    query: &ListQuery,
    of: ResourceType,
    page: &Page<T>,
) -> Result<Neighbours, Refusal> {
    let (list, in_groups) = (Some(of), of == ResourceType::Group);
    let mut beside = Neighbours::default();
    if let Some(after) = page.next.clone() {
        beside.next = Some(seal(call, query, list, in_groups, Some(after), false).await?);
    }
    if let Some(before) = page.previous.clone() {
        beside.previous = Some(seal(call, query, list, in_groups, Some(before), true).await?);
    }
    Ok(beside)
}

/// The cursor of the next page.
pub(super) async fn next(
    call: &Call,
    query: &ListQuery,
    of: Option<ResourceType>,
    in_groups: bool,
    after: Option<After>,
) -> Result<String, Refusal> {
    seal(call, query, of, in_groups, after, false).await
}

async fn seal(
    call: &Call,
    query: &ListQuery,
    of: Option<ResourceType>,
    in_groups: bool,
    after: Option<After>,
    back: bool,
) -> Result<String, Refusal> {
    let now = call.push.app.clock.now().timestamp();
    let cursor = Cursor {
        expires_at: now + i64::from(TIMEOUT),
        in_groups,
        after,
        back,
    };
    let bytes = serde_json::to_vec(&cursor).map_err(|error| Error::Internal(error.to_string()))?;
    let (db, organization) = (call.push.app.store.read(), call.push.organization());
    let list = list(call, query, of);
    let place = ("scim_lists", "cursor", list.as_str());
    Ok(call
        .push
        .app
        .vault
        .seal(&db, organization, place, &bytes)
        .await?)
}

/// What the cursor is bound to.
fn list(call: &Call, query: &ListQuery, of: Option<ResourceType>) -> String {
    let descending = query.sort_order == SortOrder::Descending;
    let directory = call.push.scope.directory().to_string();
    let of = of.map(ResourceType::name);
    serde_json::json!([directory, of, query.filter, query.sort_by, descending]).to_string()
}
