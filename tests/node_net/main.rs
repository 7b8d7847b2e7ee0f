//! Node's `net`, behaviour by behaviour: one test for each file of Node's own suite, named after it. `README.md` is
//! the table of them all.
//!
//! A letter with a number (B4, C9, ..) is a rule of a specification of Node's behaviour, and T11 a trace in it. The
//! specification is not part of this repository. `tests/side_by_side/README.md` has the rules from which netloop differs.
#![allow(
    clippy::unwrap_used,
    reason = "a test says what it expects by panicking"
)]
#![allow(
    non_snake_case,
    reason = "tests have the names of Node's files, and one of those has capitals"
)]
#![cfg_attr(
    not(target_os = "linux"),
    allow(
        unused_imports,
        reason = "tests of what the system does not have are out"
    )
)]

#[path = "../support/mod.rs"]
mod support;

mod children;
mod rows;
mod rules;
mod table;
