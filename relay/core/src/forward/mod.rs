//! The decisions about datagrams of sessions: where each goes ([`table`]), how a batch is sent ([`batch`]), and which
//! connection ids are the control endpoint's ([`cid`]). The socket and the thread are the relay's.

pub mod batch;
pub mod cid;
mod limit;
mod session;
mod slots;
pub mod table;
mod verdict;
