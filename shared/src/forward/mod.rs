//! The forwarding path's grants.
mod grant;
pub use grant::*;
