//! How much is logged, and where to: lines on the standard error output. Must not live here: what is worth a line.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

const LEVELS: &str =
    "levels are off, error, warn, info, debug and trace; MODULE=LEVEL,… is for particular modules";

/// Reads `--log`: a level for this program, or a filter for particular modules (`nearhand_agent=debug,quinn=info`).
pub(super) fn parse(text: &str) -> Result<Targets, String> {
    // The library takes an empty word for a level.
    if text.is_empty() {
        return Err(LEVELS.to_owned());
    }
    if let Ok(level) = text.parse() {
        return Ok(of_level(level));
    }
    // A bare word that is no level would be the name of a module, and silence everything else.
    let every_part_has_a_level =
        text.split(',').all(|part| part.contains('=') || part.parse::<LevelFilter>().is_ok());
    let filter = text.parse().ok().filter(|_| every_part_has_a_level);
    filter.ok_or_else(|| LEVELS.to_owned())
}

/// What other libraries say is only let through from `warn` on.
fn of_level(level: LevelFilter) -> Targets {
    // A target is a prefix: all crates of this project begin with it.
    Targets::new().with_default(level.min(LevelFilter::WARN)).with_target("nearhand", level)
}

/// Starts logging: as it was asked for, else from `usual` on.
pub(super) fn start(asked: Option<&Targets>, usual: LevelFilter) {
    let filter = asked.cloned().unwrap_or_else(|| of_level(usual));
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(std::io::stderr);
    tracing_subscriber::registry().with(lines).with(filter).init();
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::parse;

    #[test]
    fn a_level_is_for_this_program_and_a_mistake_is_told() {
        let debug = parse("debug").unwrap();
        assert!(debug.would_enable("nearhand_agent::session", &Level::DEBUG));
        assert!(debug.would_enable("quinn", &Level::WARN) && !debug.would_enable("quinn", &Level::INFO));
        let quiet = parse("error").unwrap();
        assert!(!quiet.would_enable("quinn", &Level::WARN), "an error's level is for all");
        let particular = parse("error,quinn=debug").unwrap();
        assert!(particular.would_enable("quinn::connection", &Level::DEBUG));
        assert!(!particular.would_enable("nearhand_agent", &Level::WARN));
        for mistake in ["loud", "info,loud", "quinn=loud", "", "nearhand_agent[span]=info,x"] {
            assert!(parse(mistake).is_err(), "{mistake:?}");
        }
    }
}
