//! Sessions and their authorization codes: what one successful login opened.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Set};

use super::columns::JsonText;
use super::entity::sessions::{ActiveModel, Column, Entity, Model};
use super::entity::{authorization_codes, refresh_tokens};
use super::{OrgScope, Reads, StoreError, Tx};
use crate::ids::{ApplicationId, SessionId, UserId};
use crate::model::{
    Cause, EventType, IdentityEvent, Session, SessionClaims, SessionState, Timestamp,
};

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

/// An authorization code, kept as its keyed hash (RFC 6749 4.1.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCode {
    pub code_hash: String,
    pub session_id: SessionId,
    pub application_id: ApplicationId,
    pub redirect_uri: String,
    pub code_challenge: Option<String>,
    pub nonce: Option<String>,
    /// Space-separated.
    pub scope: String,
    pub expires_at: Timestamp,
    pub redeemed_at: Option<Timestamp>,
}

pub async fn insert_code(tx: &Tx, scope: &OrgScope, code: &StoredCode) -> Result<(), StoreError> {
    let row = authorization_codes::ActiveModel {
        code_hash: Set(code.code_hash.clone()),
        organization_id: Set(scope.organization()),
        session_id: Set(code.session_id),
        application_id: Set(code.application_id),
        redirect_uri: Set(code.redirect_uri.clone()),
        code_challenge: Set(code.code_challenge.clone()),
        nonce: Set(code.nonce.clone()),
        scope: Set(code.scope.clone()),
        expires_at: Set(code.expires_at),
        redeemed_at: Set(None),
    };
    authorization_codes::Entity::insert(row)
        .exec_without_returning(tx.db())
        .await?;
    Ok(())
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
    let ended: Vec<Session> = ended.into_iter().map(Session::from).collect();
    let ids: Vec<SessionId> = ended.iter().map(|session| session.id).collect();
    for chunk in ids.chunks(super::users::IDS_PER_STATEMENT) {
        scope
            .delete::<authorization_codes::Entity>()
            .filter(authorization_codes::Column::SessionId.is_in(chunk.iter().copied()))
            .exec(tx.db())
            .await?;
        scope
            .delete::<refresh_tokens::Entity>()
            .filter(refresh_tokens::Column::SessionId.is_in(chunk.iter().copied()))
            .exec(tx.db())
            .await?;
    }
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
