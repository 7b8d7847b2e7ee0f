//! The files of the repository, and what is found in them.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::Path;

/// A text file of the repository.
pub(crate) struct File {
    /// Relative to the repository, with `/` everywhere.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    pub(crate) fn is_in(&self, folder: &str) -> bool {
        self.path
            .strip_prefix(folder)
            .is_some_and(|rest| rest.starts_with('/'))
    }

    /// The module that the file is, from the crate's root: `src/wheel_tests.rs` is the tests of `wheel`.
    pub(crate) fn module(&self) -> Vec<&str> {
        let path = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        let mut module: Vec<_> = path.split('/').collect();
        let file = module.pop().unwrap_or_default();
        match file.strip_suffix("_tests") {
            Some(tested) => module.extend([tested, "tests"]),
            None if file == "mod" || file == "lib" => {}
            None => module.push(file),
        }
        module
    }

    pub(crate) fn finding(&self, line: usize, advice: impl Into<String>) -> Finding {
        Finding {
            path: self.path.clone(),
            line,
            advice: advice.into(),
        }
    }
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) advice: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, advice } = self;
        write!(formatter, "{path}:{line}: {advice}")
    }
}

/// All text files of the repository, but for what is ignored.
pub(crate) fn files() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ignored = fs::read_to_string(root.join(".gitignore")).unwrap_or_default();
    let mut ignored: BTreeSet<_> = ignored.lines().map(|line| line.trim_matches('/')).collect();
    ignored.insert(".git");
    let mut files = Vec::new();
    collect(root, "", &ignored, &mut files);
    assert!(
        files.iter().any(|file| file.path == "src/lib.rs"),
        "this is not the repository"
    );
    files
}

fn collect(folder: &Path, prefix: &str, ignored: &BTreeSet<&str>, files: &mut Vec<File>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = format!("{prefix}{name}");
        if ignored.contains(path.as_str()) {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            collect(&entry.path(), &format!("{path}/"), ignored, files);
        } else if let Ok(text) = fs::read_to_string(entry.path()) {
            // A file that is not UTF-8 is not text.
            files.push(File { path, text });
        }
    }
}
