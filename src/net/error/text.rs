//! The text of an error, in Node's form.

use std::fmt;

use crate::net::values::Endpoint;

use super::code::{UNKNOWN, is_lookup_code};
use super::errno::Errno;
use super::{Error, Syscall, hint};

/// Writes Node's text. The form `{:#}` adds a second line with advice.
impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_call_and_code(formatter)?;
        if let Some(local) = self.0.local {
            let local = Endpoint::from(local);
            write!(formatter, " - Local ({})", local.in_error_text())?;
        }
        for (index, attempt) in self.0.attempts.iter().enumerate() {
            let before = if index == 0 { ": " } else { "; " };
            write!(formatter, "{before}{attempt}")?;
        }
        match hint::hint(self) {
            Some(hint) if formatter.alternate() => write!(formatter, "\n  hint: {hint}"),
            _ => Ok(()),
        }
    }
}

/// `{:?}` writes the text of `{:#}`, because `main` prints a returned error with `{:?}`. `{:#?}` shows the fields.
impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !formatter.alternate() {
            return write!(formatter, "{self:#}");
        }
        formatter
            .debug_struct("Error")
            .field("code", &self.0.code)
            .field("syscall", &self.0.syscall)
            .field("endpoint", &self.0.endpoint)
            .field("local", &self.0.local)
            .field("attempts", &self.0.attempts)
            .field("io", &self.0.source)
            .finish()
    }
}

impl Error {
    /// Writes, for example, `connect ECONNREFUSED 127.0.0.1:1` or `listen EADDRINUSE: address already in use ::1:1`.
    fn write_call_and_code(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(syscall) = self.0.syscall else {
            return match self.raw_os_error() {
                Some(_) => write!(formatter, "{}: {}", self.0.code, self.wording()),
                None => write!(formatter, "{}", self.0.source),
            };
        };
        write!(formatter, "{syscall} {}", self.0.code)?;
        if self.has_wording(syscall) {
            write!(formatter, ": {}", self.wording())?;
        }
        match (syscall, self.endpoint()) {
            (Syscall::Lookup, Some(Endpoint::Name { host, .. })) => write!(formatter, " {host}"),
            (_, Some(endpoint)) => write!(formatter, " {}", endpoint.in_error_text()),
            (_, None) => Ok(()),
        }
    }

    /// Whether a wording stands behind the code, as in Node's "listen EADDRINUSE: address already in use". It does so
    /// for `listen`, and for calls such as `poll` whose name says little. After any other call it does so if the error
    /// has a text of its own, or no known name. ENOTFOUND and EAI_AGAIN never have a wording.
    fn has_wording(&self, syscall: Syscall) -> bool {
        match syscall {
            Syscall::Lookup => {
                let is_named = Errno::named(self.0.code).is_some();
                !is_lookup_code(self.0.code) && (!is_named || self.0.source.get_ref().is_some())
            }
            Syscall::Listen
            | Syscall::Open
            | Syscall::Poll
            | Syscall::Register
            | Syscall::SetOption => true,
            Syscall::Accept
            | Syscall::Bind
            | Syscall::Connect
            | Syscall::Read
            | Syscall::Receive
            | Syscall::Send
            | Syscall::Shutdown
            | Syscall::Write => self.0.code == UNKNOWN || self.0.source.get_ref().is_some(),
        }
    }

    /// Returns Node's wording, unless the error has a text of its own.
    fn wording(&self) -> String {
        match Errno::named(self.0.code) {
            Some(errno) if self.0.source.get_ref().is_none() => errno.wording.to_owned(),
            _ => self.0.source.to_string(),
        }
    }
}
