//! The request that begins a connection (RFC 6455, 4.2): for the page, or for an upgrade to one of the two endpoints.

use std::str;

use base64::prelude::{BASE64_STANDARD, Engine};
use sha1::{Digest, Sha1};

/// The limit on the head of a request. Browsers send a few hundred bytes.
pub(crate) const MAX_HEAD_BYTES: usize = 8 << 10;

const MAX_HEADERS: usize = 64;

/// The text that the server appends to the key, so that no other protocol gives the same answer by accident.
const PROTOCOL_ID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Chat,
    Echo,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Page,
    /// The request asks for an upgrade, and gets it with this proof.
    Upgrade {
        endpoint: Endpoint,
        accept: String,
    },
    Refusal(Refusal),
}

/// A refusal: the status, and the headers that help the client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: &'static str,
    pub(crate) headers: &'static str,
}

const BAD_REQUEST: Refusal = refusal("400 Bad Request", "");
const FORBIDDEN: Refusal = refusal("403 Forbidden", "");
const NOT_FOUND: Refusal = refusal("404 Not Found", "");
const NOT_ALLOWED: Refusal = refusal("405 Method Not Allowed", "Allow: GET\r\n");
const UPGRADE_REQUIRED: Refusal = refusal(
    "426 Upgrade Required",
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n",
);
const TOO_LARGE: Refusal = refusal("431 Request Header Fields Too Large", "");

const fn refusal(status: &'static str, headers: &'static str) -> Refusal {
    Refusal { status, headers }
}

/// Judges the request at the beginning of `received`. Returns the answer with the length of the request's head, or `None`
/// if the head is not whole. If `origins` are given, a page of any other origin is refused.
pub(crate) fn judge(received: &[u8], origins: &[String]) -> Option<(Answer, usize)> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(received) {
        Ok(httparse::Status::Complete(length)) => {
            let answer = answer(&request, origins);
            Some((answer.unwrap_or_else(Answer::Refusal), length))
        }
        Ok(httparse::Status::Partial) if received.len() < MAX_HEAD_BYTES => None,
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            Some((Answer::Refusal(TOO_LARGE), received.len()))
        }
        Err(_) => Some((Answer::Refusal(BAD_REQUEST), received.len())),
    }
}

fn answer(request: &httparse::Request<'_, '_>, origins: &[String]) -> Result<Answer, Refusal> {
    if request.method != Some("GET") {
        return Err(NOT_ALLOWED);
    }
    let path = request.path.unwrap_or_default();
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    let endpoint = match path {
        "/" => Endpoint::Chat,
        "/echo" => Endpoint::Echo,
        _ => return Err(NOT_FOUND),
    };
    if !has_token(request, "Upgrade", "websocket") {
        return match endpoint {
            Endpoint::Chat => Ok(Answer::Page),
            Endpoint::Echo => Err(UPGRADE_REQUIRED),
        };
    }
    let is_version_13 = values(request, "Sec-WebSocket-Version").eq(["13"]);
    if request.version != Some(1) || !is_version_13 {
        return Err(UPGRADE_REQUIRED);
    }
    // A browser names the origin of the page that asks. Other clients may leave it out, or lie.
    let is_foreign = |origin: &str| !origins.iter().any(|allowed| allowed == origin);
    if !origins.is_empty() && values(request, "Origin").any(is_foreign) {
        return Err(FORBIDDEN);
    }
    let mut keys = values(request, "Sec-WebSocket-Key");
    let (Some(key), None) = (keys.next(), keys.next()) else {
        return Err(BAD_REQUEST);
    };
    let is_key = BASE64_STANDARD.decode(key).is_ok_and(|key| key.len() == 16);
    let has_host = values(request, "Host").count() == 1;
    if !is_key || !has_host || !has_token(request, "Connection", "upgrade") {
        return Err(BAD_REQUEST);
    }
    let proof = Sha1::new().chain_update(key).chain_update(PROTOCOL_ID);
    Ok(Answer::Upgrade {
        endpoint,
        accept: BASE64_STANDARD.encode(proof.finalize()),
    })
}

/// Returns the values of the header `name`. A value that is no text counts as none.
fn values<'a>(request: &'a httparse::Request<'_, '_>, name: &str) -> impl Iterator<Item = &'a str> {
    let headers = request.headers.iter();
    let named = headers.filter(move |header| header.name.eq_ignore_ascii_case(name));
    named.filter_map(|header| str::from_utf8(header.value).ok().map(str::trim))
}

/// Whether the header `name`, a list with commas, has `token`.
fn has_token(request: &httparse::Request<'_, '_>, name: &str, token: &str) -> bool {
    values(request, name)
        .flat_map(|value| value.split(','))
        .any(|found| found.trim().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
                        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                        Origin: https://a.example\r\n\r\n";

    fn judge_whole(head: &str, origins: &[&str]) -> Answer {
        let origins: Vec<String> = origins.iter().map(|&origin| origin.to_owned()).collect();
        let (answer, _) = judge(head.as_bytes(), &origins).expect("it is whole");
        answer
    }

    #[test]
    fn the_key_of_the_rfc_gets_the_answer_of_the_rfc() {
        let followed = format!("{HEAD}a frame");
        let (answer, length) = judge(followed.as_bytes(), &[]).unwrap();
        let expected = Answer::Upgrade {
            endpoint: Endpoint::Echo,
            accept: "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".to_owned(),
        };
        assert_eq!((answer, length), (expected, HEAD.len()));
        for cut in 0..HEAD.len() {
            assert_eq!(judge(&HEAD.as_bytes()[..cut], &[]), None);
        }
    }

    #[test]
    fn each_flaw_of_an_upgrade_is_refused() {
        for (from, to, refusal) in [
            ("GET", "POST", NOT_ALLOWED),
            ("/echo", "/other", NOT_FOUND),
            ("HTTP/1.1", "HTTP/1.0", UPGRADE_REQUIRED),
            ("HTTP/1.1", "HTTP/7", BAD_REQUEST),
            ("Host: a\r\n", "", BAD_REQUEST),
            ("Host: a\r\n", "Host: a\r\nHost: b\r\n", BAD_REQUEST),
            ("keep-alive, Upgrade", "keep-alive", BAD_REQUEST),
            ("Upgrade: WebSocket\r\n", "", UPGRADE_REQUIRED),
            ("Version: 13", "Version: 8", UPGRADE_REQUIRED),
            ("Sec-WebSocket-Version: 13\r\n", "", UPGRADE_REQUIRED),
            ("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ=", BAD_REQUEST),
            (
                "dGhlIHNhbXBsZSBub25jZQ==",
                "dGhlIHNhbXBsZSBub25jZQ=!",
                BAD_REQUEST,
            ),
        ] {
            let head = HEAD.replacen(from, to, 1);
            assert_ne!(head, HEAD);
            assert_eq!(judge_whole(&head, &[]), Answer::Refusal(refusal), "{head}");
        }
    }

    #[test]
    fn a_page_of_another_origin_is_refused_if_asked() {
        let upgrade = judge_whole(HEAD, &[]);
        let anonymous = HEAD.replace("Origin: https://a.example\r\n", "");
        assert_eq!(
            judge_whole(HEAD, &["https://b.example", "https://a.example"]),
            upgrade
        );
        assert_eq!(judge_whole(&anonymous, &["https://b.example"]), upgrade);
        for others in [["https://b.example"], ["http://a.example"]] {
            assert_eq!(judge_whole(HEAD, &others), Answer::Refusal(FORBIDDEN));
        }
    }

    #[test]
    fn the_page_is_at_the_root_with_any_query() {
        for head in [
            "GET / HTTP/1.1\r\n\r\n",
            "GET /?a=b HTTP/1.0\r\nHost: a\r\n\r\n",
        ] {
            assert_eq!(judge_whole(head, &[]), Answer::Page);
        }
    }

    #[test]
    fn a_head_without_end_is_refused_at_its_limit() {
        let long = format!("GET / HTTP/1.1\r\nA: {}", "a".repeat(MAX_HEAD_BYTES));
        assert_eq!(judge(&long.as_bytes()[..MAX_HEAD_BYTES - 1], &[]), None);
        assert_eq!(judge_whole(&long, &[]), Answer::Refusal(TOO_LARGE));
        let many = format!(
            "GET / HTTP/1.1\r\n{}\r\n",
            "A: a\r\n".repeat(MAX_HEADERS + 1)
        );
        assert_eq!(judge_whole(&many, &[]), Answer::Refusal(TOO_LARGE));
    }
}
