//! The repository as text.

use std::path::{Path, PathBuf};

/// A path from the root of the repository.
pub(crate) fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(relative)
}

pub(crate) fn is_there(relative: &str) -> bool {
    path(relative.trim_start_matches('/')).exists()
}

pub(crate) fn text_of(relative: &str) -> String {
    std::fs::read_to_string(path(relative)).unwrap_or_else(|error| panic!("{relative}: {error}"))
}

pub(crate) fn page(name: &str) -> String {
    text_of(&format!("docs/{name}"))
}

/// Every Rust file below a folder.
pub(crate) fn files(folder: &str) -> Vec<String> {
    below(folder, "rs")
}

/// The README and every page of `docs/`.
pub(crate) fn pages() -> Vec<String> {
    let mut pages = below("docs", "md");
    pages.push("README.md".to_owned());
    pages
}

fn below(folder: &str, extension: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path(folder)).expect(folder) {
        let entry = entry.expect("an entry");
        let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            if !name.ends_with("/node_modules") && !name.ends_with("/target") {
                found.extend(below(&name, extension));
            }
        } else if name.ends_with(&format!(".{extension}")) {
            found.push(name);
        }
    }
    found
}

/// From a heading to the next one of its depth or above.
pub(crate) fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let depth = heading.bytes().take_while(|byte| *byte == b'#').count();
    let start = page
        .find(&format!("{heading}\n"))
        .unwrap_or_else(|| panic!("no {heading}"));
    let body = &page[start + heading.len()..];
    let ends = (1..=depth).filter_map(|depth| body.find(&format!("\n{} ", "#".repeat(depth))));
    &body[..ends.min().unwrap_or(body.len())]
}

/// The string literals that follow an opening at once, however the lines are broken.
pub(crate) fn literals_after(text: &str, opening: &str) -> Vec<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = words.join(" ").replace("( ", "(");
    let after = text.split(opening).skip(1);
    after
        .filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next())
        .map(str::to_owned)
        .collect()
}
