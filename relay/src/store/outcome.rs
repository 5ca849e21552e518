//! What a write did: below the writer and the parts that carry writes out.

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteOutcome {
    /// It is stored.
    Done,
    /// It is stored, and this is its number: see the write.
    Number(u64),
    /// Something stored earlier forbids it; nothing was changed, nothing audited.
    Conflict,
}

/// Most rows that one transaction deletes of a table: others wait for it, and PostgreSQL ends a statement that takes long.
pub(super) const PRUNED: i64 = 2_000;

/// What became of a part of a clean-up: `Done`, or how many went, if there may be more.
pub(super) fn pruned(rows: u64) -> WriteOutcome {
    if rows >= PRUNED.unsigned_abs() { WriteOutcome::Number(rows) } else { WriteOutcome::Done }
}
