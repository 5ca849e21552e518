//! Host names in the configuration, whichever section they stand in.

/// A text that is neither a host name nor an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("must be a host name or an IP address, without scheme and port")]
pub(crate) struct InvalidHost;

/// Whether `host` can be a host name or an address.
///
/// # Errors
/// [`InvalidHost`]; its text completes a sentence that begins with the key's name.
pub(crate) fn check_host(host: &str) -> Result<(), InvalidHost> {
    let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let is_address = host.parse::<std::net::IpAddr>().is_ok();
    if is_address || (!host.is_empty() && host.len() <= 253 && host.chars().all(name)) {
        Ok(())
    } else {
        Err(InvalidHost)
    }
}
