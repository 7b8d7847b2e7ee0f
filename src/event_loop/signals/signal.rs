//! The number of a signal, with its name.

use std::fmt;

/// A signal of the operating system, for [`on_signal`](crate::EventLoop::on_signal).
///
/// The constants are the signals that programs handle. Every other signal has a number:
///
/// ```
/// use netloop::Signal;
///
/// assert_eq!(Signal::TERM.to_string(), "SIGTERM");
/// assert_eq!(Signal::from_number(Signal::HUP.number()), Signal::HUP);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Signal(i32);

impl Signal {
    /// SIGALRM: a timer of the process has fired.
    pub const ALRM: Self = Self(libc::SIGALRM);
    /// SIGCHLD: a child process has stopped, gone on or ended.
    pub const CHLD: Self = Self(libc::SIGCHLD);
    /// SIGCONT: the process goes on after a stop.
    pub const CONT: Self = Self(libc::SIGCONT);
    /// SIGHUP: the terminal is gone. For a daemon, the request to read its configuration again.
    pub const HUP: Self = Self(libc::SIGHUP);
    /// SIGINT: the user has pressed Ctrl-C.
    pub const INT: Self = Self(libc::SIGINT);
    /// SIGPIPE: a write to a pipe or socket whose reader is gone.
    pub const PIPE: Self = Self(libc::SIGPIPE);
    /// SIGQUIT: the user has pressed Ctrl-\.
    pub const QUIT: Self = Self(libc::SIGQUIT);
    /// SIGTERM: the request to end.
    pub const TERM: Self = Self(libc::SIGTERM);
    /// SIGTSTP: the user has pressed Ctrl-Z.
    pub const TSTP: Self = Self(libc::SIGTSTP);
    /// SIGUSR1, which has the meaning that the program gives it.
    pub const USR1: Self = Self(libc::SIGUSR1);
    /// SIGUSR2, which has the meaning that the program gives it.
    pub const USR2: Self = Self(libc::SIGUSR2);
    /// SIGWINCH: the terminal has changed its size.
    pub const WINCH: Self = Self(libc::SIGWINCH);

    /// Returns the signal with `number`, which need not exist on this system.
    #[must_use]
    pub const fn from_number(number: i32) -> Self {
        Self(number)
    }

    /// Returns the number of the signal on this system.
    #[must_use]
    pub const fn number(self) -> i32 {
        self.0
    }
}

impl From<i32> for Signal {
    fn from(number: i32) -> Self {
        Self(number)
    }
}

/// Writes the name, such as `SIGTERM`. A signal without a name is `signal 35`.
impl fmt::Display for Signal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match signal_hook::low_level::signal_name(self.0) {
            Some(name) => formatter.pad(name),
            None => write!(formatter, "signal {}", self.0),
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}
