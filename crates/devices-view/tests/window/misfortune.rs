//! Cards that are slow, and cards that are pulled out.

use std::time::{Duration, Instant};

use eframe::egui::Key;
use virtual_token::fault::{Fault, Faults};
use virtual_token::{CreateOptions, Profile, SharedToken};

use crate::desk::{Desk, FAMILIES, empty, pin, takes, token};

/// The longest that a frame may take while a card takes half a second a command. A frame
/// takes some milliseconds; this is for a busy machine.
const FRAME: Duration = Duration::from_millis(400);

#[test]
fn a_slow_card_never_holds_the_window_up() {
    let mut desk = Desk::new();
    let slow = token(Profile::Piv, &CreateOptions::default());
    slow.set_latency(Duration::from_millis(500));
    desk.readers.insert("Slow", &slow).unwrap();
    let quick = token(Profile::Crescendo4000, &CreateOptions::default());
    desk.readers.insert("Quick", &quick).unwrap();
    let mut longest = Duration::ZERO;
    desk.until("ID ", |desk| {
        let began = Instant::now();
        desk.window.step();
        longest = longest.max(began.elapsed());
        desk.shows("ID ")
    });
    assert!(desk.shows("Reading…"), "the slow one is being read yet");
    assert!(longest < FRAME, "a frame took {longest:?}");
    slow.set_latency(Duration::ZERO);
    desk.until("both", |desk| {
        desk.words()
            .iter()
            .filter(|word| word.starts_with("ID "))
            .count()
            == 2
    });
}

/// Waits until the card has had nothing to do for a while: a dialog has its session then.
fn rests(desk: &mut Desk, card: &SharedToken) {
    let (mut commands, mut since) = (card.commands(), Instant::now());
    desk.until("an idle card", |_| {
        if card.commands() != commands {
            (commands, since) = (card.commands(), Instant::now());
        }
        since.elapsed() > Duration::from_millis(300)
    });
}

/// Waits for the end of something that a slow card does, which says what it is as long as it
/// lasts and keeps the dialog. A window that waited for the card would draw nothing meanwhile.
fn goes_on(desk: &mut Desk, doing: &str, done: &str) {
    let mut frames = 0;
    // Until its thread has begun it waits, and could be left.
    desk.sees(doing);
    desk.until(done, |desk| {
        if desk.shows(done) {
            return true;
        }
        assert!(desk.shows(doing), "nothing says {doing}");
        assert!(!desk.can("Cancel"), "it can't be stopped");
        // Later, what it leaves may be the end of it.
        if frames < 3 {
            desk.key(Key::Escape);
        }
        frames += 1;
        false
    });
    assert!(frames > 2, "only {frames} frames were drawn meanwhile");
}

const SLOW: Duration = Duration::from_millis(500);

#[test]
fn a_slow_card_s_pin_is_changed_with_the_window_drawing_on() {
    for profile in FAMILIES {
        let (mut desk, card) = Desk::holding(profile);
        desk.pick("Change PIN…");
        desk.type_secret("Present PIN", &pin(profile));
        desk.type_secret("New PIN", "583914");
        desk.type_secret("New PIN again", "583914");
        rests(&mut desk, &card);
        card.set_latency(SLOW);
        desk.press("Change PIN");
        goes_on(&mut desk, "Changing the PIN…", "The PIN is changed.");
        card.set_latency(Duration::ZERO);
        desk.press("Close");
        assert!(takes(&desk, "Desk", "583914"), "{}", profile.name());
    }
}

#[test]
fn a_slow_card_s_pin_is_unblocked_with_the_window_drawing_on() {
    for profile in [Profile::Piv, Profile::Crescendo4000] {
        let (mut desk, card) = Desk::holding(profile);
        desk.block("Desk");
        desk.pick("Unblock PIN…");
        desk.type_secret("PUK", "12345678");
        desk.type_secret("New PIN", "583914");
        desk.type_secret("New PIN again", "583914");
        rests(&mut desk, &card);
        card.set_latency(SLOW);
        desk.press("Unblock PIN");
        goes_on(&mut desk, "Unblocking the PIN…", "The PIN is unblocked");
        card.set_latency(Duration::ZERO);
        desk.press("Close");
        assert!(takes(&desk, "Desk", "583914"), "{}", profile.name());
    }
}

#[test]
fn a_slow_card_s_challenge_is_waited_for_with_the_window_drawing_on() {
    let (mut desk, card) = Desk::holding(Profile::Crescendo2300);
    desk.block("Desk");
    desk.pick("Unblock PIN…");
    rests(&mut desk, &card);
    card.set_latency(SLOW);
    desk.press("Get challenge");
    let doing = "Asking the token for a challenge…";
    goes_on(&mut desk, doing, "The challenge as a QR code");
    card.set_latency(Duration::ZERO);
}

#[test]
fn a_token_that_is_pulled_out_and_put_back_goes_on() {
    let (mut desk, token) = Desk::holding(Profile::Crescendo2300);
    let menu = desk.word("Menu of");
    desk.press(&menu);
    desk.press("Change PIN…");
    desk.type_secret("Present PIN", &pin(Profile::Crescendo2300));
    desk.readers.eject("Desk");
    desk.sees("The token was taken out");
    assert!(!desk.can("Resume"));
    desk.readers.insert("Desk", &token).unwrap();
    desk.press("Resume");
    desk.type_secret("New PIN", "583914");
    desk.type_secret("New PIN again", "583914");
    desk.press("Change PIN");
    desk.sees("The PIN is changed.");
    assert!(takes(&desk, "Desk", "583914"));
}

#[test]
fn another_token_is_not_taken_for_it() {
    let (mut desk, _) = Desk::holding(Profile::Crescendo2300);
    let menu = desk.word("Menu of");
    desk.press(&menu);
    desk.press("Change PIN…");
    desk.readers.eject("Desk");
    desk.sees("The token was taken out");
    let other = token(Profile::Crescendo2300, &CreateOptions::default());
    desk.readers.insert("Desk", &other).unwrap();
    desk.sees("ID ");
    assert!(!desk.can("Resume"));
    desk.press("Close");
}

/// With the command on its way nobody knows which PIN holds: it is said at once, and not only
/// when the token is back.
#[test]
fn what_a_pulled_out_token_may_have_done_is_told() {
    let (mut desk, token) = Desk::holding(Profile::Piv);
    let menu = desk.word("Menu of");
    desk.press(&menu);
    desk.press("Change PIN…");
    desk.type_secret("Present PIN", &pin(Profile::Piv));
    desk.type_secret("New PIN", "583914");
    desk.type_secret("New PIN again", "583914");
    desk.until("the session", |desk| {
        desk.window.step();
        token.log().iter().filter(|it| it.ins == 0xA4).count() > 1
    });
    std::thread::sleep(Duration::from_millis(300));
    // The tries that are left, and then the change.
    token.arm(Faults::new().at(2, Fault::VanishAfter));
    desk.press("Change PIN");
    desk.sees("The token was taken out");
    desk.sees("Change PIN: interrupted");
    desk.until("what holds", |desk| {
        desk.words()
            .iter()
            .any(|word| word.contains("old") && word.contains("new"))
    });
}

#[test]
fn a_card_that_nothing_tells_from_another_can_t_be_resumed() {
    let mut desk = Desk::new();
    let blank = token(Profile::Piv, &empty());
    desk.readers.insert("Desk", &blank).unwrap();
    desk.sees("It has no ID");
    desk.pick("Change PIN…");
    desk.type_secret("Present PIN", &pin(Profile::Piv));
    desk.readers.eject("Desk");
    desk.sees("The token was taken out");
    assert!(desk.shows("It has nothing that tells it from another one"));
    let other = token(Profile::Piv, &empty());
    desk.readers.insert("Desk", &other).unwrap();
    desk.sees("It has no ID");
    assert!(!desk.can("Resume"));
    desk.press("Close");
}
