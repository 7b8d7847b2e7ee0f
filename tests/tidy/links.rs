//! The links of the Markdown files: each leads to a file of the repository, and to a heading that it has.

use crate::file::{File, Finding};

/// Whether rustdoc includes the file. Its pages do not have the other files of the repository.
fn is_rendered(path: &str) -> bool {
    path == "ARCHITECTURE.md" || path.starts_with("src/")
}

pub(crate) fn broken_links(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        for (line, text) in prose(&file.text) {
            let targets = text.split("](").skip(1);
            for target in targets.filter_map(|rest| rest.split(')').next()) {
                // Rustdoc checks the links to items, and nothing here may ask the network.
                if target.contains("::")
                    || target.starts_with("crate#")
                    || target.starts_with("http")
                {
                    continue;
                }
                if let Err(fault) = resolve(file, target, files) {
                    findings.push(file.finding(line, format!("`{target}` {fault}")));
                }
            }
        }
    }
    findings
}

fn resolve(from: &File, target: &str, files: &[File]) -> Result<(), &'static str> {
    let (path, heading) = match target.split_once('#') {
        Some((path, heading)) => (path, Some(heading)),
        None => (target, None),
    };
    if !path.is_empty() && is_rendered(&from.path) {
        return Err("is dead in the rendered pages: name the file without a link");
    }
    let path = absolute(&from.path, path);
    let to = files.iter().find(|file| file.path == path);
    match (to, heading) {
        (None, _) if files.iter().any(|file| file.is_in(&path)) => Ok(()),
        (None, _) => Err("leads to no file"),
        (Some(to), Some(heading)) if to.path.ends_with(".md") => {
            let has_it = headings(&to.text).any(|found| found == heading);
            has_it
                .then_some(())
                .ok_or("leads to no heading of its file")
        }
        (Some(_), _) => Ok(()),
    }
}

/// Returns the path of the repository that `target` stands for in the file `from`.
fn absolute(from: &str, target: &str) -> String {
    if target.is_empty() {
        return from.to_owned();
    }
    let mut parts: Vec<_> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Returns the anchors that a forge and rustdoc make of the headings.
fn headings(text: &str) -> impl Iterator<Item = String> + '_ {
    prose(text)
        .filter(|(_, line)| line.starts_with('#'))
        .map(|(_, line)| {
            let line = line.trim_start_matches('#').trim().to_lowercase();
            let kept = line.chars().filter(|&character| {
                character.is_alphanumeric() || matches!(character, ' ' | '-' | '_')
            });
            kept.map(|character| if character == ' ' { '-' } else { character })
                .collect()
        })
}

/// Returns the lines outside of blocks of code, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    (1..).zip(text.lines()).filter(move |(_, line)| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

#[cfg(test)]
mod tests {
    use super::broken_links;
    use crate::file::File;

    #[test]
    fn a_link_to_a_missing_file_or_heading_is_found() {
        let file = |path: &str, text: &str| File {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        let text = "[a](docs/b.md#the-end) [b](docs)\n[c](docs/b.md#no-end)\n```\n[d](d.md)\n```\n[e](e.md)\n[f](https://f)\n";
        let files = [
            file("README.md", text),
            file(
                "docs/b.md",
                "# The end\n[up](../README.md)\n[g](#the-end)\n",
            ),
            file("ARCHITECTURE.md", "[a](README.md)\n"),
        ];
        let found: Vec<_> = broken_links(&files)
            .into_iter()
            .map(|finding| (finding.path, finding.line))
            .collect();
        let expected = [("README.md", 2), ("README.md", 6), ("ARCHITECTURE.md", 1)];
        assert_eq!(found, expected.map(|(path, line)| (path.to_owned(), line)));
    }
}
