//! What the model shows, put into the markup's properties: nothing but copying, and only what changed in lists, so that
//! what has the keyboard keeps it.

use std::rc::Rc;

use slint::{Global as _, Model as _, ModelRc, SharedString, VecModel};

use crate::markup::{Asks, Granted, Main, Offer, Pair, Said, Seen};
use crate::model::view::{self, Screen};

/// The lists on the pages.
pub(crate) struct Lists {
    fixes: Rc<VecModel<Pair>>,
    asks: Rc<VecModel<Asks>>,
    elevated: Rc<VecModel<Asks>>,
    windows: Rc<VecModel<Offer>>,
    granted: Rc<VecModel<Granted>>,
    done: Rc<VecModel<Pair>>,
    chat: Rc<VecModel<Said>>,
    after: Rc<VecModel<Pair>>,
    about: Rc<VecModel<SharedString>>,
}

impl Lists {
    pub(crate) fn new(main: &Main) -> Self {
        let lists = Self {
            fixes: Rc::default(),
            asks: Rc::default(),
            elevated: Rc::default(),
            windows: Rc::default(),
            granted: Rc::default(),
            done: Rc::default(),
            chat: Rc::default(),
            after: Rc::default(),
            about: Rc::default(),
        };
        let seen = Seen::get(main);
        seen.set_fixes(ModelRc::from(lists.fixes.clone()));
        seen.set_lines(ModelRc::from(lists.asks.clone()));
        seen.set_elevated_lines(ModelRc::from(lists.elevated.clone()));
        seen.set_windows(ModelRc::from(lists.windows.clone()));
        seen.set_granted(ModelRc::from(lists.granted.clone()));
        seen.set_done(ModelRc::from(lists.done.clone()));
        seen.set_chat(ModelRc::from(lists.chat.clone()));
        seen.set_after_done(ModelRc::from(lists.after.clone()));
        seen.set_about(ModelRc::from(lists.about.clone()));
        lists
    }

    /// Puts in all that is shown.
    pub(crate) fn fill(&self, seen: &Seen<'_>, screen: &Screen) {
        self.before(seen, screen);
        self.asked(seen, &screen.consent);
        self.session(seen, &screen.session);
        let after = &screen.after;
        seen.set_summary((&after.summary).into());
        seen.set_why((&after.why).into());
        seen.set_saved((&after.saved).into());
        seen.set_rated(after.rated);
        seen.set_reported(after.reported);
        sync(&self.after, pairs(&after.done));
    }

    fn before(&self, seen: &Seen<'_>, screen: &Screen) {
        let (help, code) = (&screen.help, &screen.code);
        seen.set_form(help.form);
        seen.set_looking(help.looking);
        seen.set_help_status((&help.status).into());
        seen.set_help_detail((&help.detail).into());
        seen.set_help_number((&help.number).into());
        seen.set_help_open(help.open);
        sync(&self.fixes, pairs(&help.fixes));
        seen.set_spoken((&code.spoken).into());
        seen.set_code_left((&code.left).into());
        seen.set_code_gone((&code.gone).into());
        seen.set_copied(code.copied);
        seen.set_busy(screen.busy);
        seen.set_site_bad(screen.site_bad);
        sync(&self.about, screen.about.iter().map(SharedString::from).collect());
    }

    fn asked(&self, seen: &Seen<'_>, page: &view::ConsentPage) {
        seen.set_who((&page.who).into());
        seen.set_reason((&page.reason).into());
        seen.set_first(page.first);
        seen.set_term(i32::try_from(page.term).unwrap_or(0));
        seen.set_wants_window(page.wants_window);
        seen.set_can_allow(page.can_allow);
        seen.set_second(page.second);
        seen.set_hint((&page.hint).into());
        seen.set_left((&page.left).into());
        seen.set_refused((&page.refused).into());
        seen.set_more((&page.more).into());
        seen.set_elevated((&page.elevated).into());
        seen.set_elevated_open(page.elevated_open);
        sync(&self.asks, page.lines.iter().map(asks).collect());
        sync(&self.elevated, page.elevated_lines.iter().map(asks).collect());
        let offer = |offer: &view::Offer| Offer {
            id: offer.id.cast_signed(),
            title: (&offer.title).into(),
            application: (&offer.application).into(),
            chosen: offer.chosen,
        };
        sync(&self.windows, page.windows.iter().map(offer).collect());
    }

    fn session(&self, seen: &Seen<'_>, page: &view::SessionPage) {
        seen.set_session_who((&page.who).into());
        seen.set_session_reason((&page.reason).into());
        seen.set_since((&page.since).into());
        seen.set_state((&page.state).into());
        seen.set_paused(page.paused);
        seen.set_session_left((&page.left).into());
        seen.set_key((&page.key).into());
        seen.set_sessions_more((&page.more).into());
        let granted = |(capability, words): &(nearhand_proto::grant::Capability, String)| Granted {
            capability: *capability as i32,
            words: words.into(),
        };
        sync(&self.granted, page.granted.iter().map(granted).collect());
        sync(&self.done, pairs(&page.done));
        let said = |said: &view::Said| Said {
            mine: said.mine,
            who: (&said.who).into(),
            text: (&said.text).into(),
            at: (&said.at).into(),
            mark: (&said.mark).into(),
        };
        sync(&self.chat, page.chat.iter().map(said).collect());
    }
}

fn asks(line: &view::Asks) -> Asks {
    Asks {
        capability: line.capability as i32,
        does: (&line.does).into(),
        risk: (&line.risk).into(),
        ticked: line.ticked,
        far: line.far,
        id: line.capability.name().into(),
    }
}

fn pairs(pairs: &[(String, String)]) -> Vec<Pair> {
    pairs.iter().map(|(first, second)| Pair { first: first.into(), second: second.into() }).collect()
}

/// Makes a list what it should be; rows that are as they were are left alone.
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
