//! The head of a response.

use std::time::{Duration, Instant, SystemTime};

use httpdate::HttpDate;

use crate::status::Status;

/// The type of a body.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Text,
    Bytes,
    Metrics,
}

impl Kind {
    fn field(self) -> &'static [u8] {
        match self {
            Self::Text => b"Content-Type: text/plain; charset=utf-8\r\n",
            Self::Bytes => b"Content-Type: application/octet-stream\r\n",
            Self::Metrics => b"Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n",
        }
    }
}

/// The end of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    Length(u64),
    Chunked,
    /// The connection ends behind the body: for HTTP/1.0, which knows no chunks.
    UntilEnd,
}

/// The head of a response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResponseHead {
    pub(crate) status: Status,
    pub(crate) kind: Kind,
    pub(crate) extent: Extent,
    /// The methods of the resource, for a client that has used another.
    pub(crate) allow: Option<&'static str>,
    pub(crate) connection: &'static [u8],
}

/// The field Connection where it says nothing new.
pub(crate) const STAYS: &[u8] = b"";
/// The field Connection of a last response.
pub(crate) const CLOSES: &[u8] = b"Connection: close\r\n";
/// The field Connection for clients of HTTP/1.0 that asked for it.
pub(crate) const KEEPS_ALIVE: &[u8] = b"Connection: keep-alive\r\n";

impl ResponseHead {
    pub(crate) fn write(&self, date: &[u8; DATE_BYTES], out: &mut Vec<u8>) {
        out.extend_from_slice(self.status.line().as_bytes());
        out.extend_from_slice(date);
        out.extend_from_slice(self.kind.field());
        match self.extent {
            Extent::Length(length) => {
                out.extend_from_slice(b"Content-Length: ");
                write_decimal(length, out);
                out.extend_from_slice(b"\r\n");
            }
            Extent::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
            Extent::UntilEnd => {}
        }
        if let Some(methods) = self.allow {
            out.extend_from_slice(b"Allow: ");
            out.extend_from_slice(methods.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(self.connection);
        out.extend_from_slice(b"\r\n");
    }
}

/// By hand: the formatting of the standard library takes as long as all other fields together.
fn write_decimal(number: u64, out: &mut Vec<u8>) {
    let mut digits = [b'0'; 20];
    let mut rest = number;
    let mut place = digits.len();
    loop {
        place -= 1;
        digits[place] += u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[place..]);
}

/// The length of the field Date, which is always the same.
pub(crate) const DATE_BYTES: usize = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n".len();

/// The field Date, made anew when a second has passed.
#[derive(Debug)]
pub(crate) struct Date {
    field: [u8; DATE_BYTES],
    valid_until: Option<Instant>,
}

impl Date {
    pub(crate) fn new() -> Self {
        Self {
            field: *b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n",
            valid_until: None,
        }
    }

    pub(crate) fn field(&mut self, now: Instant) -> &[u8; DATE_BYTES] {
        if self.valid_until.is_none_or(|until| now >= until) {
            let time = SystemTime::now();
            let since = time.duration_since(SystemTime::UNIX_EPOCH);
            let fraction = since.unwrap_or_default().subsec_nanos();
            let left = Duration::from_secs(1) - Duration::from_nanos(fraction.into());
            self.valid_until = now.checked_add(left);
            let text = format!("Date: {}\r\n", HttpDate::from(time));
            if text.len() == DATE_BYTES {
                self.field.copy_from_slice(text.as_bytes());
            }
        }
        &self.field
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_has_its_fields_in_order() {
        let head = ResponseHead {
            status: Status::MethodNotAllowed,
            kind: Kind::Text,
            extent: Extent::Length(12_345_678_901),
            allow: Some("GET, HEAD"),
            connection: CLOSES,
        };
        let mut out = Vec::new();
        head.write(b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", &mut out);
        let expected = "HTTP/1.1 405 Method Not Allowed\r\n\
            Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
            Content-Type: text/plain; charset=utf-8\r\n\
            Content-Length: 12345678901\r\n\
            Allow: GET, HEAD\r\n\
            Connection: close\r\n\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn decimals_are_those_of_the_standard_library() {
        for number in [0, 1, 9, 10, 99, 100, 65_535, u64::MAX] {
            let mut out = Vec::new();
            write_decimal(number, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), number.to_string());
        }
    }

    #[test]
    fn the_date_is_the_time_to_the_second() {
        let mut date = Date::new();
        let before = SystemTime::now() - Duration::from_secs(1);
        let now = Instant::now();
        let first = *date.field(now);
        let text = std::str::from_utf8(&first).unwrap();
        let time: HttpDate = text["Date: ".len()..].trim_end().parse().unwrap();
        assert!(SystemTime::from(time) >= before && SystemTime::from(time) <= SystemTime::now());
        // Kept for the rest of its second, whatever the clock of the system says.
        date.field = *b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
        assert!(date.field(now).starts_with(b"Date: Sun, 06 Nov 1994"));
        let later = now + Duration::from_secs(1);
        assert!(!date.field(later).starts_with(b"Date: Sun, 06 Nov 1994"));
    }
}
