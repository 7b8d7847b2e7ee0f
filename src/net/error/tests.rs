use std::error::Error as _;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::*;

fn socket(text: &str) -> Endpoint {
    Endpoint::Socket(text.parse().expect("it is an address"))
}

fn name(host: &str) -> Endpoint {
    Endpoint::Name {
        host: host.to_owned(),
        port: 80,
    }
}

fn path(path: &str) -> Endpoint {
    Endpoint::Path(path.into())
}

fn system(errno: &str) -> io::Error {
    Errno::named(errno).expect("it is in the table").to_io()
}

/// Returns an error of a resolver, which has a code and no number.
fn resolver(code: &'static str) -> io::Error {
    to_io(Error::with_code(code, "the resolver's words"))
}

#[test]
fn an_error_is_one_pointer_and_goes_anywhere() {
    fn goes_anywhere<T: Send + Sync + 'static>() {}
    goes_anywhere::<Error>();
    assert_eq!(size_of::<Error>(), size_of::<usize>());
    assert_eq!(size_of::<Result<()>>(), size_of::<usize>());
}

#[test]
fn the_texts_are_those_of_node() {
    let listen = |errno, endpoint| Error::new(Syscall::Listen, system(errno)).at(endpoint);
    let connect = |errno, endpoint| Error::new(Syscall::Connect, system(errno)).at(endpoint);
    let local = "127.0.0.2:5".parse().expect("it is an address");
    let nowhere =
        |code| Error::new(Syscall::Lookup, resolver(code)).at(name("nonexistent.invalid"));
    // The texts in the left column are copied from the output of Node 20.
    for (node, error) in [
        (
            "listen EADDRINUSE: address already in use 127.0.0.1:3000",
            listen("EADDRINUSE", socket("127.0.0.1:3000")),
        ),
        (
            "listen EADDRINUSE: address already in use :::3000",
            listen("EADDRINUSE", socket("[::]:3000")),
        ),
        (
            "listen EADDRNOTAVAIL: address not available 203.0.113.1",
            listen("EADDRNOTAVAIL", socket("203.0.113.1:0")),
        ),
        (
            "listen EACCES: permission denied /nope/x.sock",
            listen("EACCES", path("/nope/x.sock")),
        ),
        (
            "connect ECONNREFUSED 127.0.0.1:1",
            connect("ECONNREFUSED", socket("127.0.0.1:1")),
        ),
        (
            "connect ECONNREFUSED ::1:1",
            connect("ECONNREFUSED", socket("[::1]:1")),
        ),
        (
            "connect EHOSTUNREACH 10.0.0.1:1 - Local (127.0.0.2:5)",
            connect("EHOSTUNREACH", socket("10.0.0.1:1")).bound_to(local),
        ),
        (
            "connect ENOENT /nope/x.sock",
            connect("ENOENT", path("/nope/x.sock")),
        ),
        (
            "bind EADDRINUSE 127.0.0.1:5",
            Error::new(Syscall::Bind, system("EADDRINUSE")).at(socket("127.0.0.1:5")),
        ),
        (
            "getaddrinfo ENOTFOUND nonexistent.invalid",
            nowhere("ENOTFOUND"),
        ),
        (
            "getaddrinfo EAI_AGAIN nonexistent.invalid",
            nowhere("EAI_AGAIN"),
        ),
        (
            "read ECONNRESET",
            Error::new(Syscall::Read, system("ECONNRESET")),
        ),
        ("write EPIPE", Error::new(Syscall::Write, system("EPIPE"))),
        (
            "accept EMFILE",
            Error::new(Syscall::Accept, system("EMFILE")),
        ),
    ] {
        assert_eq!(error.to_string(), node);
    }
}

#[test]
fn the_alternate_text_adds_one_line_with_advice() {
    let error = Error::new(Syscall::Listen, system("EACCES")).at(socket("0.0.0.0:80"));
    let text = format!("{error:#}");
    let (first, hint) = text.split_once('\n').expect("there are two lines");
    assert_eq!(first, error.to_string());
    assert!(hint.starts_with("  hint: ports below 1024"), "{hint}");
    assert!(!hint.contains('\n'));
    assert_eq!(format!("{error:?}"), text, "`main` prints it so");
    assert!(format!("{error:#?}").starts_with("Error {\n    code: \"EACCES\""));

    let in_use = Error::new(Syscall::Listen, system("EADDRINUSE")).at(socket("[::]:3000"));
    let text = format!("{in_use:#}");
    let (_, hint) = text.split_once('\n').expect("there are two lines");
    assert!(
        hint.contains(":3000") && hint.contains("shows the process"),
        "{hint}"
    );
    // The socket that holds the port may be a UDP socket, or a TCP socket that does not listen.
    let bound = Error::new(Syscall::Bind, system("EADDRINUSE")).at(socket("[::]:53"));
    let bound = format!("{bound:#}");
    let (_, hint_of_bind) = bound.split_once('\n').expect("there are two lines");
    assert!(hint_of_bind.contains(":53") && hint_of_bind.contains("shows the process"));
    if cfg!(target_os = "linux") {
        assert!(hint.contains("`ss -ltnp "), "{hint}");
        assert!(hint_of_bind.contains("`ss -tuanp "), "{hint_of_bind}");
    }
    let high_port = Error::new(Syscall::Listen, system("EACCES")).at(socket("0.0.0.0:8080"));
    assert_eq!(
        format!("{high_port:#}"),
        high_port.to_string(),
        "no advice is better than a wrong one"
    );
}

#[test]
fn everything_that_was_said_can_be_asked_for() {
    let local = "127.0.0.2:5".parse().expect("it is an address");
    let error = Error::new(Syscall::Connect, system("ECONNREFUSED"))
        .at(socket("[::1]:1"))
        .bound_to(local);
    assert_eq!(error.code(), "ECONNREFUSED");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(error.syscall(), Some(Syscall::Connect));
    assert_eq!(error.address(), Some(Ipv6Addr::LOCALHOST.into()));
    assert_eq!(
        (error.port(), error.hostname(), error.path()),
        (Some(1), None, None)
    );
    assert_eq!(error.local(), Some(local));
    assert_eq!(error.raw_os_error(), system("ECONNREFUSED").raw_os_error());
    let source = error
        .source()
        .and_then(|source| source.downcast_ref::<io::Error>());
    assert_eq!(
        source.map(io::Error::kind),
        Some(ErrorKind::ConnectionRefused)
    );

    let unix = Error::new(Syscall::Connect, system("ENOENT")).at(path("/nope/x.sock"));
    assert_eq!(
        (unix.path(), unix.port()),
        (Some(Path::new("/nope/x.sock")), None)
    );
}

#[test]
fn a_failed_lookup_names_its_host_and_neither_address_nor_port() {
    let error = Error::new(Syscall::Lookup, resolver("ENOTFOUND")).at(name("nope.invalid"));
    assert_eq!(error.code(), "ENOTFOUND");
    assert_eq!(error.hostname(), Some("nope.invalid"));
    assert_eq!((error.address(), error.port()), (None, None));
    // EMFILE during a lookup is not an answer of the resolver.
    assert_eq!(
        Error::new(Syscall::Lookup, system("EMFILE")).code(),
        "EMFILE"
    );
}

#[test]
fn the_code_of_a_lookup_depends_on_its_kind() {
    let code = |kind: ErrorKind| Error::new(Syscall::Lookup, kind.into()).code();
    assert_eq!(code(ErrorKind::ResourceBusy), "EAI_AGAIN");
    assert_eq!(code(ErrorKind::NotFound), "ENOTFOUND");
    assert_eq!(code(ErrorKind::TimedOut), "ETIMEDOUT");
}

#[test]
fn an_aggregate_lists_every_attempt_under_the_code_of_the_first() {
    let attempt = |errno, address| Error::new(Syscall::Connect, system(errno)).at(socket(address));
    let error = Error::aggregate(
        name("localhost"),
        vec![
            attempt("ECONNREFUSED", "[::1]:80"),
            attempt("ETIMEDOUT", "127.0.0.1:80"),
        ],
    );
    assert_eq!(
        (error.code(), error.kind()),
        ("ECONNREFUSED", ErrorKind::ConnectionRefused)
    );
    assert_eq!(error.hostname(), Some("localhost"));
    assert_eq!(
        error.attempts()[1].address(),
        Some(Ipv4Addr::LOCALHOST.into())
    );
    assert_eq!(
        error.to_string(),
        "connect ECONNREFUSED localhost:80: connect ECONNREFUSED ::1:80; connect ETIMEDOUT 127.0.0.1:80"
    );
}

#[test]
fn the_way_through_an_io_error_and_back_loses_nothing() {
    let error = Error::new(Syscall::Connect, system("ECONNREFUSED")).at(socket("127.0.0.1:1"));
    let text = error.to_string();
    let io = io::Error::from(error);
    assert_eq!(
        (io.kind(), io.to_string()),
        (ErrorKind::ConnectionRefused, text)
    );
    let back = Error::from(io);
    assert_eq!(back.syscall(), Some(Syscall::Connect));
    assert_eq!(back.port(), Some(1));
}

#[test]
fn an_error_that_does_not_come_from_the_system_says_what_it_is() {
    let custom = io::Error::new(ErrorKind::InvalidInput, "that option is for IPv6");
    let connect = Error::new(Syscall::Connect, custom).at(socket("127.0.0.1:1"));
    assert_eq!(
        connect.to_string(),
        "connect EINVAL: that option is for IPv6 127.0.0.1:1"
    );
    let timeout =
        Error::new(Syscall::Connect, ErrorKind::TimedOut.into()).at(socket("127.0.0.1:1"));
    assert_eq!(timeout.to_string(), "connect ETIMEDOUT 127.0.0.1:1");
    let unnamed = Error::new(Syscall::Read, io::Error::from_raw_os_error(9999));
    assert_eq!(unnamed.code(), "UNKNOWN");
    assert!(
        unnamed.to_string().starts_with("read UNKNOWN: ") && unnamed.to_string().contains("9999")
    );
    assert_eq!(
        Error::from(system("EMFILE")).to_string(),
        "EMFILE: too many open files"
    );
    assert_eq!(Error::from(io::Error::other("mine")).code(), Error::OTHER);
}

#[test]
fn our_own_errors_have_a_kind_that_fits() {
    let limit = Error::queue_limit(1024, Some("127.0.0.1:5".parse().expect("it is an address")));
    assert_eq!(
        (limit.code(), limit.kind()),
        ("ERR_QUEUE_LIMIT", ErrorKind::QuotaExceeded)
    );
    assert_eq!(
        limit.to_string(),
        "more than 1024 bytes would be queued for a peer that does not read them"
    );
    assert_eq!(limit.port(), Some(5));
    assert_eq!(Error::other("no").kind(), ErrorKind::Other);
    assert_eq!(
        Error::with_code(Error::BAD_PORT, "no").kind(),
        ErrorKind::InvalidInput
    );
}

#[test]
fn a_resolver_fails_with_a_code_or_a_kind_that_stands_for_one() {
    let lookup = |error: io::Error| Error::new(Syscall::Lookup, error).at(name("a.name"));
    for (kind, code) in [
        (ErrorKind::NotFound, "ENOTFOUND"),
        (ErrorKind::WouldBlock, "EAI_AGAIN"),
        (ErrorKind::ResourceBusy, "EAI_AGAIN"),
        (ErrorKind::TimedOut, "ETIMEDOUT"),
    ] {
        assert_eq!(lookup(kind.into()).code(), code);
        // The `?` of a resolver makes the same conversion.
        assert_eq!(
            lookup(to_io(Error::from(io::Error::from(kind)))).code(),
            code
        );
    }
    let own = lookup(resolver("ESERVFAIL"));
    assert_eq!((own.code(), own.hostname()), ("ESERVFAIL", Some("a.name")));
    assert_eq!(
        own.to_string(),
        "getaddrinfo ESERVFAIL: the resolver's words a.name"
    );
    assert_eq!(lookup(to_io(Error::other("no"))).code(), Error::OTHER);
    let words = io::Error::other("Temporary failure in name resolution");
    assert_eq!(lookup(words).code(), "UNKNOWN");
    let system = to_io(Error::from(system("EMFILE")));
    assert_eq!(lookup(system).code(), "EMFILE");
}

#[test]
fn a_copy_of_an_answer_keeps_number_code_and_words() {
    let own = resolver("ESERVFAIL");
    let copied = copy_of_io(&own);
    assert_eq!(copied.to_string(), own.to_string());
    assert_eq!(Error::from(copied).code(), "ESERVFAIL");
    let full = system("EMFILE");
    assert_eq!(copy_of_io(&full).raw_os_error(), full.raw_os_error());
    let words = io::Error::new(ErrorKind::NotFound, "no");
    assert_eq!(copy_of_io(&words).to_string(), "no");
}

#[test]
fn the_hint_fits_the_call_and_the_kind_of_address() {
    let hint = |error: Error| {
        format!("{error:#}")
            .split_once("hint: ")
            .map(|(_, hint)| hint.to_owned())
    };
    let missing = |syscall| hint(Error::new(syscall, system("ENOENT")).at(path("/run/socket")));
    assert_eq!(
        missing(Syscall::Listen).as_deref(),
        Some("the directory does not exist")
    );
    assert_eq!(
        missing(Syscall::Connect).as_deref(),
        Some("no server has made this socket yet")
    );
    let unknown = Error::new(Syscall::Lookup, ErrorKind::NotFound.into()).at(name("a.invalid"));
    assert!(hint(unknown).is_some_and(|hint| hint.starts_with("there is no such name")));
    let undecided = Error::new(Syscall::Lookup, resolver("ENOTFOUND")).at(name("a.invalid"));
    assert!(hint(undecided).is_some_and(|hint| hint.contains("the resolver's words")));
}

#[test]
fn a_reset_that_a_kernel_calls_otherwise_is_a_reset() {
    let other = || {
        let errno = Errno::named("EPROTOTYPE").expect("it is in the table");
        errno.to_io()
    };
    let error = Error::new(Syscall::Write, other());
    assert_eq!(error.code(), "ECONNRESET");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(error.to_string(), "write ECONNRESET");
    let error = Error::new(Syscall::Connect, other());
    assert_eq!(error.code(), "EPROTOTYPE");
}

#[test]
fn an_endpoint_is_added_to_an_error_and_not_to_its_clone() {
    let first = Error::new(Syscall::Connect, system("ECONNREFUSED"));
    let second = first.clone().at(socket("127.0.0.1:80"));
    assert_eq!(first.endpoint(), None);
    assert_eq!(second.port(), Some(80));
    assert_eq!(
        (second.code(), second.syscall()),
        (first.code(), first.syscall())
    );
    assert_eq!(second.raw_os_error(), first.raw_os_error());
    let local = "127.0.0.1:9".parse().unwrap();
    assert_eq!(second.clone().bound_to(local).local(), Some(local));
    assert_eq!(second.local(), None);
}
