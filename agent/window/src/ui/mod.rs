//! The window on the screen: what the model shows is put into the markup, what the person presses is taken out.
//!
//! Lives here: Slint and its loop, the one timer, where a press came from. Must not live here: what is shown (the
//! model), what it looks like (`ui/`).

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use nearhand_proto::grant::Capability;
use nearhand_proto::message::local::Urgency;
use slint::winit_030::winit::dpi::{LogicalSize, PhysicalPosition};
use slint::winit_030::winit::event::{ElementState, WindowEvent};
use slint::winit_030::winit::keyboard::{Key, NamedKey};
use slint::winit_030::winit::platform::scancode::PhysicalKeyExtScancode as _;
use slint::winit_030::winit::raw_window_handle::{HasWindowHandle as _, RawWindowHandle};
use slint::winit_030::{EventResult, WinitWindowAccessor as _};
use slint::{CloseRequestResponse, ComponentHandle as _, Global as _, Timer, TimerMode};
use tokio::sync::mpsc;

use crate::agent_client::Order;
use crate::bindings::Lists;
use crate::catalog::Catalog;
use crate::markup::{Banner, Do, Main, Seen, Tr};
use crate::model::consent_prompt::Term;
use crate::model::view::{Page, Screen};
use crate::model::{Act, By, Effect, Input, Model, Tab};
use crate::platform::{Keeper, Kind, Presses};
use crate::record_file;
use crate::tray::{Chosen, Icon};

/// The banner's width, where there is room, and its height; as in `ui/window.slint`.
const BANNER: (f32, f32) = (720.0, 64.0);
/// How long a window manager has to place a window.
const PLACED: Duration = Duration::from_millis(150);
/// X's key numbers begin here (evdev's plus this).
const FIRST_KEY: u32 = 8;

thread_local! {
    static FACE: RefCell<Option<Rc<Face>>> = const { RefCell::new(None) };
}

/// The window.
pub(crate) struct Face {
    model: RefCell<Model>,
    main: Main,
    banner: RefCell<Option<Banner>>,
    lists: Lists,
    seen: RefCell<Option<Screen>>,
    timer: Timer,
    started: Instant,
    offset: time::UtcOffset,
    orders: mpsc::UnboundedSender<Order>,
    presses: RefCell<Option<Presses>>,
    keeper: RefCell<Option<Keeper>>,
    /// The kind of press that the window got last.
    kind: Cell<Option<Kind>>,
    /// Closing only hides it: the icon stays.
    stays: bool,
    /// Whether windows are X's.
    on_x: Cell<Option<bool>>,
    /// The window that is made next is the banner.
    banner_next: Rc<Cell<bool>>,
}

/// What the window is made with.
pub(crate) struct Start {
    pub(crate) catalog: Catalog,
    pub(crate) offset: time::UtcOffset,
    pub(crate) ask_site: bool,
    pub(crate) tray: bool,
    pub(crate) orders: mpsc::UnboundedSender<Order>,
}

/// Says what happened to the window, from any thread.
pub(crate) fn tell(input: Input) {
    with(move |face| face.put(input));
}

/// What was chosen in the tray.
pub(crate) fn chosen(chosen: Chosen) {
    with(move |face| match chosen {
        Chosen::Help => {
            face.put(Input::Person(Act::Go(Tab::Help), By::Person));
            face.show();
        }
        Chosen::Open => face.show(),
        Chosen::Stop => face.put(Input::Person(Act::StopAll, By::Person)),
    });
}

/// The link is closed: so is the window.
pub(crate) fn over() {
    // The loop is over already where this fails.
    let _ = slint::invoke_from_event_loop(|| {
        let _ = slint::quit_event_loop();
    });
}

fn with(what: impl FnOnce(&Rc<Face>) + Send + 'static) {
    // Fails only when the loop is over; then nobody looks.
    let _ = slint::invoke_from_event_loop(move || {
        let face = FACE.with_borrow(Clone::clone);
        if let Some(face) = face {
            what(&face);
        }
    });
}

/// Shows the window, until it is closed. `begin` starts what tells it things: whatever is told before there is a loop
/// would be lost.
pub(crate) fn run(start: Start, begin: impl FnOnce()) -> Result<(), slint::PlatformError> {
    let banner_next = Rc::new(Cell::new(false));
    let of_banner = banner_next.clone();
    slint::BackendSelector::new()
        .backend_name("winit".to_owned())
        .renderer_name("software".to_owned())
        .with_winit_window_attributes_hook(move |attributes| {
            use slint::winit_030::winit::platform::x11::WindowAttributesExtX11 as _;
            // No window manager may minimise, cover or close it.
            if of_banner.get() {
                attributes.with_override_redirect(true).with_active(false)
            } else {
                attributes
            }
        })
        .select()?;
    let main = Main::new()?;
    let face = Rc::new(Face {
        lists: Lists::new(&main),
        model: RefCell::new(Model::new(start.catalog, start.offset, start.ask_site)),
        main,
        banner: RefCell::default(),
        seen: RefCell::default(),
        timer: Timer::default(),
        started: Instant::now(),
        offset: start.offset,
        orders: start.orders,
        presses: RefCell::default(),
        keeper: RefCell::default(),
        kind: Cell::default(),
        stays: start.tray,
        on_x: Cell::default(),
        banner_next,
    });
    face.connect();
    face.refresh();
    FACE.set(Some(face.clone()));
    if !start.tray {
        face.show();
    }
    begin();
    let outcome = slint::run_event_loop_until_quit();
    FACE.set(None);
    outcome
}

impl Face {
    fn connect(self: &Rc<Self>) {
        let words = |tr: Tr<'_>, face: &Rc<Self>| {
            let weak = Rc::downgrade(face);
            tr.set_rtl(face.model.borrow().catalog.language().right_to_left());
            tr.on_s(move |key| {
                let face = weak.upgrade();
                face.map_or_else(slint::SharedString::new, |face| {
                    face.model.borrow().catalog.text(&key).into()
                })
            });
        };
        words(Tr::get(&self.main), self);
        let weak = Rc::downgrade(self);
        Do::get(&self.main).on_press(move |what, number, text, reader| {
            if let Some(face) = weak.upgrade() {
                face.pressed(&what, number, &text, reader);
            }
        });
        let weak = Rc::downgrade(self);
        self.main.window().on_close_requested(move || {
            if let Some(face) = weak.upgrade() {
                face.close();
            }
            CloseRequestResponse::KeepWindowShown
        });
        let weak = Rc::downgrade(self);
        self.main.window().on_winit_window_event(move |_, event| match weak.upgrade() {
            Some(face) => face.hears(event),
            None => EventResult::Propagate,
        });
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Takes in what happened, does what follows, shows it.
    fn put(self: &Rc<Self>, input: Input) {
        let effects = self.model.borrow_mut().put(input, self.now());
        for effect in effects {
            self.apply(effect);
        }
        self.refresh();
    }

    fn apply(self: &Rc<Self>, effect: Effect) {
        match effect {
            Effect::Send(verb) => self.order(Order::Send(verb)),
            Effect::Notify { title, body } => self.order(Order::Notify { title, body }),
            Effect::Show => self.show(),
            Effect::Hide => {
                let _ = self.main.hide();
            }
            Effect::Leave if self.stays => {
                let _ = self.main.hide();
            }
            Effect::Leave => self.order(Order::Leave),
            Effect::Site(string) => crate::say(&format!("site {string}")),
            Effect::Save(text) => {
                let stamp = crate::stamp(self.offset);
                let kept = record_file::keep(&text, &stamp);
                let kept = kept.map(|path| path.display().to_string()).map_err(|error| error.to_string());
                let _ = self.model.borrow_mut().put(Input::Saved(kept), self.now());
            }
        }
    }

    fn order(&self, order: Order) {
        if self.orders.send(order).is_err() {
            // Nobody is left to close the window in order.
            let _ = slint::quit_event_loop();
        }
    }

    fn close(self: &Rc<Self>) {
        self.put(Input::Person(Act::Close, By::Person));
    }

    /// To the front.
    fn show(self: &Rc<Self>) {
        if self.main.show().is_err() {
            let _ = slint::quit_event_loop();
        }
        let _ = self.main.window().with_winit_window(|window| {
            window.set_minimized(false);
            window.focus_window();
        });
        // Its system window may be made only when this is over; where the window manager puts it is known a moment later.
        for wait in [Duration::ZERO, PLACED] {
            let weak = Rc::downgrade(self);
            Timer::single_shot(wait, move || {
                if let Some(face) = weak.upgrade() {
                    face.fit();
                }
            });
        }
    }

    fn pressed(self: &Rc<Self>, what: &str, number: i32, text: &str, reader: bool) {
        if what == "open" {
            self.show();
            return;
        }
        let Some(act) = act(what, number, text) else { return };
        let by = if reader || !act.widens() || self.is_persons() { By::Person } else { By::Program };
        self.put(Input::Person(act, by));
    }

    /// Whether the press that is handled now came from a device.
    fn is_persons(&self) -> bool {
        let presses = self.presses.borrow();
        let Some(presses) = presses.as_ref() else {
            // Where windows are Wayland's, no program reaches them with imitated input of X's.
            return self.on_x.get() == Some(false);
        };
        let Some(kind) = self.kind.get() else { return false };
        // A key that is typed elsewhere is none for this window, whoever sends it here.
        let focused = matches!(kind, Kind::Pointer)
            || self
                .main
                .window()
                .with_winit_window(slint::winit_030::winit::window::Window::has_focus)
                .unwrap_or(false);
        focused && presses.is_persons(kind)
    }

    /// What the window is told by its system, before the markup sees it.
    fn hears(&self, event: &WindowEvent) -> EventResult {
        match event {
            WindowEvent::MouseInput { .. } | WindowEvent::Touch(_) => self.kind.set(Some(Kind::Pointer)),
            WindowEvent::KeyboardInput { event, .. } => {
                let number = event.physical_key.to_scancode().unwrap_or(u32::MAX);
                self.kind.set(Some(Kind::Key(number.saturating_add(FIRST_KEY))));
                let asks = matches!(
                    self.seen.borrow().as_ref().map(|screen| screen.page),
                    Some(Page::Consent | Page::Elevated)
                );
                // A program doesn't lead the person's next key to another button.
                let leads = !matches!(event.logical_key, Key::Named(NamedKey::Enter | NamedKey::Space));
                if asks && leads && event.state == ElementState::Pressed && !self.is_persons() {
                    return EventResult::PreventDefault;
                }
            }
            _ => {}
        }
        EventResult::Propagate
    }

    /// Shows how things stand, and when they will look different.
    fn refresh(self: &Rc<Self>) {
        let now = self.now();
        let screen = self.model.borrow().screen(now);
        let before = self.seen.replace(Some(screen.clone()));
        if before.as_ref() != Some(&screen) {
            self.draw(&screen, before.as_ref());
        }
        self.guard(&screen);
        let visible = self.main.window().is_visible();
        if screen.page == Page::Session && visible {
            let effects = self.model.borrow_mut().seen();
            for effect in effects {
                self.apply(effect);
            }
        }
        match self.model.borrow().next_change(now) {
            Some(wait) => {
                let weak = Rc::downgrade(self);
                self.timer.start(TimerMode::SingleShot, wait, move || {
                    if let Some(face) = weak.upgrade() {
                        face.refresh();
                    }
                });
            }
            None => self.timer.stop(),
        }
    }

    fn draw(self: &Rc<Self>, screen: &Screen, before: Option<&Screen>) {
        let main = &self.main;
        main.set_page(page(screen.page));
        main.set_organisation((&screen.organisation).into());
        main.set_connection((&screen.connection).into());
        main.set_connected(screen.connected);
        main.set_tabs(screen.tabs);
        main.set_remark((&screen.remark).into());
        self.lists.fill(&Seen::get(main), screen);
        if before.is_none_or(|before| before.tray != screen.tray) {
            self.order(Order::Tray(Icon { words: screen.tray.words.clone(), busy: screen.tray.busy }));
        }
        self.banner(screen);
    }

    /// The banner is there while a session is under way, whatever the agent's state.
    fn banner(self: &Rc<Self>, screen: &Screen) {
        let wanted = self.model.borrow().is_live();
        if !wanted {
            if let Some(banner) = self.banner.take() {
                if let Some(keeper) = self.keeper.borrow().as_ref() {
                    keeper.keep(None);
                    keeper.release();
                }
                let _ = banner.hide();
            }
            return;
        }
        if self.banner.borrow().is_none() {
            self.new_banner();
        }
        if let Some(banner) = self.banner.borrow().as_ref() {
            let seen = Seen::get(banner);
            let session = &screen.session;
            seen.set_banner_who((&session.banner_who).into());
            seen.set_banner_can((&session.banner_can).into());
            seen.set_session_left((&session.left).into());
            seen.set_key((&session.key).into());
            seen.set_paused(session.paused);
        }
    }

    fn new_banner(self: &Rc<Self>) {
        self.banner_next.set(true);
        let made = Banner::new();
        if let Ok(banner) = &made {
            // Its system window is described now, while the mark is set.
            let _ = banner.window();
        }
        self.banner_next.set(false);
        let Ok(banner) = made else { return };
        let weak = Rc::downgrade(self);
        let tr = Tr::get(&banner);
        tr.set_rtl(self.model.borrow().catalog.language().right_to_left());
        tr.on_s(move |key| {
            let face = weak.upgrade();
            face.map_or_else(slint::SharedString::new, |face| face.model.borrow().catalog.text(&key).into())
        });
        let weak = Rc::downgrade(self);
        Do::get(&banner).on_press(move |what, number, text, reader| {
            if let Some(face) = weak.upgrade() {
                face.kind.set(Some(Kind::Pointer));
                face.pressed(&what, number, &text, reader);
            }
        });
        banner.window().on_close_requested(|| CloseRequestResponse::KeepWindowShown);
        let _ = banner.show();
        let weak = Rc::downgrade(self);
        *self.banner.borrow_mut() = Some(banner);
        // Its system window may be made only when this is over.
        Timer::single_shot(Duration::ZERO, move || {
            if let Some(face) = weak.upgrade() {
                face.keep_banner();
            }
        });
    }

    /// Puts the banner in its place, keeps it there, and takes the key for Stop.
    fn keep_banner(self: &Rc<Self>) {
        let held = self.banner.borrow();
        let Some(banner) = held.as_ref() else { return };
        // The markup's, which SLINT_SCALE_FACTOR changes and the system's window doesn't know.
        let scale = banner.window().scale_factor();
        let id = banner.window().with_winit_window(|window| {
            if let Some(monitor) = window.primary_monitor().or_else(|| window.available_monitors().next()) {
                let (place, room) =
                    (monitor.position(), monitor.size().to_logical::<f32>(scale.into()).width);
                banner.set_room(room);
                let width = room.min(BANNER.0);
                let size = LogicalSize::new(width, BANNER.1).to_physical::<u32>(scale.into());
                banner.window().set_size(slint::PhysicalSize::new(size.width, size.height));
                let left = f64::from((room - width) / 2.0 * scale);
                let place = place.cast::<f64>();
                window.set_outer_position(PhysicalPosition::new(place.x + left, place.y));
            }
            window.window_handle().ok().and_then(|handle| x_window(handle.as_raw()))
        });
        let Some(Some(id)) = id else { return };
        drop(held);
        self.fit();
        if self.keeper.borrow().is_none() {
            *self.keeper.borrow_mut() = Keeper::new(|| {
                with(|face| face.put(Input::Person(Act::StopAll, By::Person)));
            });
        }
        let taken = match self.keeper.borrow().as_ref() {
            Some(keeper) => {
                keeper.keep(Some(id));
                keeper.grab()
            }
            None => true,
        };
        self.put(Input::HotKey { taken });
    }

    /// The window is no higher than the screen has room for, and the banner covers nothing of it.
    fn fit(&self) {
        let main = self.main.window();
        let scale = f64::from(main.scale_factor());
        let live = self.banner.borrow().is_some();
        let smaller = main.with_winit_window(|window| {
            let (place, monitor) = (window.outer_position().ok()?, window.current_monitor()?);
            let (outer, inner) = (window.outer_size(), window.inner_size());
            let bar = LogicalSize::new(BANNER.0, if live { BANNER.1 } else { 0.0 }).to_physical::<u32>(scale);
            let top = monitor.position().y.saturating_add_unsigned(bar.height);
            let frame = outer.height.saturating_sub(inner.height);
            let room = monitor.size().height.saturating_sub(bar.height).saturating_sub(frame);
            if place.y < top && live {
                window.set_outer_position(PhysicalPosition::new(place.x, top));
            }
            (inner.height > room).then(|| slint::PhysicalSize::new(inner.width, room))
        });
        if let Some(Some(size)) = smaller {
            main.set_size(size);
        }
    }

    /// Looks at devices while something is shown that only the person may press.
    fn guard(&self, screen: &Screen) {
        if self.on_x.get().is_none() {
            let on_x = self.main.window().with_winit_window(|window| {
                window.window_handle().is_ok_and(|handle| x_window(handle.as_raw()).is_some())
            });
            self.on_x.set(on_x);
            if on_x == Some(true) {
                *self.presses.borrow_mut() = Presses::new();
            }
        }
        if let Some(presses) = self.presses.borrow().as_ref() {
            let asks = matches!(screen.page, Page::Consent | Page::Elevated);
            let guarded = asks || matches!(screen.page, Page::Code | Page::Session | Page::Site);
            presses.watch(guarded, asks);
        }
    }
}

fn x_window(handle: RawWindowHandle) -> Option<u32> {
    match handle {
        RawWindowHandle::Xlib(handle) => u32::try_from(handle.window).ok(),
        RawWindowHandle::Xcb(handle) => Some(handle.window.get()),
        _ => None,
    }
}

const fn page(page: Page) -> i32 {
    match page {
        Page::Site => 0,
        Page::Lost => 1,
        Page::Help => 2,
        Page::Code => 3,
        Page::Consent => 4,
        Page::Elevated => 5,
        Page::Session => 6,
        Page::After => 7,
        Page::About => 8,
    }
}

/// What a press in the markup means.
fn act(what: &str, number: i32, text: &str) -> Option<Act> {
    let place = usize::try_from(number).unwrap_or(usize::MAX);
    let capability = || Capability::ALL.get(place).copied();
    Some(match what {
        "go" => Act::Go(*[Tab::Help, Tab::Code, Tab::About].get(place)?),
        "site" => Act::Site(text.to_owned()),
        "ask" => {
            let (what, reach) = text.split_once('\u{1}')?;
            let urgency = *[Urgency::CanWait, Urgency::Hampered, Urgency::Stopped].get(place)?;
            Act::Ask { what: what.to_owned(), urgency, reach: reach.to_owned() }
        }
        "withdraw" => Act::Withdraw,
        "again" => Act::AskAgain,
        "new-code" => Act::NewCode,
        "cancel-code" => Act::CancelCode,
        "copy-code" => Act::CopyCode,
        "tick" => Act::Tick(capability()?, text == "on"),
        "term" => Act::Term(*Term::ALL.get(place)?),
        "window" => Act::Window(number.cast_unsigned()),
        "allow" => Act::Allow,
        "confirm" => Act::Confirm,
        "back" => Act::Back,
        "deny" => Act::Deny,
        "stop" => Act::Stop,
        "stop-all" => Act::StopAll,
        "pause" => Act::Pause,
        "resume" => Act::Resume,
        "extend" => Act::Extend,
        "take" => Act::TakeBack(capability()?),
        "say" => Act::Say(text.to_owned()),
        "save" => Act::Save,
        "rate" => Act::Rate { stars: u8::try_from(number).ok()?, comment: text.to_owned() },
        "report" => Act::Report(text.to_owned()),
        "finish" => Act::Finish,
        _ => return None,
    })
}
