//! docs/performance.md: the tables in it that are made by a command, each between
//! markers with the command's name.

use std::fs;

use crate::process::{Outcome, root};

const PAGE: &str = "docs/performance.md";

/// Replaces what lies between the markers of `cargo xtask COMMAND`.
pub(crate) fn write(command: &str, content: &str) -> Outcome {
    let page = root().join(PAGE);
    let text = fs::read_to_string(&page).map_err(|error| format!("{PAGE}: {error}"))?;
    let [begin, end] = markers(command);
    let text = replace_between(&text, [&begin, &end], content)
        .ok_or_else(|| format!("{PAGE} lacks the lines {begin} and {end}"))?;
    fs::write(&page, text).map_err(|error| format!("{PAGE}: {error}"))?;
    println!("Written to {PAGE}.");
    Ok(())
}

fn markers(command: &str) -> [String; 2] {
    ["begin", "end"].map(|which| format!("<!-- cargo xtask {command}: {which} -->"))
}

/// `page` with what lies between the two markers' lines replaced by `content`.
fn replace_between(page: &str, [begin, end]: [&str; 2], content: &str) -> Option<String> {
    let (before, rest) = page.split_once(begin)?;
    let (_, after) = rest.split_once(end)?;
    let content = content.trim();
    Some(format!("{before}{begin}\n\n{content}\n\n{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: &str = "<!-- cargo xtask count: begin -->";
    const END: &str = "<!-- cargo xtask count: end -->";

    #[test]
    fn each_command_has_its_markers() {
        assert_eq!(markers("count"), [BEGIN, END]);
    }

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let page = format!("# Title\n{BEGIN}\nold\n{END}\nThe end.\n");
        let new = format!("# Title\n{BEGIN}\n\n| new |\n\n{END}\nThe end.\n");
        assert_eq!(
            replace_between(&page, [BEGIN, END], "| new |\n"),
            Some(new.clone())
        );
        assert_eq!(replace_between(&new, [BEGIN, END], "| new |"), Some(new));
    }

    #[test]
    fn a_page_without_markers_is_left_alone() {
        let new = |page: &str| replace_between(page, [BEGIN, END], "| new |");
        assert_eq!(new("# Title\n"), None);
        assert_eq!(new(&format!("{END}\n{BEGIN}\n")), None);
    }
}
