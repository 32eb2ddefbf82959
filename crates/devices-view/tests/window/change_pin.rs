//! Change PIN.

use crate::desk::{Desk, FAMILIES, pin, takes};

#[test]
fn a_pin_is_changed_on_each_family() {
    for profile in FAMILIES {
        let (mut desk, _) = Desk::holding(profile);
        let name = profile.name();
        let menu = desk.words();
        let menu = menu
            .iter()
            .find(|word| word.starts_with("Menu of"))
            .unwrap()
            .clone();
        desk.press(&menu);
        desk.press("Change PIN…");
        desk.type_secret("Present PIN", &pin(profile));
        desk.type_secret("New PIN", "583914");
        desk.type_secret("New PIN again", "583914");
        desk.press("Change PIN");
        desk.sees("The PIN is changed.");
        desk.press("Close");
        assert!(takes(&desk, "Desk", "583914"), "{name}");
        assert!(!takes(&desk, "Desk", &pin(profile)), "{name}");
    }
}
