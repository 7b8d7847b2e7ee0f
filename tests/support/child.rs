//! A process of its own for a test that counts descriptors, runs out of them, or is hit by signals. The other tests of
//! this binary would disturb it, or it them.

use std::any::type_name_of_val;
use std::env;
use std::io::{self, Read, Write};
use std::process::{self, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Names, in the environment of the child, the test that is run there.
const CHILD: &str = "NETLOOP_TEST_IN_OWN_PROCESS";

/// The longest that a child may take. Each wait inside has a deadline of its own, so this one is for a child that
/// computes. Half a minute of computing takes minutes at a load of 15.
const PATIENCE: Duration = Duration::from_secs(600);

/// The lines of a failed child's output that are shown: about a screen.
const MOST_LINES: usize = 40;

/// Runs `body`, and nothing else, in this test binary once more. `launch` is how a shell starts it, with `"$@"` for the
/// command itself: `ulimit -n 64; exec "$@"`. To be the only call of a test function.
pub(crate) fn in_own_process(launch: &str, body: impl FnOnce()) {
    let test = name_of(&body);
    if env::var_os(CHILD).is_some_and(|name| name == test) {
        end_with_the_parent();
        return body();
    }
    let mut child = Command::new("sh")
        .args(["-c", launch, "sh"])
        .arg(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--include-ignored"])
        .env(CHILD, test)
        // The output of a failed child fits on a screen.
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (sender, receiver) = mpsc::channel();
    for mut output in [
        Box::new(child.stdout.take().unwrap()) as Box<dyn Read + Send>,
        Box::new(child.stderr.take().unwrap()),
    ] {
        let sender = sender.clone();
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = output.read_to_end(&mut bytes);
            let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
        });
    }
    let mut text = String::new();
    for _ in 0..2 {
        let Ok(more) = receiver.recv_timeout(PATIENCE) else {
            // The end of its input ends the child; the kill is for a shell or a tracer around it.
            drop(child.stdin.take());
            let _ = child.kill();
            let _ = child.wait();
            panic!("{test} in its own process took longer than {PATIENCE:?}");
        };
        text.push_str(&more);
    }
    // Until here the child must have its input.
    let status = child.wait().unwrap();
    assert!(
        status.success() && text.contains("1 passed"),
        "{test} in its own process: {status}\n{}",
        last_lines(&text)
    );
    // Shows the child's measurements and skips, with `--nocapture`.
    print!("{text}");
}

/// Runs `body` as [`in_own_process`] does, in a network namespace of its own that the commands `setup` have changed, with
/// its loopback interface up. Where that is not permitted it skips, saying so.
#[cfg(target_os = "linux")]
pub(crate) fn in_own_network(setup: &str, body: impl FnOnce()) {
    let setup = format!("ip link set lo up && {setup}");
    if env::var_os(CHILD).is_some() {
        await_own_addresses();
    } else {
        let trial = Command::new("unshare")
            .args(["-rn", "sh", "-c", &setup])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if !trial.is_ok_and(|status| status.success()) {
            // Past the capture of the harness, which hides what a test prints that passes.
            let _ = writeln!(
                io::stderr(),
                "SKIPPED {}: no network of its own",
                name_of(&body)
            );
            return;
        }
    }
    let launch = format!(r#"exec unshare -rn sh -c '{setup} && exec "$@"' sh "$@""#);
    in_own_process(&launch, body);
}

/// Waits until the kernel delivers to each IPv6 address that an interface has. A worker of the kernel makes the route to a
/// new address after `ip` has returned. Until then a connect to it fails with ENETUNREACH.
#[cfg(target_os = "linux")]
fn await_own_addresses() {
    let deadline = Instant::now() + PATIENCE;
    while !missing_routes(&read("if_inet6"), &read("ipv6_route")).is_empty() {
        assert!(Instant::now() < deadline, "{}", read("ipv6_route"));
        thread::yield_now();
    }
}

/// A table of the network of this process.
#[cfg(target_os = "linux")]
fn read(table: &str) -> String {
    // A system without IPv6 has no such table.
    std::fs::read_to_string(format!("/proc/net/{table}")).unwrap_or_default()
}

/// Returns the addresses to which no route leads that delivers here: RTF_UP and RTF_LOCAL, of the whole address.
#[cfg(target_os = "linux")]
fn missing_routes<'a>(addresses: &'a str, routes: &str) -> Vec<&'a str> {
    const DELIVERS: u32 = 0x8000_0001;
    let delivers = |route: &str, address: &str| {
        let fields: Vec<&str> = route.split_whitespace().collect();
        let flags = fields.get(8).map(|flags| u32::from_str_radix(flags, 16));
        fields[..2] == [address, "80"] && flags.unwrap().unwrap() & DELIVERS == DELIVERS
    };
    let addresses = addresses.lines().filter_map(|line| line.split(' ').next());
    addresses
        .filter(|address| !routes.lines().any(|route| delivers(route, address)))
        .collect()
}

#[cfg(target_os = "linux")]
#[test]
fn an_address_is_missed_until_its_own_route_delivers() {
    let addresses = "fe800000000000000000000000000077 01 40 20 82       lo\n\
                     00000000000000000000000000000001 01 80 10 80       lo\n";
    let none = "00000000000000000000000000000000 00";
    let prefix = format!("fe800000000000000000000000000000 40 {none} 0 00000100 1 0 00200200 lo\n");
    let loopback =
        format!("00000000000000000000000000000001 80 {none} 0 00000000 2 0 80200001 lo\n");
    let own = format!("fe800000000000000000000000000077 80 {none} 0 00000000 2 0 80200001 lo\n");
    let missing = |routes: &[&str]| missing_routes(addresses, &routes.concat()).len();
    assert_eq!(missing(&[]), 2);
    assert_eq!(missing(&[&prefix, &loopback]), 1);
    assert_eq!(missing(&[&prefix, &loopback, &own]), 0);
    assert_eq!(missing_routes("", ""), [""; 0]);
}

/// Makes this process end when its standard input does: when the parent has closed it, or is gone itself. A kill from
/// the parent would reach the tracer alone where there is one.
fn end_with_the_parent() {
    let (ready, is_ready) = mpsc::channel();
    thread::spawn(move || {
        // It has its buffer before the body begins, which may count allocations.
        let input = io::stdin();
        ready.send(()).unwrap();
        drop(ready);
        let _ = input.lock().read(&mut [0]);
        process::exit(1);
    });
    is_ready.recv().unwrap();
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(MOST_LINES)..].join("\n")
}

/// The test that `body` is written in. The closure is called `guarantees::faults::some_test::{{closure}}`, so the name
/// cannot be misspelt.
fn name_of<F: FnOnce()>(body: &F) -> &'static str {
    type_name_of_val(body)
        .split_once("::")
        .and_then(|(_, path)| path.strip_suffix("::{{closure}}"))
        .unwrap()
}

/// The number of descriptors that this process has open; of use only in a process of its own.
pub(crate) fn descriptors() -> usize {
    // The listing has one itself.
    std::fs::read_dir("/proc/self/fd").unwrap().count() - 1
}

/// Runs `body` as [`in_own_process`] does, while strace fails calls of it as `injections` say (`-e inject=` of
/// strace(1)). Where strace cannot be had it skips, saying so.
pub(crate) fn with_failing_calls(injections: &[&str], body: impl FnOnce()) {
    // All other calls run at full speed.
    let calls: Vec<String> = injections
        .iter()
        .filter_map(|injection| injection.split(':').next().map(all_names))
        .collect();
    let injections: Vec<String> = injections
        .iter()
        .filter_map(|injection| injection.split_once(':'))
        .map(|(call, fault)| format!("-e 'inject={}:{fault}'", all_names(call)))
        .collect();
    let (calls, injections) = (calls.join(","), injections.join(" "));
    under_strace(&format!("-e 'trace={calls}' {injections}"), body);
}

/// Returns the names of a system call on all processors. The C library of 32-bit Linux has calls of its own for a
/// socket without an address. With `?`, strace passes over a name that the processor does not have.
fn all_names(call: &str) -> String {
    match call {
        "recvfrom" => "recvfrom,?recv".to_owned(),
        "sendto" => "sendto,?send".to_owned(),
        _ => call.to_owned(),
    }
}

/// Runs `body` as [`with_failing_calls`] does, while its wakes fail as `injection` says: the writes to an eventfd. Each
/// thread counts its own.
pub(crate) fn with_failing_wakes(injection: &str, body: impl FnOnce()) {
    if cfg!(mio_unsupported_force_waker_pipe) {
        return say_skipped(&body, "the path of a pipe tells no wake from other writes");
    }
    let options = format!("-P 'anon_inode:[eventfd]' -e trace=write -e inject=write:{injection}");
    under_strace(&options, body);
}

/// Runs `body` as [`with_failing_calls`] does, while its registrations with the selector fail as `injection` says.
pub(crate) fn with_failing_registrations(injection: &str, body: impl FnOnce()) {
    under_strace(
        &format!("-e trace=epoll_ctl -e inject=epoll_ctl:{injection}"),
        body,
    );
}

fn under_strace(options: &str, body: impl FnOnce()) {
    // Not asked within the child, which has a tracer already.
    if env::var_os(CHILD).is_none() && !strace_works() {
        return say_skipped(&body, "strace is missing or may not trace");
    }
    let launch = format!(r#"exec strace -f -qq -o /dev/null --seccomp-bpf {options} "$@""#);
    in_own_process(&launch, body);
}

fn say_skipped(body: &impl FnOnce(), why: &str) {
    // Past the capture of the harness, which hides what a test prints that passes.
    let _ = writeln!(io::stderr(), "SKIPPED {}: {why}", name_of(body));
}

/// Whether strace is there and may trace.
pub(crate) fn strace_works() -> bool {
    Command::new("strace")
        .args(["-o", "/dev/null", "true"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
