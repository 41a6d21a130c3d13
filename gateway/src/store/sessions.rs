//! Sessions: what one successful login opened.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, QueryFilter};

use super::entity::sessions::{Column, Entity, Model};
use super::entity::{authorization_codes, refresh_tokens};
use super::{OrgScope, Reads, StoreError, Tx};
use crate::ids::{SessionId, UserId};
use crate::model::{Cause, EventType, IdentityEvent, Session, SessionState, Timestamp};

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
