//! A request for help, as the agent keeps it on disk until it is answered or withdrawn.

use nearhand_proto::message::help::HelpRequest;
use serde::{Deserialize, Serialize};

/// A person's request for help. The relay is told of it at each connection, so it must survive a restart.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct StoredHelpRequest {
    /// Drawn at random once: a request that is sent again has the same id.
    pub(crate) id: u64,
    /// The user who asked; other users of this machine don't see it.
    pub(crate) person: u32,
    /// What they ask for; `None`: withdrawn, and the relay doesn't know yet.
    pub(crate) wanted: Option<HelpRequest>,
}
