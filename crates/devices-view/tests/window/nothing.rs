//! What is said where there is nothing to show, and that the page goes on by itself.

use std::sync::Arc;

use pcsc_transport::{EventKind, LinkError};
use virtual_token::{CreateOptions, LinkOptions, MemoryBackend, Profile};

use crate::desk::{Desk, empty, token};
use crate::readers::Told;

const NO_SERVICE: &str = "The smart card service is not running";
const FAILED: &str = "Readers can't be seen";

/// A window on hardware, as far as it knows.
fn on_hardware() -> Desk {
    let readers = MemoryBackend::new();
    Desk::through(Arc::new(readers.clone()), readers)
}

#[test]
fn without_a_reader_it_says_what_to_plug_in() {
    let mut desk = on_hardware();
    desk.sees("No reader");
    desk.sees("Plug in a card reader or a USB token. It appears here by itself.");
    assert!(desk.shows("Token: No token"));
    assert!(!desk.shows("Locked: "));
    desk.readers.add_reader(LinkOptions::new("Desk"));
    desk.until("the reader", |desk| !desk.shows("No reader"));
}

#[test]
fn without_a_software_token_it_says_how_to_make_one() {
    let mut desk = Desk::new();
    desk.sees("No software token");
    desk.sees("Make one at a terminal, and it appears here by itself:");
    desk.sees("tokenctl virtual create --profile ");
}

#[test]
fn a_reader_with_no_token_says_what_to_insert() {
    let mut desk = on_hardware();
    desk.readers.add_reader(LinkOptions::new("Desk"));
    desk.sees("Insert one, chip first, or lay it on the reader. It appears here by itself.");
    let token = token(Profile::Crescendo2300, &empty());
    desk.readers.insert("Desk", &token).unwrap();
    desk.sees("ID ");
    assert!(!desk.shows("Insert one"));
}

#[test]
fn a_service_that_is_not_there_yet_is_waited_for() {
    let readers = MemoryBackend::new();
    let token = token(Profile::Crescendo2300, &empty());
    readers.insert("Desk", &token).unwrap();
    let (told, teller) = Told::about(&readers);
    let mut desk = Desk::through(told, readers);
    teller.service(EventKind::ServiceLost);
    desk.sees(NO_SERVICE);
    desk.sees("Start it (on Linux: pcscd). This page goes on by itself");
    teller.service(EventKind::ServiceBack);
    desk.sees("No reader");
    assert!(!desk.shows(NO_SERVICE));
    teller.shows("Desk", &token);
    desk.sees("ID ");
}

#[test]
fn a_service_that_stops_takes_its_tokens_along_and_brings_them_back() {
    let readers = MemoryBackend::new();
    let token = token(Profile::Crescendo2300, &empty());
    readers.insert("Desk", &token).unwrap();
    let (told, teller) = Told::about(&readers);
    let mut desk = Desk::through(told, readers);
    teller.shows("Desk", &token);
    desk.sees("ID ");
    desk.pick("Change PIN…");
    desk.sees("Present PIN");
    teller.takes("Desk");
    teller.service(EventKind::ServiceLost);
    desk.sees("The token was taken out");
    desk.press("Close");
    desk.sees(NO_SERVICE);
    assert!(!desk.shows("Menu of") && !desk.shows("Locked: "));
    teller.service(EventKind::ServiceBack);
    teller.shows("Desk", &token);
    desk.sees("ID ");
    assert!(!desk.shows(NO_SERVICE));
}

#[test]
fn readers_that_can_t_be_watched_are_told_with_what_to_do() {
    let mut desk = Desk::through(Told::nothing(), MemoryBackend::new());
    desk.sees(FAILED);
    let why = desk.word("The PC/SC service cannot be reached. ");
    let next = pcsc_transport::service_hint();
    assert!(why.contains(next), "{why}");
    desk.press("Preferences");
    desk.sees("Lock after: ");
}

/// To a person who may not use it, the service is not there either; starting it would not help.
#[test]
fn a_service_that_refuses_the_person_is_not_said_to_be_stopped() {
    let (told, teller) = Told::about(&MemoryBackend::new());
    let mut desk = Desk::through(told, MemoryBackend::new());
    teller.fails(LinkError::AccessDenied);
    teller.service(EventKind::ServiceLost);
    desk.sees("Access to the card was denied by the system");
    for _ in 0..5 {
        desk.window.step();
    }
    assert!(desk.shows(FAILED) && !desk.shows(NO_SERVICE));
    teller.service(EventKind::ServiceBack);
    desk.sees("No reader");
    assert!(!desk.shows(FAILED));
}

#[test]
fn a_failure_is_over_as_soon_as_a_reader_is_seen() {
    let readers = MemoryBackend::new();
    let token = token(Profile::Crescendo2300, &empty());
    readers.insert("Desk", &token).unwrap();
    let (told, teller) = Told::about(&readers);
    let mut desk = Desk::through(told, readers);
    teller.fails(LinkError::Backend("the folder can't be read".to_owned()));
    desk.sees(FAILED);
    desk.sees("The folder can't be read.");
    teller.shows("Desk", &token);
    desk.sees("ID ");
    assert!(!desk.shows(FAILED));
}

#[test]
fn a_reader_that_is_unplugged_takes_its_token_along() {
    let mut desk = on_hardware();
    let token = token(Profile::Crescendo4000, &CreateOptions::default());
    desk.readers.insert("Desk", &token).unwrap();
    desk.sees("ID ");
    let content = desk.word("Content of");
    desk.press(&content);
    desk.sees("Certificates");
    let lock = desk.word("Locked: authenticate to");
    desk.press(&lock);
    desk.sees("PIN: ");
    desk.readers.remove_reader("Desk");
    desk.sees("The token was taken out");
    assert!(!desk.can("Resume"));
    desk.press("Close");
    desk.sees("No reader");
    for gone in ["Certificates", "Back to all tokens", "Menu of", "Locked: "] {
        assert!(!desk.shows(gone), "{gone}");
    }
}

#[test]
fn readers_that_could_not_be_watched_are_tried_again() {
    let readers = MemoryBackend::new();
    let (told, teller) = Told::about(&readers);
    let mut desk = Desk::through(Arc::<Told>::clone(&told), readers.clone());
    let piv = token(Profile::Piv, &CreateOptions::default());
    readers.insert("Gone", &piv).unwrap();
    teller.shows("Gone", &piv);
    desk.sees("ID ");
    teller.fails(LinkError::Backend("the folder can't be read".to_owned()));
    desk.sees(FAILED);
    desk.press("Try again");
    desk.sees("The PC/SC service cannot be reached. ");
    let teller = told.mend();
    desk.press("Try again");
    desk.sees("No reader");
    assert!(!desk.shows(FAILED) && !desk.shows("ID "), "as at the start");
    let crescendo = token(Profile::Crescendo2300, &empty());
    readers.insert("Desk", &crescendo).unwrap();
    teller.shows("Desk", &crescendo);
    desk.sees("ID ");
}
