//! Programs that a test starts, and a look at the options that the system has for a socket.

use std::io::{BufRead, BufReader, Lines};
use std::net::TcpStream;
use std::process::{Child as Process, ChildStdout, Command, Stdio};
use std::time::Duration;

use socket2::SockRef;

/// X8: the options that the system has for a socket.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Observed {
    pub(crate) no_delay: bool,
    pub(crate) keep_alive: bool,
    /// TCP_KEEPIDLE, which Windows does not tell.
    #[cfg(not(windows))]
    pub(crate) keep_alive_after: Duration,
}

/// X8: asks the system, through a stream that was taken out of the loop (`Socket::detach`).
pub(crate) fn observe(stream: &TcpStream) -> Observed {
    let socket = SockRef::from(stream);
    Observed {
        no_delay: stream.nodelay().unwrap(),
        keep_alive: socket.keepalive().unwrap(),
        #[cfg(not(windows))]
        keep_alive_after: socket.tcp_keepalive_time().unwrap(),
    }
}

/// A program that a test has started; it is killed when the test is over, if it has not ended.
pub(crate) struct Child {
    process: Process,
    output: Lines<BufReader<ChildStdout>>,
}

impl Child {
    /// Starts a test of the module `children` as a program of its own, which finds `argument` in its environment.
    /// `shell` is put before it in a shell, such as `ulimit -n 64;` (X6), and `redirections` behind it.
    pub(crate) fn start(test: &str, shell: &str, redirections: &str, argument: &str) -> Self {
        let mut process = Command::new("sh")
            .arg("-c")
            .arg(format!("{shell} exec \"$0\" \"$@\" {redirections}"))
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", &format!("children::{test}")])
            .args(["--nocapture", "--ignored"])
            .env("NETLOOP_TEST_ARGUMENT", argument)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, output }
    }

    /// Returns the text behind `key=`, in the child's next line that has it. The child must say it before it waits for
    /// us.
    pub(crate) fn says(&mut self, key: &str) -> String {
        let key = format!("{key}=");
        self.output
            .find_map(|line| Some(line.unwrap().split_once(&key)?.1.to_owned()))
            .unwrap_or_else(|| panic!("the child has ended without {key}"))
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
