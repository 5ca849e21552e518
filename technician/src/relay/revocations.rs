//! Revocations and retirements that the relay hands over, taken into the technician's directory.
//!
//! The relay is only their carrier: what the organisation, or the retired key itself, has not signed is left out.

use nearhand_proto::credential::{Retirement, RevocationList};
use nearhand_proto::identity::{PublicKey, Signed};
use nearhand_proto::message::control::PAGE;

use super::RelayClientError;
use crate::home::ClientHome;

/// Keeps what is revoked, as far as the organisation or the retired key itself has signed it.
pub(super) fn apply(
    home: &ClientHome,
    organisation: &PublicKey,
    list: Option<&Signed<RevocationList>>,
    retirements: &[Signed<Retirement>],
) -> Result<(), RelayClientError> {
    let _ = home.update_revocations(|known| {
        let mut news = false;
        for retirement in retirements.iter().take(PAGE) {
            match known.retire(retirement) {
                Ok(new) => news |= new,
                Err(e) => tracing::warn!(error = %e, "ignored a retirement that the key itself did not sign"),
            }
        }
        match list.map(|list| known.apply(list, organisation)) {
            Some(Ok(new)) => news |= new,
            Some(Err(e)) => {
                tracing::warn!(error = %e, "ignored a revocation list that is not the organisation's");
            }
            None => {}
        }
        Ok(news)
    })?;
    Ok(())
}
