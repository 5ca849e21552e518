//! The windows on the screen: the model's view goes into the markup, the person's presses come out.
//!
//! Lives here: Slint and its event loop, the one timer, the check of a press's origin. Must not live here: what is shown
//! (the model), what it looks like (the markup in `agent/window/ui`).

mod actions;
mod banner;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use slint::winit_030::winit::dpi::{LogicalSize, PhysicalPosition};
use slint::winit_030::winit::event::{ElementState, WindowEvent};
use slint::winit_030::winit::keyboard::{Key, NamedKey};
use slint::winit_030::winit::platform::scancode::PhysicalKeyExtScancode as _;
use slint::winit_030::winit::raw_window_handle::HasWindowHandle as _;
use slint::winit_030::{EventResult, WinitWindowAccessor as _};
use slint::{CloseRequestResponse, ComponentHandle as _, Global as _, Timer, TimerMode};
use tokio::sync::mpsc;

use self::actions::PressHandler;
use self::banner::{BANNER_SIZE, BannerHost};
use crate::agent_client::UiRequest;
use crate::bindings::{self, ListModels};
use crate::catalog::Catalog;
use crate::launcher;
use crate::markup::{Actions, MainWindow, PressedBy, Shown, Texts};
use crate::model::view::{PageContents, WindowPage};
use crate::model::{HomeTab, PressSource, SaveOutcome, UserAction, WindowEffect, WindowInput, WindowModel};
use crate::platform::{PressKind, PressWatcher, x_window_id};
use crate::record_file;
use crate::tray::TrayChoice;

/// How long the window manager gets to place a window.
const PLACEMENT_WAIT: Duration = Duration::from_millis(150);
/// X's key codes are evdev's plus this.
const X_KEY_OFFSET: u32 = 8;

thread_local! {
    static UI: RefCell<Option<Rc<Ui>>> = const { RefCell::new(None) };
}

/// The windows, the model behind them, and what they need of the system.
struct Ui {
    model: RefCell<WindowModel>,
    main: MainWindow,
    banner: BannerHost,
    lists: ListModels,
    /// What is shown now.
    view: RefCell<Option<PageContents>>,
    timer: Timer,
    started: Instant,
    offset: time::UtcOffset,
    requests: mpsc::UnboundedSender<UiRequest>,
    presses: RefCell<Option<PressWatcher>>,
    /// The kind of press that the window got last.
    last_press: Cell<Option<PressKind>>,
    /// Closing only hides the window; the tray icon stays.
    stays_in_tray: bool,
    display: Cell<Option<DisplayKind>>,
}

/// What system the windows are shown by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum DisplayKind {
    X11,
    Wayland,
}

/// What the user interface starts with.
pub(crate) struct UiStart {
    pub(crate) catalog: Catalog,
    pub(crate) offset: time::UtcOffset,
    /// The person names the support team first.
    pub(crate) ask_site: bool,
    /// The window begins as an icon in the tray.
    pub(crate) tray: bool,
    pub(crate) requests: mpsc::UnboundedSender<UiRequest>,
}

/// Hands an input to the model, from any thread.
pub(crate) fn send_input(input: WindowInput) {
    on_ui_thread(move |ui| ui.handle(input));
}

/// Carries out a choice in the tray's menu, from any thread.
pub(crate) fn tray_chosen(choice: TrayChoice) {
    on_ui_thread(move |ui| match choice {
        TrayChoice::Help => {
            ui.handle(WindowInput::Action(UserAction::ShowTab(HomeTab::Help), PressSource::Person));
            ui.show();
        }
        TrayChoice::Open => ui.show(),
        TrayChoice::Stop => ui.handle(WindowInput::Action(UserAction::StopAll, PressSource::Person)),
    });
}

/// Ends the event loop, from any thread.
pub(crate) fn quit() {
    // Fails only where the loop has ended already.
    let _ = slint::invoke_from_event_loop(|| {
        let _ = slint::quit_event_loop();
    });
}

fn on_ui_thread(task: impl FnOnce(&Rc<Ui>) + Send + 'static) {
    // Fails only where the loop has ended; then nothing is shown any more.
    let _ = slint::invoke_from_event_loop(move || {
        let ui = UI.with_borrow(Clone::clone);
        if let Some(ui) = ui {
            task(&ui);
        }
    });
}

/// Shows the window until it is closed. `begin` starts the sources of inputs: an input that came before the event loop
/// would be lost.
pub(crate) fn run(start: UiStart, begin: impl FnOnce()) -> Result<(), slint::PlatformError> {
    let creating_banner = Rc::new(Cell::new(false));
    let is_banner = creating_banner.clone();
    slint::BackendSelector::new()
        .backend_name("winit".to_owned())
        .renderer_name("software".to_owned())
        .with_winit_window_attributes_hook(move |attributes| {
            use slint::winit_030::winit::platform::x11::WindowAttributesExtX11 as _;
            // No window manager may minimise, cover or close it.
            if is_banner.get() {
                attributes.with_override_redirect(true).with_active(false)
            } else {
                attributes
            }
        })
        .select()?;
    let main = MainWindow::new()?;
    let ui = Rc::new(Ui {
        lists: ListModels::new(&main),
        model: RefCell::new(WindowModel::new(start.catalog, start.offset, start.ask_site)),
        main,
        banner: BannerHost::new(creating_banner),
        view: RefCell::default(),
        timer: Timer::default(),
        started: Instant::now(),
        offset: start.offset,
        requests: start.requests,
        presses: RefCell::default(),
        last_press: Cell::default(),
        stays_in_tray: start.tray,
        display: Cell::default(),
    });
    ui.connect();
    ui.refresh();
    UI.set(Some(ui.clone()));
    if !start.tray {
        ui.show();
    }
    begin();
    let outcome = slint::run_event_loop_until_quit();
    UI.set(None);
    outcome
}

impl Ui {
    fn connect(self: &Rc<Self>) {
        self.connect_texts(&Texts::get(&self.main));
        let weak = Rc::downgrade(self);
        let handler: PressHandler = Rc::new(move |action, by| {
            if let Some(ui) = weak.upgrade() {
                ui.pressed(action, by);
            }
        });
        actions::connect(&Actions::get(&self.main), &handler);
        let weak = Rc::downgrade(self);
        self.main.window().on_close_requested(move || {
            if let Some(ui) = weak.upgrade() {
                ui.close();
            }
            CloseRequestResponse::KeepWindowShown
        });
        let weak = Rc::downgrade(self);
        self.main.window().on_winit_window_event(move |_, event| match weak.upgrade() {
            Some(ui) => ui.system_event(event),
            None => EventResult::Propagate,
        });
    }

    /// Gives a window's markup its texts.
    fn connect_texts(self: &Rc<Self>, texts: &Texts<'_>) {
        let weak = Rc::downgrade(self);
        texts.set_rtl(self.model.borrow().catalog.language().right_to_left());
        texts.on_get(move |key| {
            let ui = weak.upgrade();
            ui.map_or_else(slint::SharedString::new, |ui| ui.model.borrow().catalog.text(&key).into())
        });
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Hands an input to the model, carries out the effects and updates the view.
    fn handle(self: &Rc<Self>, input: WindowInput) {
        let effects = self.model.borrow_mut().handle(input, self.now());
        for effect in effects {
            self.apply(effect);
        }
        self.refresh();
    }

    fn apply(self: &Rc<Self>, effect: WindowEffect) {
        match effect {
            WindowEffect::Send(verb) => self.request(UiRequest::Send(verb)),
            WindowEffect::Notify { title, body } => self.request(UiRequest::Notify { title, body }),
            WindowEffect::Show => self.show(),
            WindowEffect::Hide => {
                let _ = self.main.hide();
            }
            WindowEffect::Leave if self.stays_in_tray => {
                let _ = self.main.hide();
            }
            WindowEffect::Leave => self.request(UiRequest::Leave),
            WindowEffect::ReportSite(site) => launcher::report_site(&site),
            WindowEffect::SaveRecord(text) => {
                let outcome = match record_file::save(&text, self.offset) {
                    Ok(path) => SaveOutcome::Saved(path.display().to_string()),
                    Err(error) => SaveOutcome::Failed(error.to_string()),
                };
                let _ = self.model.borrow_mut().handle(WindowInput::RecordSaved(outcome), self.now());
            }
        }
    }

    fn request(&self, request: UiRequest) {
        if self.requests.send(request).is_err() {
            // The agent client has ended, so it can't close the window.
            let _ = slint::quit_event_loop();
        }
    }

    fn close(self: &Rc<Self>) {
        self.handle(WindowInput::Action(UserAction::CloseWindow, PressSource::Person));
    }

    /// Brings the main window to the front.
    fn show(self: &Rc<Self>) {
        if self.main.show().is_err() {
            let _ = slint::quit_event_loop();
        }
        let _ = self.main.window().with_winit_window(|window| {
            window.set_minimized(false);
            window.focus_window();
        });
        // The system window may be created only after this returns; its place is known a moment later.
        for wait in [Duration::ZERO, PLACEMENT_WAIT] {
            let weak = Rc::downgrade(self);
            Timer::single_shot(wait, move || {
                if let Some(ui) = weak.upgrade() {
                    ui.fit_to_screen();
                }
            });
        }
    }

    fn pressed(self: &Rc<Self>, action: UserAction, by: PressedBy) {
        let is_persons = by == PressedBy::ScreenReader || !action.widens() || self.is_persons();
        let source = if is_persons { PressSource::Person } else { PressSource::Program };
        self.handle(WindowInput::Action(action, source));
    }

    /// Whether the press that is being handled came from a device.
    fn is_persons(&self) -> bool {
        let presses = self.presses.borrow();
        let Some(presses) = presses.as_ref() else {
            // Input that a program imitates on X doesn't reach a window on Wayland.
            return self.display.get() == Some(DisplayKind::Wayland);
        };
        let Some(kind) = self.last_press.get() else { return false };
        // A key event doesn't count while another window has the focus: it was sent here by a program.
        let focused = matches!(kind, PressKind::Pointer)
            || self
                .main
                .window()
                .with_winit_window(slint::winit_030::winit::window::Window::has_focus)
                .unwrap_or(false);
        focused && presses.is_persons(kind)
    }

    /// An event from the system, before the markup sees it.
    fn system_event(&self, event: &WindowEvent) -> EventResult {
        match event {
            WindowEvent::MouseInput { .. } | WindowEvent::Touch(_) => {
                self.last_press.set(Some(PressKind::Pointer));
            }
            WindowEvent::KeyboardInput { event, .. } => {
                let number = event.physical_key.to_scancode().unwrap_or(u32::MAX);
                self.last_press.set(Some(PressKind::Key(number.saturating_add(X_KEY_OFFSET))));
                let asks = matches!(
                    self.view.borrow().as_ref().map(|view| view.page),
                    Some(WindowPage::Consent | WindowPage::Elevated)
                );
                // A program must not move the focus to another button before the person's next key.
                let moves_focus = !matches!(event.logical_key, Key::Named(NamedKey::Enter | NamedKey::Space));
                if asks && moves_focus && event.state == ElementState::Pressed && !self.is_persons() {
                    return EventResult::PreventDefault;
                }
            }
            _ => {}
        }
        EventResult::Propagate
    }

    /// Shows the model's view, and starts the timer for its next change.
    fn refresh(self: &Rc<Self>) {
        let now = self.now();
        let view = self.model.borrow().view(now);
        let before = self.view.replace(Some(view.clone()));
        if before.as_ref() != Some(&view) {
            self.draw(&view, before.as_ref());
        }
        self.watch_presses(&view);
        if view.page == WindowPage::Session && self.main.window().is_visible() {
            let effects = self.model.borrow_mut().mark_messages_seen();
            for effect in effects {
                self.apply(effect);
            }
        }
        match self.model.borrow().next_change(now) {
            Some(wait) => {
                let weak = Rc::downgrade(self);
                self.timer.start(TimerMode::SingleShot, wait, move || {
                    if let Some(ui) = weak.upgrade() {
                        ui.refresh();
                    }
                });
            }
            None => self.timer.stop(),
        }
    }

    fn draw(self: &Rc<Self>, view: &PageContents, before: Option<&PageContents>) {
        let main = &self.main;
        main.set_page(bindings::markup_page(view.page));
        main.set_organisation((&view.organisation).into());
        main.set_connection((&view.connection).into());
        main.set_connected(view.connected);
        main.set_tabs(view.tabs);
        main.set_remark((&view.remark).into());
        self.lists.update(&Shown::get(main), view);
        if before.is_none_or(|before| before.tray != view.tray) {
            self.request(UiRequest::Tray(view.tray.clone()));
        }
        self.draw_banner(view);
    }

    /// The banner is shown while a session is under way, also while the agent doesn't answer.
    fn draw_banner(self: &Rc<Self>, view: &PageContents) {
        if !self.model.borrow().has_live_session() {
            self.banner.hide();
            return;
        }
        if !self.banner.is_shown() {
            self.show_banner();
        }
        self.banner.update(&view.session);
    }

    fn show_banner(self: &Rc<Self>) {
        let shown = self.banner.show(|banner| {
            self.connect_texts(&Texts::get(banner));
            let weak = Rc::downgrade(self);
            let handler: PressHandler = Rc::new(move |action, by| {
                if let Some(ui) = weak.upgrade() {
                    // The banner never has the keyboard.
                    ui.last_press.set(Some(PressKind::Pointer));
                    ui.pressed(action, by);
                }
            });
            let actions = Actions::get(banner);
            actions::connect(&actions, &handler);
            let weak = Rc::downgrade(self);
            actions.on_show_window(move || {
                if let Some(ui) = weak.upgrade() {
                    ui.show();
                }
            });
        });
        if shown {
            // The system window may be created only after this returns.
            let weak = Rc::downgrade(self);
            Timer::single_shot(Duration::ZERO, move || {
                if let Some(ui) = weak.upgrade() {
                    ui.protect_banner();
                }
            });
        }
    }

    /// Puts the banner in its place, keeps it there, and takes the key for Stop.
    fn protect_banner(self: &Rc<Self>) {
        let Some(window) = self.banner.place() else { return };
        self.fit_to_screen();
        let stop_key = self.banner.protect(window, || {
            on_ui_thread(|ui| ui.handle(WindowInput::Action(UserAction::StopAll, PressSource::Person)));
        });
        self.handle(WindowInput::StopKey(stop_key));
    }

    /// Makes the window no taller than the screen, and moves it out from under the banner.
    fn fit_to_screen(&self) {
        let main = self.main.window();
        let scale = f64::from(main.scale_factor());
        let live = self.banner.is_shown();
        let smaller = main.with_winit_window(|window| {
            let (place, monitor) = (window.outer_position().ok()?, window.current_monitor()?);
            let (outer, inner) = (window.outer_size(), window.inner_size());
            let bar = LogicalSize::new(BANNER_SIZE.0, if live { BANNER_SIZE.1 } else { 0.0 })
                .to_physical::<u32>(scale);
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

    /// Watches where presses come from while a page is shown on which only the person may press.
    fn watch_presses(&self, view: &PageContents) {
        if self.display.get().is_none() {
            let display = self.main.window().with_winit_window(|window| {
                let on_x = window.window_handle().is_ok_and(|handle| x_window_id(handle.as_raw()).is_some());
                if on_x { DisplayKind::X11 } else { DisplayKind::Wayland }
            });
            self.display.set(display);
            if display == Some(DisplayKind::X11) {
                *self.presses.borrow_mut() = PressWatcher::new();
            }
        }
        if let Some(presses) = self.presses.borrow().as_ref() {
            let asks = matches!(view.page, WindowPage::Consent | WindowPage::Elevated);
            let guarded =
                asks || matches!(view.page, WindowPage::Code | WindowPage::Session | WindowPage::Site);
            presses.watch(guarded, asks);
        }
    }
}
