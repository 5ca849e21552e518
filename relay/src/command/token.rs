//! `nearhand-relay token`: who may use the HTTP interface.

use std::time::{Duration, SystemTime};

use anyhow::{Context, bail, ensure};
use nearhand_proto::time::UnixMillis;
use rand_core::OsRng;
use serde_json::json;

use crate::config::{ListenAddress, RelayConfig};
use crate::data;
use crate::store::{Store, StoreReader};
use crate::token::{ApiToken, KnownToken, TokenRight, is_name};

async fn reader(config: &RelayConfig) -> anyhow::Result<StoreReader> {
    let database = data::existing_database(config).context("can't open the database")?;
    Store::open_for_reading(&database).await.context("can't open the database")
}

fn now() -> UnixMillis {
    UnixMillis::from_system(SystemTime::now())
}

/// Makes one, and prints it: the only time that it is seen.
pub(super) async fn add(config: &RelayConfig, name: &str, may: TokenRight, days: u32) -> anyhow::Result<()> {
    ensure!(is_name(name), "a token's name has 1 to 64 letters, digits, \"-\", \"_\" and \".\"");
    let token = ApiToken::generate(&mut OsRng);
    let created = now();
    let expires = created.after(Duration::from_secs(u64::from(days) * 86_400));
    let known = KnownToken { name: name.to_owned(), may, created, expires };
    if !reader(config).await?.add_token(&known, &token.hash()).await.map_err(not_migrated)? {
        bail!("there is a token {name:?}: choose another name, or remove it first");
    }
    println!("{}", token.expose());
    eprintln!("Keep it secret; it is not shown again. It is valid until {expires} and may {}.", may.name());
    if config.api_listen == ListenAddress::Off {
        eprintln!("The HTTP interface is off: set api_listen in relay.toml and start the relay again.");
    }
    Ok(())
}

pub(super) async fn list(config: &RelayConfig, json: bool) -> anyhow::Result<()> {
    let tokens = reader(config).await?.tokens().await.map_err(not_migrated)?;
    if json {
        let list: Vec<_> = tokens
            .iter()
            .map(|token| {
                json!({
                    "name": token.name, "may": token.may.name(), "created": token.created.to_string(),
                    "expires": token.expires.to_string(), "expired": token.expires <= now(),
                })
            })
            .collect();
        println!("{}", json!({ "tokens": list }));
        return Ok(());
    }
    if tokens.is_empty() {
        println!("No tokens. `nearhand-relay token add NAME` makes one.");
    }
    for token in tokens {
        let expired = if token.expires <= now() { " (EXPIRED)" } else { "" };
        println!("{}: may {}, until {}{expired}", token.name, token.may.name(), token.expires);
    }
    Ok(())
}

pub(super) async fn remove(config: &RelayConfig, name: &str) -> anyhow::Result<()> {
    if !reader(config).await?.remove_token(name).await.map_err(not_migrated)? {
        bail!("there is no token {name:?}: `nearhand-relay token list` shows them");
    }
    println!("{name} is worth nothing from now on.");
    Ok(())
}

/// The tables are brought up to date when the relay starts.
fn not_migrated(error: crate::store::StoreError) -> anyhow::Error {
    let words = error.in_full();
    let error = anyhow::Error::new(error);
    if words.contains("api_tokens") {
        return error
            .context("the database has no table for tokens yet: start this version of the relay once");
    }
    error
}
