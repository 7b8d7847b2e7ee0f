//! CLIENT: the names of clients, and their list.

use std::fmt::Write;

use netloop::SocketId;

use super::{Call, Failure, Outcome, beginning};
use crate::client::Profile;

pub(super) fn client(call: &mut Call<'_, '_>) -> Outcome {
    let numbers = [
        ("getname", 2..=2),
        ("id", 2..=2),
        ("info", 2..=2),
        ("list", 2..=2),
        ("setinfo", 4..=4),
        ("setname", 3..=3),
    ];
    match call.subcommand("client", &numbers)? {
        "id" => {
            let number = profile(call).map_or(0, |profile| profile.number);
            call.cx.shared.replies.count(number);
        }
        "getname" => {
            let name = profile(call).map(|profile| profile.name.clone());
            let replies = &mut call.cx.shared.replies;
            match name {
                Some(name) if !name.is_empty() => replies.bulk(&name),
                _ => replies.null(),
            }
        }
        "setname" => {
            let name = call.argument(2);
            check_name(name, "Client names")?;
            if let Some(profile) = profile(call) {
                profile.name = name.to_vec();
            }
            call.cx.shared.replies.status("OK");
        }
        "setinfo" => set_info(call)?,
        "info" => {
            let id = call.client.id;
            let text = list(call, |profile_id| profile_id == id);
            call.cx.shared.replies.bulk(text.as_bytes());
        }
        _ => {
            let text = list(call, |_| true);
            call.cx.shared.replies.bulk(text.as_bytes());
        }
    }
    Ok(())
}

fn set_info(call: &mut Call<'_, '_>) -> Outcome {
    let (option, value) = (call.argument(2), call.argument(3));
    let option = beginning(option, 128).to_lowercase();
    if !["lib-name", "lib-ver"].contains(&&*option) {
        return Err(Failure::new(format!("ERR Unrecognized option '{option}'")));
    }
    check_name(value, &option)?;
    if let Some(profile) = profile(call) {
        match &*option {
            "lib-name" => profile.library = value.to_vec(),
            _ => profile.library_version = value.to_vec(),
        }
    }
    call.cx.shared.replies.status("OK");
    Ok(())
}

/// Describes clients, in a line each.
fn list(call: &Call<'_, '_>, is_wanted: impl Fn(SocketId) -> bool) -> String {
    let mut text = String::new();
    let server = &*call.cx.shared;
    let mut clients: Vec<_> = server.clients.iter().collect();
    clients.retain(|(id, _)| is_wanted(**id));
    clients.sort_by_key(|(_, profile)| profile.number);
    for (_, profile) in clients {
        let address = profile.address.map(|address| address.to_string());
        let age = call.cx.now().saturating_duration_since(profile.since);
        let is_subscriber = profile.channels + profile.patterns > 0;
        // A `String` takes all that is written.
        let _ = writeln!(
            text,
            "id={} addr={} name={} age={} flags={} db=0 sub={} psub={} resp={} lib-name={} lib-ver={}",
            profile.number,
            address.unwrap_or_default(),
            String::from_utf8_lossy(&profile.name),
            age.as_secs(),
            if is_subscriber { "P" } else { "N" },
            profile.channels,
            profile.patterns,
            profile.version.number(),
            String::from_utf8_lossy(&profile.library),
            String::from_utf8_lossy(&profile.library_version),
        );
    }
    text
}

pub(super) fn profile<'a>(call: &'a mut Call<'_, '_>) -> Option<&'a mut Profile> {
    call.cx.shared.clients.get_mut(&call.client.id)
}

/// A name stands in a line of CLIENT LIST.
pub(super) fn check_name(name: &[u8], kind: &str) -> Outcome {
    match name.iter().all(u8::is_ascii_graphic) {
        true => Ok(()),
        false => Err(Failure::new(format!(
            "ERR {kind} cannot contain spaces, newlines or special characters."
        ))),
    }
}
