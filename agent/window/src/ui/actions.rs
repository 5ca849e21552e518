//! The markup's callbacks, one a verb, as the model's actions.

use std::rc::Rc;

use nearhand_proto::message::local::Urgency;
use slint::SharedString;

use crate::bindings::capability_of_number;
use crate::markup::{self, Actions, PressedBy};
use crate::model::input::GrantTerm;
use crate::model::{HomeTab, UserAction};

/// Who is told of each press. A verb that gives the technician nothing more doesn't say who pressed: it counts from
/// anybody, and passes [`PressedBy::Device`].
pub(super) type PressHandler = Rc<dyn Fn(UserAction, PressedBy)>;

/// Connects all callbacks of a window's markup.
pub(super) fn connect(actions: &Actions<'_>, handler: &PressHandler) {
    connect_home(actions, handler);
    connect_consent(actions, handler);
    connect_session(actions, handler);
    connect_after(actions, handler);
}

/// A callback without arguments.
fn always(handler: &PressHandler, action: UserAction) -> impl Fn() + 'static {
    let handler = handler.clone();
    move || handler(action.clone(), PressedBy::Device)
}

/// A callback that says who pressed.
fn pressed(handler: &PressHandler, action: UserAction) -> impl Fn(PressedBy) + 'static {
    let handler = handler.clone();
    move |by| handler(action.clone(), by)
}

fn connect_home(actions: &Actions<'_>, handler: &PressHandler) {
    actions.on_show_help(always(handler, UserAction::ShowTab(HomeTab::Help)));
    actions.on_show_code(always(handler, UserAction::ShowTab(HomeTab::Code)));
    actions.on_toggle_about(always(handler, UserAction::ToggleAbout));
    actions.on_withdraw_help(always(handler, UserAction::WithdrawHelp));
    actions.on_ask_again(always(handler, UserAction::AskAgain));
    actions.on_new_code(pressed(handler, UserAction::NewCode));
    actions.on_cancel_code(always(handler, UserAction::CancelCode));
    actions.on_code_copied(always(handler, UserAction::CodeCopied));
    let tell = handler.clone();
    actions.on_use_site(move |text, by| tell(UserAction::UseSite(text.into()), by));
    let tell = handler.clone();
    actions.on_ask_for_help(move |problem, urgency, contact| {
        let (problem, contact) = (problem.into(), contact.into());
        tell(UserAction::AskForHelp { problem, urgency: urgency_of(urgency), contact }, PressedBy::Device);
    });
}

fn connect_consent(actions: &Actions<'_>, handler: &PressHandler) {
    actions.on_allow(pressed(handler, UserAction::Allow));
    actions.on_confirm(pressed(handler, UserAction::Confirm));
    actions.on_back(always(handler, UserAction::Back));
    actions.on_deny(always(handler, UserAction::Deny));
    let tell = handler.clone();
    actions.on_tick_capability(move |number, on, by| {
        let Some(capability) = capability_of_number(number) else { return };
        let action = if on { UserAction::Tick(capability) } else { UserAction::Untick(capability) };
        tell(action, by);
    });
    let tell = handler.clone();
    actions.on_choose_term(move |term, by| tell(UserAction::ChooseTerm(term_of(term)), by));
    let tell = handler.clone();
    actions.on_choose_window(move |id, by| tell(UserAction::ChooseWindow(id.cast_unsigned()), by));
}

fn connect_session(actions: &Actions<'_>, handler: &PressHandler) {
    actions.on_stop(always(handler, UserAction::Stop));
    actions.on_stop_all(always(handler, UserAction::StopAll));
    actions.on_pause(always(handler, UserAction::Pause));
    actions.on_resume(pressed(handler, UserAction::Resume));
    actions.on_extend(pressed(handler, UserAction::Extend));
    let tell = handler.clone();
    actions.on_take_back(move |number| {
        if let Some(capability) = capability_of_number(number) {
            tell(UserAction::TakeBack(capability), PressedBy::Device);
        }
    });
    let tell = handler.clone();
    actions.on_send_message(move |text| tell(UserAction::SendMessage(text.into()), PressedBy::Device));
}

fn connect_after(actions: &Actions<'_>, handler: &PressHandler) {
    actions.on_save_record(always(handler, UserAction::SaveRecord));
    actions.on_finish(always(handler, UserAction::Finish));
    let tell = handler.clone();
    actions.on_rate(move |stars, comment: SharedString| {
        if let Ok(stars) = u8::try_from(stars) {
            tell(UserAction::Rate { stars, comment: comment.into() }, PressedBy::Device);
        }
    });
    let tell = handler.clone();
    actions.on_report(move |text| tell(UserAction::Report(text.into()), PressedBy::Device));
}

const fn urgency_of(urgency: markup::HelpUrgency) -> Urgency {
    match urgency {
        markup::HelpUrgency::CanWait => Urgency::CanWait,
        markup::HelpUrgency::Hampered => Urgency::Hampered,
        markup::HelpUrgency::Stopped => Urgency::Stopped,
    }
}

const fn term_of(term: markup::GrantTerm) -> GrantTerm {
    match term {
        markup::GrantTerm::QuarterHour => GrantTerm::QuarterHour,
        markup::GrantTerm::OneHour => GrantTerm::OneHour,
        markup::GrantTerm::UntilStopped => GrantTerm::UntilStopped,
    }
}
