//! What dialogs have in common.

use eframe::egui::{
    self, Align, Id, Layout, Margin, Modal, Pos2, Rect, Response, RichText, Ui, UiBuilder, Vec2,
};
use piv_apdu::secret::Pin;
use token_manager::{ActionError, LastTry, NotSent, PinStatus, Secret, StepReport, token_profile};

use super::{Flow, Reach};
use crate::devices::Device;
use crate::theme::{NARROWEST, Palette, UNIT};
use crate::widgets::{
    Notice, SecretField, capital, follow_focus, notice, progress, quiet, say, sentence,
};
use crate::work::Task;

pub(crate) use crate::widgets::primary;

/// What became of a dialog in this frame.
pub(crate) struct Shown<R> {
    /// What its content gave.
    pub(crate) inner: R,
    /// Whether Escape was pressed. A click beside the dialog does not count: it is more often
    /// one that missed than one that was meant, and what was typed, or a token gave, would be
    /// lost.
    pub(crate) is_left: bool,
}

/// A dialog over everything else, as large as its content wants and the window allows. What
/// does not fit scrolls; its [`buttons`] stay in sight.
pub(crate) fn modal<R>(
    context: &egui::Context,
    name: &str,
    add: impl FnOnce(&mut Ui) -> R,
) -> Shown<R> {
    let id = Id::unique(("dialog", name));
    let screen = context.content_rect();
    let area = Modal::default_area(id).default_size(screen.size());
    let frame = egui::Frame::window(&context.global_style()).inner_margin(Margin::same(20));
    let shown = Modal::new(id).area(area).frame(frame).show(context, |ui| {
        ui.set_width((screen.width() - 7.0 * UNIT).min(NARROWEST));
        Buttons::with(ui, |buttons| buttons.origin = ui.min_rect().min);
        title(ui, name);
        // An area does not grow by itself for what scrolls.
        let height = screen.height() - 14.0 * UNIT - button_row(ui);
        let scroll = egui::ScrollArea::vertical()
            .max_height(height)
            .min_scrolled_height(height);
        let inner = scroll.show(ui, |ui| {
            follow_focus(ui);
            add(ui)
        });
        place_buttons(ui);
        inner.inner
    });
    let missed = shown.backdrop_response.clicked();
    Shown {
        is_left: !missed && shown.should_close(),
        inner: shown.inner,
    }
}

/// The height of a row of buttons, and of the room above it.
fn button_row(ui: &Ui) -> f32 {
    ui.spacing().interact_size.y + UNIT
}

/// Where the buttons of a dialog are.
#[derive(Clone, Copy, Default)]
struct Buttons {
    /// Where the dialog begins. It is in the middle of the window, and moves with its size.
    origin: Pos2,
    /// Under what scrolls, from there, as the last pass has found it.
    place: Option<Rect>,
    /// Whether there are any in this pass.
    are_there: bool,
}

impl Buttons {
    /// Those of the dialog that is drawn here.
    fn with<R>(ui: &Ui, act: impl FnOnce(&mut Self) -> R) -> R {
        let id = ui.layer_id().id.with("buttons");
        ui.data_mut(|data| act(data.get_temp_mut_or_default(id)))
    }
}

/// Makes room for the buttons under what scrolls. If that is elsewhere than it was, this frame
/// is drawn once more.
fn place_buttons(ui: &mut Ui) {
    if !Buttons::with(ui, |buttons| std::mem::take(&mut buttons.are_there)) {
        return;
    }
    ui.add_space(UNIT - ui.spacing().item_spacing.y);
    let size = Vec2::new(ui.available_width(), ui.spacing().interact_size.y);
    let (_, place) = ui.allocate_space(size);
    let has_moved = Buttons::with(ui, |buttons| {
        let place = place.translate(-buttons.origin.to_vec2());
        let before = buttons.place.replace(place);
        before.is_none_or(|before| (before.min - place.min).abs().max_elem() > 0.5)
    });
    if has_moved {
        ui.ctx().request_discard("the buttons are elsewhere");
    }
}

/// Which token the dialog is about.
pub(crate) fn whose(ui: &mut Ui, device: &Device) {
    let id = device.token().and_then(|token| token.identity.id());
    let (name, id, reader) = (device.name(), id.unwrap_or_default(), device.reader_name());
    quiet(ui, format!("{name}  {id}  in {reader}"));
    ui.add_space(4.0);
}

/// The row of buttons of the dialog, the first at the right.
pub(crate) fn buttons(ui: &mut Ui, add: impl FnOnce(&mut Ui)) {
    let place = Buttons::with(ui, |buttons| {
        buttons.are_there = true;
        let origin = buttons.origin.to_vec2();
        buttons.place.map(|place| place.translate(origin))
    });
    // In the first pass of a dialog, which nobody sees.
    let place = place.unwrap_or_else(|| ui.available_rect_before_wrap());
    let row = UiBuilder::new()
        .max_rect(place)
        .layout(Layout::right_to_left(Align::Center));
    let mut row = ui.new_child(row);
    // With the rings around what has the focus.
    row.set_clip_rect(place.expand(UNIT));
    add(&mut row);
}

/// The tries that are left, as the token told last.
pub(crate) fn tries(ui: &mut Ui, status: &PinStatus) {
    let palette = Palette::of(ui.ctx());
    let color = match status {
        PinStatus::TriesLeft(1) | PinStatus::Blocked => palette.bad,
        PinStatus::TriesLeft(2) => palette.warning,
        _ => palette.quiet,
    };
    say(&ui.label(RichText::new(format!("PIN: {status}")).color(color)));
}

/// Something that a thread does for a dialog, and how it went.
pub(crate) struct Doing<T> {
    task: Option<Task<T>>,
    failure: Option<(String, Option<String>)>,
    /// The failure is to be scrolled to.
    is_new: bool,
    error: Option<ActionError>,
    wrong: Option<Secret>,
    steps: Vec<StepReport>,
    wants_last_try: bool,
    agrees_to_last_try: bool,
}

impl<T> Default for Doing<T> {
    fn default() -> Self {
        Self {
            task: None,
            failure: None,
            is_new: false,
            error: None,
            wrong: None,
            steps: Vec::new(),
            wants_last_try: false,
            agrees_to_last_try: false,
        }
    }
}

impl<T> Doing<T> {
    /// Whether it is under way.
    pub(crate) fn is_busy(&self) -> bool {
        self.task.is_some()
    }

    /// Whether it waits until the token can be talked to: nothing was sent for it.
    pub(crate) fn is_waiting(&self) -> bool {
        self.task.as_ref().is_some_and(Task::is_waiting)
    }

    /// Whether it is under way, and can't be given up any more.
    pub(crate) fn has_begun(&self) -> bool {
        self.is_busy() && !self.is_waiting()
    }

    /// Gives up what has not begun. `false` if something is under way that has.
    pub(crate) fn give_up(&mut self) -> bool {
        if self.task.as_ref().is_some_and(Task::give_up) {
            self.task = None;
        }
        self.task.is_none()
    }

    /// Begins.
    pub(crate) fn begin(&mut self, task: Task<T>) {
        self.clear();
        self.give_up();
        self.steps.clear();
        self.task = Some(task);
    }

    /// What it was to give, once it is done. A failure is kept to be shown.
    pub(crate) fn poll(&mut self) -> Option<T> {
        let result = self.task.as_mut().and_then(Task::poll)?;
        if let Some(task) = self.task.take() {
            self.steps = task.steps;
        }
        match result {
            Ok(done) => Some(done),
            Err(error) => {
                self.fail(&error);
                self.wrong = wrong(&error);
                self.error = Some(error);
                None
            }
        }
    }

    /// What the card has just called wrong, told once: it is not to be sent again as it is.
    pub(crate) fn take_wrong(&mut self) -> Option<Secret> {
        self.wrong.take()
    }

    /// The steps that are over, of what is under way or else was last.
    pub(crate) fn steps(&self) -> &[StepReport] {
        self.task.as_ref().map_or(&self.steps, |task| &task.steps)
    }

    /// How it failed, as long as that is shown.
    pub(crate) fn error(&self) -> Option<&ActionError> {
        self.error.as_ref()
    }

    /// Whether it failed, and that is shown.
    pub(crate) fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// What is under way.
    pub(crate) fn task(&mut self) -> Option<&mut Task<T>> {
        self.task.as_mut()
    }

    /// Keeps a failure to be shown.
    pub(crate) fn fail(&mut self, error: &ActionError) {
        let is_last =
            |why: &NotSent| matches!(why, NotSent::LastTry { .. } | NotSent::TriesUnknown { .. });
        self.wants_last_try = matches!(error, ActionError::NotSent(why) if is_last(why));
        let (what, next) = error.parts();
        self.show_failure(&what, next.as_deref());
    }

    fn show_failure(&mut self, what: &str, next: Option<&str>) {
        self.failure = Some((sentence(what), next.map(sentence)));
        self.is_new = true;
    }

    /// Keeps why something can't be done, to be shown.
    pub(crate) fn fail_as(&mut self, why: &str) {
        let (what, next) = token_manager::sentences(why);
        self.show_failure(&what, next.as_deref());
    }

    /// Refuses what was typed; nothing is sent.
    pub(crate) fn refuse(&mut self, what: &str) {
        self.error = None;
        self.show_failure(what, Some("Nothing was sent."));
    }

    /// Forgets a failure.
    pub(crate) fn clear(&mut self) {
        self.failure = None;
        self.error = None;
    }

    /// The consent to use the last try, which holds once.
    pub(crate) fn last_try(&mut self) -> LastTry {
        self.wants_last_try = false;
        if std::mem::take(&mut self.agrees_to_last_try) {
            LastTry::Use
        } else {
            LastTry::Spare
        }
    }

    /// Shows how it stands.
    pub(crate) fn ui(&mut self, ui: &mut Ui, doing: &str) {
        if self.is_waiting() {
            progress(ui, "The token is being read first…");
        } else if self.is_busy() {
            progress(ui, doing);
        }
        if let Some((what, next)) = &self.failure {
            let shown = notice(ui, Notice::Bad, what, next.as_deref());
            if std::mem::take(&mut self.is_new) {
                shown.scroll_to_me(None);
            }
        }
        if self.wants_last_try {
            ui.checkbox(&mut self.agrees_to_last_try, "Use the last try");
        }
    }
}

/// What was wrong, if that is what an action failed for.
fn wrong(error: &ActionError) -> Option<Secret> {
    match error {
        ActionError::Wrong { secret, .. } | ActionError::Blocked { secret } => Some(*secret),
        _ => None,
    }
}

/// A PIN that was typed, wiped from its field. One that can't be any is refused.
pub(crate) fn pin<T>(field: &mut SecretField, doing: &mut Doing<T>) -> Option<Box<Pin>> {
    let pin = possible_pin(field, doing);
    field.wipe();
    pin
}

/// The same, but that it stays in its field.
pub(crate) fn possible_pin<T>(field: &SecretField, doing: &mut Doing<T>) -> Option<Box<Pin>> {
    match field.read("a PIN", |text| Pin::new(text.as_bytes())) {
        Ok(pin) => Some(pin),
        Err(why) => {
            doing.refuse(&why);
            None
        }
    }
}

/// Gives this field the focus if nothing has it.
pub(crate) fn focus_first(ui: &Ui, field: &Response) {
    if ui.memory(|memory| memory.focused().is_none()) {
        field.request_focus();
    }
}

/// Whether Enter was pressed in this field.
pub(crate) fn enter(ui: &Ui, field: &Response) -> bool {
    field.has_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter))
}

/// The dialog's title, which is its name for screen readers too.
fn title(ui: &mut Ui, title: &str) {
    ui.heading(title);
    let id = ui.unique_id();
    ui.ctx().accesskit_node_builder(id, |node| {
        node.set_role(egui::accesskit::Role::Dialog);
        node.set_label(title);
    });
}

/// The rules for a new PIN, each ticked as it is met, in a bubble above its field.
pub(crate) fn rules(ui: &mut Ui, policy: &token_manager::PinPolicy, typed: &[u8]) -> bool {
    let palette = Palette::of(ui.ctx());
    let mut rules = policy.rules(typed);
    // No text has that byte.
    rules.retain(|state| state.rule != token_profile::Rule::NoPadding || !state.met);
    let met = rules.iter().all(|state| state.met);
    let frame = egui::Frame::new()
        .fill(palette.page)
        .corner_radius(8.0)
        .inner_margin(10.0);
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.spacing_mut().interact_size.y = 0.0;
        ui.spacing_mut().item_spacing.y = 4.0;
        for state in rules {
            let is_met = state.met && !typed.is_empty();
            let (mark, color) = if is_met {
                (egui_material_icons::icons::ICON_CHECK_CIRCLE, palette.good)
            } else {
                (
                    egui_material_icons::icons::ICON_RADIO_BUTTON_UNCHECKED,
                    palette.quiet,
                )
            };
            let text = capital(&state.rule.to_string());
            let row = ui.horizontal(|ui| {
                crate::widgets::picture(ui, mark, 16.0, color);
                ui.label(&text)
            });
            let said = if is_met { "met" } else { "not met yet" };
            crate::widgets::describe(&row.inner, said);
        }
    });
    met && !typed.is_empty()
}

/// A button beside the one that the dialog is for.
pub(crate) fn button(name: &str) -> egui::Button<'_> {
    egui::Button::new(name)
}

/// The button that leaves a dialog before it is done, unless something has begun. Whether
/// it was left.
pub(crate) fn cancel<T>(ui: &mut Ui, doing: &mut Doing<T>) -> bool {
    ui.add_enabled(!doing.has_begun(), button("Cancel"))
        .clicked()
        && doing.give_up()
}

/// The same for a dialog that shows how far it has come: there is nothing to press once it
/// has begun.
pub(crate) fn cancel_waiting<T>(ui: &mut Ui, doing: &mut Doing<T>) -> Flow {
    let mut flow = Flow::Stay;
    if doing.is_waiting() {
        buttons(ui, |ui| {
            if cancel(ui, doing) {
                flow = Flow::Close;
            }
        });
    }
    flow
}

/// The only button of a dialog that is over.
pub(crate) fn close(ui: &mut Ui) -> Flow {
    let mut flow = Flow::Stay;
    buttons(ui, |ui| {
        let button = primary(ui, "Close", true);
        focus_first(ui, &button);
        if button.clicked() {
            flow = Flow::Close;
        }
    });
    flow
}

/// Something about what was typed.
pub(crate) fn remark(ui: &mut Ui, text: &str) {
    let color = Palette::of(ui.ctx()).warning;
    say(&ui.label(RichText::new(text).color(color)));
}

/// A dialog's first page where all that it asks for is the PIN.
pub(crate) struct PinForm {
    /// What is under way after it.
    pub(crate) doing: &'static str,
    /// What the button says.
    pub(crate) button: &'static str,
}

impl PinForm {
    /// Draws it. The PIN, once it is to be used.
    pub(crate) fn ui<T>(
        &self,
        ui: &mut Ui,
        reach: &Reach<'_>,
        field: &mut SecretField,
        doing: &mut Doing<T>,
    ) -> (Flow, Option<Box<Pin>>) {
        let is_busy = doing.is_busy();
        tries(ui, &reach.snapshot.token.pin.status);
        if reach.device.is_open {
            quiet(
                ui,
                "The PIN is asked for again: it is verified anew for this, and the token is locked \
                 after it.",
            );
        }
        let typed = ui.add_enabled_ui(!is_busy, |ui| field.ui(ui, "PIN")).inner;
        focus_first(ui, &typed);
        doing.ui(ui, self.doing);
        let may = !is_busy && !field.is_empty();
        let enter = enter(ui, &typed);
        let (mut flow, mut given) = (Flow::Stay, None);
        buttons(ui, |ui| {
            let pressed = primary(ui, self.button, may).clicked();
            if may && (pressed || enter) {
                given = pin(field, doing);
            }
            if cancel(ui, doing) {
                flow = Flow::Close;
            }
        });
        (flow, given)
    }
}

/// What a checkbox or a radio button means, under its text.
pub(crate) fn below_choice(ui: &mut Ui, text: &str) {
    let indent = ui.spacing().icon_width + ui.spacing().icon_spacing;
    ui.horizontal_top(|ui| {
        ui.spacing_mut().interact_size.y = 0.0;
        ui.add_space(indent);
        let color = Palette::of(ui.ctx()).quiet;
        ui.add(egui::Label::new(RichText::new(text).color(color)).wrap());
    });
}

/// The buttons of a dialog that is over, and goes on with another one.
pub(crate) fn close_or(ui: &mut Ui, name: &str, action: token_manager::Action) -> Flow {
    let mut flow = Flow::Stay;
    buttons(ui, |ui| {
        let goes_on = primary(ui, name, true);
        focus_first(ui, &goes_on);
        if goes_on.clicked() {
            flow = Flow::Open(action);
        }
        if ui.add(button("Close")).clicked() {
            flow = Flow::Close;
        }
    });
    flow
}

/// Where an interrupted action has left the token.
pub(crate) fn stands(ui: &mut Ui, token: &token_manager::Token) {
    let Some(journal) = &token.unfinished else {
        return;
    };
    crate::widgets::remark(ui, Notice::Warning, &journal.sentence());
}

/// Whether Enter was pressed in this field of egui's own, which leaves it then.
pub(crate) fn entered(ui: &Ui, field: &Response) -> bool {
    field.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter))
}
