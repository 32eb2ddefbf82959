//! tokenctl
fn main() {}
