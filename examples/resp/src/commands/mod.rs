//! The commands: their table, and the way from a name to its function.

mod clients;
mod connection;
mod info;
mod keys;
mod pubsub;
mod server;
mod strings;
mod table;

use std::borrow::Cow;
use std::fmt;

use netloop::Context;

use crate::client::Client;
use crate::protocol::{Arguments, parse_integer};
use crate::server::Server;

use table::Command;

/// One command in its run.
struct Call<'a, 'c> {
    arguments: Arguments<'a>,
    client: &'a mut Client,
    cx: &'a mut Context<'c, Server>,
}

/// An error reply, without the code `ERR` if it has another one. A command that fails has replied nothing.
#[derive(Debug)]
struct Failure(Cow<'static, str>);

type Outcome = Result<(), Failure>;

const NOT_AN_INTEGER: Failure = Failure::of("ERR value is not an integer or out of range");
const SYNTAX: Failure = Failure::of("ERR syntax error");

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Failure {
    const fn of(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }

    fn new(text: String) -> Self {
        Self(Cow::Owned(text))
    }

    fn wrong_number(name: &str) -> Self {
        Self::new(format!(
            "ERR wrong number of arguments for '{name}' command"
        ))
    }
}

/// Runs one command, and adds its reply to the replies of the callback. An empty line is no command.
#[inline]
pub(crate) fn run(arguments: Arguments<'_>, client: &mut Client, cx: &mut Context<'_, Server>) {
    if let Some(name) = arguments.get(0) {
        cx.shared.commands += 1;
        let mut call = Call {
            arguments,
            client,
            cx,
        };
        if let Err(failure) = call.run(name) {
            call.cx.shared.replies.error(failure);
        }
    }
}

impl<'a> Call<'a, '_> {
    #[inline]
    fn run(&mut self, name: &[u8]) -> Outcome {
        let Some(command) = Command::find(name) else {
            return Err(self.unknown(name));
        };
        if !command.takes(self.arguments.len()) {
            return Err(Failure::wrong_number(command.name));
        }
        if self.client.only_listens() && !command.is_for_listeners() {
            return Err(Failure::new(format!(
                "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
                command.name
            )));
        }
        (command.run)(self)
    }

    /// Returns an argument that the table promises.
    #[inline]
    fn argument(&self, number: usize) -> &'a [u8] {
        self.arguments.get(number).unwrap_or_default()
    }

    fn integer(&self, number: usize) -> Result<i64, Failure> {
        parse_integer(self.argument(number)).ok_or(NOT_AN_INTEGER)
    }

    /// Returns the name of a command below `container`, in small letters. Fails with Redis's words if the number of
    /// arguments is not one that `numbers` has for the name.
    fn subcommand(
        &self,
        container: &str,
        numbers: &[(&'static str, std::ops::RangeInclusive<usize>)],
    ) -> Result<&'static str, Failure> {
        let name = self.argument(1);
        let found = numbers
            .iter()
            .find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name));
        match found {
            Some((known, number)) if number.contains(&self.arguments.len()) => Ok(known),
            Some((known, _)) => Err(Failure::wrong_number(&format!("{container}|{known}"))),
            None => Err(Failure::new(format!(
                "ERR unknown subcommand '{}'. Try {} HELP.",
                beginning(name, 128),
                container.to_uppercase()
            ))),
        }
    }

    fn unknown(&self, name: &[u8]) -> Failure {
        let mut arguments = String::new();
        for argument in self.arguments.from(1) {
            if arguments.len() >= 128 {
                break;
            }
            let argument = beginning(argument, 128 - arguments.len());
            arguments.push_str(&format!("'{argument}' "));
        }
        let name = beginning(name, 128);
        Failure::new(format!(
            "ERR unknown command '{name}', with args beginning with: {arguments}"
        ))
    }
}

/// Returns at most `length` bytes as text.
fn beginning(bytes: &[u8], length: usize) -> Cow<'_, str> {
    String::from_utf8_lossy(&bytes[..bytes.len().min(length)])
}
