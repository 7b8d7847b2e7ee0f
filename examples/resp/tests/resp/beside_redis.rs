//! The same bytes to the example and to a real Redis: each reply, each error and each end is the same.

use crate::process::Server;

/// Scripts in lines, whose transcripts are compared.
const SCRIPTS: &[&str] = &[
    "ping\nPing hello\nping a b\necho\necho a\n",
    "get a\nset a\nset a 1 2\nset a 1 ex\nset a 1 ex x\nset a 1 ex 0\nset a 1 ex -1\nset a 1 px 0\n\
     set a 1 ex 9223372036854775807\nset a 1 px 9223372036854775807\nset a 1 nx xx\nset a 1 ex 1 px 1\n\
     set a 1 keepttl ex 1\nset a 1 ex 1 keepttl\nset a 1 bad\nget a\n",
    "set b 1 nx\nset b 2 nx\nget b\nset b 3 xx\nget b\nset none 1 xx\nset b 4 get\nset none 1 get\nget none\n\
     set b 5 nx get\nset other 5 nx get\nget other\nset none2 1 xx get\nset b 6 GET XX\nget b\n",
    "incr n\nincr n\nincrby n 10\ndecr n\ndecrby n 5\nincrby n x\nincrby n 1.5\nset s abc\nincr s\n\
     set n 9223372036854775807\nincr n\nset n -9223372036854775808\ndecr n\ndecrby n -9223372036854775808\n\
     set n ' 1'\nincr n\nset n 01\nincr n\nset n ''\nincr n\n",
    "mset\nmset a\nmset a 1 b\nmset a 1 b 2 a 3\nmget a b c a\nmget\ndel a a b c\ndel\nexists\nexists a\n",
    "set a 1\nexists a a a\nexpire a\nexpire a x\nexpire a 100 zz\nexpire none 100\nttl none\nttl a\npttl a\n\
     persist a\npersist none\nexpire a 0\nget a\nset a 1\nexpire a -1\nexists a\nset a 1\n\
     expire a -9223372036854775808\npexpire a 9223372036854775807\nexpire a 9223372036854775807\nexpire a 1000\npersist a\npersist a\nttl a\n",
    "set a 1\nexpire a 100 xx\nexpire a 100 gt\nexpire a 100 lt\nexpire a 1000 gt\nexpire a 1000 lt\nexpire a 1000 nx\n\
     expire a 2000 xx\nexpire a 2000 nx xx\nexpire a 2000 nx gt\nexpire a 2000 gt lt\nexpire a x bad\nexpire none 1 xx\n",
    "set a 1 ex 1000\nset a 2\nttl a\nset a 1 ex 1000\nset a 2 keepttl\npersist a\nset a 1 ex 1000\nincr a\npersist a\n\
     set a 1 ex 1000\nmset a 2\npersist a\nset a 1 ex 1000\nexpire a 2000\npersist a\n",
    "flushall\nflushall sync\nflushall async\nflushall x\nflushall sync x\nset hello 1\nkeys h*o\nkeys h[^e]llo\nkeys h[a-e]llo\nkeys\n\
     keys h?ll\nkeys h\\\\?llo\ndbsize\ndbsize x\n",
    "nonsense\nnonsense a b c\nnonsense 'a b' \"c\\r\\nd\"\nGET\nget a b\n",
    "select 0\nselect 99\nselect x\nselect\nselect 0 0\n",
    "client\nclient nonsense\nclient setname\nclient setname ada\nclient getname\nclient setname 'a b'\n\
     client getname x\nclient setname ''\nclient getname\n",
    "config\nconfig get\nconfig get appendonly\nconfig get save\nconfig get nonsense\n",
    "hello x\nhello 1\nhello 4\nhello 2 setname\nhello 2 nonsense a\nhello 3 setname 'a b'\n",
    "publish\npublish a b\npublish a\nsubscribe\nunsubscribe\nunsubscribe a b\npunsubscribe\npsubscribe\n",
    "command count x\ncommand nonsense\ncommand info nonsense\n",
    "\n\n  \nping\n\"ping\"\n'ping'\n\"\\x70ing\"\n*0\r\n*-1\r\n*-7\r\nping\n",
];

/// Streams after which the connection ends.
const ENDS: &[&str] = &[
    "quit\r\nping\r\n",
    "ping\r\nset a \"b\r\nping\r\n",
    "set a 'b'c\r\n",
    "*x\r\n",
    "*1\r\nping\r\n",
    "*1\r\n:1\r\n",
    "*1\r\n$x\r\n",
    "*1\r\n$-1\r\n",
    "*1\r\n$+4\r\nPING\r\n",
    "*1\r\n\r\n",
    "*2147483648\r\n",
    "*1\r\n$4\r\nPING\r\n*1\r\n$999999999999\r\n",
    "ping\r\n*2\r\n$4\r\necho\r\n$3\r\nab",
    "",
];

#[test]
fn every_reply_is_that_of_a_real_redis() {
    let Some(redis) = Server::start_redis() else {
        return;
    };
    let server = Server::start(&[]);
    for script in SCRIPTS {
        // Line by line, so that a difference names its line.
        let (mut of_redis, mut of_ours) = (redis.connect(), server.connect());
        for line in script.split_inclusive('\n') {
            let expected = of_redis.transcript(line.as_bytes());
            let found = of_ours.transcript(line.as_bytes());
            assert_eq!(
                found.escape_ascii().to_string(),
                expected.escape_ascii().to_string(),
                "{line:?} in {script:?}"
            );
        }
    }
}

#[test]
fn every_end_is_that_of_a_real_redis() {
    let Some(redis) = Server::start_redis() else {
        return;
    };
    let server = Server::start(&[]);
    for stream in ENDS {
        let expected = redis.connect().last_words(stream.as_bytes());
        let found = server.connect().last_words(stream.as_bytes());
        assert_eq!(
            found.escape_ascii().to_string(),
            expected.escape_ascii().to_string(),
            "{stream:?}"
        );
    }
}

/// Draws a command of values and keys, whose reply does not depend on the time.
fn draw(random: &mut fastrand::Rng) -> Vec<Vec<u8>> {
    let names: [(&str, usize); 16] = [
        ("get", 1),
        ("set", 2),
        ("set", 3),
        ("set", 4),
        ("set", 5),
        ("del", 2),
        ("exists", 2),
        ("incr", 1),
        ("decrby", 2),
        ("incrby", 2),
        ("mget", 3),
        ("mset", 4),
        ("expire", 2),
        ("persist", 1),
        ("dbsize", 0),
        ("echo", 1),
    ];
    let words = [
        "a", "b", "c", "1", "-5", "100000", "nx", "xx", "get", "ex", "px", "keepttl", "", "01",
        "\r\n",
    ];
    let (name, most) = names[random.usize(..names.len())];
    let mut command = vec![name.as_bytes().to_vec()];
    // Mostly as many as the command takes, and mostly a key first.
    let number = if random.u8(..10) == 0 {
        random.usize(..6)
    } else {
        most
    };
    for place in 0..number {
        let of = if place == 0 { &words[..3] } else { &words[..] };
        command.push(of[random.usize(..of.len())].as_bytes().to_vec());
    }
    command
}

#[test]
fn random_commands_are_answered_as_by_a_real_redis() {
    let Some(redis) = Server::start_redis() else {
        return;
    };
    let server = Server::start(&[]);
    for seed in 0..100 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut of_redis, mut of_ours) = (redis.connect(), server.connect());
        let mut stream = b"*1\r\n$8\r\nflushall\r\n".to_vec();
        for _ in 0..300 {
            let command = draw(&mut random);
            stream.extend(format!("*{}\r\n", command.len()).bytes());
            for argument in &command {
                stream.extend(format!("${}\r\n", argument.len()).bytes());
                stream.extend(argument);
                stream.extend(b"\r\n");
            }
        }
        let expected = of_redis.transcript(&stream);
        let found = of_ours.transcript(&stream);
        let differs = expected
            .iter()
            .zip(&found)
            .position(|(one, other)| one != other);
        if let Some(place) = differs {
            let around = |bytes: &[u8]| {
                let end = bytes.len().min(place + 100);
                bytes[place.saturating_sub(100)..end]
                    .escape_ascii()
                    .to_string()
            };
            panic!(
                "seed {seed}: {}\nand not {}",
                around(&found),
                around(&expected)
            );
        }
        assert_eq!(found.len(), expected.len(), "seed {seed}");
    }
}
