//! Sessions: what one successful login opened.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};

use super::columns::JsonText;
use super::entity::sessions::{ActiveModel, Column, Entity, Model};
use super::page::newest_first;
use super::{OrgScope, Reads, StoreError, Tx, logout_notices, tokens};
use crate::ids::{ApplicationId, ConnectionId, OrganizationId, SessionId, UserId};
use crate::model::{
    Cause, EventType, IdentityEvent, Session, SessionClaims, SessionState, Slice, Timestamp, Window,
};

/// A session with what its tokens say.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredSession {
    pub session: Session,
    pub application_id: ApplicationId,
    pub claims: SessionClaims,
}

impl StoredSession {
    /// Neither revoked nor past its time.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.session.state == SessionState::Active && self.session.expires_at > now
    }

    /// However it is used, it ends then.
    pub fn ends_at(&self) -> Timestamp {
        self.claims.ends_at.unwrap_or(self.session.expires_at)
    }
}

/// Which sessions a list shows; what is `None` does not restrict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SessionFilter {
    /// A key that is bound to one organization sees no other.
    pub organization_id: Option<OrganizationId>,
    pub user_id: Option<UserId>,
}

/// What there is to know of the IdP's own session when one of the two ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdpSession {
    /// Keyed hash of the person as the IdP names it.
    pub subject_hash: Option<String>,
    /// Keyed hash of the IdP's session id.
    pub session_hash: Option<String>,
    /// The upstream ID token (`sessions`, `idp_id_token_sealed`, `id`).
    pub id_token_sealed: Option<String>,
}

/// Opens a session. `idp` finds it again when the IdP ends its own.
pub async fn insert(
    tx: &Tx,
    scope: &OrgScope,
    session: &Session,
    application: ApplicationId,
    claims: SessionClaims,
    idp: IdpSession,
) -> Result<(), StoreError> {
    let row = ActiveModel {
        id: Set(session.id),
        organization_id: Set(scope.organization()),
        user_id: Set(session.user_id),
        connection_id: Set(session.connection_id),
        login_id: Set(session.login_id),
        application_id: Set(application),
        state: Set(session.state),
        claims: Set(JsonText(claims)),
        created_at: Set(session.created_at),
        expires_at: Set(session.expires_at),
        revoked_at: Set(None),
        idp_subject_hash: Set(idp.subject_hash),
        idp_session_hash: Set(idp.session_hash),
        idp_id_token_sealed: Set(idp.id_token_sealed),
    };
    Entity::insert(row).exec_without_returning(tx.db()).await?;
    Ok(())
}

/// One session. `None` when there is none, or it is another organization's.
pub async fn find(
    db: &impl Reads,
    scope: &OrgScope,
    id: SessionId,
) -> Result<Option<StoredSession>, StoreError> {
    let row = scope
        .select::<Entity>()
        .filter(Column::Id.eq(id))
        .one(db.db())
        .await?;
    Ok(row.map(StoredSession::from))
}

/// The sessions of one organization or of all, in the state they are in by now.
#[expect(
    clippy::disallowed_methods,
    reason = "the list of all sessions; a bound key gets its organization"
)]
pub async fn list(
    db: &impl Reads,
    filter: SessionFilter,
    window: Window<SessionId>,
    now: Timestamp,
) -> Result<Slice<Session, SessionId>, StoreError> {
    let mut query = Entity::find();
    if let Some(organization) = filter.organization_id {
        query = query.filter(Column::OrganizationId.eq(organization));
    }
    if let Some(user) = filter.user_id {
        query = query.filter(Column::UserId.eq(user));
    }
    let rows = newest_first(db, query, Column::Id, window, |row: &Model| row.id).await?;
    Ok(rows.map(|row| Session::from(row).as_of(now)))
}

/// As [`find`], and until this transaction ends no other one ends the session or issues tokens for it.
///
/// Whoever deactivates a user ends the user's sessions in the same transaction, so this one lock decides
/// between them and a token: the end comes first and is seen here, or comes later and takes the token away
/// (SECURITY-MODEL G12).
pub async fn lock(
    tx: &Tx,
    scope: &OrgScope,
    id: SessionId,
) -> Result<Option<StoredSession>, StoreError> {
    let row = scope
        .select::<Entity>()
        .filter(Column::Id.eq(id))
        .lock_exclusive()
        .one(tx.db())
        .await?;
    Ok(row.map(StoredSession::from))
}

/// Moves the end of a session that is locked, because it was used or the idle limit of its application changed.
pub async fn move_end(
    tx: &Tx,
    scope: &OrgScope,
    session: &mut StoredSession,
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    if session.session.expires_at == expires_at {
        return Ok(());
    }
    session.session.expires_at = expires_at;
    scope
        .update::<Entity>()
        .col_expr(Column::ExpiresAt, Expr::value(expires_at))
        .filter(Column::Id.eq(session.session.id))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// The active sessions that a subject of a connection's IdP has, as the IdP names it in a logout.
pub async fn active_of_idp_subject(
    db: &impl Reads,
    scope: &OrgScope,
    connection: ConnectionId,
    idp_subject_hash: &str,
) -> Result<Vec<StoredSession>, StoreError> {
    let rows = scope
        .select::<Entity>()
        .filter(Column::ConnectionId.eq(connection))
        .filter(Column::IdpSubjectHash.eq(idp_subject_hash))
        .filter(Column::State.eq(SessionState::Active))
        .all(db.db())
        .await?;
    Ok(rows.into_iter().map(StoredSession::from).collect())
}

/// The active sessions that one session of a connection's IdP has opened, whoever's they are.
pub async fn active_of_idp_session(
    db: &impl Reads,
    scope: &OrgScope,
    connection: ConnectionId,
    idp_session_hash: &str,
) -> Result<Vec<StoredSession>, StoreError> {
    let rows = scope
        .select::<Entity>()
        .filter(Column::ConnectionId.eq(connection))
        .filter(Column::IdpSessionHash.eq(idp_session_hash))
        .filter(Column::State.eq(SessionState::Active))
        .all(db.db())
        .await?;
    Ok(rows.into_iter().map(StoredSession::from).collect())
}

/// The upstream ID token of a session, still sealed (`sessions`, `idp_id_token_sealed`, `id`).
pub async fn idp_id_token_sealed(
    db: &impl Reads,
    scope: &OrgScope,
    id: SessionId,
) -> Result<Option<String>, StoreError> {
    let row = scope.find::<Entity>(db, Column::Id.eq(id)).await?;
    Ok(row.and_then(|row| row.idp_id_token_sealed))
}

/// As [`end`], for several sessions.
pub async fn end_these(
    tx: &Tx,
    scope: &OrgScope,
    ids: &[SessionId],
    source: &str,
    cause: &Cause,
    now: Timestamp,
) -> Result<Vec<Session>, StoreError> {
    let these = Column::Id.is_in(ids.iter().copied());
    end_where(tx, scope, these, source, cause, now).await
}

/// Ends one active session with its codes and refresh tokens, in this transaction, and records
/// `session.revoked`. `source` is the event's, such as `/connections/conn_…`. `None` when there is no such
/// session, or it has ended before.
pub async fn end(
    tx: &Tx,
    scope: &OrgScope,
    id: SessionId,
    source: &str,
    cause: &Cause,
    now: Timestamp,
) -> Result<Option<Session>, StoreError> {
    let ended = end_where(tx, scope, Column::Id.eq(id), source, cause, now).await?;
    Ok(ended.into_iter().next())
}

/// Ends the active sessions of a user with their codes and refresh tokens, in this transaction, and records
/// a `session.revoked` for each. `source` is the event's, such as `/directories/dir_…`.
///
/// The caller has changed or locked the user's row before, so that no session opens beside this
/// (SECURITY-MODEL G12).
pub async fn end_sessions_of_user(
    tx: &Tx,
    scope: &OrgScope,
    user: UserId,
    source: &str,
    cause: &Cause,
    now: Timestamp,
) -> Result<Vec<Session>, StoreError> {
    end_where(tx, scope, Column::UserId.eq(user), source, cause, now).await
}

/// As [`end_sessions_of_user`], for all that logins by one connection opened. The caller has locked the
/// connection's row.
pub async fn end_sessions_of_connection(
    tx: &Tx,
    scope: &OrgScope,
    connection: ConnectionId,
    source: &str,
    cause: &Cause,
    now: Timestamp,
) -> Result<Vec<Session>, StoreError> {
    let opened_by = Column::ConnectionId.eq(connection);
    end_where(tx, scope, opened_by, source, cause, now).await
}

/// Ends every session of the organization that is active by now, a thousand at a time, and gives their number. A
/// login that ends beside this comes after it.
pub async fn end_sessions_of_organization(
    tx: &Tx,
    scope: &OrgScope,
    cause: &Cause,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let mut ended = 0;
    loop {
        let active: Vec<SessionId> = scope
            .select::<Entity>()
            .select_only()
            .column(Column::Id)
            .filter(Column::State.eq(SessionState::Active))
            .limit(1000)
            .into_tuple()
            .all(tx.db())
            .await?;
        if active.is_empty() {
            return Ok(ended);
        }
        let batch = end_these(tx, scope, &active, "", cause, now).await?;
        ended += batch.len() as u64;
    }
}

/// As [`end_sessions_of_user`], for all that signed in to one application. The caller has locked its row.
pub async fn end_sessions_of_application(
    tx: &Tx,
    scope: &OrgScope,
    application: ApplicationId,
    cause: &Cause,
    now: Timestamp,
) -> Result<Vec<Session>, StoreError> {
    let signed_in_to = Column::ApplicationId.eq(application);
    end_where(tx, scope, signed_in_to, "", cause, now).await
}

/// The organizations that have active sessions at an application, in the order of their ids.
#[expect(
    clippy::disallowed_methods,
    reason = "an application stands above organizations; only whose sessions there are is told"
)]
pub async fn organizations_of_application(
    db: &impl Reads,
    application: ApplicationId,
) -> Result<Vec<OrgScope>, StoreError> {
    let ids: Vec<OrganizationId> = Entity::find()
        .select_only()
        .column(Column::OrganizationId)
        .distinct()
        .filter(Column::ApplicationId.eq(application))
        .filter(Column::State.eq(SessionState::Active))
        .order_by_asc(Column::OrganizationId)
        .into_tuple()
        .all(db.db())
        .await?;
    Ok(ids.into_iter().map(OrgScope::from_evidence).collect())
}

/// As [`end_sessions_of_user`], for at most a thousand users.
pub async fn end_sessions_of_users(
    tx: &Tx,
    scope: &OrgScope,
    users: &[UserId],
    source: &str,
    cause: &Cause,
    now: Timestamp,
) -> Result<Vec<Session>, StoreError> {
    let which = Column::UserId.is_in(users.iter().copied());
    end_where(tx, scope, which, source, cause, now).await
}

async fn end_where(
    tx: &Tx,
    scope: &OrgScope,
    which: Expr,
    source: &str,
    cause: &Cause,
    now: Timestamp,
) -> Result<Vec<Session>, StoreError> {
    let ended = scope
        .update::<Entity>()
        .col_expr(Column::State, Expr::value(SessionState::Revoked))
        .col_expr(Column::RevokedAt, Expr::value(now))
        .col_expr(
            Column::IdpIdTokenSealed,
            Expr::value(Option::<String>::None),
        )
        .filter(which)
        .filter(Column::State.eq(SessionState::Active))
        .exec_with_returning(tx.db())
        .await?;
    bury(tx, scope, ended, source, cause).await
}

/// What goes with sessions that were just revoked.
async fn bury(
    tx: &Tx,
    scope: &OrgScope,
    ended: Vec<Model>,
    source: &str,
    cause: &Cause,
) -> Result<Vec<Session>, StoreError> {
    let ended: Vec<Session> = ended.into_iter().map(Session::from).collect();
    let ids: Vec<SessionId> = ended.iter().map(|session| session.id).collect();
    tokens::remove_of_sessions(tx, scope, &ids).await?;
    logout_notices::insert(tx, scope, &ids).await?;
    for session in &ended {
        let event = IdentityEvent::new(EventType::SessionRevoked, source, session.id, session);
        tx.record(scope, event, cause);
    }
    Ok(ended)
}

impl From<Model> for Session {
    fn from(row: Model) -> Self {
        Self {
            id: row.id,
            organization_id: row.organization_id,
            user_id: row.user_id,
            connection_id: row.connection_id,
            login_id: row.login_id,
            state: row.state,
            created_at: row.created_at,
            expires_at: row.expires_at,
        }
    }
}

impl From<Model> for StoredSession {
    fn from(mut row: Model) -> Self {
        let claims = std::mem::take(&mut row.claims.0);
        Self {
            application_id: row.application_id,
            claims,
            session: row.into(),
        }
    }
}
