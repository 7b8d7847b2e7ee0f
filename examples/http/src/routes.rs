//! The resources of this server, by method and path.

use crate::head::{Head, Method};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// A few words.
    Greeting,
    /// The statistics of the loop.
    Metrics,
    /// So many bytes, with their length said before or in chunks.
    Download {
        bytes: u64,
        is_chunked: bool,
    },
    /// The body is counted.
    Upload,
    /// The body is sent back while it arrives.
    Echo,
    NotFound,
    /// The resource has other methods.
    NotAllowed(&'static str),
}

const READ: (&[Method], &str) = (&[Method::Get, Method::Head], "GET, HEAD");
const WRITE: (&[Method], &str) = (&[Method::Post, Method::Put], "POST, PUT");

impl Route {
    pub(crate) fn of(head: &Head<'_>) -> Self {
        let (route, (methods, names)) = match head.path {
            "/" => (Self::Greeting, READ),
            "/metrics" => (Self::Metrics, READ),
            "/upload" => (Self::Upload, WRITE),
            "/echo" => (Self::Echo, WRITE),
            path => match Self::download(path) {
                Some(route) => (route, READ),
                None => return Self::NotFound,
            },
        };
        match methods.contains(&head.method) {
            true => route,
            false => Self::NotAllowed(names),
        }
    }

    /// `/bytes/N` and `/chunked/N`.
    fn download(path: &str) -> Option<Self> {
        let (name, bytes) = path.strip_prefix('/')?.split_once('/')?;
        let is_chunked = match name {
            "bytes" => false,
            "chunked" => true,
            _ => return None,
        };
        let bytes = bytes.parse().ok()?;
        Some(Self::Download { bytes, is_chunked })
    }

    /// Whether the response depends on the body of the request.
    pub(crate) fn reads_body(self) -> bool {
        matches!(self, Self::Upload | Self::Echo)
    }
}
