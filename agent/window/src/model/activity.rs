//! What was done in a session, as lines in the person's language.

use nearhand_proto::grant::Capabilities;
use nearhand_proto::message::local::{Activity, ActivityEntry};

use super::{messages, phrases};
use crate::catalog::{Arg, Catalog};

/// One thing that was done: the time of day (empty where it isn't known) and a sentence.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct ActivityLine {
    pub(crate) time: String,
    pub(crate) text: String,
}

impl ActivityLine {
    pub(crate) fn new(catalog: &Catalog, offset: time::UtcOffset, entry: &ActivityEntry) -> Self {
        Self { time: phrases::time_of_day(entry.at, offset), text: sentence(catalog, &entry.activity) }
    }
}

/// An activity as a sentence.
pub(crate) fn sentence(catalog: &Catalog, activity: &Activity) -> String {
    let of = |key: &str, capabilities: &Capabilities| {
        catalog.with(key, &[("what", Arg::Text(&phrases::capability_list(catalog, *capabilities)))])
    };
    let key = match activity {
        Activity::SeesWindow { window } => {
            return catalog.with("act-sees-window", &[("window", Arg::Text(&phrases::quoted_line(window)))]);
        }
        Activity::LeavesWindow { window } => {
            return catalog
                .with("act-leaves-window", &[("window", Arg::Text(&phrases::quoted_line(window)))]);
        }
        Activity::Granted { capabilities, seconds } => {
            let time = phrases::duration(catalog, u64::from(*seconds));
            let what = phrases::capability_list(catalog, *capabilities);
            return catalog.with("act-granted", &[("what", Arg::Text(&what)), ("time", Arg::Text(&time))]);
        }
        Activity::TakenBack(what) => return of("act-taken-back", what),
        Activity::Expired(what) => return of("act-expired", what),
        Activity::Extended(what) => return of("act-extended", what),
        Activity::Told(told) => return messages::text(catalog, told),
        Activity::Refused(why) => {
            return catalog.with("act-refused", &[("why", Arg::Text(&messages::text(catalog, why)))]);
        }
        Activity::SeesScreen => "act-sees-screen",
        Activity::LeavesScreen => "act-leaves-screen",
        Activity::Controls => "act-controls",
        Activity::LeavesControl => "act-leaves-control",
        Activity::TakesClipboard => "act-takes-clipboard",
        Activity::TakesPicture => "act-takes-picture",
        Activity::Records => "act-records",
        Activity::StopsRecording => "act-stops-recording",
        Activity::Diagnoses => "act-diagnoses",
        Activity::Diagnosed => "act-diagnosed",
        Activity::DiagnosisBroken => "act-diagnosis-broken",
        Activity::Interrupted => "act-interrupted",
        Activity::Reconnected => "act-reconnected",
        Activity::Paused => "act-paused",
        Activity::PausedUnseen => "act-paused-unseen",
        Activity::PausedOtherUser => "act-paused-other-user",
        Activity::Resumed => "act-resumed",
    };
    catalog.text(key)
}
