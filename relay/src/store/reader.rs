//! Reads what is stored. Each part of the store adds its own queries.

use sqlx::AnyPool;

/// Reads what is stored.
#[derive(Clone)]
pub struct StoreReader {
    pool: AnyPool,
}

impl StoreReader {
    pub(super) fn new(pool: AnyPool) -> Self {
        Self { pool }
    }

    /// Closes its connections, so that nothing is left next to an embedded database.
    pub async fn close(self) {
        self.pool.close().await;
    }

    pub(super) fn pool(&self) -> &AnyPool {
        &self.pool
    }
}
