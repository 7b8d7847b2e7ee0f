//! Calls go down, events come back up as values: the modules that each may import.

use crate::file::{File, Finding};
use crate::tokens::{Token, tokens};

/// The floors from the lowest up, with the modules that lie on them. A module imports from its own and from lower ones;
/// those on the ground do not even know each other.
const FLOORS: [&[&str]; 6] = [
    &[
        "slots",
        "readiness",
        "wheel",
        "send_buffer",
        "schedule",
        "text",
    ],
    &["system"],
    &["reactor"],
    &["net"],
    &["event_loop"],
    &["simulation"],
];

pub(crate) fn upward_imports(file: &File) -> Vec<Finding> {
    let module = file.module();
    let Some(&from) = module
        .first()
        .filter(|_| file.is_rust() && file.is_in("src"))
    else {
        return Vec::new();
    };
    let Some(floor) = floor_of(from) else {
        let advice = format!(
            "`{from}` lies on no floor: give it a place in `FLOORS`, here and in `ARCHITECTURE.md`"
        );
        return vec![file.finding(1, advice)];
    };
    let mut findings = Vec::new();
    for (line, to) in imports_from_root(&tokens(&file.text), module.len()) {
        let advice = match floor_of(to) {
            _ if to == from => continue,
            Some(lower) if lower < floor => continue,
            Some(0) if floor == 0 => format!(
                "`{from}` imports `{to}`, but modules on the ground do not know each other: pass it in as a \
                 parameter, or join the two where they are used"
            ),
            Some(_) => format!(
                "`{from}` imports `{to}` from the floor above: hand it up as a value, or move what is shared down"
            ),
            None => {
                format!("`crate::{to}` hides which floor it is from: import it from its own module")
            }
        };
        findings.push(file.finding(line, advice));
    }
    findings
}

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// The names behind a path from the root of the crate, as `crate::name`, `crate::{name, ..}` or, in a module that lies
/// `depth` deep, by enough `super`s.
fn imports_from_root<'a>(tokens: &[Token<'a>], depth: usize) -> Vec<(usize, &'a str)> {
    let is_step = |at: usize, name| {
        let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
        text(at) == name && text(at + 1) == "::"
    };
    let mut imports = Vec::new();
    let mut position = 0;
    while let Some(start) = tokens.get(position) {
        let supers = (0..)
            .take_while(|step| is_step(position + 2 * step, "super"))
            .count();
        let is_from_root = is_step(position, "crate");
        if is_from_root || supers >= depth + start.inline_modules {
            let path = position + 2 * supers.max(1);
            imports.extend(names_at(tokens.get(path..).unwrap_or_default()));
        }
        position += (2 * supers).max(1);
    }
    imports
}

/// The names that a path goes on with: one, or those of a group.
fn names_at<'a>(tokens: &[Token<'a>]) -> Vec<(usize, &'a str)> {
    let mut names = Vec::new();
    let mut open = 0;
    let mut is_first = true;
    for token in tokens {
        match token.text {
            "{" => open += 1,
            "}" => open -= 1,
            "," => is_first = open == 1,
            name if is_first && open <= 1 => {
                is_first = false;
                names.push((token.line, name));
            }
            _ => {}
        }
        if open == 0 {
            break;
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::upward_imports;
    use crate::found;

    #[test]
    fn an_upward_import_is_found_however_it_is_written() {
        for (path, text, lines) in [
            (
                "src/net/server.rs",
                "use crate::reactor::Key;\nuse std::io;",
                vec![],
            ),
            ("src/net/server.rs", "use crate::event_loop::Turn;", vec![1]),
            (
                "src/net/server.rs",
                "\nuse super::super::event_loop::Turn;",
                vec![2],
            ),
            ("src/net/mod.rs", "use super::event_loop::Turn;", vec![1]),
            ("src/net/mod.rs", "mod tests { use super::Net; }", vec![]),
            (
                "src/net/mod.rs",
                "mod tests { use super::super::event_loop; }",
                vec![1],
            ),
            (
                "src/net/server.rs",
                "use crate::{\n  system::{Stream, Acceptor},\n  event_loop::{A, B}};",
                vec![3],
            ),
            (
                "src/net/server.rs",
                "fn f() { crate::event_loop::start() }",
                vec![1],
            ),
            ("src/net/server.rs", "use crate::EventLoop;", vec![1]),
            ("src/net/server.rs", "use crate::*;", vec![1]),
            (
                "src/net/server.rs",
                "/// [`run`](crate::EventLoop::run)\npub(crate) fn f() {}",
                vec![],
            ),
            (
                "src/net/server.rs",
                "/* /* */ crate::event_loop */ const A: &str = \"crate::event_loop\";",
                vec![],
            ),
            (
                "src/net/server.rs",
                "const A: &str = r#\"\"crate::event_loop\"#; const B: char = '\"';",
                vec![],
            ),
            (
                "src/net/server.rs",
                "const A: char = '\"';\nuse crate::event_loop::Turn;",
                vec![2],
            ),
            (
                "src/net/server.rs",
                "fn f<'a>(a: &'a str) {}\nuse crate::event_loop::Turn;",
                vec![2],
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
                "src/event_loop/turn.rs",
                "use crate::{net, reactor, slots};",
                vec![],
            ),
            ("src/cellar.rs", "", vec![1]),
            ("src/lib.rs", "pub use event_loop::EventLoop;", vec![]),
        ] {
            assert_eq!(found(upward_imports, path, text), lines, "{path}: {text}");
        }
    }
}
