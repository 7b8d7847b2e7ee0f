//! The words of an action that are options, and numbers.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use netloop::{ConnectOptions, Endpoint, HostQuery, IntoEndpoint, ListenOptions, SocketOptions};

/// The words of an action that are options: `a=1 b`.
pub(super) struct Options(HashMap<String, String>);

impl Options {
    pub(super) fn parse(words: &[&str]) -> Self {
        let pairs = words.iter().map(|word| {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            (key.to_owned(), value.to_owned())
        });
        Self(pairs.collect())
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    fn duration(&self, key: &str, default_ms: u64) -> Duration {
        self.get(key)
            .map_or_else(|| Duration::from_millis(default_ms), milliseconds)
    }

    pub(super) fn for_connecting(&self) -> ConnectOptions {
        let options = ConnectOptions::new()
            .auto_select_family(!self.has("first_only"))
            .attempt_delay(self.duration("attempt_delay", 250))
            .local_address(self.get("local").and_then(|text| text.parse().ok()))
            .socket(self.for_sockets());
        let Some(found) = self.get("lookup") else {
            return options;
        };
        let found = found.split(',').flat_map(str::parse::<IpAddr>);
        let found: Vec<SocketAddr> = found.map(|address| SocketAddr::new(address, 0)).collect();
        let after = self.duration("lookup_ms", 0);
        options.resolver(Arc::new(move |_: &HostQuery<'_>| {
            #[expect(clippy::disallowed_methods, reason = "a lookup is to be slow")]
            std::thread::sleep(after);
            Ok(found.clone())
        }))
    }

    pub(super) fn for_listening(&self) -> ListenOptions {
        ListenOptions::new()
            .max_connections(self.get("max").map(number))
            .socket(self.for_sockets())
    }

    fn for_sockets(&self) -> SocketOptions {
        SocketOptions::new()
            .allow_half_open(self.has("half_open"))
            .pause_on_connect(self.has("paused"))
            .high_water_mark(self.get("high_water").map_or(65_536, number))
            .idle_timeout(self.get("timeout").map(milliseconds))
    }

    /// Where to listen or connect; on `local`, if nothing else is said.
    pub(super) fn endpoint(&self, local: IpAddr) -> Endpoint {
        if let Some(path) = self.get("path") {
            return Endpoint::Path(PathBuf::from(path));
        }
        let local = local.to_string();
        let host = self.get("host").unwrap_or(&local);
        let port = self.get("port").map_or(0, |port| {
            port.parse().expect("a port is a number up to 65535")
        });
        (host, port).into_endpoint().expect("the host is right")
    }
}

pub(super) fn number(text: &str) -> usize {
    text.parse().expect("it is a number")
}

pub(super) fn milliseconds(text: &str) -> Duration {
    Duration::from_millis(text.parse().expect("it is a number of milliseconds"))
}
