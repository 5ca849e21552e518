//! What several subcommands read before they do their work: the relay's key, and the receivers of the configuration.

use anyhow::Context;
use nearhand_proto::identity::SecretKey;
use nearhand_transport::key_file;

use crate::config::RelayConfig;
use crate::data::DataDir;
use crate::notify::sender::ReceiverSender;

/// The relay's key, which `init` made.
pub(super) fn load_key(config: &RelayConfig) -> anyhow::Result<SecretKey> {
    let file = DataDir::new(config.data()).key_file();
    key_file::load_key(&file).with_context(|| {
        format!("can't load the relay's key {} (was `nearhand-relay init` run?)", file.display())
    })
}

/// All receivers, ready to be sent to.
pub(super) fn senders(config: &RelayConfig) -> anyhow::Result<Vec<ReceiverSender>> {
    let receivers = config.receivers()?;
    Ok(receivers
        .into_iter()
        .map(|r| ReceiverSender::new(r, &config.public_host))
        .collect::<Result<_, _>>()?)
}
