//! The commands of the connection.

use super::clients::{check_name, profile};
use super::info::REDIS_VERSION;
use super::{Call, Failure, Outcome, beginning};
use crate::protocol::{Replies, Version, parse_integer};

pub(super) fn ping(call: &mut Call<'_, '_>) -> Outcome {
    let replies = &mut call.cx.shared.replies;
    let message = match call.arguments.len() {
        1 => None,
        2 => call.arguments.get(1),
        _ => return Err(Failure::wrong_number("ping")),
    };
    if call.client.only_listens() {
        replies.array(2);
        replies.bulk(b"pong");
        replies.bulk(message.unwrap_or_default());
    } else {
        match message {
            Some(message) => replies.bulk(message),
            None => replies.status("PONG"),
        }
    }
    Ok(())
}

pub(super) fn echo(call: &mut Call<'_, '_>) -> Outcome {
    call.cx.shared.replies.bulk(call.argument(1));
    Ok(())
}

pub(super) fn quit(call: &mut Call<'_, '_>) -> Outcome {
    call.cx.shared.replies.status("OK");
    call.client.is_ending = true;
    Ok(())
}

/// There is one database.
pub(super) fn select(call: &mut Call<'_, '_>) -> Outcome {
    match call.integer(1)? {
        0 => {
            call.cx.shared.replies.status("OK");
            Ok(())
        }
        _ => Err(Failure::of("ERR DB index is out of range")),
    }
}

pub(super) fn hello(call: &mut Call<'_, '_>) -> Outcome {
    let version = match call.arguments.get(1).map(parse_integer) {
        None => call.client.version,
        Some(Some(2)) => Version::Two,
        Some(Some(3)) => Version::Three,
        Some(Some(_)) => return Err(Failure::of("NOPROTO unsupported protocol version")),
        Some(None) => {
            return Err(Failure::of(
                "ERR Protocol version is not an integer or out of range",
            ));
        }
    };
    let mut name = None;
    let mut options = call.arguments.from(2);
    while let Some(option) = options.next() {
        match (option.to_ascii_uppercase().as_slice(), options.next()) {
            (b"SETNAME", Some(value)) => name = Some(value),
            _ => {
                let option = beginning(option, 128);
                return Err(Failure::new(format!(
                    "ERR Syntax error in HELLO option '{option}'"
                )));
            }
        }
    }
    if let Some(name) = name {
        check_name(name, "Client names")?;
    }
    let server = &mut *call.cx.shared;
    call.client.set_version(version, &mut server.channels);
    server.replies.set_version(version);
    let mut number = 0;
    if let Some(profile) = profile(call) {
        profile.version = version;
        number = profile.number;
        if let Some(name) = name {
            profile.name = name.to_vec();
        }
    }
    let replies = &mut call.cx.shared.replies;
    replies.map(7);
    let text = |replies: &mut Replies, name: &str, value: &str| {
        replies.bulk(name.as_bytes());
        replies.bulk(value.as_bytes());
    };
    text(replies, "server", "redis");
    text(replies, "version", REDIS_VERSION);
    replies.bulk(b"proto");
    replies.count(version.number());
    replies.bulk(b"id");
    replies.count(number);
    text(replies, "mode", "standalone");
    text(replies, "role", "master");
    replies.bulk(b"modules");
    replies.array(0);
    Ok(())
}
