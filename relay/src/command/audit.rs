//! `nearhand-relay audit`: the log, read and verified on the database itself, without the relay.

use nearhand_proto::audit::{AuditHead, AuditRow, BrokenLog, LogVerifier};
use nearhand_proto::identity::PublicKey;
use nearhand_proto::text;

use super::inputs;
use crate::config::RelayConfig;
use crate::data;
use crate::store::{Store, StoreReader};

/// Rows read at once.
const PAGE: usize = 1000;

async fn reader(config: &RelayConfig) -> anyhow::Result<StoreReader> {
    Ok(Store::open_for_reading(&data::existing_database(config)?).await?)
}

pub(super) async fn show(config: &RelayConfig, json: bool) -> anyhow::Result<()> {
    let reader = reader(config).await?;
    let mut last = 0;
    loop {
        let rows = reader.audit(last, PAGE).await?;
        if rows.is_empty() {
            return Ok(());
        }
        for entry in rows {
            let row = serde_json::from_str::<AuditRow>(&entry);
            last = row.as_ref().map_or(last.saturating_add(1), |row| row.number.max(last.saturating_add(1)));
            match row {
                Ok(_) if json => println!("{entry}"),
                Ok(row) => print_row(&row),
                Err(_) => println!("row {last} can't be read: run `nearhand-relay audit verify`"),
            }
        }
    }
}

fn print_row(row: &AuditRow) {
    let session = row.event.session.map(|id| format!(" [session {id}]")).unwrap_or_default();
    println!(
        "{:>6} {} {:<18} {}: {}{session}",
        row.number,
        row.at,
        text::one_line(&row.event.action, 40),
        text::one_line(&row.event.actor, 200),
        text::one_line(&row.event.detail, 1000),
    );
}

pub(super) async fn verify(config: &RelayConfig, json: bool) -> anyhow::Result<()> {
    let reader = reader(config).await?;
    let key = inputs::load_key(config)?.public();
    let head = match verified_head(&reader, key).await {
        Ok(head) => head,
        Err(error) => {
            if json && let Some(broken) = error.downcast_ref::<BrokenLog>() {
                let why = broken.why.to_string();
                println!("{}", serde_json::json!({ "ok": false, "row": broken.row, "why": why }));
            }
            return Err(error);
        }
    };
    let hash = data_encoding::HEXLOWER.encode(&head.hash);
    if json {
        println!("{}", serde_json::json!({ "ok": true, "rows": head.number, "hash": hash }));
    } else {
        println!("All {} rows are as they were written. Head: {hash}", head.number);
    }
    Ok(())
}

/// The head of an audit log whose every row is as it was written.
pub(super) async fn verified_head(reader: &StoreReader, key: PublicKey) -> anyhow::Result<AuditHead> {
    let mut verifier = LogVerifier::new(vec![key], Vec::new());
    let mut last = 0;
    loop {
        let rows = reader.audit(last, PAGE).await?;
        if rows.is_empty() {
            break;
        }
        for entry in rows {
            let row = serde_json::from_str::<AuditRow>(&entry).ok();
            verifier.row(row.as_ref()).map_err(broken)?;
            last += 1;
        }
    }
    verifier.finish().map_err(broken)
}

fn broken(found: BrokenLog) -> anyhow::Error {
    anyhow::Error::new(found).context("the audit log is broken")
}
