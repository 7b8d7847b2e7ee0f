//! The commands of values.

use super::{Call, Failure, NOT_AN_INTEGER, Outcome, SYNTAX, keys};
use crate::expiry::Time;
use crate::protocol::parse_integer;
use crate::server::{Server, arm};

const INVALID_EXPIRE_TIME: Failure = Failure::of("ERR invalid expire time in 'set' command");
const DECREMENT_OVERFLOW: Failure = Failure::of("ERR decrement would overflow");
const OVERFLOW: Failure = Failure::of("ERR increment or decrement would overflow");

pub(super) fn get(call: &mut Call<'_, '_>) -> Outcome {
    let key = call.argument(1);
    reply_value(call, key);
    Ok(())
}

pub(super) fn mget(call: &mut Call<'_, '_>) -> Outcome {
    let arguments = call.arguments;
    call.cx.shared.replies.array(arguments.len() - 1);
    for key in arguments.from(1) {
        reply_value(call, key);
    }
    Ok(())
}

#[inline]
fn reply_value(call: &mut Call<'_, '_>, key: &[u8]) {
    let Server {
        database,
        replies,
        now,
        ..
    } = &mut *call.cx.shared;
    match database.get(key, *now) {
        Some(value) => replies.value(value, &mut call.cx.socket),
        None => replies.null(),
    }
}

pub(super) fn mset(call: &mut Call<'_, '_>) -> Outcome {
    if call.arguments.len() % 2 == 0 {
        return Err(Failure::wrong_number("mset"));
    }
    let mut arguments = call.arguments.from(1);
    while let (Some(key), Some(value)) = (arguments.next(), arguments.next()) {
        call.cx.shared.database.set(key, value);
    }
    call.cx.shared.replies.status("OK");
    Ok(())
}

pub(super) fn set(call: &mut Call<'_, '_>) -> Outcome {
    let (key, value) = (call.argument(1), call.argument(2));
    if call.arguments.len() == 3 {
        let Server {
            database, replies, ..
        } = &mut *call.cx.shared;
        database.set(key, value);
        replies.status("OK");
        return Ok(());
    }
    let options = SetOptions::parse(call)?;
    let now = call.cx.shared.now;
    let old = call.cx.shared.database.get(key, now).cloned();
    let is_set = options
        .condition
        .is_none_or(|wanted| wanted == old.is_some());
    if is_set {
        let database = &mut call.cx.shared.database;
        match options.end {
            End::Kept => database.set_and_keep(key, value, now),
            End::Never => database.set(key, value),
            End::At(at) => {
                database.set(key, value);
                let (_, list) = database.expire(key, at, now);
                arm(call.cx, list);
            }
        }
    }
    let replies = &mut call.cx.shared.replies;
    match (options.is_get, is_set, old) {
        (true, _, Some(old)) => replies.value(&old, &mut call.cx.socket),
        (false, true, _) => replies.status("OK"),
        (true, _, None) | (false, false, _) => replies.null(),
    }
    Ok(())
}

struct SetOptions {
    /// Whether the key must be there already (XX), or must not (NX).
    condition: Option<bool>,
    end: End,
    is_get: bool,
}

/// The end of the key that is set.
enum End {
    Never,
    Kept,
    At(Time),
}

impl SetOptions {
    fn parse(call: &Call<'_, '_>) -> Result<Self, Failure> {
        let mut condition = None;
        let mut is_get = false;
        let mut keeps = false;
        let mut lifetime = None;
        let mut arguments = call.arguments.from(3);
        while let Some(option) = arguments.next() {
            let has_end = keeps || lifetime.is_some();
            match &option.to_ascii_uppercase()[..] {
                b"NX" if condition != Some(true) => condition = Some(false),
                b"XX" if condition != Some(false) => condition = Some(true),
                b"GET" => is_get = true,
                b"KEEPTTL" if lifetime.is_none() => keeps = true,
                b"EX" if !has_end => lifetime = Some((arguments.next().ok_or(SYNTAX)?, 1000)),
                b"PX" if !has_end => lifetime = Some((arguments.next().ok_or(SYNTAX)?, 1)),
                _ => return Err(SYNTAX),
            }
        }
        let end = match lifetime {
            Some((number, unit)) => {
                let number = parse_integer(number).ok_or(NOT_AN_INTEGER)?;
                // Zero and less are refused as well.
                let lifetime = keys::lifetime(number, unit, "set")?;
                let lifetime = u64::try_from(lifetime)
                    .ok()
                    .filter(|lifetime| *lifetime > 0);
                End::At(
                    call.cx
                        .shared
                        .now
                        .after(lifetime.ok_or(INVALID_EXPIRE_TIME)?),
                )
            }
            None if keeps => End::Kept,
            None => End::Never,
        };
        Ok(Self {
            condition,
            end,
            is_get,
        })
    }
}

pub(super) fn incr(call: &mut Call<'_, '_>) -> Outcome {
    add(call, 1)
}

pub(super) fn decr(call: &mut Call<'_, '_>) -> Outcome {
    add(call, -1)
}

pub(super) fn incrby(call: &mut Call<'_, '_>) -> Outcome {
    let number = call.integer(2)?;
    add(call, number)
}

pub(super) fn decrby(call: &mut Call<'_, '_>) -> Outcome {
    let number = call.integer(2)?.checked_neg();
    add(call, number.ok_or(DECREMENT_OVERFLOW)?)
}

/// Adds to a number, and keeps the end of its key.
fn add(call: &mut Call<'_, '_>, number: i64) -> Outcome {
    let key = call.argument(1);
    let Server {
        database,
        replies,
        now,
        ..
    } = &mut *call.cx.shared;
    let old = match database.get(key, *now) {
        Some(old) => parse_integer(old).ok_or(NOT_AN_INTEGER)?,
        None => 0,
    };
    let sum = old.checked_add(number);
    let sum = sum.ok_or(OVERFLOW)?;
    database.set_and_keep(key, sum.to_string().as_bytes(), *now);
    replies.integer(sum);
    Ok(())
}
