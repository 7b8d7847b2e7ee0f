//! The lists of the guarantees that a step of `.ci/full` leaves out.

use crate::file::{File, Finding};

const FOLDER: &str = ".ci";
const LIST: &str = "_leaves_out.txt";
const ROOTS: [&str; 2] = ["tests/guarantees/", "src/"];

/// Finds names in the lists with which no test begins: the test was renamed or moved, and the step runs it again.
pub(crate) fn stale_names(files: &[File]) -> Vec<Finding> {
    let tests: Vec<_> = files.iter().filter_map(tests_of).collect();
    let lists = files.iter().filter(|file| file.is_in(FOLDER));
    let mut findings = Vec::new();
    for list in lists.filter(|file| file.path.ends_with(LIST)) {
        for (line, name) in (1..).zip(list.text.lines()) {
            let is_name = !name.is_empty() && !name.starts_with('#');
            if is_name && !tests.iter().any(|tests| tests.begin_with(name)) {
                let advice = format!("no test begins with `{name}`: name the one there is");
                findings.push(list.finding(line, advice));
            }
        }
    }
    findings
}

/// The tests of one file.
struct Tests<'a> {
    /// The path of the file's module, such as `filters::contracts`.
    module: String,
    names: Vec<&'a str>,
}

impl Tests<'_> {
    /// Whether the path of one of the tests begins with `name`. Modules within the file are passed over.
    fn begin_with(&self, name: &str) -> bool {
        match name.strip_prefix(&self.module) {
            // The rest is the beginning of a module's name or of a test's, perhaps behind modules of this file.
            Some(rest) => rest.strip_prefix("::").is_some_and(|rest| {
                let (_, test) = rest.rsplit_once("::").unwrap_or(("", rest));
                self.names.iter().any(|it| it.starts_with(test))
            }),
            None => self.module.starts_with(name) && !self.names.is_empty(),
        }
    }
}

fn tests_of(file: &File) -> Option<Tests<'_>> {
    let path = ROOTS
        .iter()
        .find_map(|root| file.path.strip_prefix(root)?.strip_suffix(".rs"))?;
    let path = path.strip_suffix("/mod").unwrap_or(path);
    let behind_attributes = file.text.split("#[test]").skip(1);
    let names = behind_attributes.filter_map(|text| {
        let (_, text) = text.split_once("fn ")?;
        text.split('(').next()
    });
    Some(Tests {
        module: path.replace('/', "::"),
        names: names.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::stale_names;
    use crate::file::File;

    #[test]
    fn a_name_that_no_test_begins_with_is_found() {
        let file = |path: &str, text: &str| File {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        let list = "# Why.\na::one\na::on\n\na::two\nb::\nb::c::three\nb::d::three\nb::c::inner::three\nb::three\n";
        let files = [
            file(".ci/wine_leaves_out.txt", list),
            file(
                "tests/guarantees/a.rs",
                "#[test]\n#[ignore]\nfn one() {}\nfn two() {}\n",
            ),
            file("tests/guarantees/b/c.rs", "#[test]\nfn three_more() {}\n"),
        ];
        let lines: Vec<usize> = stale_names(&files).iter().map(|found| found.line).collect();
        assert_eq!(lines, [5, 8, 10]);
    }
}
