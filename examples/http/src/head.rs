//! The head of a request. httparse reads it; the rules of RFC 9112 then say where the body ends.
//!
//! A proxy and a server that disagree about this end can be made to see different requests in the same bytes: request
//! smuggling. So a head that leaves the smallest doubt is refused, and the connection closes.

use std::mem::MaybeUninit;

use crate::status::Status;

const MOST_FIELDS: usize = 64;

/// The methods that some route allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Head,
    Post,
    Put,
    Other,
}

/// The end of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// So many bytes; 0 without a body.
    Length(u64),
    Chunked,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head<'a> {
    pub(crate) method: Method,
    /// The target without scheme, host and query.
    pub(crate) path: &'a str,
    pub(crate) framing: Framing,
    /// Whether the request is of HTTP/1.0, which knows no chunks.
    pub(crate) is_old: bool,
    /// Whether the client may send another request after this one.
    pub(crate) keeps_alive: bool,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub(crate) expects_continue: bool,
}

impl<'a> Head<'a> {
    /// Reads a head from the beginning of `bytes`. Returns the head and its length, or `None` if its end is missing.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Option<(Self, usize)>, Status> {
        let mut fields = [const { MaybeUninit::uninit() }; MOST_FIELDS];
        let mut request = httparse::Request::new(&mut []);
        let length = match request.parse_with_uninit_headers(bytes, &mut fields) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(error) => return Err(fault(error, bytes)),
        };
        let method = match request.method {
            Some("GET") => Method::Get,
            Some("HEAD") => Method::Head,
            Some("POST") => Method::Post,
            Some("PUT") => Method::Put,
            _ => Method::Other,
        };
        let is_old = request.version == Some(0);
        let fields = Fields::read(request.headers)?;
        // The host is the part of the target that HTTP/1.0 did not have. Two hosts are two sites.
        if fields.hosts > 1 || (fields.hosts == 0 && !is_old) {
            return Err(Status::BadRequest);
        }
        let head = Self {
            method,
            path: path(request.path.unwrap_or_default()),
            framing: fields.framing(is_old)?,
            is_old,
            keeps_alive: !fields.closes && (fields.keeps_alive || !is_old),
            expects_continue: fields.expects_continue && !is_old,
        };
        Ok(Some((head, length)))
    }

    pub(crate) fn has_body(&self) -> bool {
        self.framing != Framing::Length(0)
    }
}

/// The fields that concern the connection, and not the resource.
#[derive(Default)]
struct Fields {
    hosts: usize,
    length: Option<u64>,
    /// Whether there is a Transfer-Encoding.
    has_coding: bool,
    /// Whether the last coding so far is `chunked`.
    is_chunked: bool,
    has_other_coding: bool,
    closes: bool,
    keeps_alive: bool,
    expects_continue: bool,
}

impl Fields {
    fn read(headers: &[httparse::Header<'_>]) -> Result<Self, Status> {
        let mut fields = Self::default();
        for header in headers {
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            if is("host") {
                if !is_host(header.value) {
                    return Err(Status::BadRequest);
                }
                fields.hosts += 1;
            } else if is("connection") {
                for option in list(header.value) {
                    fields.closes |= option.eq_ignore_ascii_case(b"close");
                    fields.keeps_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
            } else if is("content-length") {
                if fields.length.replace(length(header.value)?).is_some() {
                    return Err(Status::BadRequest);
                }
            } else if is("transfer-encoding") {
                fields.has_coding = true;
                for coding in list(header.value) {
                    // After chunks nothing may follow, not even chunks.
                    if fields.is_chunked {
                        return Err(Status::BadRequest);
                    }
                    fields.is_chunked = coding.eq_ignore_ascii_case(b"chunked");
                    fields.has_other_coding |= !fields.is_chunked;
                }
            } else if is("expect") {
                if !header.value.eq_ignore_ascii_case(b"100-continue") {
                    return Err(Status::ExpectationFailed);
                }
                fields.expects_continue = true;
            }
        }
        Ok(fields)
    }

    fn framing(&self, is_old: bool) -> Result<Framing, Status> {
        if !self.has_coding {
            return Ok(Framing::Length(self.length.unwrap_or(0)));
        }
        if self.length.is_some() || !self.is_chunked || is_old {
            return Err(Status::BadRequest);
        }
        match self.has_other_coding {
            true => Err(Status::NotImplemented),
            false => Ok(Framing::Chunked),
        }
    }
}

/// The bytes that may stand in a host and its port. A comma may, but then a list of hosts would be one.
static IN_HOST: [bool; 256] = {
    let bytes = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-._~%:[]!$&'()*+;=";
    let mut table = [false; 256];
    let mut place = 0;
    while place < bytes.len() {
        table[bytes[place] as usize] = true;
        place += 1;
    }
    table
};

fn is_host(value: &[u8]) -> bool {
    // Without a branch for each byte, which would take 36 instructions more.
    value
        .iter()
        .fold(true, |is_host, &byte| is_host & IN_HOST[usize::from(byte)])
}

/// The elements of a comma-separated value.
fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii)
}

/// Digits and nothing else: `parse` alone would take a sign.
fn length(value: &[u8]) -> Result<u64, Status> {
    let digits = value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).ok().filter(|_| digits);
    let length = text.and_then(|text| text.parse().ok());
    length.ok_or(Status::BadRequest)
}

/// Returns the path of a target, which may have a query, and the scheme and the host that proxies send.
fn path(target: &str) -> &str {
    let mut target = target;
    if !target.starts_with('/') {
        if let Some((_, place)) = target.split_once("://") {
            target = place.find('/').map_or("/", |start| &place[start..]);
        }
    }
    // Not `split`, which searches in a way that pays for long texts.
    let query = target.bytes().position(|byte| byte == b'?');
    &target[..query.unwrap_or(target.len())]
}

fn fault(error: httparse::Error, bytes: &[u8]) -> Status {
    match error {
        httparse::Error::TooManyHeaders => Status::HeadTooLarge,
        httparse::Error::Version => {
            // The third word of the line, which the error may have cut short.
            let mut words = bytes.trim_ascii_start().split(|&byte| byte == b' ');
            match words.nth(2).is_some_and(|word| word.starts_with(b"HTTP/")) {
                true => Status::VersionNotSupported,
                false => Status::BadRequest,
            }
        }
        _ => Status::BadRequest,
    }
}

#[cfg(test)]
mod tests;
