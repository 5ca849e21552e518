//! Many rows in one statement: a statement costs more than its rows.
//!
//! Numbers of rows are a few fixed ones, so that the prepared statements can be kept. SQLite finds a parameter with a
//! name, which `$1` is to it, by looking through all of them: there they have none.

use std::fmt::Write as _;

use sqlx::any::AnyRow;
use sqlx::{Any, AssertSqlSafe, Transaction};

use crate::store::StoreError;

/// Rows of one statement; what is left goes in smaller ones.
const CHUNKS: [usize; 5] = [256, 64, 16, 4, 1];

/// A value of a column.
#[derive(Clone, Debug)]
pub(super) enum SqlValue {
    /// A column of type TEXT.
    Text(String),
    /// A column of type BIGINT.
    Big(i64),
}

/// The largest chunk that fits.
fn chunk(left: usize) -> usize {
    CHUNKS.into_iter().find(|chunk| *chunk <= left).unwrap_or(1)
}

/// Inserts rows of `columns` columns. `before` is the statement up to VALUES, `after` what follows the rows.
pub(super) async fn insert(
    tx: &mut Transaction<'_, Any>,
    before: &'static str,
    columns: usize,
    after: &'static str,
    rows: Vec<Vec<SqlValue>>,
) -> Result<(), StoreError> {
    let mut left = rows.len();
    let mut rows = rows.into_iter();
    while left > 0 {
        let count = chunk(left);
        left -= count;
        let sql = statement(places(tx), before, columns, count, after);
        // Only numbers are put in: what is stored is bound.
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for value in rows.by_ref().take(count).flatten() {
            query = match value {
                SqlValue::Text(text) => query.bind(text),
                SqlValue::Big(number) => query.bind(number),
            };
        }
        query.execute(&mut **tx).await?;
    }
    Ok(())
}

/// How a statement's parameters are written.
#[derive(Clone, Copy)]
enum SqlPlaceholders {
    /// `?`, in their order.
    Nameless,
    /// `$1`, `$2` and so on.
    Numbered,
}

impl SqlPlaceholders {
    fn write(self, sql: &mut String, number: usize) {
        match self {
            Self::Nameless => sql.push('?'),
            // Writing to a string doesn't fail.
            Self::Numbered => _ = write!(sql, "${number}"),
        }
    }
}

fn places(tx: &Transaction<'_, Any>) -> SqlPlaceholders {
    if tx.backend_name() == "SQLite" { SqlPlaceholders::Nameless } else { SqlPlaceholders::Numbered }
}

/// The statement that writes `count` rows.
fn statement(places: SqlPlaceholders, before: &str, columns: usize, count: usize, after: &str) -> String {
    let mut sql = format!("{before} VALUES ");
    for place in 1..=columns * count {
        let (first, last) = (place % columns == 1 || columns == 1, place % columns == 0);
        sql.push_str(if !first {
            ","
        } else if place == 1 {
            "("
        } else {
            ",("
        });
        places.write(&mut sql, place);
        if last {
            sql.push(')');
        }
    }
    sql.push(' ');
    sql.push_str(after);
    sql
}

/// Rows whose key is one of `keys`. `before` is the statement up to IN, `after` what follows.
pub(super) async fn select(
    tx: &mut Transaction<'_, Any>,
    before: &'static str,
    keys: Vec<String>,
    after: &'static str,
) -> Result<Vec<AnyRow>, StoreError> {
    let mut found = Vec::new();
    let mut left = keys.len();
    let mut keys = keys.into_iter();
    while left > 0 {
        let count = chunk(left);
        left -= count;
        let mut sql = format!("{before} IN (");
        for place in 1..=count {
            sql.push_str(if place == 1 { "" } else { "," });
            places(tx).write(&mut sql, place);
        }
        sql.push_str(") ");
        sql.push_str(after);
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for key in keys.by_ref().take(count) {
            query = query.bind(key);
        }
        found.extend(query.fetch_all(&mut **tx).await?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::{SqlPlaceholders, statement};

    #[test]
    fn every_value_has_its_place() {
        let one = statement(SqlPlaceholders::Nameless, "INSERT INTO a (b)", 1, 2, "");
        assert_eq!(one, "INSERT INTO a (b) VALUES (?),(?) ");
        let two =
            statement(SqlPlaceholders::Numbered, "INSERT INTO a (b, c)", 2, 2, "ON CONFLICT DO NOTHING");
        assert_eq!(two, "INSERT INTO a (b, c) VALUES ($1,$2),($3,$4) ON CONFLICT DO NOTHING");
    }
}
