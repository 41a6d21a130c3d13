//! Directories: made, changed, removed with what they pushed; and their bearer tokens.

use crate::app::App;
use crate::error::{Error, FieldProblem};
use crate::flows::provisioning::{self, Attempts};
use crate::flows::roles;
use crate::ids::{DirectoryId, DirectoryTokenId, UserId};
use crate::model::{
    Cause, ChangeBrake, Directory, DirectoryState, DirectoryToken, EventType, IdentityEvent,
    RoleSource, Timestamp,
};
use crate::store::{OrgScope, Reads, Tx, directories, role_mappings, users};

const TOKEN_PREFIX: &str = "tenon_scim_";
/// The one in use, and the next one while the identity provider is changed over.
const MAX_TOKENS: usize = 2;

/// What the caller decides of a new directory.
#[derive(Debug, Clone)]
pub struct NewDirectory {
    pub name: String,
    pub provider: Option<String>,
    pub default_role: Option<String>,
    pub change_brake: Option<ChangeBrake>,
    pub protected_user_ids: Vec<UserId>,
}

/// Creates a directory with its first token, whose text is returned this once.
pub async fn create(
    app: &App,
    tx: &Tx,
    scope: &OrgScope,
    new: NewDirectory,
    cause: &Cause,
) -> Result<(Directory, DirectoryToken, String), Error> {
    check_default_role(tx, new.default_role.as_deref()).await?;
    check_protected(tx, scope, &[], &new.protected_user_ids).await?;
    let now = Timestamp::from(app.clock.now());
    let directory = Directory {
        id: DirectoryId::generate(&*app.clock, &*app.entropy),
        organization_id: scope.organization(),
        name: new.name,
        provider: new.provider,
        default_role: new.default_role,
        state: DirectoryState::Waiting,
        change_brake: new.change_brake,
        protected_user_ids: new.protected_user_ids,
        held_at: None,
        created_at: now,
        updated_at: now,
    };
    directories::insert(tx, scope, &directory).await?;
    tx.record(scope, event(EventType::DirectoryCreated, &directory), cause);
    let (token, text) = insert_token(app, tx, scope, directory.id, None).await?;
    Ok((directory, token, text))
}

/// Writes `after` where it differs. Another default role changes the users' roles at once.
pub async fn update(
    app: &App,
    tx: &Tx,
    scope: &OrgScope,
    before: &Directory,
    mut after: Directory,
    cause: &Cause,
) -> Result<Directory, Error> {
    let id = after.id;
    if after.default_role != before.default_role {
        check_default_role(tx, after.default_role.as_deref()).await?;
    }
    let (old, new) = (&before.protected_user_ids, &after.protected_user_ids);
    check_protected(tx, scope, old, new).await?;
    if before.held_at.is_some() && after.change_brake.is_none() {
        return Err(Error::conflict(
            "directory_held",
            "the directory is held by its brake: release it first",
        ));
    }
    after.updated_at = app.clock.now().into();
    let event_type = EventType::DirectoryUpdated;
    let change = IdentityEvent::change(event_type, source(id), id, before, &after);
    let Some(event) = change else {
        return Ok(before.clone());
    };
    directories::update(tx, scope, &after).await?;
    tx.record(scope, event, cause);
    if after.default_role != before.default_role {
        roles::recompute_directory(tx, scope, id, cause).await?;
    }
    Ok(after)
}

/// DELETE, in transactions of a bounded size: first its tokens die, so that nothing comes after; then a thousand
/// users each time; what is left goes with the directory itself. Interrupted, it is a directory without tokens
/// and with fewer users, and the same DELETE goes on.
pub async fn remove_in_steps(
    app: &App,
    scope: &OrgScope,
    id: DirectoryId,
    cause: &Cause,
) -> Result<(), Error> {
    let mut attempts = Attempts::default();
    loop {
        let result = remove_once(app, scope, id, cause).await;
        if !attempts.again(&result).await {
            return result;
        }
    }
}

async fn remove_once(
    app: &App,
    scope: &OrgScope,
    id: DirectoryId,
    cause: &Cause,
) -> Result<(), Error> {
    let tx = app.store.begin().await?;
    let directory = directories::lock(&tx, scope, id)
        .await?
        .ok_or(Error::NotFound("directory"))?;
    let inside = directories::scope_of(&tx, scope, id)
        .await?
        .ok_or(Error::NotFound("directory"))?;
    directories::remove_tokens(&tx, scope, id).await?;
    tx.commit().await?;
    provisioning::thin_out(app, &inside, &directory.protected_user_ids, cause).await?;
    let tx = app.store.begin().await?;
    remove(app, &tx, scope, id, cause).await?;
    Ok(tx.commit().await?)
}

/// Removes a directory with everything that it pushed. A user who signs in by a connection too stays, and so does
/// who is protected.
pub async fn remove(
    app: &App,
    tx: &Tx,
    scope: &OrgScope,
    id: DirectoryId,
    cause: &Cause,
) -> Result<(), Error> {
    let directory = directories::lock(tx, scope, id)
        .await?
        .ok_or(Error::NotFound("directory"))?;
    let inside = directories::scope_of(tx, scope, id)
        .await?
        .ok_or(Error::NotFound("directory"))?;
    let (protected, now) = (&directory.protected_user_ids, app.clock.now().into());
    provisioning::remove_directory(tx, &inside, protected, cause, now).await?;
    role_mappings::replace(tx, scope, RoleSource::Directory(id), &[]).await?;
    directories::remove(tx, scope, id).await?;
    tx.record(scope, event(EventType::DirectoryDeleted, &directory), cause);
    Ok(())
}

/// Makes another token, whose text is returned this once.
///
/// # Errors
/// `too_many_tokens` when two are there already.
pub async fn create_token(
    app: &App,
    tx: &Tx,
    scope: &OrgScope,
    id: DirectoryId,
    expires_at: Option<Timestamp>,
) -> Result<(DirectoryToken, String), Error> {
    let now = app.clock.now().into();
    if expires_at.is_some_and(|end| end <= now) {
        return Err(Error::invalid("expires_at", "has to be in the future"));
    }
    directories::lock(tx, scope, id)
        .await?
        .ok_or(Error::NotFound("directory"))?;
    let tokens = directories::tokens(tx, scope, id).await?;
    let live = |token: &&DirectoryToken| token.expires_at.is_none_or(|end| end > now);
    if tokens.iter().filter(live).count() >= MAX_TOKENS {
        return Err(Error::conflict(
            "too_many_tokens",
            "a directory has at most two tokens: delete the old one first",
        ));
    }
    insert_token(app, tx, scope, id, expires_at).await
}

/// Takes a token away; it is refused from the next request on.
pub async fn remove_token(
    tx: &Tx,
    scope: &OrgScope,
    id: DirectoryId,
    token: DirectoryTokenId,
) -> Result<(), Error> {
    if directories::remove_token(tx, scope, id, token).await? {
        Ok(())
    } else {
        Err(Error::NotFound("token"))
    }
}

async fn insert_token(
    app: &App,
    tx: &Tx,
    scope: &OrgScope,
    directory: DirectoryId,
    expires_at: Option<Timestamp>,
) -> Result<(DirectoryToken, String), Error> {
    let text = format!("{TOKEN_PREFIX}{}", app.entropy.token());
    let token = DirectoryToken {
        id: DirectoryTokenId::generate(&*app.clock, &*app.entropy),
        last_four: text[text.len() - 4..].to_owned(),
        created_at: app.clock.now().into(),
        last_used_at: None,
        expires_at,
    };
    let hash = app.vault.hash(&text);
    directories::insert_token(tx, scope, directory, &token, &hash).await?;
    Ok((token, text))
}

async fn check_default_role(db: &impl Reads, role: Option<&str>) -> Result<(), Error> {
    match role {
        Some(slug) if crate::store::roles::find(db, slug).await?.is_none() => {
            Err(Error::invalid("default_role", "there is no such role"))
        }
        _ => Ok(()),
    }
}

/// Those who were protected before may be gone meanwhile.
async fn check_protected(
    db: &impl Reads,
    scope: &OrgScope,
    before: &[UserId],
    after: &[UserId],
) -> Result<(), Error> {
    let added = after.iter().filter(|id| !before.contains(id));
    let added: Vec<UserId> = added.copied().collect();
    let known = users::known(db, scope, &added).await?;
    let problems = after.iter().enumerate().filter(|(_, id)| {
        let id = *id;
        !before.contains(id) && !known.contains(id)
    });
    let problems: Vec<FieldProblem> = problems
        .map(|(index, _)| {
            let field = format!("protected_user_ids[{index}]");
            FieldProblem::new(field, "the organization has no such user")
        })
        .collect();
    match problems.is_empty() {
        true => Ok(()),
        false => Err(Error::Invalid(problems)),
    }
}

fn event(event_type: EventType, directory: &Directory) -> IdentityEvent {
    IdentityEvent::new(event_type, source(directory.id), directory.id, directory)
}

fn source(id: DirectoryId) -> String {
    format!("/directories/{id}")
}
