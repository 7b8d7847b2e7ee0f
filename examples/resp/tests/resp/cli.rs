//! redis-cli.

use std::fmt::Write;
use std::process::Command;

use crate::process::{Server, has, run};

fn cli(server: &Server, arguments: &[&str], input: &str) -> String {
    let mut command = Command::new("redis-cli");
    command.args(server.arguments()).args(arguments);
    run(&mut command, input.as_bytes())
}

const SCRIPT: &str = "\
ping
echo hello
set a 1
get a
get none
incr a
set a 2 nx
set a 2 xx get
mset b 1 c 2
mget a b none
exists a b none
del b c
keys *
ttl a
expire a 100
ttl a
persist a
dbsize
incr
nonsense x
select 1
flushall
";

const REPLIES: &str = "\
PONG
hello
OK
1

2

2
OK
2
1

2
2
a
-1
1
100
1
1
ERR wrong number of arguments for 'incr' command

ERR unknown command 'nonsense', with args beginning with: 'x' 

ERR DB index is out of range

OK
";

#[test]
fn redis_cli_speaks_both_versions_of_the_protocol() {
    if !has("redis-cli") {
        return;
    }
    let server = Server::start(&[]);
    for version in ["-2", "-3"] {
        assert_eq!(cli(&server, &[version], SCRIPT), REPLIES, "{version}");
    }
}

#[test]
fn redis_cli_loads_commands_through_its_pipe() {
    if !has("redis-cli") {
        return;
    }
    let server = Server::start(&[]);
    let mut commands = String::new();
    for number in 0..20_000 {
        let key = format!("key:{number}");
        let length = key.len();
        write!(
            commands,
            "*3\r\n$3\r\nSET\r\n${length}\r\n{key}\r\n$1\r\nx\r\n"
        )
        .unwrap();
    }
    let report = cli(&server, &["--pipe"], &commands);
    assert!(report.contains("errors: 0, replies: 20000"), "{report}");
    server.connect().ask("dbsize\r\n", ":20000\r\n");
}

#[test]
fn redis_cli_shows_information_and_clients() {
    if !has("redis-cli") {
        return;
    }
    let server = Server::start(&[]);
    let mut named = server.connect();
    named.ask("client setname ada\r\n", "+OK\r\n");
    let list = cli(&server, &["client", "list"], "");
    assert!(list.contains("name=ada"), "{list}");
    let info = cli(&server, &["info"], "");
    assert!(info.contains("redis_version:7"), "{info}");
    assert!(info.contains("connected_clients:2"), "{info}");
    let info = cli(&server, &["info", "stats"], "");
    assert!(info.starts_with("# Stats"), "{info}");
    let settings = cli(&server, &["config", "get", "app*", "save"], "");
    assert_eq!(settings, "appendonly\nno\nsave\n\n");
    let command = cli(&server, &["command", "info", "get"], "");
    assert!(
        command.starts_with("get\n2\nreadonly\nfast\n1\n1\n1"),
        "{command}"
    );
}
