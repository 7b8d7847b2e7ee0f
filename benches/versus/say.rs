//! Printing for readers who may have left: a run whose output went to `head` still has its files to write, where
//! `println!` would end it.

use std::io::{self, Write};

/// A line on the standard output, or nothing if nobody reads it.
pub(crate) fn say(text: &str) {
    let mut output = io::stdout().lock();
    // What cannot be said is in the files all the same.
    let _ = writeln!(output, "{text}").and_then(|()| output.flush());
}

/// A line on the standard error output.
pub(crate) fn complain(text: &str) {
    // There is nobody left to tell of this failure.
    let _ = writeln!(io::stderr().lock(), "{text}");
}
