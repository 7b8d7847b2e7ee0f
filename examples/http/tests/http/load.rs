//! Load generators of others: every request is answered, and none with an error.

use std::process::Command;

use crate::server::Server;
use crate::tools::{curl, text, tool};

/// Lets `command` have as many descriptors as the system allows.
fn with_descriptors(command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -n $(ulimit -Hn); exec \"$0\" \"$@\""]);
    shell.arg(command.get_program()).args(command.get_args());
    shell
}

/// The responses of class 2xx that the server has counted.
fn responses(server: &Server) -> Option<u64> {
    let metrics = text(curl()?.arg(server.url("/metrics")));
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix("http_responses_total{class=\"2xx\"} "));
    Some(line.unwrap().parse().unwrap())
}

/// The number before `words` in the output of a program.
fn number_before(output: &str, words: &str) -> u64 {
    let before = output.split(words).next().unwrap();
    let number = before.split_whitespace().next_back().unwrap();
    number
        .parse()
        .unwrap_or_else(|_| panic!("no number before {words:?} in {output}"))
}

#[test]
fn wrk_gets_no_error_with_100_and_1000_connections() {
    for connections in ["100", "1000"] {
        let server = Server::start(&["--per-address", "2000"]);
        let Some(mut wrk) = tool("wrk") else { return };
        let arguments = ["-t1", "-d2s", "--timeout", "30s", "-c", connections];
        let wrk = wrk.args(arguments).arg(server.url("/"));
        let report = text(&mut with_descriptors(wrk));
        assert!(
            !report.contains("Socket errors") && !report.contains("Non-2xx"),
            "{report}"
        );
        let requests = number_before(&report, "requests in");
        assert!(requests >= connections.parse().unwrap(), "{report}");
        // The last responses may not have been read.
        if let Some(counted) = responses(&server) {
            assert!(counted >= requests, "{counted} responses, and {report}");
        }
    }
}

#[test]
fn h2load_gets_every_response() {
    let server = Server::start(&["--per-address", "2000"]);
    let Some(mut h2load) = tool("h2load") else {
        return;
    };
    let h2load = h2load.args(["--h1", "-n", "20000", "-c", "100", "-m", "10"]);
    let report = text(h2load.arg(server.url("/bytes/1000")));
    assert_eq!(number_before(&report, " succeeded"), 20_000, "{report}");
    assert_eq!(number_before(&report, " 2xx"), 20_000, "{report}");
    if let Some(counted) = responses(&server) {
        assert_eq!(counted, 20_000);
    }
}

#[test]
fn ab_gets_every_response_with_and_without_keep_alive() {
    for keep_alive in [&["-k"][..], &[]] {
        let server = Server::start(&["--per-address", "2000"]);
        let Some(mut ab) = tool("ab") else { return };
        let ab = ab.args(["-q", "-n", "2000", "-c", "50"]).args(keep_alive);
        let report = text(ab.arg(server.url("/")));
        let value = |name: &str| {
            let line = report.lines().find_map(|line| line.strip_prefix(name));
            line.map(|value| value.trim().to_owned())
        };
        assert_eq!(
            value("Complete requests:").as_deref(),
            Some("2000"),
            "{report}"
        );
        assert_eq!(value("Failed requests:").as_deref(), Some("0"), "{report}");
        assert_eq!(value("Non-2xx responses:"), None, "{report}");
        let kept = keep_alive.first().map(|_| "2000".to_owned());
        assert_eq!(value("Keep-Alive requests:"), kept, "{report}");
    }
}
