//! SMTP as a machine without I/O: a line in, a step out.

use std::borrow::Cow;

use crate::envelope::Path;

/// The most recipients of a message (RFC 5321, 4.5.3.1.8: at least 100).
const MOST_RECIPIENTS: usize = 100;

/// The refused commands after which a client is sent away.
const MOST_REFUSALS: u32 = 10;

/// A message that has arrived.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    /// The length of the text, with the ends of its lines, and without the dots that protect it.
    pub(crate) bytes: u64,
}

/// The consequence of a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A line of a message.
    Nothing,
    Reply(Cow<'static, str>),
    /// A reply, after which the connection ends.
    Goodbye(&'static str),
    /// A reply, after which TLS starts.
    StartTls(&'static str),
    Received(Message),
}

/// The state of a conversation. One that goes on over TLS begins anew: what was said in the clear may be an attacker's.
#[derive(Debug)]
pub(crate) struct Conversation {
    is_secure: bool,
    has_greeted: bool,
    from: Option<String>,
    to: Vec<String>,
    /// The length so far of a message that is under way.
    text: Option<u64>,
    message_bytes: u64,
    refusals: u32,
}

impl Conversation {
    pub(crate) fn new(is_secure: bool, message_bytes: u64) -> Self {
        Self {
            is_secure,
            has_greeted: false,
            from: None,
            to: Vec::new(),
            text: None,
            message_bytes,
            refusals: 0,
        }
    }

    /// Takes a line, without its CR LF.
    pub(crate) fn line(&mut self, line: &[u8]) -> Step {
        let step = match self.text {
            Some(length) => return self.text(line, length),
            None => match std::str::from_utf8(line) {
                Ok(line) => self.command(line.trim_end()),
                Err(_) => reply("500 5.5.2 a command is in ASCII"),
            },
        };
        if matches!(&step, Step::Reply(text) if text.starts_with('5')) {
            self.refusals += 1;
            if self.refusals == MOST_REFUSALS {
                return Step::Goodbye("421 4.7.0 too many errors");
            }
        }
        step
    }

    fn command(&mut self, line: &str) -> Step {
        let (verb, argument) = line.split_once(' ').unwrap_or((line, ""));
        match (verb.to_ascii_uppercase().as_str(), argument) {
            ("EHLO" | "HELO", "") => reply("501 5.5.4 which host?"),
            ("EHLO", _) => self.greet(),
            ("HELO", _) => {
                self.forget();
                self.has_greeted = true;
                reply("250 netloop")
            }
            ("NOOP", _) => reply("250 2.0.0 OK"),
            ("QUIT", _) => Step::Goodbye("221 2.0.0 goodbye"),
            ("STARTTLS", _) if self.is_secure => reply("503 5.5.1 this is TLS already"),
            ("STARTTLS", "") if self.has_greeted => Step::StartTls("220 2.0.0 go ahead"),
            ("STARTTLS", "") => reply("503 5.5.1 EHLO comes first"),
            ("STARTTLS", _) => reply("501 5.5.4 STARTTLS has no arguments"),
            _ if !self.is_secure => reply("530 5.7.0 must issue a STARTTLS command first"),
            ("RSET", _) => {
                self.forget();
                reply("250 2.0.0 forgotten")
            }
            ("MAIL", _) => self.mail(argument),
            ("RCPT", _) => self.recipient(argument),
            ("DATA", "") if !self.to.is_empty() => {
                self.text = Some(0);
                reply("354 end with a dot on a line of its own")
            }
            ("DATA", "") => reply("503 5.5.1 RCPT comes first"),
            ("DATA", _) => reply("501 5.5.4 DATA has no arguments"),
            _ => reply("500 5.5.2 unknown command"),
        }
    }

    fn greet(&mut self) -> Step {
        self.forget();
        self.has_greeted = true;
        let last = match self.is_secure {
            true => "250 8BITMIME",
            false => "250-8BITMIME\r\n250 STARTTLS",
        };
        Step::Reply(Cow::Owned(format!(
            "250-netloop\r\n250-PIPELINING\r\n250-ENHANCEDSTATUSCODES\r\n250-SIZE {}\r\n{last}",
            self.message_bytes
        )))
    }

    fn mail(&mut self, argument: &str) -> Step {
        if !self.has_greeted || self.from.is_some() {
            return reply("503 5.5.1 out of order");
        }
        let Some(path) = Path::parse(argument, "FROM:") else {
            return reply("501 5.1.7 MAIL FROM:<address>");
        };
        if !path.address.is_empty() && !path.is_full() {
            return reply("553 5.1.7 no address");
        }
        for parameter in path.parameters.split_ascii_whitespace() {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match (name.to_ascii_uppercase().as_str(), value.parse::<u64>()) {
                ("SIZE", Ok(bytes)) if bytes > self.message_bytes => {
                    return reply("552 5.3.4 the message is too long");
                }
                ("SIZE", Ok(_)) | ("BODY", _) => {}
                _ => return reply("555 5.5.4 unknown parameter"),
            }
        }
        self.from = Some(path.address.to_owned());
        reply("250 2.1.0 OK")
    }

    fn recipient(&mut self, argument: &str) -> Step {
        if self.from.is_none() {
            return reply("503 5.5.1 MAIL comes first");
        }
        match Path::parse(argument, "TO:") {
            None => reply("501 5.1.3 RCPT TO:<address>"),
            Some(path) if !path.parameters.is_empty() => reply("555 5.5.4 unknown parameter"),
            Some(path) if !path.is_full() => reply("553 5.1.3 no address"),
            Some(_) if self.to.len() == MOST_RECIPIENTS => reply("452 4.5.3 too many recipients"),
            Some(path) => {
                self.to.push(path.address.to_owned());
                reply("250 2.1.5 OK")
            }
        }
    }

    /// Takes a line of a message whose length so far is `length`. A program that keeps messages would keep the line.
    fn text(&mut self, line: &[u8], length: u64) -> Step {
        if line != b"." {
            // The client has put a dot before a line that begins with one.
            let line = line.strip_prefix(b".").unwrap_or(line);
            self.text = Some(length + line.len() as u64 + 2);
            return Step::Nothing;
        }
        let message = Message {
            from: self.from.take().unwrap_or_default(),
            to: std::mem::take(&mut self.to),
            bytes: length,
        };
        self.text = None;
        match length <= self.message_bytes {
            true => Step::Received(message),
            false => reply("552 5.3.4 the message is too long"),
        }
    }

    /// Forgets a message that was begun.
    fn forget(&mut self) {
        self.from = None;
        self.to.clear();
    }
}

fn reply(text: &'static str) -> Step {
    Step::Reply(Cow::Borrowed(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the codes of the replies to `lines`, and the message.
    fn talk(is_secure: bool, lines: &[&str]) -> (Vec<String>, Option<Message>) {
        let mut conversation = Conversation::new(is_secure, 100);
        let mut codes = Vec::new();
        let mut message = None;
        for line in lines {
            let code = match conversation.line(line.as_bytes()) {
                Step::Nothing => continue,
                Step::Reply(text) => text[..3].to_owned(),
                Step::Goodbye(text) | Step::StartTls(text) => text[..3].to_owned(),
                Step::Received(received) => {
                    message = Some(received);
                    "received".to_owned()
                }
            };
            codes.push(code);
        }
        (codes, message)
    }

    const ENVELOPE: [&str; 4] = ["EHLO a", "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA"];

    fn with_text<'a>(text: &[&'a str]) -> Vec<&'a str> {
        ENVELOPE.iter().chain(text).copied().collect()
    }

    #[test]
    fn a_message_is_received_without_the_dots_that_protect_it() {
        let (codes, message) = talk(true, &with_text(&["Subject: a", "", "..", ".a", "."]));
        assert_eq!(codes, ["250", "250", "250", "354", "received"]);
        let message = message.expect("it was received");
        assert_eq!(
            (message.from.as_str(), &message.to[..]),
            ("a@b", &["c@d".to_owned()][..])
        );
        assert_eq!(message.bytes, "Subject: a\r\n\r\n.\r\na\r\n".len() as u64);
    }

    #[test]
    fn no_mail_is_taken_in_the_clear() {
        let (codes, _) = talk(
            false,
            &[
                "MAIL FROM:<a@b>",
                "EHLO a",
                "MAIL FROM:<a@b>",
                "DATA",
                "RSET",
            ],
        );
        assert_eq!(codes, ["530", "250", "530", "530", "530"]);
        assert_eq!(
            talk(false, &["EHLO a", "NOOP", "starttls"]).0,
            ["250", "250", "220"]
        );
    }

    #[test]
    fn starttls_is_offered_once() {
        let mut conversation = Conversation::new(false, 100);
        let offers = |step| matches!(step, Step::Reply(text) if text.contains("STARTTLS"));
        assert!(offers(conversation.line(b"EHLO a")));
        let mut conversation = Conversation::new(true, 100);
        assert!(!offers(conversation.line(b"EHLO a")));
        assert_eq!(talk(true, &["EHLO a", "STARTTLS"]).0, ["250", "503"]);
        assert_eq!(
            talk(false, &["STARTTLS", "EHLO a", "STARTTLS now"]).0,
            ["503", "250", "501"]
        );
    }

    #[test]
    fn commands_out_of_order_are_refused() {
        for lines in [&["MAIL FROM:<a@b>"][..], &["RCPT TO:<a@b>"], &["DATA"]] {
            assert_eq!(talk(true, lines).0, ["503"], "{lines:?}");
        }
        let (codes, _) = talk(
            true,
            &["EHLO a", "MAIL FROM:<a@b>", "MAIL FROM:<a@b>", "DATA"],
        );
        assert_eq!(codes, ["250", "250", "503", "503"]);
        let (codes, _) = talk(
            true,
            &["EHLO a", "MAIL FROM:<a@b>", "RSET", "RCPT TO:<a@b>"],
        );
        assert_eq!(codes, ["250", "250", "250", "503"]);
    }

    #[test]
    fn a_message_beyond_the_limit_is_refused_at_its_end() {
        let long = "a".repeat(99);
        let (codes, message) = talk(true, &with_text(&[&long, "."]));
        assert_eq!((codes[4].as_str(), message), ("552", None));
        let (codes, _) = talk(true, &["EHLO a", "MAIL FROM:<a@b> SIZE=101"]);
        assert_eq!(codes, ["250", "552"]);
    }

    #[test]
    fn recipients_and_refusals_have_a_limit() {
        let mut lines = vec!["EHLO a", "MAIL FROM:<>"];
        lines.extend([ENVELOPE[2]; MOST_RECIPIENTS + 1]);
        assert_eq!(talk(true, &lines).0.last().map(String::as_str), Some("452"));
        let (codes, _) = talk(true, &["what"; 10]);
        assert_eq!((codes[8].as_str(), codes[9].as_str()), ("500", "421"));
    }
}
