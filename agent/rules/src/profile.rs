//! The rules that a machine starts with, by what kind of machine it is.

use nearhand_proto::alarm::DeviceProfile;

/// For every machine.
const BOTH: &str = include_str!("../profiles/both.toml");
const DESKTOP: &str = include_str!("../profiles/desktop.toml");
const SERVER: &str = include_str!("../profiles/server.toml");

/// The files of a profile.
pub fn texts(profile: DeviceProfile) -> [&'static str; 2] {
    match profile {
        DeviceProfile::Desktop => [BOTH, DESKTOP],
        DeviceProfile::Server => [BOTH, SERVER],
    }
}
