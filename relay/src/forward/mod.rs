//! The blind forwarding of session datagrams on the relay's one UDP port, next to its control endpoint.
//!
//! ```text
//!  UDP port ──► forwarding thread ──► bound source? ──► the session's other side   (table, batch)
//!                                ├──► BIND family?  ──► a reply, or nothing        (table)
//!                                └──► else          ──► queue ──► quinn            (control)
//! ```
//!
//! [`table`](nearhand_relay_core::forward::table) decides and is pure; [`driver`] owns the socket and the thread. A datagram from an address that
//! isn't bound is quinn's if it opens a connection (long header) or carries a connection id that our control
//! endpoint made ([`cid`](nearhand_relay_core::forward::cid)); any other gets a hint to bind, and quinn, which would answer it with a stateless
//! reset, never sees it. So a control connection whose address changes still works, and a session whose
//! address changes is told at once.
//!
//! Not here: who may have a session (admission), what travels in the control connections.

pub mod driver;

pub use driver::{ControlSocket, Forwarder, ForwarderConfig};
pub use nearhand_relay_core::forward::table::{ForwardMetrics, OfferError, SessionCounters};
