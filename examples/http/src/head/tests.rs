use super::*;

fn head(text: &str) -> Head<'_> {
    let (head, length) = Head::parse(text.as_bytes()).unwrap().unwrap();
    assert_eq!(length, text.len());
    head
}

#[test]
fn the_connection_stays_as_its_version_and_options_say() {
    for (version, option, keeps_alive) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: upgrade, Close\r\n", false),
        ("1.1", "Connection: keep-alive\r\n", true),
        ("1.1", "Connection: keep-alive, close\r\n", false),
        ("1.0", "", false),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: close\r\n", false),
        ("1.0", "Connection: a\r\nConnection: keep-alive\r\n", true),
    ] {
        let text = format!("GET / HTTP/{version}\r\nHost: a\r\n{option}\r\n");
        assert_eq!(head(&text).keeps_alive, keeps_alive, "{text:?}");
        assert_eq!(head(&text).is_old, version == "1.0");
    }
}

#[test]
fn the_path_is_the_target_without_its_host_and_query() {
    for (target, path) in [
        ("/", "/"),
        ("/a/b", "/a/b"),
        ("/a?b=c?d", "/a"),
        ("/?", "/"),
        ("/a?to=http://b/c", "/a"),
        ("/http://b/c", "/http://b/c"),
        ("http://host:80/a?b", "/a"),
        ("http://host", "/"),
        ("*", "*"),
        ("host:80", "host:80"),
    ] {
        let text = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(head(&text).path, path, "{target}");
    }
}

#[test]
fn only_http_1_1_expects_to_continue() {
    let text = |version| {
        format!(
            "PUT /echo HTTP/1.{version}\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\n"
        )
    };
    let new = text(1);
    assert!(head(&new).expects_continue && head(&new).has_body());
    assert_eq!(head(&new).method, Method::Put);
    let old = text(0);
    assert!(!head(&old).expects_continue);
}

#[test]
fn a_part_of_a_head_is_none() {
    let text = "HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n";
    for end in 0..text.len() {
        assert_eq!(
            Head::parse(&text.as_bytes()[..end]),
            Ok(None),
            "{end} bytes"
        );
    }
    assert_eq!(head(text).method, Method::Head);
    assert!(!head(text).has_body());
}

#[test]
fn a_host_may_be_a_name_an_address_or_empty() {
    for host in [
        "",
        "a",
        "a-b.example:8080",
        "127.0.0.1:80",
        "[::1]:80",
        "a%20b",
        "x!$&'()*+;=_~",
    ] {
        let text = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(head(&text).path, "/", "{host}");
    }
}
