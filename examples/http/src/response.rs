//! The head of a response.

use std::time::{Duration, Instant, SystemTime};

use httpdate::HttpDate;

use crate::status::Status;

/// The type of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Bytes,
    Metrics,
}

impl Kind {
    fn field(self) -> &'static str {
        match self {
            Self::Text => "Content-Type: text/plain; charset=utf-8\r\n",
            Self::Bytes => "Content-Type: application/octet-stream\r\n",
            Self::Metrics => "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n",
        }
    }
}

/// The end of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    Length(u64),
    Chunked,
    /// The connection ends after the body: for HTTP/1.0, which knows no chunks.
    UntilEnd,
}

/// The field Connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Persistence {
    /// As the client expects it.
    Unsaid,
    /// For clients of HTTP/1.0 that asked for it.
    KeepsAlive,
    Closes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ResponseHead {
    pub(crate) status: Status,
    pub(crate) kind: Kind,
    pub(crate) extent: Extent,
    pub(crate) persistence: Persistence,
    /// The methods of the resource, for a client that has used another.
    pub(crate) allow: Option<&'static str>,
}

impl ResponseHead {
    fn write(&self, date: &str, out: &mut Vec<u8>) {
        let mut text = |text: &str| out.extend_from_slice(text.as_bytes());
        text(self.status.line());
        text(date);
        text(self.kind.field());
        match self.extent {
            Extent::Length(length) => text(&format!("Content-Length: {length}\r\n")),
            Extent::Chunked => text("Transfer-Encoding: chunked\r\n"),
            Extent::UntilEnd => {}
        }
        if let Some(methods) = self.allow {
            text(&format!("Allow: {methods}\r\n"));
        }
        text(match self.persistence {
            Persistence::Unsaid => "",
            Persistence::KeepsAlive => "Connection: keep-alive\r\n",
            Persistence::Closes => "Connection: close\r\n",
        });
        text("\r\n");
    }
}

/// The response that was written last, with its date. Most responses of a server are alike, and take the same bytes until
/// the second is over.
#[derive(Debug, Default)]
pub(crate) struct ResponseCache {
    head: Option<ResponseHead>,
    bytes: Vec<u8>,
    /// The length of the head in `bytes`. The body follows.
    head_bytes: usize,
    date: String,
    /// The end of the second of the date.
    valid_until: Option<Instant>,
}

impl ResponseCache {
    /// Returns the bytes of a response: its head, and the beginning of its body or all of it.
    #[inline]
    pub(crate) fn bytes(&mut self, head: &ResponseHead, body: &[u8], now: Instant) -> &[u8] {
        if self.valid_until.is_none_or(|until| now >= until) {
            self.renew_date(now);
        }
        if self.head.as_ref() != Some(head) || &self.bytes[self.head_bytes..] != body {
            self.bytes.clear();
            head.write(&self.date, &mut self.bytes);
            self.head_bytes = self.bytes.len();
            self.bytes.extend_from_slice(body);
            self.head = Some(*head);
        }
        &self.bytes
    }

    #[cold]
    fn renew_date(&mut self, now: Instant) {
        let time = SystemTime::now();
        let since = time.duration_since(SystemTime::UNIX_EPOCH);
        let fraction = since.unwrap_or_default().subsec_nanos();
        let left = Duration::from_secs(1) - Duration::from_nanos(fraction.into());
        self.valid_until = now.checked_add(left);
        self.date = format!("Date: {}\r\n", HttpDate::from(time));
        self.head = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: ResponseHead = ResponseHead {
        status: Status::MethodNotAllowed,
        kind: Kind::Text,
        extent: Extent::Length(12_345_678_901),
        persistence: Persistence::Closes,
        allow: Some("GET, HEAD"),
    };

    fn bytes(cache: &mut ResponseCache, head: &ResponseHead, now: Instant) -> String {
        String::from_utf8(cache.bytes(head, b"body", now).to_vec()).unwrap()
    }

    fn date(head: &str) -> &str {
        let line = head.lines().find_map(|line| line.strip_prefix("Date: "));
        line.unwrap()
    }

    #[test]
    fn a_head_has_its_fields_in_order() {
        let mut out = Vec::new();
        HEAD.write("Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", &mut out);
        let expected = "HTTP/1.1 405 Method Not Allowed\r\n\
            Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
            Content-Type: text/plain; charset=utf-8\r\n\
            Content-Length: 12345678901\r\n\
            Allow: GET, HEAD\r\n\
            Connection: close\r\n\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn another_response_has_bytes_of_its_own() {
        let mut cache = ResponseCache::default();
        let now = Instant::now();
        let variants = [
            HEAD,
            ResponseHead {
                status: Status::NotFound,
                ..HEAD
            },
            ResponseHead {
                kind: Kind::Bytes,
                ..HEAD
            },
            ResponseHead {
                extent: Extent::Length(1),
                ..HEAD
            },
            ResponseHead {
                extent: Extent::Chunked,
                ..HEAD
            },
            ResponseHead {
                extent: Extent::UntilEnd,
                ..HEAD
            },
            ResponseHead {
                persistence: Persistence::KeepsAlive,
                ..HEAD
            },
            ResponseHead {
                allow: None,
                ..HEAD
            },
        ];
        for one in &variants {
            for other in &variants {
                let first = bytes(&mut cache, one, now);
                assert_eq!(bytes(&mut cache, one, now), first);
                assert_eq!(bytes(&mut cache, other, now) == first, one == other);
                assert!(
                    cache
                        .bytes(other, b"bodies", now)
                        .ends_with(b"\r\n\r\nbodies")
                );
                assert!(cache.bytes(other, b"", now).ends_with(b"\r\n\r\n"));
            }
        }
    }

    #[test]
    fn the_date_is_the_time_to_the_second() {
        let mut cache = ResponseCache::default();
        let before = SystemTime::now() - Duration::from_secs(1);
        let now = Instant::now();
        let head = bytes(&mut cache, &HEAD, now);
        let time: HttpDate = date(&head).parse().unwrap();
        assert!(SystemTime::from(time) >= before && SystemTime::from(time) <= SystemTime::now());
        let old = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
        (cache.head, cache.date) = (None, old.to_owned());
        assert!(bytes(&mut cache, &HEAD, now).contains(old));
        let later = now + Duration::from_secs(1);
        assert!(!bytes(&mut cache, &HEAD, later).contains(old));
    }
}
