//! Which Node this machine has.

use std::fmt;
use std::process::Command;

/// The first version that tells of the attempts of a connect.
const OLDEST: (u32, u32) = (20, 12);

pub(crate) struct NodeVersion {
    pub(crate) major: u32,
    /// The second number of the libuv 1 that it is built with.
    pub(crate) libuv_minor: u32,
    text: String,
}

impl NodeVersion {
    /// Asks the machine's Node; an error says why it cannot be compared with.
    pub(crate) fn of_this_machine() -> Result<Self, String> {
        let output = Command::new("node")
            .args([
                "-p",
                "process.versions.node + ' with libuv ' + process.versions.uv",
            ])
            .output()
            .map_err(|error| format!("`node` cannot be run: {error}"))?;
        Self::parse(String::from_utf8_lossy(&output.stdout).trim())
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut parts = text.split(" with libuv ").map(numbers);
        let (node, libuv) = (parts.next().flatten(), parts.next().flatten());
        match (node, libuv) {
            (Some(node), Some((1, libuv_minor))) if node >= OLDEST => Ok(Self {
                major: node.0,
                libuv_minor,
                text: text.to_owned(),
            }),
            _ => Err(format!(
                "Node {text:?} is older than {}.{}",
                OLDEST.0, OLDEST.1
            )),
        }
    }
}

impl fmt::Display for NodeVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// The first two numbers of a version.
fn numbers(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

#[test]
fn a_node_that_is_too_old_or_absent_is_not_compared_with() {
    let good = NodeVersion::parse("20.20.2 with libuv 1.46.0").unwrap();
    assert_eq!((good.major, good.libuv_minor), (20, 46));
    assert!(NodeVersion::parse("20.11.1 with libuv 1.46.0").is_err());
    assert!(NodeVersion::parse("").is_err());
}
