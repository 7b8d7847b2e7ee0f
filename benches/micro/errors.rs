//! An error is made, cloned and told, beside the one of the standard library that is beneath it.

use std::hint::black_box;
use std::io::{self, ErrorKind};

use criterion::Criterion;
use netloop::Error;

use crate::measure::Group;

pub(crate) fn measure(criterion: &mut Criterion) {
    let mut group = Group::new(criterion, "error: made and dropped");
    group.each("netloop", None, || Error::from(system_error()));
    group.each("io::Error", None, system_error);
    drop(group);

    let mut group = Group::new(criterion, "error: told");
    let error = Error::from(system_error());
    group.each("netloop", None, || error.to_string());
    group.each("netloop, with what to do about it", None, || {
        format!("{error:#}")
    });
    let error = system_error();
    group.each("io::Error", None, || error.to_string());
}

/// One that allocates nothing.
fn system_error() -> io::Error {
    io::Error::from(black_box(ErrorKind::ConnectionReset))
}
