//! The window as a whole: title bar, pages, the dialog that is open.

use std::sync::Arc;
use std::time::{Duration, Instant};

use eframe::egui::{self, Align, CentralPanel, Layout, Margin, Panel, RichText, ScrollArea, Ui};
use egui_material_icons::icons;
use pcsc_transport::Backend;
use token_desktop::PairingCodes;
use token_manager::{Action, Manager};

use crate::appearance;
use crate::content::Content;
use crate::devices::{Device, Devices};
use crate::dialogs::{self, Dialog, EnterPairingCode, Flow, Open, Tools};
use crate::lending::{Lender, Lending};
use crate::preferences::{Choice, Made, Preferences};
use crate::suspend::Suspend;
use crate::theme::{self, Palette, UNIT};
use crate::tiles::{self, Chosen};
use crate::watch::Watch;
use crate::widgets::{describe, follow_focus, give_focus_back, icon_button};
use crate::work::{Hold, Window};

/// The window's title.
pub const TITLE: &str = "Devices";

/// What the window is opened with.
pub struct Config {
    /// Where tokens come from.
    pub backend: Arc<dyn Backend>,
    /// What opens them; of the same backend.
    pub manager: Manager,
    /// Whether they are software tokens.
    pub is_virtual: bool,
    /// The pairing codes in which `manager` looks.
    pub pairing_codes: Arc<PairingCodes>,
    /// Which clipboard secrets are copied to.
    pub lending: Lending,
    /// After how long without a key or the mouse an open token is locked.
    pub lock_after: Duration,
    /// Light, dark, or as the system has it.
    pub theme: egui::ThemePreference,
    /// Close again as soon as a token is shown: to time the start.
    pub close_at_first_tile: bool,
}

/// The window.
pub struct DevicesView {
    config: Config,
    /// Before the devices, whose threads are waited for when the window closes: a secret is
    /// out of the clipboard by then.
    tools: Tools,
    /// Before them, too: a thread may wait for an answer to what it shows.
    dialog: Option<Open>,
    devices: Devices,
    watch: Watch,
    suspend: Suspend,
    /// The token that the title bar is about: its reader, and its stay there.
    selected: Option<(String, u64)>,
    /// Whether its content is shown.
    shows_content: bool,
    content: Content,
    preferences: Option<Preferences>,
    last_used: Instant,
}

impl DevicesView {
    /// Begins to watch for tokens. Nothing is sent to any before it is seen.
    pub fn new(context: &egui::Context, config: Config) -> Self {
        theme::set_up(context, config.theme);
        appearance::follow(context);
        let (window, news) = Window::new(context.clone());
        let devices = Devices::new(config.manager.clone(), window, news);
        let watch = Watch::start(&config.backend, context);
        let tools = Tools {
            lender: Lender::new(config.lending.clone(), context),
            codes: Arc::clone(&config.pairing_codes),
        };
        Self {
            config,
            devices,
            watch,
            suspend: Suspend::listen(context),
            selected: None,
            shows_content: false,
            content: Content::default(),
            dialog: None,
            tools,
            preferences: None,
            last_used: Instant::now(),
        }
    }

    fn selected(&self) -> Option<&Device> {
        let (_, stay) = self.selected.as_ref()?;
        self.devices.get(*stay)
    }

    /// What happened since the last frame.
    fn catch_up(&mut self, context: &egui::Context) {
        while let Some(event) = self.watch.next() {
            self.devices.note(event);
        }
        self.devices.listen();
        while let Some(told) = self.suspend.next() {
            self.lock_all(context, Some(&Arc::new(told)));
            self.tools.lender.stop();
        }
        if self.selected().is_none() {
            self.shows_content = false;
            self.selected = self.next_selected();
        }
    }

    /// The token that is meant once the one before it is gone: what lies in its reader now, or
    /// the only one. Where there is a choice it is the person's.
    fn next_selected(&self) -> Option<(String, u64)> {
        let mut devices = self.devices.iter();
        match &self.selected {
            Some(before) if devices.len() > 1 => devices
                .find(|device| device.reader == before.0)
                .map_or_else(|| Some(before.clone()), |device| Some(device.place())),
            _ => devices.next().map(Device::place),
        }
    }

    /// Locks what is open if nobody has used the window for a while. Woken once, when that
    /// would be.
    fn lock_when_idle(&mut self, context: &egui::Context) {
        if !self.devices.iter().any(|device| device.is_open) && self.dialog.is_none() {
            return;
        }
        let left = self
            .config
            .lock_after
            .saturating_sub(self.last_used.elapsed());
        if left.is_zero() {
            self.lock_all(context, None);
            self.last_used = Instant::now();
        } else {
            context.request_repaint_after(left);
        }
    }

    /// A key or the mouse, in this frame.
    fn note_use(&mut self, context: &egui::Context) {
        if context.input(|input| !input.events.is_empty()) {
            self.last_used = Instant::now();
        }
    }

    /// Locks all tokens, and forgets what was typed or is shown.
    fn lock_all(&mut self, context: &egui::Context, hold: Option<&Hold>) {
        for device in self.devices.iter() {
            device.worker.lock(hold.cloned());
        }
        if let Some(open) = &mut self.dialog
            && open.hide(&self.devices)
        {
            self.close_dialog(context);
        }
    }

    fn close_dialog(&mut self, context: &egui::Context) {
        if let Some(open) = self.dialog.take() {
            open.close(context, &self.devices);
        }
    }

    /// The window stays while something is under way that has to come to an end first.
    fn keep_open_while_busy(&mut self, context: &egui::Context) {
        let closes = context.input(|input| input.viewport().close_requested());
        if closes
            && let Some(open) = &mut self.dialog
            && !open.leave(&self.devices)
        {
            open.refuse_to_close();
            context.send_viewport_cmd(egui::ViewportCommand::CancelClose);
        }
    }

    fn title_bar(&mut self, ui: &mut Ui) {
        let palette = Palette::of(ui.ctx());
        ui.horizontal(|ui| {
            if self.shows_content {
                let back = icon_button(
                    ui,
                    icons::ICON_ARROW_BACK,
                    "Back to all tokens",
                    palette.text,
                );
                if back.clicked() {
                    self.shows_content = false;
                }
            }
            ui.heading(TITLE);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let gear = icon_button(ui, icons::ICON_SETTINGS, "Preferences", palette.text);
                if gear.clicked() {
                    let overrides = self.config.manager.overrides();
                    let lock_after = self.config.lock_after;
                    self.preferences = Some(Preferences::new(overrides, lock_after, ui.ctx()));
                }
                self.lock_button(ui);
                self.selector(ui);
            });
        });
    }

    fn nothing_selected(&self) -> &'static str {
        if self.devices.iter().len() == 0 {
            "No token"
        } else {
            "Choose a token"
        }
    }

    fn selector(&mut self, ui: &mut Ui) {
        let text = self
            .selected()
            .map_or_else(|| self.nothing_selected().to_owned(), Device::name);
        let width = (ui.available_width() - 2.0 * UNIT).clamp(80.0, 260.0);
        let mut selected = self.selected.clone();
        let combo = egui::ComboBox::from_id_salt("token")
            .selected_text(RichText::new(&text))
            .width(width)
            .truncate()
            .show_ui(ui, |ui| {
                for device in self.devices.iter() {
                    let value = Some(device.place());
                    let name = format!("{} in {}", device.name(), device.reader_name());
                    // By itself it closes for the mouse alone.
                    if ui.selectable_value(&mut selected, value, name).clicked() {
                        ui.close();
                    }
                }
            });
        combo.response.widget_info(|| {
            let kind = egui::Role::ComboBox;
            egui::WidgetInfo::labeled(kind, true, format!("Token: {text}"))
        });
        self.selected = selected;
    }

    fn lock_button(&mut self, ui: &mut Ui) {
        let palette = Palette::of(ui.ctx());
        let Some(device) = self.selected() else {
            return;
        };
        if device.is_open {
            let name = format!("Authenticated: lock {}", device.name());
            if icon_button(ui, icons::ICON_LOCK_OPEN, &name, palette.accent).clicked() {
                device.worker.lock(None);
            }
        } else {
            let name = format!("Locked: authenticate to {}", device.name());
            let why_not = device.why_not_open();
            let locked = |ui: &mut Ui| icon_button(ui, icons::ICON_LOCK, &name, palette.bad);
            let button = ui.add_enabled_ui(why_not.is_none(), locked).inner;
            if let Some(why) = why_not {
                describe(&button, why);
                button.on_disabled_hover_text(why);
            } else if button.clicked() {
                self.open(ui.ctx(), device.stay, Action::Authenticate);
            }
        }
    }

    fn open(&mut self, context: &egui::Context, stay: u64, action: Action) {
        if action == Action::ClearCache {
            self.devices.clear_cache(stay);
        } else if let Some(dialog) = dialogs::of(action) {
            self.show(context, stay, dialog);
        }
    }

    fn show(&mut self, context: &egui::Context, stay: u64, dialog: Box<dyn Dialog>) {
        if let Some(device) = self.devices.get(stay) {
            self.dialog = Open::new(dialog, device, context);
        }
    }

    fn choose(&mut self, context: &egui::Context, stay: u64, chosen: Chosen) {
        let Some(device) = self.devices.get(stay) else {
            return;
        };
        let place = device.place();
        match chosen {
            Chosen::ReadAgain => return device.worker.read_again(),
            Chosen::Content => self.shows_content = true,
            Chosen::Action(action) => self.open(context, stay, action),
            Chosen::PairingCode => self.show(context, stay, Box::<EnterPairingCode>::default()),
        }
        self.selected = Some(place);
    }

    fn dialogs(&mut self, context: &egui::Context) {
        if let Some(open) = &mut self.dialog {
            let stay = open.stay();
            match open.show(context, &self.devices, &self.tools) {
                Flow::Stay => {}
                Flow::Close => self.close_dialog(context),
                Flow::Open(action) => {
                    self.close_dialog(context);
                    self.open(context, stay, action);
                }
            }
        }
        if let Some(preferences) = &mut self.preferences {
            match preferences.show(context) {
                Choice::Open => {}
                Choice::Cancelled => self.preferences = None,
                Choice::Made(made) => {
                    self.preferences = None;
                    self.apply(&made);
                }
            }
        }
    }

    /// Consents hold for what is read from now on, so all tokens are locked and read again.
    fn apply(&mut self, made: &Made) {
        self.config.lock_after = made.lock_after;
        if self.config.manager.overrides() != made.overrides {
            let manager = self.config.manager.clone().with_overrides(made.overrides);
            self.config.manager = manager.clone();
            self.devices.use_manager(manager);
        }
    }

    /// Begins to watch once more, and with no reader, as at the start.
    fn watch_anew(&mut self, context: &egui::Context) {
        self.devices.forget_readers();
        self.watch = Watch::start(&self.config.backend, context);
        context.request_repaint();
    }

    fn page(&mut self, ui: &mut Ui) {
        let selected = self.selected.as_ref().filter(|_| self.shows_content);
        let device = selected.and_then(|(_, stay)| self.devices.get(*stay));
        if let Some(device) = device
            && let Some(snapshot) = &device.snapshot
        {
            return self.content.ui(ui, device, snapshot);
        }
        self.content.leave();
        if let Some(trouble) = &self.devices.trouble {
            if tiles::trouble(ui, trouble) {
                self.watch_anew(ui.ctx());
            }
        } else if let Some((stay, chosen)) = tiles::ui(ui, &self.devices, self.config.is_virtual) {
            self.choose(ui.ctx(), stay, chosen);
        }
    }
}

impl eframe::App for DevicesView {
    /// What has to be done also while nobody sees the window: it is covered, or the screen is
    /// locked.
    fn logic(&mut self, context: &egui::Context, _: &mut eframe::Frame) {
        self.catch_up(context);
        self.lock_when_idle(context);
        self.keep_open_while_busy(context);
    }

    fn ui(&mut self, ui: &mut Ui, _: &mut eframe::Frame) {
        let context = ui.ctx().clone();
        name_window(&context);
        self.note_use(&context);
        drop_repeated_presses(&context);
        if self.config.close_at_first_tile && self.devices.iter().any(|it| it.snapshot.is_some()) {
            context.send_viewport_cmd(egui::ViewportCommand::Close);
        }
        let bar = egui::Frame::new()
            .fill(Palette::of(&context).surface)
            .inner_margin(Margin::symmetric(16, 10));
        Panel::top("title")
            .frame(bar)
            .show(ui, |ui| self.title_bar(ui));
        // A dialog shows it itself, where it is open.
        if self.dialog.is_none() && self.tools.lender.is_lending() {
            Panel::bottom("clipboard")
                .frame(bar)
                .show(ui, |ui| self.tools.lender.ui(ui));
        }
        let page = egui::Frame::new()
            .fill(Palette::of(&context).page)
            .inner_margin(Margin::same(16));
        CentralPanel::default().frame(page).show(ui, |ui| {
            ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                follow_focus(ui);
                self.page(ui);
            });
        });
        self.dialogs(&context);
        give_focus_back(&context);
    }
}

/// A key that is held presses one button, and not also the one that takes its place.
fn drop_repeated_presses(context: &egui::Context) {
    let is_repeated = |event: &egui::Event| {
        matches!(
            event,
            egui::Event::Key {
                key: egui::Key::Enter | egui::Key::Space,
                repeat: true,
                ..
            }
        )
    };
    context.input_mut(|input| input.events.retain(|event| !is_repeated(event)));
}

/// For screen readers: egui tells them of the window, but not its title.
fn name_window(context: &egui::Context) {
    let root = egui::accesskit_root_id();
    context.accesskit_node_builder(root, |node| node.set_label(TITLE));
}
