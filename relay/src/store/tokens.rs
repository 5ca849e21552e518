//! Tokens of the HTTP interface. The operator's command writes them while the relay runs, and the relay reads them at
//! each request: a token that is withdrawn is worth nothing from the next request on.

use nearhand_proto::time::UnixMillis;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::codec::{from_big, to_big};
use super::{StoreError, StoreReader};
use crate::token::{KnownToken, TokenHash, TokenRight};

fn known(row: &AnyRow) -> Result<KnownToken, StoreError> {
    let may: String = row.try_get("may")?;
    Ok(KnownToken {
        name: row.try_get("name")?,
        may: TokenRight::named(&may).ok_or(StoreError::Unreadable("api_tokens"))?,
        created: UnixMillis(from_big(row.try_get("created_at")?)),
        expires: UnixMillis(from_big(row.try_get("expires_at")?)),
    })
}

impl StoreReader {
    /// Keeps a new token. `false`: there is one of that name.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be written; the token is not valid then.
    pub async fn add_token(&self, token: &KnownToken, hash: &TokenHash) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "INSERT INTO api_tokens (name, hash, may, created_at, expires_at) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (name) DO NOTHING",
        )
        .bind(token.name.clone())
        .bind(hash.0.clone())
        .bind(token.may.name())
        .bind(to_big(token.created.0))
        .bind(to_big(token.expires.0))
        .execute(self.pool())
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Forgets a token. `false`: there is none of that name.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be written; the token stays valid then.
    pub async fn remove_token(&self, name: &str) -> Result<bool, StoreError> {
        let sql = "DELETE FROM api_tokens WHERE name = $1";
        Ok(sqlx::query(sql).bind(name.to_owned()).execute(self.pool()).await?.rows_affected() > 0)
    }

    /// All tokens, by name.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be read, or a token's row can't be decoded.
    pub async fn tokens(&self) -> Result<Vec<KnownToken>, StoreError> {
        let sql = "SELECT name, may, created_at, expires_at FROM api_tokens ORDER BY name";
        sqlx::query(sql).fetch_all(self.pool()).await?.iter().map(known).collect()
    }

    /// The token that a caller has.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be read, or the token's row can't be decoded; the caller must be refused
    /// then.
    pub async fn token(&self, hash: &TokenHash) -> Result<Option<KnownToken>, StoreError> {
        let sql = "SELECT name, may, created_at, expires_at FROM api_tokens WHERE hash = $1";
        let row = sqlx::query(sql).bind(hash.0.clone()).fetch_optional(self.pool()).await?;
        row.as_ref().map(known).transpose()
    }
}
