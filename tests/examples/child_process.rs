//! Commands under `child_process`: their lines, and their exits, in whichever order both end.

use std::process::Stdio;

use crate::programs::{Program, example};

fn run(commands: &[&str]) -> String {
    let mut command = example("child_process");
    command.args(commands).stdin(Stdio::null());
    let mut program = Program::start(&mut command);
    assert!(program.wait().success());
    assert_eq!(program.errors.to_the_end(), "");
    program.output.to_the_end()
}

#[test]
fn a_command_is_heard_before_its_exit_is_told() {
    let output = run(&["printf 'one\\ntwo\\nthe rest'; exit 3"]);
    assert_eq!(output, "1: one\n1: two\n1: the rest\n1: exit status: 3\n");
}

#[test]
fn commands_are_heard_side_by_side() {
    // The first waits for a file of the second, which waits for the first one's exit.
    let folder = std::env::temp_dir().join(format!("netloop-commands-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("it is ours");
    let flag = folder.join("flag");
    let waits = format!(
        "echo begun; until [ -e '{0}' ]; do sleep 0.01; done; echo seen",
        flag.display()
    );
    let makes = format!("echo making; touch '{}'; exit 1", flag.display());
    let output = run(&[&waits, &makes]);
    std::fs::remove_dir_all(&folder).expect("it is ours");
    for line in [
        "1: begun\n",
        "1: seen\n1: exit status: 0\n",
        "2: making\n2: exit status: 1\n",
    ] {
        let [first, rest] = match line.split_once('\n') {
            Some((first, rest)) => [first, rest.trim_end()],
            None => [line, ""],
        };
        let at = output
            .find(first)
            .unwrap_or_else(|| panic!("no {first:?}: {output}"));
        assert!(
            output[at..].contains(rest),
            "no {rest:?} behind it: {output}"
        );
    }
    assert_eq!(output.lines().count(), 5);
}

#[test]
fn a_child_that_gives_its_output_away_is_waited_for() {
    // The output is closed long before the exit, and the other way round a grandchild keeps it open.
    let closes = "echo last; exec >&-; sleep 0.05; exit 4";
    let leaves = "(sleep 0.05; echo grandchild) & exit 5";
    let output = run(&[closes, leaves]);
    let lines = |number: &str| -> Vec<_> {
        let lines = output.lines().filter_map(|line| line.strip_prefix(number));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(lines("1: "), ["last", "exit status: 4"]);
    assert_eq!(lines("2: "), ["grandchild", "exit status: 5"]);
}

#[test]
fn a_command_that_is_killed_is_told() {
    let output = run(&["echo $$; kill -9 $$"]);
    assert!(output.ends_with("1: signal: 9 (SIGKILL)\n"), "{output}");
}
