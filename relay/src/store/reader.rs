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

    pub(super) fn pool(&self) -> &AnyPool {
        &self.pool
    }
}
