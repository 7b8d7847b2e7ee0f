//! The cases of the Autobahn TestSuite, as the Python package `kosoku` carries and runs them.

use std::process::{Command, Stdio};

use crate::process::{Server, report_skipped};

/// The cases of compression, 216 of 517: the server has no extensions.
const LEFT_OUT: [&str; 2] = ["12.*", "13.*"];

/// The cases that remain, among them those with messages of 16 MiB.
const CASES: usize = 301;

/// The cases that judge nothing, because the RFC leaves the behaviour open.
const INFORMATIONAL: [&str; 3] = ["7.1.6", "7.13.1", "7.13.2"];

/// Runs all cases but those of the arguments, and prints a line for each.
///
/// A case gives the server half a second or one. On a busy machine that can be too little for the client itself. So a
/// failed case is run again, alone, up to three times. The interpreter may abort when it ends, after the last line:
/// therefore it does not end by itself.
const DRIVER: &str = r#"
import asyncio, os, sys
from kosoku import FailureError, run_fuzzingclient

async def run(cases, concurrency):
    try:
        results = await run_fuzzingclient(sys.argv[1], cases, sys.argv[2:], concurrency)
    except FailureError as failure:
        results = failure.results
    return {case.case_id: case for case in results}

async def main():
    results = await run(None, 4)
    for _ in range(3):
        failed = [case.case_id for case in results.values() if not case.passed]
        if failed:
            print("again, alone:", *failed, file=sys.stderr)
            results |= await run(failed, 1)
    for case in results.values():
        print(case.case_id, case.behavior.value, case.behavior_close.value, case.result, sep="\t")

asyncio.run(main())
sys.stdout.flush()
os._exit(0)
"#;

fn has_kosoku() -> bool {
    let found = Command::new("python3")
        .args(["-c", "import kosoku"])
        .stderr(Stdio::null())
        .status();
    found.is_ok_and(|status| status.success())
}

#[test]
fn every_autobahn_case_but_compression_passes() {
    if !has_kosoku() {
        return report_skipped("kosoku for Python");
    }
    let limit = (16 << 20).to_string();
    let server = Server::start(&[
        "127.0.0.1:0",
        "--max-message",
        &limit,
        "--max-frame",
        &limit,
    ]);
    let run = Command::new("python3")
        .args(["-c", DRIVER, &format!("ws://{}/echo", server.address)])
        .args(LEFT_OUT)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{errors}");
    let output = String::from_utf8(run.stdout).unwrap();
    // "NON-STRICT" would be allowed by the suite, and is not by this test.
    let failed: Vec<&str> = output
        .lines()
        .filter(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            let verdict = match INFORMATIONAL.contains(&fields[0]) {
                true => "INFORMATIONAL",
                false => "OK",
            };
            fields[1..3] != [verdict, verdict]
        })
        .collect();
    assert!(failed.is_empty(), "\n{}\n{errors}", failed.join("\n"));
    assert_eq!(output.lines().count(), CASES);
}
