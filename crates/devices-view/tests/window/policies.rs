//! Update PIN policies.

use std::sync::Arc;
use std::time::Duration;

use eframe::egui::Vec2;
use pcsc_transport::Backend;
use token_manager::token_profile::{Alphabet, Policy};
use token_manager::{Manager, MemoryStore, Overrides};
use virtual_token::{CreateOptions, Profile, SharedToken};

use crate::desk::{Desk, FAMILIES, empty, pin, takes, token};

/// A desk with a token, what this computer keeps about tokens, and consent to administer
/// one that an issuer may manage.
pub(crate) fn managing(
    profile: Profile,
    options: &CreateOptions,
) -> (Desk, SharedToken, Arc<MemoryStore>) {
    managing_for(profile, options, Duration::from_mins(5))
}

/// The same, locked after so long.
pub(crate) fn managing_for(
    profile: Profile,
    options: &CreateOptions,
    lock_after: Duration,
) -> (Desk, SharedToken, Arc<MemoryStore>) {
    let store = Arc::new(MemoryStore::new());
    let kept = Arc::clone(&store);
    let set = |manager: Manager| {
        let overrides = Overrides::default().allow_managed(true);
        manager.with_store(kept).with_overrides(overrides)
    };
    let mut desk = Desk::with(set, lock_after);
    desk.window.set_size(Vec2::new(900.0, 1600.0));
    let token = token(profile, options);
    desk.readers.insert("Desk", &token).unwrap();
    desk.until("the token", |desk| {
        desk.shows("ID ") || desk.shows("It has no ID")
    });
    (desk, token, store)
}

/// The policy, asked behind the window's back.
pub(crate) fn policy(desk: &Desk, store: &Arc<MemoryStore>) -> Policy {
    let backend: Arc<dyn Backend> = Arc::new(desk.readers.clone());
    let manager = Manager::new(backend).with_store(Arc::clone(store) as _);
    manager.open("Desk").unwrap().managed_policy()
}

#[test]
fn policies_are_set_on_each_family() {
    for profile in FAMILIES {
        let (mut desk, _, store) = managing(profile, &CreateOptions::default());
        let name = profile.name();
        assert_eq!(policy(&desk, &store), Policy::DELIVERY, "{name}");
        desk.pick("Update PIN policies…");
        desk.sees("Nothing: these are the policies");
        desk.set("Shortest PIN: 6");
        desk.set("Characters: digits only");
        desk.sees("Update PIN length: 4 to 8 becomes 6 to 8");
        desk.sees("Update PIN characters: ");
        assert!(!desk.can("Update policies"), "{name}: without the PIN");
        desk.type_secret("PIN", &pin(profile));
        desk.press("Update policies");
        desk.sees("The PIN policies are updated.");
        desk.press("Close");
        let wanted = Policy {
            minimum: 6,
            alphabet: Alphabet::Digits,
            ..Policy::DELIVERY
        };
        assert_eq!(policy(&desk, &store), wanted, "{name}");
    }
}

#[test]
fn a_policy_that_contradicts_itself_is_refused_as_one_edits() {
    let (mut desk, card, store) = managing(Profile::Crescendo4000, &CreateOptions::default());
    desk.pick("Update PIN policies…");
    desk.type_secret("PIN", "000000");
    desk.set("Shortest PIN: 8");
    desk.sees("Update PIN length: ");
    card.clear_log();
    desk.set("Longest PIN: 5");
    desk.sees("The least length, 8, is above the greatest, 5.");
    assert!(!desk.can("Update policies"));
    desk.set("Longest PIN: 8");
    desk.until("the button", |desk| desk.can("Update policies"));
    assert!(card.log().is_empty());
    desk.press("Update policies");
    desk.sees("The present PIN would break the policy");
    assert_eq!(policy(&desk, &store), Policy::DELIVERY);
}

#[test]
fn what_a_card_could_never_satisfy_is_refused_as_one_edits() {
    let (mut desk, _, _) = managing(Profile::Piv, &CreateOptions::default());
    desk.pick("Update PIN policies…");
    desk.type_secret("PIN", "123456");
    desk.set("Longest PIN: 5");
    desk.sees("No PIN would satisfy both the policy and the card");
    assert!(!desk.can("Update policies"));
}

#[test]
fn a_rule_that_a_token_has_not_is_disabled_with_the_reason() {
    let (mut desk, _, _) = managing(Profile::Crescendo2300, &CreateOptions::default());
    desk.pick("Update PIN policies…");
    desk.sees("Unlock challenge: static");
    assert!(!desk.can_set("Unlock challenge: static"));
    assert!(!desk.can_set("PIN shared with FIDO"));
    assert!(desk.can_set("Weak PINs refused"));
    assert!(desk.shows("It can't be set here: no public document says"));
    assert!(desk.shows("It can't be set here: tokens of this kind do not have it."));
}

#[test]
fn a_forced_change_goes_on_with_the_change() {
    let (mut desk, _, store) = managing(Profile::Crescendo4000, &CreateOptions::default());
    desk.pick("Update PIN policies…");
    desk.set("Change forced");
    desk.set("Unlock challenge: static");
    desk.type_secret("PIN", "000000");
    desk.press("Update policies");
    desk.sees("The PIN has to be changed now.");
    desk.press("Change PIN");
    desk.type_secret("Present PIN", "000000");
    desk.type_secret("New PIN", "583914");
    desk.type_secret("New PIN again", "583914");
    desk.press("Change PIN");
    desk.sees("The PIN is changed.");
    desk.press("Close");
    assert!(takes(&desk, "Desk", "583914"));
    assert!(!policy(&desk, &store).force_change, "it is done");
}

#[test]
fn a_token_about_which_nothing_can_be_kept_has_no_policies() {
    let (mut desk, _, _) = managing(Profile::Piv, &empty());
    let why = desk.why_not("Update PIN policies…");
    assert!(why.contains("neither a serial number nor a GUID"), "{why}");
}
