//! Calls go down, events come back up as values: the rooms of the house, and the rooms that each may import. The file is
//! long because the table of the rooms is one.

use crate::file::{File, Finding};
use crate::tokens::{Token, tokens};

/// The rooms from the lowest up, each with the rooms that it may import; `net/*` is every room of `net` but `net`.
///
/// A room is a module of the crate's root, a folder in one, or a single file that others stand on. An arrow that is not
/// here fails, be it that it runs up or that it skips the room in between; `ARCHITECTURE.md` has the picture.
const ROOMS: &[(&str, &[&str])] = &[
    // The ground: modules that do not even know each other.
    ("readiness", &[]),
    ("schedule", &[]),
    ("send_buffer", &[]),
    ("slots", &[]),
    ("text", &[]),
    ("ticker", &[]),
    // Documentation alone.
    ("guide", &[]),
    ("wheel", &[]),
    // The terms of the seam, which everything behind it speaks.
    ("system/afd", &["readiness"]),
    ("system/errno", &[]),
    ("system/caught_panic", &[]),
    ("system/lookup", &["system/caught_panic"]),
    ("system/options", &[]),
    ("system/packet_info", &[]),
    ("system/threading", &[]),
    // Behind the seam: the real kernel, faults in front of it, and the simulated one.
    ("system/native", &["readiness", SYSTEM_TERMS]),
    (
        "system/faults",
        &["readiness", SYSTEM_TERMS, "system/native"],
    ),
    ("system/simulated/flavour", &[]),
    (
        "system/simulated/options",
        &["system/faults", "system/simulated/flavour"],
    ),
    (
        "system/simulated/kernel",
        &[
            "readiness",
            "slots",
            SYSTEM_TERMS,
            "system/faults",
            "system/simulated/flavour",
            "system/simulated/options",
        ],
    ),
    (
        "system/simulated",
        &[
            "readiness",
            "slots",
            SYSTEM_TERMS,
            "system/faults",
            "system/simulated/*",
        ],
    ),
    // The seam itself.
    ("system", &["readiness", "system/*"]),
    (
        "reactor",
        &["readiness", "schedule", "slots", "wheel", "system"],
    ),
    ("net/values", &["reactor", "system"]),
    ("net/error", &["net/values", "system/errno"]),
    ("net/address", &["net/values", "net/error"]),
    // Between the stream and the connection.
    ("net/filter", &["system", "system/errno", "net/error"]),
    (
        "net/outbox",
        &["slots", "send_buffer", "net/values", "net/filter"],
    ),
    ("net/tls", &["net/error", "net/filter"]),
    (
        "net/connect",
        &[
            "slots",
            "reactor",
            "system",
            "system/simulated",
            "net/values",
            "net/error",
            "net/filter",
            "net/tls",
            "net/address",
        ],
    ),
    (
        "net/listener",
        &[
            "reactor",
            "system",
            "net/values",
            "net/error",
            "net/filter",
            "net/tls",
            "net/address",
            "net/connect",
        ],
    ),
    (
        "net/datagram",
        &[
            "reactor",
            "system",
            "system/errno",
            "net/values",
            "net/error",
            "net/address",
            "net/outbox",
            "net/connect",
        ],
    ),
    (
        "net/connection",
        &[
            "reactor",
            "system",
            "system/errno",
            "net/values",
            "net/error",
            "net/filter",
            "net/outbox",
            "net/connect",
        ],
    ),
    (
        "net/core",
        &[
            "send_buffer",
            "slots",
            "reactor",
            "system",
            "net/values",
            "net/error",
            "net/filter",
            "net/address",
            "net/outbox",
            "net/connect",
            "net/listener",
            "net/datagram",
            "net/connection",
        ],
    ),
    (
        "net/view",
        &[
            "system",
            "net/values",
            "net/error",
            "net/filter",
            "net/tls",
            "net/address",
            "net/outbox",
            "net/connect",
            "net/listener",
            "net/datagram",
            "net/connection",
            "net/core",
        ],
    ),
    // The face: what is exported, and nothing else.
    ("net", &["net/*"]),
    // Not the reactor: what it needs of that, `net` does.
    (
        "event_loop",
        &[
            "schedule",
            "slots",
            "system",
            "system/simulated",
            "system/threading",
            "net",
        ],
    ),
    (
        "simulation",
        &[
            "system",
            "system/faults",
            "system/simulated",
            "net",
            "event_loop",
        ],
    ),
];

/// Stands for all of [`TERMS`] in the lists of `ROOMS`.
const SYSTEM_TERMS: &str = "the terms of the seam";

const TERMS: [&str; 6] = [
    "system/afd",
    "system/errno",
    "system/lookup",
    "system/options",
    "system/packet_info",
    "system/threading",
];

/// The houses in which every file but `mod.rs` lies in a room.
const FACES: [&str; 1] = ["net"];

pub(crate) fn stray_imports(file: &File) -> Vec<Finding> {
    if !file.is_rust() || !file.is_in("src") || file.path == "src/lib.rs" {
        return Vec::new();
    }
    let module = file.module();
    let Some(from) = room_of(&module) else {
        let advice = format!(
            "`{}` lies in no room: give it a place in `ROOMS`, and in the picture of `ARCHITECTURE.md`",
            module.join("::")
        );
        return vec![file.finding(1, advice)];
    };
    if FACES.contains(&ROOMS[from].0) && module.len() > 1 {
        let advice = format!(
            "`{}` has only rooms and its face: move this into one",
            module[0]
        );
        return vec![file.finding(1, advice)];
    }
    let mut findings = Vec::new();
    for (line, path) in paths_from_root(&tokens(&file.text), &module) {
        let (name, _) = ROOMS[from];
        let advice = match room_of(&path) {
            Some(to) if to == from || may_import(from, to) => continue,
            Some(to) if to > from => format!(
                "`{name}` imports from `{}`, which lies above it: hand it up as a value, move what is shared down, or \
                 import it from its own room",
                ROOMS[to].0
            ),
            Some(to) => format!(
                "`{name}` imports from `{}`, past the rooms in between: give the room below a verb for it, or draw \
                 the arrow in `ROOMS`",
                ROOMS[to].0
            ),
            None => format!(
                "`crate::{}` hides which room it is from: import it from its own module",
                path.join("::")
            ),
        };
        findings.push(file.finding(line, advice));
    }
    findings
}

/// The place in `ROOMS` of the innermost room around `path`.
fn room_of(path: &[&str]) -> Option<usize> {
    (1..=path.len()).rev().find_map(|length| {
        let name = path[..length].join("/");
        ROOMS.iter().position(|(room, _)| *room == name)
    })
}

fn may_import(from: usize, to: usize) -> bool {
    let (to, _) = ROOMS[to];
    ROOMS[from].1.iter().any(|pattern| covers(pattern, to))
}

/// Whether `pattern` of an entry of `ROOMS` is, or includes, `room`.
fn covers(pattern: &str, room: &str) -> bool {
    if pattern == SYSTEM_TERMS {
        return TERMS.contains(&room);
    }
    match pattern.strip_suffix('*') {
        Some(house) => room.starts_with(house),
        None => pattern == room,
    }
}

/// The paths of `tokens` that lead out of their own file, from the crate's root: they begin with `crate` or with enough
/// `super`s. One that ends in a group is several.
fn paths_from_root<'a>(tokens: &[Token<'a>], module: &[&'a str]) -> Vec<(usize, Vec<&'a str>)> {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
    let mut paths = Vec::new();
    let mut position = 0;
    while position < tokens.len() {
        let start = position;
        let steps = |name| {
            (0..)
                .take_while(|step| {
                    text(start + 2 * step) == name && text(start + 2 * step + 1) == "::"
                })
                .count()
        };
        // `pub(in crate::net)` names a place, and imports nothing.
        let is_visibility = start > 1 && text(start - 1) == "in" && text(start - 2) == "(";
        let (roots, supers) = (steps("crate"), steps("super"));
        position += (2 * (roots + supers)).max(1);
        let base = if roots > 0 {
            Some(&module[..0])
        } else {
            supers
                .checked_sub(tokens[start].inline_modules)
                .filter(|up| *up > 0)
                .map(|up| &module[..module.len().saturating_sub(up)])
        };
        if let Some(base) = base.filter(|_| !is_visibility && roots + supers > 0) {
            position = read_tree(tokens, position, &mut base.to_vec(), &mut paths);
        }
    }
    paths
}

/// Reads the rest of a path behind `base`, or a group of them, from `position` on; answers where it ends.
fn read_tree<'a>(
    tokens: &[Token<'a>],
    mut position: usize,
    base: &mut Vec<&'a str>,
    paths: &mut Vec<(usize, Vec<&'a str>)>,
) -> usize {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
    let Some(token) = tokens.get(position) else {
        return position;
    };
    position += 1;
    if token.text == "{" {
        while !matches!(text(position), "}" | "") {
            position = read_tree(tokens, position, base, paths);
            while !matches!(text(position), "," | "}" | "") {
                // `as name`.
                position += 1;
            }
            position += usize::from(text(position) == ",");
        }
        return position + 1;
    }
    if !matches!(token.text, "self" | "*") {
        base.push(token.text);
    }
    let goes_on = text(position) == "::" && !text(position + 1).starts_with('<');
    if goes_on {
        position = read_tree(tokens, position + 1, base, paths);
    } else {
        paths.push((token.line, base.clone()));
    }
    if !matches!(token.text, "self" | "*") {
        base.pop();
    }
    position
}

#[cfg(test)]
mod tests {
    use super::{ROOMS, covers, stray_imports};
    use crate::found;

    #[test]
    fn every_arrow_of_the_table_runs_down() {
        for (place, (name, imports)) in ROOMS.iter().enumerate() {
            for pattern in *imports {
                let mut covered = (0..ROOMS.len()).filter(|to| covers(pattern, ROOMS[*to].0));
                let first = covered.next();
                assert!(first.is_some(), "{name}: there is no room {pattern}");
                let is_below = first.into_iter().chain(covered).all(|to| to < place);
                assert!(is_below, "{name} lies below {pattern}");
            }
        }
    }

    #[test]
    fn a_stray_import_is_found_however_it_is_written() {
        const NET: &str = "src/net/core/mod.rs";
        for (path, text, lines) in [
            (NET, "use crate::reactor::Key;\nuse std::io;", vec![]),
            (NET, "use crate::event_loop::Turn;", vec![1]),
            (NET, "\nuse super::super::event_loop::Turn;", vec![2]),
            (NET, "mod tests { use super::Net; }", vec![]),
            (
                NET,
                "mod tests { use super::super::view::Socket; }",
                vec![1],
            ),
            (NET, "use super::values::SocketId;", vec![]),
            (NET, "use super::view::Socket;", vec![1]),
            (NET, "use super::ConnectOptions;", vec![1]),
            (
                NET,
                "use crate::{\n  system::{Stream, Acceptor},\n  event_loop::{A, B}};",
                vec![3, 3],
            ),
            (
                NET,
                "use crate::net::{\n  values::{self, Endpoint as E},\n  view,\n};",
                vec![3],
            ),
            (NET, "fn f() { crate::event_loop::start() }", vec![1]),
            (NET, "use crate::EventLoop;", vec![1]),
            (NET, "use crate::*;", vec![1]),
            (NET, "pub(in crate::net) fn f() {}", vec![]),
            (
                NET,
                "/// [`run`](crate::EventLoop::run)\npub(crate) fn f() {}",
                vec![],
            ),
            (
                NET,
                "/* /* */ crate::event_loop */ const A: &str = \"crate::event_loop\";",
                vec![],
            ),
            (
                NET,
                "const A: &str = r#\"\"crate::event_loop\"#; const B: char = '\"';",
                vec![],
            ),
            (
                NET,
                "const A: char = '\"';\nuse crate::event_loop::Turn;",
                vec![2],
            ),
            (
                NET,
                "fn f<'a>(a: &'a str) {}\nuse crate::event_loop::Turn;",
                vec![2],
            ),
            ("src/net/mod.rs", "use super::event_loop::Turn;", vec![1]),
            ("src/net/mod.rs", "mod tests { use super::Net; }", vec![]),
            ("src/net/stray.rs", "", vec![1]),
            (
                "src/net/connection/ending.rs",
                "use super::super::listener::Listener;",
                vec![1],
            ),
            (
                "src/net/connection/ending.rs",
                "use super::Connection;\nuse crate::net::outbox::Outbox;",
                vec![],
            ),
            (
                "src/event_loop/turns/turn.rs",
                "use crate::reactor::Key;",
                vec![1],
            ),
            (
                "src/event_loop/turns/turn.rs",
                "use crate::{net, slots};",
                vec![],
            ),
            (
                "src/wheel.rs",
                "pub(super) fn f() {}\nuse crate::wheel::TimerHandle;",
                vec![],
            ),
            ("src/wheel.rs", "use crate::slots::Key;", vec![1]),
            (
                "src/wheel_tests.rs",
                "use super::*;\nuse super::super::slots::Key;",
                vec![2],
            ),
            (
                "src/system/stream.rs",
                "use crate::readiness::Readiness;",
                vec![],
            ),
            ("src/system/stream.rs", "use crate::reactor::Key;", vec![1]),
            (
                "src/system/simulated/kernel/pipe.rs",
                "use super::super::stream::Stream;\nuse crate::system::lookup::Ticket;",
                vec![1],
            ),
            ("src/cellar.rs", "", vec![1]),
            ("src/lib.rs", "pub use event_loop::EventLoop;", vec![]),
        ] {
            assert_eq!(found(stray_imports, path, text), lines, "{path}: {text}");
        }
    }
}
