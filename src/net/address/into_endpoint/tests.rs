use super::*;

fn socket(text: &str) -> Endpoint {
    Endpoint::Socket(text.parse().expect("it is an address"))
}

fn name(host: &str, port: u16) -> Endpoint {
    Endpoint::Name {
        host: host.to_owned(),
        port,
    }
}

fn endpoint(given: impl IntoEndpoint) -> Endpoint {
    given.into_endpoint().expect("it is an endpoint")
}

fn refusal(given: impl IntoEndpoint) -> Error {
    given.into_endpoint().expect_err("it is no endpoint")
}

#[test]
fn every_form_says_the_same_place() {
    let address = SocketAddr::from(([127, 0, 0, 1], 80));
    let expected = Endpoint::Socket(address);
    assert_eq!(endpoint("127.0.0.1:80"), expected);
    let text = String::from("127.0.0.1:80");
    assert_eq!(endpoint(&text), expected);
    assert_eq!(endpoint(text), expected);
    assert_eq!(endpoint(("127.0.0.1", 80)), expected);
    assert_eq!(endpoint(("127.0.0.1".to_owned(), 80)), expected);
    assert_eq!(endpoint(address), expected);
    assert_eq!(endpoint((address.ip(), 80)), expected);
    assert_eq!(endpoint((Ipv4Addr::LOCALHOST, 80)), expected);
    assert_eq!(
        endpoint(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 80)),
        expected
    );
    assert_eq!(endpoint(&expected), expected);
    assert_eq!(endpoint(expected.clone()), expected);

    let expected = socket("[::1]:80");
    assert_eq!(endpoint("[::1]:80"), expected);
    assert_eq!(endpoint(("::1", 80)), expected);
    assert_eq!(endpoint(("[::1]", 80)), expected);
    assert_eq!(endpoint((Ipv6Addr::LOCALHOST, 80)), expected);
    assert_eq!(
        endpoint(SocketAddrV6::new(Ipv6Addr::LOCALHOST, 80, 0, 0)),
        expected
    );

    let expected = name("example.com", 443);
    assert_eq!(endpoint("example.com:443"), expected);
    assert_eq!(endpoint(("example.com", 443)), expected);

    let expected = Endpoint::Path("/run/x.sock".into());
    assert_eq!(endpoint("/run/x.sock"), expected);
    assert_eq!(endpoint("unix:/run/x.sock"), expected);
    assert_eq!(endpoint(Path::new("/run/x.sock")), expected);
    let path = PathBuf::from("/run/x.sock");
    assert_eq!(endpoint(&path), expected);
    assert_eq!(endpoint(path), expected);
    assert_eq!(endpoint("unix:x.sock"), Endpoint::Path("x.sock".into()));
}

#[test]
fn a_zone_is_kept_as_a_number_or_as_a_name_to_look_up() {
    assert_eq!(endpoint("[fe80::1%7]:80"), socket("[fe80::1%7]:80"));
    assert_eq!(endpoint(("fe80::1%7", 80)), socket("[fe80::1%7]:80"));
    assert_eq!(endpoint("[fe80::1%eth0]:80"), name("fe80::1%eth0", 80));
    let typed = endpoint("[fe80::1%eth0]:80").to_string();
    assert_eq!(endpoint(typed), name("fe80::1%eth0", 80));
}

#[test]
fn a_name_that_looks_like_an_address_is_left_to_the_resolver() {
    for host in [
        "127.1",
        "1.2.3.4.5",
        "01.2.3.4",
        "256.1.1.1",
        "localhost",
        "my_host",
        "münchen.example",
    ] {
        assert_eq!(endpoint((host, 80)), name(host, 80));
    }
}

#[test]
fn a_refusal_tells_what_was_given_and_what_would_do() {
    for (given, text) in [
        ("", "\"\" has no port; expected"),
        ("localhost", "\"localhost\" has no port; expected"),
        ("::1", "which goes behind brackets: \"[::1]:80\""),
        ("::1:80", "which goes behind brackets: \"[::1:80]:80\""),
        (":80", "the host is missing; \"[::]\""),
        ("[]:80", "the host is missing"),
        ("[::1]", "\"[::1]\" has no port"),
        ("[::1]80", "has no port"),
        ("::1]:80", "has no port"),
        ("[::1:80", "Invalid host \"[::1\""),
        ("[::1]x:80", "has no port"),
        ("1::2::3:80", "no IPv6 address, and a name has no colon"),
        ("[fe80::1%eth0@1]:80", "no IPv6 address"),
        ("[fe80::1%]:80", "no IPv6 address"),
        ("local host:80", "a host has no white space"),
        ("local\0host:80", "a host has no white space"),
        ("http://x:80", "no IPv6 address, and a name has no colon"),
        ("x/y:80", "expected a name or an IP address"),
        ("[[::1]]:80", "Invalid host"),
        ("unix:", "The path of a Unix socket is empty"),
    ] {
        let error = refusal(given);
        assert_eq!(error.code(), Error::INVALID_ARGUMENT, "{given:?}: {error}");
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains(text), "{given:?}: {error}");
    }
    for port in [
        "",
        "x",
        "-1",
        "+80",
        " 80",
        "65536",
        "70000",
        "99999999999999999999",
        "8０",
    ] {
        let error = refusal(format!("localhost:{port}"));
        assert_eq!(error.code(), Error::BAD_PORT, "{port:?}: {error}");
        assert!(
            error
                .to_string()
                .starts_with("Port should be >= 0 and < 65536. Received")
        );
        assert!(error.to_string().contains(port), "{error}");
    }
}

#[test]
fn a_path_that_the_kernel_would_cut_is_refused() {
    let longest = format!("/{}", "x".repeat(LONGEST_PATH - 1));
    assert_eq!(
        endpoint(longest.as_str()),
        Endpoint::Path(longest.clone().into())
    );
    let error = refusal(format!("{longest}x"));
    assert!(
        error
            .to_string()
            .contains(&format!("has at most {LONGEST_PATH} bytes")),
        "{error}"
    );
    assert!(
        refusal("/run/x\0.sock")
            .to_string()
            .contains("no NUL bytes")
    );
    let empty = Endpoint::Path("".into());
    assert_eq!(refusal(&empty).code(), Error::INVALID_ARGUMENT);
    assert_eq!(refusal(empty).code(), Error::INVALID_ARGUMENT);
}

#[test]
#[cfg(any(target_os = "linux", target_os = "android"))]
fn a_name_without_a_file_may_have_any_bytes() {
    assert_eq!(endpoint("unix:@x"), Endpoint::Path("\0x".into()));
    assert_eq!(endpoint("\0x\0y"), Endpoint::Path("\0x\0y".into()));
    let longest = format!("\0{}", "x".repeat(LONGEST_PATH));
    assert_eq!(
        endpoint(longest.as_str()),
        Endpoint::Path(longest.clone().into())
    );
    assert!(
        refusal(format!("{longest}x"))
            .to_string()
            .contains("has at most 107 bytes")
    );
    assert!(refusal("unix:@").to_string().contains("is empty"));
    assert!(refusal("\0").to_string().contains("is empty"));
}

#[test]
fn random_text_never_panics_and_endpoints_survive_display() {
    const PIECES: [&str; 16] = [
        ":",
        "::",
        "[",
        "]",
        "%",
        "%1",
        "%eth0",
        "1",
        "80",
        "ffff",
        "127.0.0.1",
        "localhost",
        "/",
        "@",
        "unix:",
        "é",
    ];
    for seed in 0..100_000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let text: String = (0..random.usize(..7))
            .map(|_| PIECES[random.usize(..PIECES.len())])
            .collect();
        match text.as_str().into_endpoint() {
            Ok(path @ Endpoint::Path(_)) => {
                assert_eq!(
                    endpoint(format!("unix:{path}")),
                    path,
                    "seed {seed}, {text:?}"
                );
            }
            Ok(other) => assert_eq!(endpoint(other.to_string()), other, "seed {seed}, {text:?}"),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput),
        }
    }
}

#[test]
fn ip_addresses_are_told_from_other_text_as_node_tells_them() {
    for text in ["0.0.0.0", "255.255.255.255", "192.0.2.1"] {
        assert_eq!(
            (ip_family(text), is_ipv4(text), is_ipv6(text)),
            (Some(Family::IPv4), true, false),
            "{text}"
        );
    }
    for text in [
        "::",
        "::1",
        "2001:db8::",
        "a:B:c:D:e:F:0:1",
        "1::3:4:5:6:7:8",
        "1:2:3:4:5:6:7::",
        "::192.0.2.1",
        "::ffff:192.0.2.1",
        "1:2:3:4:5:6:192.0.2.1",
        "fe80::1%eth0",
        "fe80::1%eth0.0",
        "fe80::1%1",
        "::1%a-b:c",
    ] {
        assert_eq!(
            (ip_family(text), is_ipv4(text), is_ipv6(text)),
            (Some(Family::IPv6), false, true),
            "{text}"
        );
    }
    for text in [
        "",
        "0",
        "localhost",
        ".1.2.3.4",
        "1..2.3",
        "1.2.3.4.",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.256",
        "01.2.3.4",
        "0001.2.3.4",
        "http://1.2.3.4",
        " 1.2.3.4",
        "1.2.3.4 ",
        ":",
        ":::",
        "1:",
        ":1",
        "1::2::3",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9",
        "1:2:3:4:5:6:7:8::",
        "12345::",
        "g::",
        "::1.2.3",
        "::1.2.3.256",
        "::1.2.3.086",
        "1.2.3.4::",
        "[::1]",
        "::1%",
        "fe80::1%eth0@1",
        "fe80::1%a%b",
        "%eth0",
        "::1%ä",
        "1.2.3.4%eth0",
    ] {
        assert_eq!(
            (ip_family(text), is_ipv4(text), is_ipv6(text)),
            (None, false, false),
            "{text}"
        );
    }
}

#[test]
fn a_socket_address_is_an_ip_address_with_a_port_or_without() {
    let parsed = |text| parse_socket_address(text).map(|address| address.to_string());
    for (text, expected) in [
        ("1.2.3.4:80", "1.2.3.4:80"),
        ("1.2.3.4", "1.2.3.4:0"),
        ("[::1]:80", "[::1]:80"),
        ("[::1]", "[::1]:0"),
        ("[fe80::1%3]", "[fe80::1%3]:0"),
    ] {
        assert_eq!(parsed(text).as_deref(), Some(expected), "{text}");
    }
    for text in [
        "",
        "::1",
        "[1.2.3.4]",
        "[1.2.3.4]:80",
        "1.2.3.4:",
        "1.2.3.4:65536",
        "[::1]:",
        "[::1",
        "localhost:80",
    ] {
        assert_eq!(parsed(text), None, "{text}");
    }
}
