//! The rules that a machine starts with, by what kind of machine it is.

use nearhand_proto::alarm::Profile;

/// For every machine.
const BOTH: &str = include_str!("../profiles/both.toml");
const DESKTOP: &str = include_str!("../profiles/desktop.toml");
const SERVER: &str = include_str!("../profiles/server.toml");

/// The files of a profile.
pub fn texts(profile: Profile) -> [&'static str; 2] {
    match profile {
        Profile::Desktop => [BOTH, DESKTOP],
        Profile::Server => [BOTH, SERVER],
    }
}
