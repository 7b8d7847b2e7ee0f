//! redis-benchmark, with pipelines of three depths.

use std::process::Command;

use crate::process::{Server, has, run};

#[test]
fn redis_benchmark_gets_every_reply_at_every_depth() {
    if !has("redis-benchmark") {
        return;
    }
    for (depth, requests) in [(1, 5_000), (16, 50_000), (1000, 200_000)] {
        let server = Server::start(&[]);
        let mut command = Command::new("redis-benchmark");
        command
            .args(server.arguments())
            .args(["-t", "ping,set,get,incr,mset", "-q", "-r", "1"])
            .args(["-n", &requests.to_string(), "-P", &depth.to_string()]);
        let report = run(&mut command, b"");
        let tests = ["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "MSET"];
        for test in tests {
            let is_there =
                report.contains(&format!("{test}: ")) || report.contains(&format!("{test} "));
            assert!(is_there, "{test}: {report}");
        }
        // Each INCR counts, so none was lost.
        let mut client = server.connect();
        client.send("get counter:000000000000\r\n");
        client.line();
        let count: u32 = client.line().parse().unwrap();
        assert!(count >= requests, "{count}");
    }
}
