//! The public API of the crate with its default features, against the list that is checked in beside this file.
//!
//! The list is made by cargo-public-api, from the JSON that rustdoc writes on a nightly toolchain. Both print other
//! things in each version. So the test compares only with the versions that made the list, and else says on standard
//! error that it has compared nothing. To have them, and to write the list anew after a change that is meant:
//!
//! ```text
//! cargo install cargo-public-api --version 0.52.0 --locked
//! rustup toolchain install nightly-2026-05-20
//! NETLOOP_WRITE_PUBLIC_API=1 cargo test --test public_api
//! ```

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};
use std::{env, fs, io};

const TOOL: &str = "cargo-public-api 0.52.0";
const NIGHTLY: &str = "rustc 1.97.0-nightly (e50aa6fba 2026-05-19)";

/// The toolchains that may be the pinned one: the day of its release, and whatever is called just "nightly".
const TOOLCHAINS: [&str; 2] = ["nightly-2026-05-20", "nightly"];

/// The lines of sockets, servers, the loop and the reactor, without the features that `FEATURES` names. The bound is that
/// of the redesign: a new feature takes lines of its own, and not of these.
const MOST_LINES: usize = 650;

/// The features beside sockets and servers. A line of the list is of the first feature of which it has a mark. No feature
/// may take more lines than this without a decision.
const FEATURES: [Feature; 7] = [
    Feature {
        name: "UDP sockets",
        most_lines: 145,
        marks: &[
            "Datagram",
            "datagram",
            "DATAGRAM",
            "Multicast",
            "_udp",
            "DropPolicy",
            "Syscall::Receive",
            "Syscall::Send",
        ],
    },
    Feature {
        name: "filters and PROXY headers",
        most_lines: 55,
        marks: &[
            "Filter",
            "filter",
            "FILTER",
            "Decoded",
            "Proxy",
            "proxy_",
            "PROXY",
            "FailedHandshake",
            "handshake_failed",
        ],
    },
    Feature {
        name: "sources and hooks",
        most_lines: 130,
        marks: &[
            "SourceHandler",
            "SourceContext",
            "SourceId",
            "netloop::Source<",
            "Hook",
            "on_check",
            "on_prepare",
            "netloop::Descriptor",
            "Server<'_>::descriptor",
            "Server<'_>::try_clone_descriptor",
            "netloop::Interest",
            "netloop::Readiness",
        ],
    },
    Feature {
        name: "guests and daemons",
        most_lines: 60,
        marks: &[
            "Ticker",
            "Steps",
            "CatchUp",
            "AtShutdown",
            "ShutdownReport",
            "shutting_down",
            "PostError",
            "wake",
            "set_busy",
            "nearer_deadline",
            "Budget::bytes",
            "Budget::steps",
        ],
    },
    Feature {
        name: "statistics and stalls",
        most_lines: 85,
        marks: &[
            "Statistics",
            "Stall",
            "_stall",
            "reset_peaks",
            "measure_steps",
            "CallbackOwner",
        ],
    },
    Feature {
        name: "limits and panics",
        most_lines: 80,
        marks: &[
            "Limits",
            "AcceptRate",
            "MinRate",
            "Refusal",
            "AcceptLimit",
            "OverLimit::limit",
            "OverLimit::refused",
            "CaughtPanic",
            "PanicPolicy",
            "HANDLER_PANICKED",
            "Pressure",
            "_pressure",
            "TOTAL_QUEUE",
            "unread",
            "UNREAD",
            "expect_bytes",
            "Socket<'_>::deadline",
            "Socket<'_>::set_deadline",
            "SocketHandler::on_deadline",
            "SocketHandler<S>>::on_deadline",
        ],
    },
    Feature {
        name: "chapters of the guide",
        most_lines: 15,
        marks: &["netloop::guide"],
    },
];

struct Feature {
    name: &'static str,
    most_lines: usize,
    marks: &'static [&'static str],
}

impl Feature {
    fn has(&self, line: &str) -> bool {
        self.marks.iter().any(|mark| line.contains(mark))
    }
}

/// The lines of a difference that are shown.
const SHOWN_LINES: usize = 40;

#[test]
fn the_public_api_is_the_one_that_is_checked_in() {
    let toolchain = match pinned_toolchain() {
        Ok(toolchain) => toolchain,
        Err(reason) => {
            // Not by `eprintln!`, which the test harness keeps to itself when a test passes.
            let mut stderr = io::stderr().lock();
            let _ = writeln!(
                stderr,
                "\nSKIPPED: the public API was compared with nothing: {reason}"
            );
            return;
        }
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let list = root.join("tests/public_api.txt");
    let found = public_api(toolchain, root);
    if env::var_os("NETLOOP_WRITE_PUBLIC_API").is_some() {
        fs::write(&list, &found).expect("the list can be written");
    }
    let expected = fs::read_to_string(&list).expect("the list is checked in");
    if found != expected {
        panic!(
            "the public API is not the one in {}:\n{}\nIf that is meant: NETLOOP_WRITE_PUBLIC_API=1 cargo test --test public_api",
            list.display(),
            difference(&expected, &found)
        );
    }
}

#[test]
fn no_feature_of_the_public_api_outgrows_its_lines() {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/public_api.txt");
    let list = fs::read_to_string(&list).expect("the list is checked in");
    let mut lines = [0; FEATURES.len()];
    let mut others = 0;
    for line in list.lines() {
        match FEATURES.iter().position(|feature| feature.has(line)) {
            Some(feature) => lines[feature] += 1,
            None => others += 1,
        }
    }
    let mut outgrown = Vec::new();
    if others > MOST_LINES {
        outgrown.push(format!(
            "sockets and servers: {others} lines of {MOST_LINES}"
        ));
    }
    for (feature, lines) in FEATURES.iter().zip(lines) {
        assert!(lines > 0, "no line has a mark of the {}", feature.name);
        if lines > feature.most_lines {
            let most = feature.most_lines;
            outgrown.push(format!("{}: {lines} lines of {most}", feature.name));
        }
    }
    assert!(outgrown.is_empty(), "{}", outgrown.join("\n"));
}

#[test]
fn a_difference_names_what_went_and_what_came() {
    let difference = difference("same\ngone\n", "new\nsame\n");
    assert_eq!(difference, "- gone\n+ new");
}

/// The toolchain under which the pinned nightly is installed, with the pinned tool, or why there is none.
fn pinned_toolchain() -> Result<&'static str, String> {
    if cfg!(not(target_os = "linux")) {
        return Err(
            "the list was made on Linux, where there are Unix sockets and descriptors".to_owned(),
        );
    }
    let tool = said(Command::new("cargo-public-api").args(["public-api", "--version"]))?;
    if tool != TOOL {
        return Err(format!("the list was made by {TOOL}, and this is {tool}"));
    }
    let mut reason = String::new();
    for toolchain in TOOLCHAINS {
        match said(rustup(toolchain, "rustc").arg("--version")) {
            Ok(version) if version == NIGHTLY => return Ok(toolchain),
            Ok(version) => {
                reason = format!("the list was made on {NIGHTLY}, and this is {version}")
            }
            Err(error) if reason.is_empty() => reason = error,
            Err(_) => {}
        }
    }
    Err(reason)
}

fn public_api(toolchain: &str, root: &Path) -> String {
    let output = rustup(toolchain, "cargo")
        .args(["public-api", "-sss", "--color=never", "--manifest-path"])
        .arg(root.join("Cargo.toml"))
        // Not where `cargo test` builds: another toolchain would make it build everything again.
        .env(
            "CARGO_TARGET_DIR",
            Path::new(env!("CARGO_TARGET_TMPDIR")).join("public_api"),
        )
        .output()
        .expect("it said its version a moment ago");
    let Output {
        status,
        stdout,
        stderr,
    } = output;
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).expect("names are UTF-8")
}

/// A command for `program` of another toolchain, without the variables that name the one that runs this test.
fn rustup(toolchain: &str, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", toolchain]).arg(program);
    for variable in [
        "CARGO",
        "RUSTC",
        "RUSTDOC",
        "RUSTFLAGS",
        "RUSTDOCFLAGS",
        "RUSTUP_TOOLCHAIN",
    ] {
        command.env_remove(variable);
    }
    command
}

/// Returns the line that a command prints.
fn said(command: &mut Command) -> Result<String, String> {
    let program = format!("{command:?}");
    match command.output() {
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        }
        Ok(output) => Err(format!(
            "{program}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )),
        Err(error) => Err(format!("{program}: {error}")),
    }
}

/// The lines of each list that the other does not have, as many as a reader would read.
fn difference(expected: &str, found: &str) -> String {
    let without = |lines: &str, others: &str, sign: char| {
        let others: Vec<_> = others.lines().collect();
        let only = lines.lines().filter(|line| !others.contains(line));
        only.map(|line| format!("{sign} {line}"))
            .collect::<Vec<_>>()
    };
    let lines = [without(expected, found, '-'), without(found, expected, '+')].concat();
    let shown = &lines[..lines.len().min(SHOWN_LINES)];
    match lines.len() - shown.len() {
        0 if lines.is_empty() => "(the same lines in another order)".to_owned(),
        0 => shown.join("\n"),
        hidden => format!("{}\n(and {hidden} more)", shown.join("\n")),
    }
}
