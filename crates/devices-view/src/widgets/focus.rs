//! What has the focus: how it shows, where it goes, and that it is in sight.

use eframe::egui::{self, Rect, Stroke, StrokeKind, Ui};

use crate::theme::Palette;

/// Shows that what lies here has the focus: a ring around it, so far away.
pub(crate) fn focus_ring(ui: &Ui, rect: Rect, gap: f32) {
    let palette = Palette::of(ui.ctx());
    let clip = ui.clip_rect().expand(gap + 2.0);
    ui.painter().with_clip_rect(clip).rect_stroke(
        rect.expand(gap),
        6.0 + gap,
        Stroke::new(2.0, palette.accent),
        StrokeKind::Outside,
    );
}

/// Takes the focus from what has it: what is drawn next gives it to its first field.
pub(crate) fn release_focus(context: &egui::Context) {
    context.memory_mut(|memory| {
        if let Some(focused) = memory.focused() {
            memory.surrender_focus(focused);
        }
    });
}

/// What had the focus when a dialog was opened. It gets it back when the dialog is closed.
pub(crate) struct CameFrom(Option<egui::Id>);

/// What is about to get the focus back. What lies behind a dialog can't have it before the
/// dialog was not there for a frame.
#[derive(Clone, Copy)]
struct Back {
    to: egui::Id,
    frames: u8,
}

impl Back {
    /// Puts this in the place of what is there.
    fn replace(context: &egui::Context, back: Option<Self>) -> Option<Self> {
        let id = egui::Id::unique("the focus goes back");
        context.data_mut(|data| std::mem::replace(data.get_temp_mut_or_default(id), back))
    }
}

impl CameFrom {
    /// Takes the focus from what has it: what has it lies behind the dialog.
    pub(crate) fn leave(context: &egui::Context) -> Self {
        let back = Back::replace(context, None);
        let focused = context.memory(egui::Memory::focused);
        release_focus(context);
        Self(back.map(|back| back.to).or(focused))
    }

    /// Gives it back, unless the dialog was closed with the mouse.
    pub(crate) fn back(&self, context: &egui::Context) {
        if let Some(to) = self.0
            && !context.input(|input| input.pointer.any_released())
        {
            Back::replace(context, Some(Back { to, frames: 2 }));
            context.request_repaint();
        }
    }
}

/// Gives the focus back once that is possible: to be called at the end of each frame.
pub(crate) fn give_focus_back(context: &egui::Context) {
    let Some(back) = Back::replace(context, None) else {
        return;
    };
    if let Some(frames) = back.frames.checked_sub(1) {
        Back::replace(context, Some(Back { frames, ..back }));
        context.request_repaint();
    } else {
        context.memory_mut(|memory| memory.request_focus(back.to));
    }
}

/// Scrolls to what the keyboard has led to, where that is out of sight, which egui does not.
/// What scrolls begins with this.
pub(crate) fn follow_focus(ui: &Ui) {
    // The focus moves in the frame of the key, or in the one after it.
    const FRAMES: u8 = 2;
    let is_led = ui.input(|input| input.events.iter().any(leads));
    let (follows, left) = ui.data_mut(|data| {
        let left = data.get_temp_mut_or_default::<u8>(ui.scope_id());
        let follows = *left > 0;
        *left = if is_led {
            FRAMES
        } else {
            left.saturating_sub(1)
        };
        (follows, *left)
    });
    if left > 0 {
        ui.ctx().request_repaint();
    }
    let focused = ui.memory(egui::Memory::focused).filter(|_| follows);
    if let Some(widget) = focused.and_then(|id| ui.ctx().read_response(id))
        && widget.layer_id == ui.layer_id()
        && !widget.interact_rect.contains_rect(widget.rect)
    {
        ui.scroll_to_rect(widget.rect, None);
    }
}

/// Whether this moves the focus.
fn leads(event: &egui::Event) -> bool {
    use egui::Key::{ArrowDown, ArrowLeft, ArrowRight, ArrowUp, Tab};
    match event {
        egui::Event::Key { key, pressed, .. } => {
            *pressed && [Tab, ArrowDown, ArrowUp, ArrowLeft, ArrowRight].contains(key)
        }
        egui::Event::AccessKitActionRequest(request) => {
            request.action == egui::accesskit::Action::Focus
        }
        _ => false,
    }
}
