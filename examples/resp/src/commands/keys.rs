//! The commands of keys.

use super::{Call, Failure, Outcome, SYNTAX};
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
    let milliseconds = call.integer(2)?.checked_mul(unit);
    let milliseconds = milliseconds
        .ok_or_else(|| Failure::new(format!("ERR invalid expire time in '{name}' command")))?;
    let now = call.cx.shared.now;
    // A negative time is one that has passed.
    let at = now.after(u64::try_from(milliseconds).unwrap_or(0));
    let (found, list) = call.cx.shared.database.expire(call.argument(1), at, now);
    arm(call.cx, list);
    call.cx.shared.replies.integer(i64::from(found));
    Ok(())
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
