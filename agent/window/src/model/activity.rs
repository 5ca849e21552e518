//! What was done in a session, as lines in the person's language.

use nearhand_proto::grant::Capabilities;
use nearhand_proto::message::local::{Act, Deed};

use super::{messages, phrases};
use crate::catalog::{Arg, Catalog};

/// One thing that was done: the time of day (empty where it isn't known) and a sentence.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct ActivityLine {
    pub(crate) time: String,
    pub(crate) text: String,
}

impl ActivityLine {
    pub(crate) fn new(catalog: &Catalog, offset: time::UtcOffset, entry: &Deed) -> Self {
        Self { time: phrases::time_of_day(entry.at, offset), text: sentence(catalog, &entry.act) }
    }
}

/// An activity as a sentence.
pub(crate) fn sentence(catalog: &Catalog, activity: &Act) -> String {
    let of = |key: &str, capabilities: &Capabilities| {
        catalog.with(key, &[("what", Arg::Text(&phrases::capability_list(catalog, *capabilities)))])
    };
    let key = match activity {
        Act::SeesWindow { window } => {
            return catalog.with("act-sees-window", &[("window", Arg::Text(&phrases::quoted_line(window)))]);
        }
        Act::LeavesWindow { window } => {
            return catalog
                .with("act-leaves-window", &[("window", Arg::Text(&phrases::quoted_line(window)))]);
        }
        Act::Granted { capabilities, seconds } => {
            let time = phrases::duration(catalog, u64::from(*seconds));
            let what = phrases::capability_list(catalog, *capabilities);
            return catalog.with("act-granted", &[("what", Arg::Text(&what)), ("time", Arg::Text(&time))]);
        }
        Act::TakenBack(what) => return of("act-taken-back", what),
        Act::Expired(what) => return of("act-expired", what),
        Act::Extended(what) => return of("act-extended", what),
        Act::Told(told) => return messages::text(catalog, told),
        Act::Refused(why) => {
            return catalog.with("act-refused", &[("why", Arg::Text(&messages::text(catalog, why)))]);
        }
        Act::SeesScreen => "act-sees-screen",
        Act::LeavesScreen => "act-leaves-screen",
        Act::Controls => "act-controls",
        Act::LeavesControl => "act-leaves-control",
        Act::TakesClipboard => "act-takes-clipboard",
        Act::TakesPicture => "act-takes-picture",
        Act::Records => "act-records",
        Act::StopsRecording => "act-stops-recording",
        Act::Diagnoses => "act-diagnoses",
        Act::Diagnosed => "act-diagnosed",
        Act::DiagnosisBroken => "act-diagnosis-broken",
        Act::Interrupted => "act-interrupted",
        Act::Reconnected => "act-reconnected",
        Act::Paused => "act-paused",
        Act::PausedUnseen => "act-paused-unseen",
        Act::Resumed => "act-resumed",
    };
    catalog.text(key)
}
