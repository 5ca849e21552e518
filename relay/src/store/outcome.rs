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
