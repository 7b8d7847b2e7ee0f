//! The commands of keys.

use std::cmp::Ordering;

use super::{Call, Failure, Outcome, SYNTAX, beginning};
use crate::expiry::Time;
use crate::glob;
use crate::server::{Server, arm};

pub(super) fn del(call: &mut Call<'_, '_>) -> Outcome {
    let Server {
        database,
        replies,
        now,
        ..
    } = &mut *call.cx.shared;
    let keys = call.arguments.from(1);
    replies.count(keys.filter(|key| database.remove(key, *now)).count());
    Ok(())
}

/// A key that is named twice counts twice.
pub(super) fn exists(call: &mut Call<'_, '_>) -> Outcome {
    let Server {
        database,
        replies,
        now,
        ..
    } = &mut *call.cx.shared;
    let keys = call.arguments.from(1);
    replies.count(keys.filter(|key| database.get(key, *now).is_some()).count());
    Ok(())
}

pub(super) fn expire(call: &mut Call<'_, '_>) -> Outcome {
    expire_after(call, 1000, "expire")
}

pub(super) fn pexpire(call: &mut Call<'_, '_>) -> Outcome {
    expire_after(call, 1, "pexpire")
}

fn expire_after(call: &mut Call<'_, '_>, unit: i64, name: &str) -> Outcome {
    let condition = Condition::parse(call)?;
    let lifetime = lifetime(call.integer(2)?, unit, name)?;
    let key = call.argument(1);
    let now = call.cx.shared.now;
    // A negative time is one that has passed.
    let at = now.after(u64::try_from(lifetime).unwrap_or(0));
    let database = &mut call.cx.shared.database;
    let allows = |end: Option<Time>| condition.allows(at, end);
    let (found, list) = match database.expiry(key, now).is_some_and(allows) {
        true => database.expire(key, at, now),
        false => (false, None),
    };
    arm(call.cx, list);
    call.cx.shared.replies.integer(i64::from(found));
    Ok(())
}

/// Returns a lifetime in milliseconds. Redis refuses one whose end is no number of milliseconds since 1970; here, all that end
/// before the year 2039 do so then.
pub(super) fn lifetime(number: i64, unit: i64, command: &str) -> Result<i64, Failure> {
    const LONGEST: i64 = i64::MAX - (1 << 41);
    let milliseconds = number.checked_mul(unit);
    milliseconds
        .filter(|milliseconds| *milliseconds <= LONGEST)
        .ok_or_else(|| Failure::new(format!("ERR invalid expire time in '{command}' command")))
}

/// The condition under which EXPIRE changes the end of a key.
#[derive(Default)]
struct Condition {
    /// Whether the key must have an end already (XX), or must not (NX).
    has_end: Option<bool>,
    /// The order in which the new end must be to the old one: later (GT) or earlier (LT).
    order: Option<Ordering>,
}

impl Condition {
    fn parse(call: &Call<'_, '_>) -> Result<Self, Failure> {
        const MIXED: Failure =
            Failure::of("ERR NX and XX, GT or LT options at the same time are not compatible");
        const BOTH_ORDERS: Failure =
            Failure::of("ERR GT and LT options at the same time are not compatible");
        let (mut nx, mut xx, mut gt, mut lt) = (false, false, false, false);
        for option in call.arguments.from(3) {
            match &option.to_ascii_uppercase()[..] {
                b"NX" => nx = true,
                b"XX" => xx = true,
                b"GT" => gt = true,
                b"LT" => lt = true,
                _ => {
                    let option = beginning(option, 128);
                    return Err(Failure::new(format!("ERR Unsupported option {option}")));
                }
            }
        }
        match (nx, xx || gt || lt, gt && lt) {
            (true, true, _) => Err(MIXED),
            (_, _, true) => Err(BOTH_ORDERS),
            _ => Ok(Self {
                has_end: (nx || xx).then_some(xx),
                order: match (gt, lt) {
                    (true, _) => Some(Ordering::Greater),
                    (_, true) => Some(Ordering::Less),
                    _ => None,
                },
            }),
        }
    }

    /// Whether a key that ends at `end`, or never, may end `at` another time.
    fn allows(&self, at: Time, end: Option<Time>) -> bool {
        // A key that stays ends later than any other.
        let order = end.map_or(Ordering::Less, |end| at.cmp(&end));
        self.has_end.is_none_or(|wanted| wanted == end.is_some())
            && self.order.is_none_or(|wanted| wanted == order)
    }
}

pub(super) fn persist(call: &mut Call<'_, '_>) -> Outcome {
    let key = call.argument(1);
    let server = &mut *call.cx.shared;
    let found = server.database.persist(key, server.now);
    server.replies.integer(i64::from(found));
    Ok(())
}

/// The seconds are rounded, as in Redis.
pub(super) fn ttl(call: &mut Call<'_, '_>) -> Outcome {
    let left = time_left(call);
    let left = if left < 0 {
        left
    } else {
        left.saturating_add(500) / 1000
    };
    call.cx.shared.replies.integer(left);
    Ok(())
}

pub(super) fn pttl(call: &mut Call<'_, '_>) -> Outcome {
    let left = time_left(call);
    call.cx.shared.replies.integer(left);
    Ok(())
}

/// Returns the milliseconds until a key expires; -1 if it stays, and -2 if there is none.
fn time_left(call: &Call<'_, '_>) -> i64 {
    let server = &*call.cx.shared;
    match server.database.expiry(call.argument(1), server.now) {
        Some(Some(at)) => i64::try_from(at.since(server.now)).unwrap_or(i64::MAX),
        Some(None) => -1,
        None => -2,
    }
}

/// It looks at every key, as in Redis: no other client is served meanwhile.
pub(super) fn keys(call: &mut Call<'_, '_>) -> Outcome {
    let pattern = call.argument(1);
    let Server {
        database,
        replies,
        now,
        ..
    } = &mut *call.cx.shared;
    let keys = database
        .keys(*now)
        .filter(|key| glob::matches(pattern, key));
    let keys: Vec<_> = keys.collect();
    replies.array(keys.len());
    for key in keys {
        replies.bulk(key);
    }
    Ok(())
}

pub(super) fn dbsize(call: &mut Call<'_, '_>) -> Outcome {
    let server = &mut *call.cx.shared;
    server.replies.count(server.database.len());
    Ok(())
}

pub(super) fn flushall(call: &mut Call<'_, '_>) -> Outcome {
    let mode = call.argument(1).to_ascii_uppercase();
    if call.arguments.len() > 2 || !matches!(&mode[..], b"" | b"SYNC" | b"ASYNC") {
        return Err(SYNTAX);
    }
    call.cx.shared.database.clear();
    call.cx.shared.replies.status("OK");
    Ok(())
}
