//! Recycle.

use std::sync::Arc;

use eframe::egui::Key;
use pcsc_transport::Backend;
use token_manager::Manager;
use virtual_token::{CreateOptions, Profile};

use crate::desk::{Desk, pin, takes};
use crate::policies::managing;

/// The admin key that a Crescendo is delivered with, in hexadecimal.
pub(crate) const DELIVERED_KEY: &str = "000000000000000000000000000000000000000000000000";

/// How many keys and certificates there are, asked behind the window's back.
pub(crate) fn content(desk: &Desk) -> usize {
    let backend: Arc<dyn Backend> = Arc::new(desk.readers.clone());
    let session = Manager::new(backend).open("Desk").unwrap();
    let token = session.token();
    let keys = token
        .keys
        .iter()
        .filter(|key| key.is_filled() == Some(true));
    let certificates = token.certificates.iter();
    keys.count()
        + certificates
            .filter(|entry| entry.certificate().is_some())
            .count()
}

/// The ID that stands on the tile.
pub(crate) fn id(desk: &mut Desk) -> String {
    desk.word("ID ").trim_start_matches("ID ").to_owned()
}

const ID: &str = "ID of the token that is erased";

#[test]
fn a_token_is_erased_by_its_pin_and_its_id() {
    for profile in [Profile::Crescendo4000, Profile::Crescendo2300] {
        let (mut desk, _, _) = managing(profile, &CreateOptions::default());
        let name = profile.name();
        assert!(content(&desk) > 0, "{name}");
        let id = id(&mut desk);
        desk.pick("Recycle device…");
        desk.sees("Erased: keys and certificates");
        desk.sees("Not erased: serial number and production data");
        desk.type_secret("PIN", &pin(profile));
        assert!(!desk.can("Erase"), "{name}: no ID");
        desk.replace(ID, &id[1..]);
        desk.window.key_press(Key::Enter);
        desk.window.step();
        assert!(!desk.can("Erase"), "{name}: a wrong ID");
        assert!(content(&desk) > 0, "{name}");
        desk.replace(ID, &id);
        desk.press("Erase");
        desk.sees("The token is erased.");
        assert_eq!(content(&desk), 0, "{name}");
        assert!(takes(&desk, "Desk", &pin(profile)), "{name}");
        desk.press("Personalize");
        desk.sees("Page 1 of");
    }
}

#[test]
fn a_wrong_pin_erases_nothing() {
    let (mut desk, _, _) = managing(Profile::Crescendo2300, &CreateOptions::default());
    let id = id(&mut desk);
    desk.pick("Recycle device…");
    desk.type_secret("PIN", "11111111");
    desk.replace(ID, &id);
    desk.press("Erase");
    desk.sees("The PIN is wrong; 5 tries are left.");
    assert!(content(&desk) > 0);
    assert!(!desk.can("Erase"), "the wrong one is not sent again");
    desk.type_secret("PIN", &pin(Profile::Crescendo2300));
    assert!(desk.can("Erase"));
    desk.press("Cancel");
    assert!(desk.shows("ID "));
}

#[test]
fn a_plain_piv_card_can_t_be_erased_and_says_why() {
    let (mut desk, _, _) = managing(Profile::Piv, &CreateOptions::default());
    let why = desk.why_not("Recycle device…");
    assert_eq!(why, "Not possible: tokens of this kind do not have it.");
}

#[test]
fn the_admin_key_erases_a_token_with_a_blocked_pin() {
    for profile in [Profile::Crescendo4000, Profile::Crescendo2300] {
        let (mut desk, _, _) = managing(profile, &CreateOptions::default());
        let name = profile.name();
        desk.block("Desk");
        let id = id(&mut desk);
        desk.pick("Recycle device…");
        desk.sees("PIN: blocked");
        desk.set("Allowed by: Admin key");
        assert!(!desk.shows("PIN: blocked"), "{name}: it is not asked for");
        desk.replace(ID, &id);
        assert!(!desk.can("Erase"), "{name}: without the key");
        desk.type_secret("Admin key", "0011");
        desk.press("Erase");
        desk.sees("This can't be an admin key");
        desk.wipe_secret("Admin key");
        desk.type_secret("Admin key", &DELIVERED_KEY.replace('0', "1"));
        desk.press("Erase");
        desk.sees("The admin key, or the response made with it, is wrong");
        assert!(content(&desk) > 0, "{name}");
        assert!(
            !desk.can("Erase"),
            "{name}: the wrong one is not sent again"
        );
        desk.type_secret("Admin key", DELIVERED_KEY);
        desk.press("Erase");
        desk.sees("The token is erased.");
        assert_eq!(content(&desk), 0, "{name}");
        assert!(takes(&desk, "Desk", &pin(profile)), "{name}");
    }
}
