//! INFO: the server in numbers, in sections.

use netloop::Statistics;

use super::{Call, Outcome};
use crate::channels::Kind;
use crate::server::Server;

/// The version of Redis whose replies these are.
pub(super) const REDIS_VERSION: &str = "7.0.15";

/// The lines of a section, from the state and from the statistics of the loop.
type Lines = fn(&Server, &Statistics) -> Vec<(&'static str, String)>;

const SECTIONS: [(&str, Lines); 4] = [
    ("Server", of_server),
    ("Clients", of_clients),
    ("Stats", of_work),
    ("Keyspace", of_keys),
];

fn of_server(server: &Server, _: &Statistics) -> Vec<(&'static str, String)> {
    vec![
        ("redis_version", REDIS_VERSION.to_owned()),
        ("redis_mode", "standalone".to_owned()),
        ("server_name", "netloop-resp".to_owned()),
        ("process_id", std::process::id().to_string()),
        (
            "uptime_in_seconds",
            server.began.elapsed().as_secs().to_string(),
        ),
        ("role", "master".to_owned()),
    ]
}

fn of_clients(server: &Server, statistics: &Statistics) -> Vec<(&'static str, String)> {
    vec![
        ("connected_clients", server.clients.len().to_string()),
        ("queued_reply_bytes", statistics.queued_bytes.to_string()),
    ]
}

fn of_work(server: &Server, statistics: &Statistics) -> Vec<(&'static str, String)> {
    let channels = &server.channels;
    vec![
        ("total_connections_received", server.connections.to_string()),
        ("total_commands_processed", server.commands.to_string()),
        (
            "total_net_input_bytes",
            statistics.bytes_received.to_string(),
        ),
        ("total_net_output_bytes", statistics.bytes_sent.to_string()),
        ("expired_keys", server.database.expired().to_string()),
        ("pubsub_channels", channels.count(Kind::Channel).to_string()),
        ("pubsub_patterns", channels.count(Kind::Pattern).to_string()),
        (
            "client_output_buffer_limit_disconnections",
            statistics.closed_over_limit.to_string(),
        ),
    ]
}

fn of_keys(server: &Server, _: &Statistics) -> Vec<(&'static str, String)> {
    let database = &server.database;
    if database.len() == 0 {
        return Vec::new();
    }
    let (keys, expires) = (database.len(), database.expiring());
    vec![("db0", format!("keys={keys},expires={expires},avg_ttl=0"))]
}

/// Replies with the sections that are named, or with all.
pub(super) fn info(call: &mut Call<'_, '_>) -> Outcome {
    const ALL: [&[u8]; 3] = [b"all", b"default", b"everything"];
    let names: Vec<_> = call.arguments.from(1).collect();
    let is_wanted = |section: &str| {
        let mut names = names.iter().map(|name| name.to_ascii_lowercase());
        names.len() == 0
            || names.any(|name| {
                ALL.contains(&&name[..]) || section.as_bytes().eq_ignore_ascii_case(&name)
            })
    };
    let statistics = call.cx.statistics();
    let mut text = String::new();
    for (section, lines) in SECTIONS {
        if is_wanted(section) {
            if !text.is_empty() {
                text.push_str("\r\n");
            }
            text.push_str(&format!("# {section}\r\n"));
            for (name, value) in lines(call.cx.shared, &statistics) {
                text.push_str(&format!("{name}:{value}\r\n"));
            }
        }
    }
    call.cx.shared.replies.bulk(text.as_bytes());
    Ok(())
}
