//! Authorization codes and refresh tokens, kept as keyed hashes (SECURITY-MODEL G17, G18, G25).
//!
//! Both end with their session: whoever rotates a refresh token holds the session's row
//! ([`super::sessions::lock`]), and whoever redeems a code holds the code's, so that an end of the session
//! comes before and is seen, or comes after and takes the new rows away.

use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Set};

use super::entity::{authorization_codes, refresh_tokens, revoked_access_tokens};
use super::{OrgScope, Reads, StoreError, Tx};
use crate::ids::{ApplicationId, SessionId};
use crate::model::Timestamp;

/// An authorization code (RFC 6749 4.1.2).
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

/// A refresh token (RFC 6749 1.5). All of one session are one family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRefreshToken {
    pub token_hash: String,
    pub session_id: SessionId,
    pub application_id: ApplicationId,
    /// Space-separated.
    pub scope: String,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub rotated_at: Option<Timestamp>,
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
        redeemed_at: Set(code.redeemed_at),
    };
    authorization_codes::Entity::insert(row)
        .exec_without_returning(tx.db())
        .await?;
    Ok(())
}

/// Uses the code up. False when it was used before, or its session took it away.
///
/// The code's row alone decides between this and the session's end, which takes codes away before it takes
/// refresh tokens: the end is either seen here, or waits at this row for the transaction, and then finds the
/// refresh token that it inserted.
pub async fn redeem_code(
    tx: &Tx,
    scope: &OrgScope,
    code_hash: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    use authorization_codes::{Column, Entity};
    let redeemed = scope
        .update::<Entity>()
        .col_expr(Column::RedeemedAt, Expr::value(now))
        .filter(Column::CodeHash.eq(code_hash))
        .filter(Column::RedeemedAt.is_null())
        .exec(tx.db())
        .await?;
    Ok(redeemed.rows_affected == 1)
}

pub async fn insert_refresh_token(
    tx: &Tx,
    scope: &OrgScope,
    token: &StoredRefreshToken,
) -> Result<(), StoreError> {
    let row = refresh_tokens::ActiveModel {
        token_hash: Set(token.token_hash.clone()),
        organization_id: Set(scope.organization()),
        session_id: Set(token.session_id),
        application_id: Set(token.application_id),
        scope: Set(token.scope.clone()),
        created_at: Set(token.created_at),
        expires_at: Set(token.expires_at),
        rotated_at: Set(token.rotated_at),
    };
    refresh_tokens::Entity::insert(row)
        .exec_without_returning(tx.db())
        .await?;
    Ok(())
}

/// Uses the refresh token up. False when it was rotated before, or its session took it away.
pub async fn rotate_refresh_token(
    tx: &Tx,
    scope: &OrgScope,
    token_hash: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    use refresh_tokens::{Column, Entity};
    let rotated = scope
        .update::<Entity>()
        .col_expr(Column::RotatedAt, Expr::value(now))
        .filter(Column::TokenHash.eq(token_hash))
        .filter(Column::RotatedAt.is_null())
        .exec(tx.db())
        .await?;
    Ok(rotated.rows_affected == 1)
}

pub async fn find_refresh_token(
    db: &impl Reads,
    scope: &OrgScope,
    token_hash: &str,
) -> Result<Option<StoredRefreshToken>, StoreError> {
    let row = scope
        .select::<refresh_tokens::Entity>()
        .filter(refresh_tokens::Column::TokenHash.eq(token_hash))
        .one(db.db())
        .await?;
    Ok(row.map(StoredRefreshToken::from))
}

/// Keeps the id of an access token until it has expired: until then the token's signature alone would let it
/// pass (RFC 7009 2.1).
pub async fn revoke_access_token(
    tx: &Tx,
    scope: &OrgScope,
    session: SessionId,
    jti: &str,
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    use revoked_access_tokens::{ActiveModel, Column, Entity};
    let row = ActiveModel {
        jti: Set(jti.to_owned()),
        organization_id: Set(scope.organization()),
        session_id: Set(session),
        expires_at: Set(expires_at),
    };
    Entity::insert(row)
        .on_conflict(OnConflict::column(Column::Jti).do_nothing().to_owned())
        .exec_without_returning(tx.db())
        .await?;
    Ok(())
}

/// Whether an access token was revoked before its time.
pub async fn is_revoked(db: &impl Reads, scope: &OrgScope, jti: &str) -> Result<bool, StoreError> {
    let row = scope
        .select::<revoked_access_tokens::Entity>()
        .filter(revoked_access_tokens::Column::Jti.eq(jti))
        .one(db.db())
        .await?;
    Ok(row.is_some())
}

/// Takes away the codes and then the refresh tokens of sessions that end; [`redeem_code`] needs that order.
pub(super) async fn remove_of_sessions(
    tx: &Tx,
    scope: &OrgScope,
    sessions: &[SessionId],
) -> Result<(), StoreError> {
    for chunk in sessions.chunks(super::users::IDS_PER_STATEMENT) {
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
    Ok(())
}

impl From<authorization_codes::Model> for StoredCode {
    fn from(row: authorization_codes::Model) -> Self {
        Self {
            code_hash: row.code_hash,
            session_id: row.session_id,
            application_id: row.application_id,
            redirect_uri: row.redirect_uri,
            code_challenge: row.code_challenge,
            nonce: row.nonce,
            scope: row.scope,
            expires_at: row.expires_at,
            redeemed_at: row.redeemed_at,
        }
    }
}

impl From<refresh_tokens::Model> for StoredRefreshToken {
    fn from(row: refresh_tokens::Model) -> Self {
        Self {
            token_hash: row.token_hash,
            session_id: row.session_id,
            application_id: row.application_id,
            scope: row.scope,
            created_at: row.created_at,
            expires_at: row.expires_at,
            rotated_at: row.rotated_at,
        }
    }
}
