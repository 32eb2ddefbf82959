//! A window that nobody sees: covered by others, or behind a locked screen. It is not drawn.

use std::time::Duration;

use eframe::egui::{
    LogicOutput, RawInput, ViewportCommand, ViewportEvent, ViewportId, ViewportInfo,
};
use eframe::{App as _, Frame};
use virtual_token::Profile;

use crate::desk::{Desk, FIVE_MINUTES, empty};
use crate::lock::{OPEN, is_verified, unlock};
use crate::personalize::start;
use crate::policies::managing_for;

/// What eframe does instead of a frame.
fn tick(desk: &mut Desk, events: Vec<ViewportEvent>) -> LogicOutput {
    let mut input = RawInput::default();
    let viewport = ViewportInfo {
        events,
        ..ViewportInfo::default()
    };
    input.viewports.insert(ViewportId::ROOT, viewport);
    let context = desk.window.ctx.clone();
    let app = desk.window.state_mut();
    context.run_logic(&input, |context| {
        app.logic(context, &mut Frame::_new_kittest());
    })
}

#[test]
fn it_locks_what_nobody_uses() {
    let (mut desk, _) = Desk::locking_after(Profile::Crescendo2300, Duration::from_millis(2500));
    unlock(&mut desk, Profile::Crescendo2300);
    tick(&mut desk, Vec::new());
    assert!(is_verified(&desk, "Desk"), "its time is not over");
    std::thread::sleep(Duration::from_millis(2600));
    tick(&mut desk, Vec::new());
    for _ in 0..200 {
        std::thread::sleep(Duration::from_millis(20));
        if !is_verified(&desk, "Desk") {
            break;
        }
    }
    assert!(!is_verified(&desk, "Desk"));
    desk.until("the closed lock", |desk| !desk.shows(OPEN));
}

#[test]
fn it_can_t_be_closed_with_a_secret_that_was_not_taken_over() {
    let (mut desk, ..) = managing_for(Profile::Crescendo4000, &empty(), FIVE_MINUTES);
    start(&mut desk);
    desk.sees("New admin key");
    let output = tick(&mut desk, vec![ViewportEvent::Close]);
    let commands = &output.viewport_commands[&ViewportId::ROOT];
    assert!(
        commands.contains(&ViewportCommand::CancelClose),
        "{commands:?}"
    );
    desk.sees("The window stays until this has come to its end.");
}
