//! Copies what the model shows into the markup's properties.
//!
//! Nothing but copying. In lists only the rows that changed are written, so that the control with the keyboard keeps it.

use std::rc::Rc;

use nearhand_proto::grant::Capability;
use slint::{Global as _, Model as _, ModelRc, SharedString, VecModel};

use crate::markup::{self, CapabilityLine, ChatEntry, GrantedLine, MainWindow, Shown, TextPair, WindowOffer};
use crate::model::activity::ActivityLine;
use crate::model::input::GrantTerm;
use crate::model::messages::HintLine;
use crate::model::view::{self, PageContents, WindowPage};

/// The lists on the pages.
pub(crate) struct ListModels {
    hints: Rc<VecModel<TextPair>>,
    asked: Rc<VecModel<CapabilityLine>>,
    elevated: Rc<VecModel<CapabilityLine>>,
    windows: Rc<VecModel<WindowOffer>>,
    granted: Rc<VecModel<GrantedLine>>,
    session_activity: Rc<VecModel<TextPair>>,
    chat: Rc<VecModel<ChatEntry>>,
    after_activity: Rc<VecModel<TextPair>>,
    about: Rc<VecModel<SharedString>>,
}

impl ListModels {
    /// Empty lists, tied to a window's markup.
    pub(crate) fn new(main: &MainWindow) -> Self {
        let lists = Self {
            hints: Rc::default(),
            asked: Rc::default(),
            elevated: Rc::default(),
            windows: Rc::default(),
            granted: Rc::default(),
            session_activity: Rc::default(),
            chat: Rc::default(),
            after_activity: Rc::default(),
            about: Rc::default(),
        };
        let shown = Shown::get(main);
        shown.set_hints(ModelRc::from(lists.hints.clone()));
        shown.set_asked_lines(ModelRc::from(lists.asked.clone()));
        shown.set_elevated_lines(ModelRc::from(lists.elevated.clone()));
        shown.set_windows(ModelRc::from(lists.windows.clone()));
        shown.set_granted(ModelRc::from(lists.granted.clone()));
        shown.set_session_activity(ModelRc::from(lists.session_activity.clone()));
        shown.set_chat(ModelRc::from(lists.chat.clone()));
        shown.set_after_activity(ModelRc::from(lists.after_activity.clone()));
        shown.set_about(ModelRc::from(lists.about.clone()));
        lists
    }

    /// Copies a view into the properties.
    pub(crate) fn update(&self, shown: &Shown<'_>, view: &PageContents) {
        self.update_home(shown, view);
        self.update_consent(shown, &view.consent);
        self.update_session(shown, &view.session);
        let after = &view.after;
        shown.set_after_summary((&after.summary).into());
        shown.set_after_why((&after.why).into());
        shown.set_save_outcome((&after.saved).into());
        shown.set_rated(after.rated);
        shown.set_reported(after.reported);
        sync(&self.after_activity, after.activity.iter().map(activity_row).collect());
    }

    fn update_home(&self, shown: &Shown<'_>, view: &PageContents) {
        let (help, code) = (&view.help, &view.code);
        shown.set_help_form(help.form);
        shown.set_hints_running(help.hints_running);
        shown.set_help_status((&help.status).into());
        shown.set_help_detail((&help.detail).into());
        shown.set_help_number((&help.number).into());
        shown.set_help_open(help.open);
        sync(&self.hints, help.hints.iter().map(hint_row).collect());
        shown.set_code((&code.spoken).into());
        shown.set_code_left((&code.left).into());
        shown.set_code_gone((&code.gone).into());
        shown.set_code_copied(code.copied);
        shown.set_starting(view.starting);
        shown.set_site_rejected(view.site_rejected);
        sync(&self.about, view.about.iter().map(SharedString::from).collect());
    }

    fn update_consent(&self, shown: &Shown<'_>, page: &view::ConsentPage) {
        shown.set_consent_who((&page.who).into());
        shown.set_consent_reason((&page.reason).into());
        shown.set_first_contact(page.first_contact);
        shown.set_term(markup_term(page.term));
        shown.set_wants_window(page.wants_window);
        shown.set_can_allow(page.can_allow);
        shown.set_needs_confirm(page.needs_confirm);
        shown.set_allow_hint((&page.hint).into());
        shown.set_consent_left((&page.left).into());
        shown.set_consent_refused((&page.refused).into());
        shown.set_consent_more((&page.more).into());
        shown.set_elevated_who((&page.elevated).into());
        shown.set_elevated_open(page.elevated_open);
        sync(&self.asked, page.lines.iter().map(capability_row).collect());
        sync(&self.elevated, page.elevated_lines.iter().map(capability_row).collect());
        let offer = |offer: &view::WindowOffer| WindowOffer {
            id: offer.id.cast_signed(),
            title: (&offer.title).into(),
            application: (&offer.application).into(),
            chosen: offer.chosen,
        };
        sync(&self.windows, page.windows.iter().map(offer).collect());
    }

    fn update_session(&self, shown: &Shown<'_>, page: &view::SessionPage) {
        shown.set_session_who((&page.who).into());
        shown.set_session_reason((&page.reason).into());
        shown.set_session_since((&page.since).into());
        shown.set_session_state((&page.state).into());
        shown.set_paused(page.paused);
        shown.set_session_left((&page.left).into());
        shown.set_stop_key((&page.stop_key).into());
        shown.set_sessions_more((&page.more).into());
        let granted = |granted: &view::GrantedLine| GrantedLine {
            capability: number_of_capability(granted.capability),
            name: (&granted.name).into(),
        };
        sync(&self.granted, page.granted.iter().map(granted).collect());
        sync(&self.session_activity, page.activity.iter().map(activity_row).collect());
        let entry = |entry: &view::ChatEntry| ChatEntry {
            mine: entry.mine,
            author: (&entry.author).into(),
            text: (&entry.text).into(),
            time: (&entry.time).into(),
            mark: (&entry.mark).into(),
        };
        sync(&self.chat, page.chat.iter().map(entry).collect());
    }
}

/// The page, as the markup names it.
pub(crate) const fn markup_page(page: WindowPage) -> markup::WindowPage {
    match page {
        WindowPage::Site => markup::WindowPage::Site,
        WindowPage::Lost => markup::WindowPage::Lost,
        WindowPage::Help => markup::WindowPage::Help,
        WindowPage::Code => markup::WindowPage::Code,
        WindowPage::Consent => markup::WindowPage::Consent,
        WindowPage::Elevated => markup::WindowPage::Elevated,
        WindowPage::Session => markup::WindowPage::Session,
        WindowPage::After => markup::WindowPage::After,
        WindowPage::About => markup::WindowPage::About,
    }
}

const fn markup_term(term: GrantTerm) -> markup::GrantTerm {
    match term {
        GrantTerm::QuarterHour => markup::GrantTerm::QuarterHour,
        GrantTerm::OneHour => markup::GrantTerm::OneHour,
        GrantTerm::UntilStopped => markup::GrantTerm::UntilStopped,
    }
}

/// The number by which the markup knows a capability: its place among all of them.
fn number_of_capability(capability: Capability) -> i32 {
    let place = Capability::ALL.iter().position(|other| *other == capability);
    place.and_then(|place| i32::try_from(place).ok()).unwrap_or(-1)
}

/// The capability behind the markup's number.
pub(crate) fn capability_of_number(number: i32) -> Option<Capability> {
    usize::try_from(number).ok().and_then(|place| Capability::ALL.get(place).copied())
}

fn capability_row(line: &view::CapabilityLine) -> CapabilityLine {
    CapabilityLine {
        capability: number_of_capability(line.capability),
        id: line.capability.name().into(),
        permits: (&line.permits).into(),
        risk: (&line.risk).into(),
        ticked: line.ticked,
        elevated: line.elevated,
    }
}

fn activity_row(line: &ActivityLine) -> TextPair {
    TextPair { first: (&line.time).into(), second: (&line.text).into() }
}

fn hint_row(line: &HintLine) -> TextPair {
    TextPair { first: (&line.title).into(), second: (&line.advice).into() }
}

/// Gives a list these rows. Rows that have not changed are not written.
fn sync<T: Clone + PartialEq + 'static>(list: &VecModel<T>, wanted: Vec<T>) {
    while list.row_count() > wanted.len() {
        list.remove(list.row_count() - 1);
    }
    for (row, value) in wanted.into_iter().enumerate() {
        if row >= list.row_count() {
            list.push(value);
        } else if list.row_data(row).as_ref() != Some(&value) {
            list.set_row_data(row, value);
        }
    }
}
