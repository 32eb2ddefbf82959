//! `cargo xtask count`: the tables of docs/performance.md, counted anew.

use std::fs;

use crate::{
    packages,
    process::{Outcome, output, program, root, target},
    stage::Stage,
};

const PAGE: &str = "docs/performance.md";
const BEGIN: &str = "<!-- cargo xtask count: begin -->";
const END: &str = "<!-- cargo xtask count: end -->";

pub(crate) fn run(arguments: &[String]) -> Outcome {
    if let Some(argument) = arguments.first() {
        return Err(format!(
            "count takes no argument, and {argument:?} was given"
        ));
    }
    if !Stage::possible_here() {
        return Err("counting needs Debian's pcscd and vpcd".to_owned());
    }
    packages::install(packages::ALL)?;
    let stage = Stage::build(&["--package", "tokenctl", "--package", "e2e", "--locked"])?;
    let tables = output(stage.enter(&mut program(target().join("debug/e2e-count"))))?;
    println!("{tables}");

    let page = root().join(PAGE);
    let text = fs::read_to_string(&page).map_err(|error| format!("{PAGE}: {error}"))?;
    let text = replace_between_markers(&text, &tables)
        .ok_or_else(|| format!("{PAGE} lacks the lines {BEGIN} and {END}"))?;
    fs::write(&page, text).map_err(|error| format!("{PAGE}: {error}"))?;
    println!("Written to {PAGE}.");
    Ok(())
}

/// `page` with what lies between the two markers' lines replaced by `content`.
fn replace_between_markers(page: &str, content: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!(
        "{before}{BEGIN}\n\n{}\n\n{END}{after}",
        content.trim()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let page = format!("# Title\n{BEGIN}\nold\n{END}\nThe end.\n");
        let new = format!("# Title\n{BEGIN}\n\n| new |\n\n{END}\nThe end.\n");
        assert_eq!(
            replace_between_markers(&page, "| new |\n"),
            Some(new.clone())
        );
        assert_eq!(replace_between_markers(&new, "| new |"), Some(new));
    }

    #[test]
    fn a_page_without_markers_is_left_alone() {
        assert_eq!(replace_between_markers("# Title\n", "| new |"), None);
        assert_eq!(
            replace_between_markers(&format!("{END}\n{BEGIN}\n"), "| new |"),
            None
        );
    }
}
