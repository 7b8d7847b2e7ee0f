//! The commands of the server: its settings, and its commands.

use super::table::Command;
use super::{Call, Outcome};
use crate::glob;
use crate::protocol::{MAX_BULK_BYTES, MAX_COMMAND_BYTES, Replies};

/// The settings cannot be changed, and load generators ask for some of them.
pub(super) fn config(call: &mut Call<'_, '_>) -> Outcome {
    call.subcommand("config", &[("get", 3..=usize::MAX)])?;
    let settings = [
        ("appendonly", "no".to_owned()),
        ("client-query-buffer-limit", MAX_COMMAND_BYTES.to_string()),
        ("databases", "1".to_owned()),
        ("maxmemory", "0".to_owned()),
        ("proto-max-bulk-len", MAX_BULK_BYTES.to_string()),
        ("save", String::new()),
        ("timeout", "0".to_owned()),
    ];
    let is_wanted = |name: &str| {
        let mut patterns = call.arguments.from(2).map(<[u8]>::to_ascii_lowercase);
        patterns.any(|pattern| glob::matches(&pattern, name.as_bytes()))
    };
    let found: Vec<_> = settings
        .iter()
        .filter(|(name, _)| is_wanted(name))
        .collect();
    let replies = &mut call.cx.shared.replies;
    replies.map(found.len());
    for (name, value) in found {
        replies.bulk(name.as_bytes());
        replies.bulk(value.as_bytes());
    }
    Ok(())
}

pub(super) fn command(call: &mut Call<'_, '_>) -> Outcome {
    if call.arguments.len() == 1 {
        describe(&mut call.cx.shared.replies, Command::all().iter().map(Some));
        return Ok(());
    }
    let numbers = [
        ("count", 2..=2),
        ("docs", 2..=usize::MAX),
        ("info", 2..=usize::MAX),
        ("list", 2..=2),
    ];
    match call.subcommand("command", &numbers)? {
        "count" => call.cx.shared.replies.count(Command::all().len()),
        // redis-cli asks for them, and does without.
        "docs" => call.cx.shared.replies.map(0),
        "list" => {
            let replies = &mut call.cx.shared.replies;
            replies.array(Command::all().len());
            for command in Command::all() {
                replies.bulk(command.name.as_bytes());
            }
        }
        _ if call.arguments.len() == 2 => {
            describe(&mut call.cx.shared.replies, Command::all().iter().map(Some));
        }
        _ => {
            let names: Vec<_> = call.arguments.from(2).collect();
            describe(
                &mut call.cx.shared.replies,
                names.into_iter().map(Command::find),
            );
        }
    }
    Ok(())
}

/// Replies with a description of each command, and null in the place of one that there is not.
fn describe(
    replies: &mut Replies,
    commands: impl ExactSizeIterator<Item = Option<&'static Command>>,
) {
    replies.array(commands.len());
    for command in commands {
        let Some(command) = command else {
            replies.null();
            continue;
        };
        replies.array(10);
        replies.bulk(command.name.as_bytes());
        replies.integer(command.arity.into());
        replies.array(command.flags.len());
        for flag in command.flags {
            replies.status(flag);
        }
        let (first, last, step) = command.keys;
        for number in [first, last, step] {
            replies.integer(number.into());
        }
        // Categories, hints, further keys and commands below this one.
        for _ in 0..4 {
            replies.array(0);
        }
    }
}
