//! Several actions one after the other, with the card lost twice: the second time
//! while the person does what the first error said.

use token_manager::{ActionError, Aftermath, LastTry, PinEntry, PinStatus, Session};
use virtual_token::Profile;
use virtual_token::fault::Fault;

use crate::cases::{NEW, PUK, authenticate, change, unblock, unblock_with_key, use_key};
use crate::desk::{Desk, limit, pin};
use crate::sight::{Sight, is_open};
use crate::token;

/// The PIN in the end.
const LAST: &str = "577215";

/// What the person knows of the token.
#[derive(Debug, Default)]
struct Person {
    unblocked: bool,
    changed: bool,
    /// The PIN may be the last one already.
    maybe_changed: bool,
}

impl Person {
    /// Unblocks the PIN, changes it to one that the helpdesk does not know, and
    /// uses a key with it; from where the person is.
    fn go_on(&mut self, session: &mut Session, profile: Profile) -> Result<(), ActionError> {
        if !self.unblocked && session.token().pin.status == PinStatus::Blocked {
            if profile == Profile::Piv {
                unblock(session, PUK)?;
            } else {
                unblock_with_key(session, 0)?;
            }
        }
        self.unblocked = true;
        if self.maybe_changed {
            match authenticate(session, &pin(LAST)) {
                Ok(()) => self.changed = true,
                // So it is the one before, which is right for certain: that is
                // worth the last try.
                Err(ActionError::Wrong { .. }) => {
                    let new = pin(NEW);
                    session
                        .authenticate(PinEntry::Typed(&new), LastTry::Use)
                        .map(drop)?;
                }
                Err(other) => return Err(other),
            }
            self.maybe_changed = false;
        }
        if !self.changed {
            let changed = change(session, &pin(NEW), LAST);
            self.maybe_changed = matches!(
                changed,
                Err(ActionError::Interrupted {
                    aftermath: Aftermath::PinOldOrNew,
                    ..
                })
            );
            changed?;
            self.changed = true;
        }
        use_key(session, &pin(LAST))
    }
}

/// Loses the card at these commands of these runs, and then no more. Gives the
/// number of commands of the first two runs.
fn lose(profile: Profile, desk: &Desk, losses: &[(u64, Fault)], what: &str) -> [u64; 2] {
    let mut person = Person::default();
    let mut commands = [0; 2];
    for run in 0..=losses.len() {
        let mut session = match losses.get(run) {
            Some((k, loss)) => desk.open_with(*k, loss.clone()),
            None => desk.open(),
        };
        let result = person.go_on(&mut session, profile);
        if let Some(commands) = commands.get_mut(run) {
            *commands = desk.card.commands();
        }
        drop(session);
        match result {
            Ok(()) => break,
            Err(ActionError::Interrupted { .. }) if run < losses.len() => {}
            Err(other) => panic!("{what}, run {run}: {other}; {person:?}"),
        }
    }
    let found = Sight::of(&desk.card);
    assert_eq!(found.pin.value, LAST.as_bytes(), "{what}");
    assert_eq!(found.pin.tries, limit(profile), "{what}");
    drop(desk.open());
    assert!(!is_open(&desk.card), "{what}");
    commands
}

#[test]
fn lost_twice_a_blocked_pin_becomes_the_holder_s_own() {
    for profile in Profile::ALL {
        let state = token(profile, Some(0)).state();
        let desk = || Desk::with_state(state.clone()).daring();
        let [whole, _] = lose(profile, &desk(), &[], "calm");
        assert!(whole > 0);
        let mut struck = 0;
        for k in 1..=whole {
            for loss in [Fault::VanishBefore, Fault::VanishAfter] {
                let first = (k, loss.clone());
                let calm = std::slice::from_ref(&first);
                let [_, second] = lose(profile, &desk(), calm, &format!("{profile}, {k}"));
                for j in 1..=second {
                    let losses = [first.clone(), (j, Fault::VanishAfter)];
                    let what = format!("{profile}, {loss} at {k}, then vanish-after at {j}");
                    lose(profile, &desk(), &losses, &what);
                    struck += 1;
                }
            }
        }
        assert!(struck > 0, "{profile}");
    }
}

/// The last of the tries is not spent on finding out which PIN holds.
#[test]
fn a_doubtful_pin_with_one_try_left_is_asked_about() {
    let profile = Profile::Piv;
    let desk = token(profile, Some(2));
    let factory = crate::desk::factory(profile);
    let mut session = desk.open_with(2, Fault::VanishBefore);
    let error = change(&mut session, &factory, NEW).unwrap_err();
    assert!(
        matches!(
            error,
            ActionError::Interrupted {
                aftermath: Aftermath::PinOldOrNew,
                ..
            }
        ),
        "{error}"
    );
    let mut session = desk.open();
    let error = authenticate(&mut session, &pin(NEW)).unwrap_err();
    assert_eq!(error.tries_left(), Some(1), "{error}");
    let error = change(&mut session, &factory, NEW).unwrap_err();
    assert!(matches!(error, ActionError::NotSent(_)), "{error}");
    let new = pin(NEW);
    let entry = token_manager::PinChangeEntry::Typed {
        old: &factory,
        new: &new,
    };
    session.change_pin(entry, LastTry::Use).unwrap();
}
