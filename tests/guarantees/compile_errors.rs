//! The text that the compiler gives where a closure of `listen` answers with something else than a handler.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// The library that this test was linked with, or one of the same code that was built for another test.
fn library(folder: &Path) -> Option<PathBuf> {
    let entries = folder.read_dir().ok()?.filter_map(Result::ok);
    let libraries = entries.map(|entry| entry.path()).filter(|path| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with("libnetloop-") && name.ends_with(".rlib"))
    });
    libraries.max_by_key(|path| {
        let changed = path.metadata().and_then(|metadata| metadata.modified());
        changed.unwrap_or(SystemTime::UNIX_EPOCH)
    })
}

/// Compiles a program whose server has `closure`, and returns the text of the compiler; `None` without a compiler for it.
fn compiled(name: &str, closure: &str) -> Option<String> {
    let program = format!(
        "use netloop::{{Context, EventLoop, SocketHandler}};
         struct Echo;
         impl SocketHandler for Echo {{
             fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {{}}
         }}
         fn main() {{
             let mut event_loop: EventLoop = EventLoop::new().unwrap();
             event_loop.listen(\"127.0.0.1:0\", {closure}).unwrap();
         }}"
    );
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let source = folder.join(format!("{name}.rs"));
    std::fs::write(&source, program).unwrap();
    let test = std::env::current_exe().unwrap();
    let dependencies = test.parent().unwrap();
    let output = Command::new("rustc")
        .args(["--edition", "2024", "--emit", "metadata", "-o"])
        .arg(folder.join(name))
        .arg("--extern")
        .arg(format!("netloop={}", library(dependencies)?.display()))
        .arg("-L")
        .arg(format!("dependency={}", dependencies.display()))
        .arg(source)
        .output()
        .ok()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // The compiler of the path is not the one that has built the library, or was told another target.
    let is_other = ["E0514", "E0786", "E0461"]
        .iter()
        .any(|code| said.contains(code));
    (!is_other).then_some(said)
}

#[test]
fn a_wrong_closure_of_listen_is_told_the_forms_it_may_have() {
    let Some(said) = compiled("a_handler", "|_, _| Echo") else {
        println!("skipped: there is no compiler that fits");
        return;
    };
    assert_eq!(said, "");
    for (name, closure) in [
        ("a_box", "|_, _| Echo.boxed()"),
        (
            "an_option",
            "|_, accepted| accepted.peer_address.map(|_| Echo)",
        ),
    ] {
        assert_eq!(compiled(name, closure).unwrap(), "");
    }
    for (name, closure, what) in [
        ("nothing", "|_, _| {}", "`()`"),
        ("text", "|_, _| \"no\"", "`&str`"),
    ] {
        let said = compiled(name, closure).unwrap();
        for part in [
            format!("error[E0277]: {what} cannot be the handler of an accepted connection"),
            "neither a `SocketHandler<()>` nor an `Option` or a box of one".into(),
            "with an `Option` of one (`None` refuses the connection)".into(),
        ] {
            assert!(said.contains(&part), "{part:?} is not in:\n{said}");
        }
    }
}
