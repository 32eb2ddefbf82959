//! A window of 480 px, and one twice as large as usual: nothing sticks out.

use eframe::egui::{Vec2, accesskit::Role};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use virtual_token::{CreateOptions, Profile};

use crate::desk::{Desk, token};

const WIDTH: f32 = 480.0;

fn narrow(profile: Profile) -> Desk {
    let mut desk = Desk::new();
    desk.window.set_size(Vec2::new(WIDTH, 700.0));
    let token = token(profile, &CreateOptions::default());
    let reader = "A reader with a name that is as long as such names are, 00 00";
    desk.readers.insert(reader, &token).unwrap();
    desk.sees("ID ");
    desk
}

/// That everything lies within the window's width.
fn fits(desk: &mut Desk, what: &str) {
    for _ in 0..5 {
        desk.window.step();
    }
    for node in desk
        .window
        .query_all_by(|node| node.role() != Role::Unknown)
    {
        let inner = node.accesskit_node();
        if inner.raw_bounds().is_none() {
            continue; // the window itself
        }
        let rect = node.rect();
        assert!(
            rect.left() >= -0.5 && rect.right() <= WIDTH + 0.5,
            "{what}: {:?} {:?} {:?} lies at {rect:?}",
            inner.role(),
            inner.label(),
            inner.value(),
        );
    }
}

/// That the tile's texts leave room for its menu.
fn nothing_lies_on_the_menu(desk: &mut Desk) {
    let menu = desk.word("Menu of");
    let menu = desk
        .window
        .get_by_role_and_label(Role::Button, &menu)
        .rect();
    let mut beside = 0;
    for text in desk.window.query_all_by(|node| node.role() == Role::Label) {
        let rect = text.rect();
        assert!(
            !rect.intersects(menu),
            "{:?} lies at {rect:?}, the menu at {menu:?}",
            text.accesskit_node().value()
        );
        beside += usize::from(rect.top() < menu.bottom() && rect.bottom() > menu.top());
    }
    assert!(beside > 0, "no text is beside the menu");
}

#[test]
fn everything_fits_into_480_pixels() {
    for profile in Profile::ALL {
        for scale in [1.0, 2.0] {
            let mut desk = narrow(profile);
            desk.window.set_pixels_per_point(scale);
            fits(&mut desk, "tiles");
            nothing_lies_on_the_menu(&mut desk);
            let content = desk.word("Content of");
            desk.press(&content);
            desk.sees("Certificates");
            fits(&mut desk, "content");
            desk.press("Back to all tokens");
            for item in desk.possible() {
                let menu = desk.word("Menu of");
                desk.press(&menu);
                fits(&mut desk, "menu");
                desk.press(&item);
                fits(&mut desk, &item);
                desk.key(eframe::egui::Key::Escape);
                desk.until("the end of it", |desk| {
                    !desk.shows("Cancel") && !desk.shows("Close")
                });
            }
        }
    }
}
