//! A device that isn't one: it takes a technician's session with its own key and tries to be believed.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use nearhand_proto::audit::AuditHead;
use nearhand_proto::forward::BindGrant;
use nearhand_proto::grant::{Capabilities, Capability};
use nearhand_proto::message::ProgramInfo;
use nearhand_proto::message::control::DeviceFacts;
use nearhand_proto::message::session::{AgentHello, HELLO_LIMIT, SessionReady, StreamOpen, TechnicianProof};
use nearhand_proto::pake::{ChannelBinding, CodeProof, Confirmation, EXPORTER_LABEL};
use nearhand_proto::wire;
use nearhand_transport::{framed, tls};
use rand_core::OsRng;

use crate::hostile_relay::HostileContext;

/// Answers as an agent would that has another code, or (`skip`) as if nothing had to be proved. Everything that is
/// said to it is kept.
pub(crate) async fn play(shared: Arc<HostileContext>, bind: BindGrant, skip: bool) -> Result<()> {
    let (connection, _endpoint) = shared.take_technician(bind).await?;
    let (mut send, mut recv) = connection.accept_bi().await?;
    let first: StreamOpen = framed::read(&mut recv, HELLO_LIMIT).await?;
    shared.keep(&wire::encode(&first)?);
    let StreamOpen::Control(hello) = first else { bail!("not a hello") };
    let mut confirmation = None;
    if let (TechnicianProof::Code(message), false) = (&hello.proof, skip) {
        let exporter = tls::exporter(&connection, EXPORTER_LABEL, hello.session.as_bytes());
        let channel = ChannelBinding {
            session: hello.session,
            exporter: exporter.context("no exporter")?,
            technician: tls::peer_key(&connection).context("no key")?,
            device: shared.impostor.public(),
        };
        let (proof, own) = CodeProof::agent("0000000", &mut OsRng);
        let keys = proof.finish(message, &channel)?;
        framed::write(&mut send, &AgentHello::Code(own), HELLO_LIMIT).await?;
        let theirs: Confirmation = framed::read(&mut recv, HELLO_LIMIT).await?;
        shared.keep(&theirs);
        confirmation = Some(keys.agent_confirmation());
    }
    let ready = SessionReady {
        program: ProgramInfo::this(),
        confirmation,
        facts: DeviceFacts { hostname: "trust me".into(), os: "none".into() },
        offers: Capabilities::NONE.with(Capability::Diagnostics),
        granted: Vec::new(),
        audit: shared.impostor.sign(&AuditHead::EMPTY)?,
        key: shared.impostor.public(),
    };
    framed::write(&mut send, &AgentHello::Ready(Box::new(ready)), HELLO_LIMIT).await?;
    let others = async {
        while let Ok((_, from)) = connection.accept_bi().await {
            shared.listen(from).await;
        }
    };
    tokio::join!(shared.listen(recv), others);
    Ok(())
}
