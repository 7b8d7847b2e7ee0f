//! Scenarios: name, rules, cast, and the steps that are played.

use super::stage::{Stage, Step};

/// The parts, and the subjects that play them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cast {
    /// One subject, against sockets of the system.
    Alone,
    /// A client and a server, each of which may be either subject: four performances.
    Pair,
}

/// One scenario, the same for every cast.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// The rules and traces of the specification that it shows.
    pub(crate) rules: &'static str,
    pub(crate) cast: Cast,
    pub(crate) play: fn(&mut Stage<'_>) -> Step,
}

impl Scenario {
    pub(crate) const fn alone(
        name: &'static str,
        rules: &'static str,
        play: fn(&mut Stage<'_>) -> Step,
    ) -> Self {
        Self {
            name,
            rules,
            cast: Cast::Alone,
            play,
        }
    }

    pub(crate) const fn pair(
        name: &'static str,
        rules: &'static str,
        play: fn(&mut Stage<'_>) -> Step,
    ) -> Self {
        Self {
            name,
            rules,
            cast: Cast::Pair,
            play,
        }
    }
}
