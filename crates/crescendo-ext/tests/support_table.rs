//! `docs/support.md` says what this crate's tables say.

#[path = "../examples/support-table/render.rs"]
mod render;

#[test]
fn the_support_page_is_up_to_date() {
    let page = include_str!("../../../docs/support.md").replace("\r\n", "\n");
    assert_eq!(
        render::updated(&page).as_deref(),
        Some(page.as_str()),
        "run `cargo run -p crescendo-ext --example support-table`"
    );
}
