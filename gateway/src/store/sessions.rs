//! Sessions: what one successful login opened.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect, Set};

use super::columns::JsonText;
use super::entity::sessions::{ActiveModel, Column, Entity, Model};
use super::{OrgScope, Reads, StoreError, Tx, tokens};
use crate::ids::{ApplicationId, SessionId, UserId};
use crate::model::{
    Cause, EventType, IdentityEvent, Session, SessionClaims, SessionState, Timestamp,
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
}

/// Opens a session.
pub async fn insert(
    tx: &Tx,
    scope: &OrgScope,
    session: &Session,
    application: ApplicationId,
    claims: SessionClaims,
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
    let ended = scope
        .update::<Entity>()
        .col_expr(Column::State, Expr::value(SessionState::Revoked))
        .col_expr(Column::RevokedAt, Expr::value(now))
        .filter(Column::Id.eq(id))
        .filter(Column::State.eq(SessionState::Active))
        .exec_with_returning(tx.db())
        .await?;
    Ok(bury(tx, scope, ended, source, cause).await?.pop())
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
    let ended = scope
        .update::<Entity>()
        .col_expr(Column::State, Expr::value(SessionState::Revoked))
        .col_expr(Column::RevokedAt, Expr::value(now))
        .filter(Column::UserId.eq(user))
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
