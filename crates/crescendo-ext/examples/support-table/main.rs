//! Rewrites the generated part of `docs/support.md` from this crate's tables:
//! `cargo run -p crescendo-ext --example support-table`.

mod render;

use std::io;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/support.md");
    match rewrite(&path) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", path.display());
            ExitCode::FAILURE
        }
    }
}

fn rewrite(path: &Path) -> io::Result<()> {
    let page = std::fs::read_to_string(path)?;
    let updated = render::updated(&page)
        .ok_or_else(|| io::Error::other("the page has lost the marks of its generated part"))?;
    std::fs::write(path, updated)
}
