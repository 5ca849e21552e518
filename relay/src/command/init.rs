//! `nearhand-relay init`: key, database, configuration, claim string.

use anyhow::{Context, bail};
use data_encoding::HEXLOWER;
use nearhand_proto::identity::SecretKey;
use nearhand_proto::invitation::{ClaimString, OneTime, RelayAddress};
use nearhand_relay_core::admission::claim_hash;
use nearhand_transport::key_file;
use nearhand_transport::platform;
use rand_core::{OsRng, RngCore};

use super::arguments::InitArguments;
use super::inputs;
use crate::config::{self, RelayConfig};
use crate::control::CLAIM;
use crate::data::{self, DataDir};
use crate::host_name::parse_host;
use crate::store::{Store, StoreWrite};

pub(super) async fn init(arguments: &InitArguments) -> anyhow::Result<()> {
    let dir = DataDir::new(&arguments.data);
    if arguments.again {
        return again(arguments, &dir).await;
    }
    let host = parse_host(arguments.host.as_deref().unwrap_or_default())
        .map_err(|problem| anyhow::anyhow!("--host {problem}"))?;
    let data = arguments.data.display();
    dir.create().with_context(|| format!("can't make {data}"))?;
    let _lock = dir.lock().with_context(|| format!("can't take {data}: is a relay running on it?"))?;
    if dir.config_file().exists() {
        bail!(
            "{data} already holds a relay; for a new claim string run `nearhand-relay init --data {data} --again`"
        );
    }
    let text = config::template(host, arguments.port, arguments.database_url.as_deref());
    let config = RelayConfig::parse(&text, &dir.config_file())?;
    let key_file = dir.key_file();
    // The key comes before the database, so a database without one is what is left of a relay.
    if !key_file.exists() && std::fs::metadata(dir.database_file()).is_ok_and(|file| file.len() > 0) {
        bail!("{data} holds a database without its key: put {} back from a backup", key_file.display());
    }
    let key = key_file::load_or_create_key(&key_file, &mut OsRng)
        .with_context(|| format!("can't use {} as the relay's key", key_file.display()))?;
    let claim = first_claim(&config, key).await?;
    // Last: the configuration says that the relay is complete. A run that ended before it is repeated, with
    // the key that is there and a new claim string, since nobody saw the first one.
    platform::write_private(&dir.config_file(), text.as_bytes()).context("can't write the configuration")?;
    explain(arguments, &claim);
    Ok(())
}

/// The claim string of a relay without a configuration: one that is new, or was left half-way. One that has
/// an organisation is neither, but a backup without its configuration.
async fn first_claim(config: &RelayConfig, key: SecretKey) -> anyhow::Result<ClaimString> {
    let store = Store::open(&data::database(config)?, key.clone()).await?;
    let organisation = store.reader().organisation().await?;
    store.close().await;
    if let Some(organisation) = organisation {
        bail!(
            "the database there belongs to the organisation {}, so this is a relay whose {} is missing: put \
             that file back, from a backup or written anew (docs/relay.md lists its keys; public_host is \
             enough)",
            organisation.organisation_id(),
            config::FILE
        );
    }
    new_claim(config, &key).await
}

async fn again(arguments: &InitArguments, dir: &DataDir) -> anyhow::Result<()> {
    let config = RelayConfig::load(&dir.config_file())?;
    let key = inputs::load_key(&config)?;
    let database = data::existing_database(&config)?;
    let reader = Store::open_for_reading(&database).await?;
    if let Some(organisation) = reader.organisation().await? {
        if !arguments.reset_organisation {
            bail!(
                "this relay belongs to the organisation {}. A new claim string would hand it to another one: \
                 all its devices and people would be unknown here and would have to join again. If that is \
                 what you want, stop the relay and add --reset-organisation. If an administrator lost their \
                 key, have another administrator invite them instead.",
                organisation.organisation_id()
            );
        }
        let _lock = dir.lock().context("the relay is running: stop it first")?;
        let store = Store::open(&database, key.clone()).await?;
        store
            .write_audited(StoreWrite::ResetOrganisation, vec![reset_event(&organisation.to_string())])
            .await?;
        store.close().await;
        println!("The organisation was removed, with its devices, people, invitations and running sessions.");
    }
    let claim = new_claim(&config, &key).await?;
    explain(arguments, &claim);
    Ok(())
}

fn reset_event(organisation: &str) -> nearhand_proto::audit::AuditEvent {
    nearhand_proto::audit::AuditEvent {
        actor: "operator on the relay's host".to_owned(),
        action: "organisation.reset".to_owned(),
        session: None,
        detail: format!("organisation key {organisation}"),
    }
}

/// Makes a claim string; the database keeps its hash in place of any earlier one. The relay may be running.
async fn new_claim(config: &RelayConfig, key: &SecretKey) -> anyhow::Result<ClaimString> {
    let relay =
        RelayAddress { host: config.public_host.clone(), port: config.public_port, key: key.public() };
    let mut secret = [0; 32];
    OsRng.fill_bytes(&mut secret);
    let reader = Store::open_for_reading(&data::database(config)?).await?;
    reader.set_meta(CLAIM, &HEXLOWER.encode(&claim_hash(&secret))).await?;
    Ok(ClaimString { relay, secret: OneTime::new(secret) })
}

fn explain(arguments: &InitArguments, claim: &ClaimString) {
    let data = arguments.data.display();
    println!("The relay {} is ready. Its key: {}", claim.relay, claim.relay.key);
    println!();
    println!("1. Start it:");
    println!("       nearhand-relay run --data {data}");
    println!("2. On the first administrator's workstation, once:");
    println!("       nearhand claim {}", claim.reveal().as_str());
    println!();
    println!("Whoever has this string first owns the relay, so don't send it over a channel others read.");
    println!("It works once. If it is lost before that: nearhand-relay init --data {data} --again");
    println!("Let UDP port {} through the firewall. Settings: {data}/{}", claim.relay.port, config::FILE);
}
