//! The handshake: the greeting, the password if one is wanted, and the request.

use netloop::{Context, Error, SocketHandler};

use crate::Settings;
use crate::protocol::{
    Credentials, Fault, Method, Reply, parse_credentials, parse_greeting, parse_request,
    write_method, write_reply, write_verdict,
};
use crate::tunnel;

#[derive(Default)]
pub(crate) struct Handshake {
    stage: Stage,
    /// The bytes of the message that is not whole yet: few, because the messages are short.
    received: Vec<u8>,
}

#[derive(Clone, Copy, Default)]
enum Stage {
    #[default]
    Greeting,
    Password,
    Request,
    /// The client was refused. It is to end the connection, and whatever else it says is ignored.
    Refused,
}

impl SocketHandler<Settings> for Handshake {
    fn on_connect(&mut self, cx: &mut Context<'_, Settings>) {
        // For the whole handshake: no byte puts it off.
        cx.socket.set_deadline(cx.shared.handshake_timeout);
    }

    fn on_data(&mut self, cx: &mut Context<'_, Settings>, data: &[u8]) {
        self.received.extend_from_slice(data);
        // A client need not wait for an answer before its next message.
        loop {
            let taken = match self.stage {
                Stage::Greeting => self.greet(cx),
                Stage::Password => self.check_password(cx),
                Stage::Request => self.request(cx),
                Stage::Refused => return,
            };
            match taken {
                Ok(Some(length)) => drop(self.received.drain(..length)),
                Ok(None) => return,
                Err(fault) => return self.fail(cx, fault),
            }
        }
    }

    fn on_error(&mut self, cx: &mut Context<'_, Settings>, error: &Error) {
        say(cx, &error.to_string());
    }
}

/// The answer to one message: its length, or `None` if it is not whole or is the last.
type Taken = Result<Option<usize>, Fault>;

impl Handshake {
    fn greet(&mut self, cx: &mut Context<'_, Settings>) -> Taken {
        let Some((offered, length)) = parse_greeting(&self.received)? else {
            return Ok(None);
        };
        let (wanted, next) = match &cx.shared.credentials {
            Some(_) => (Method::Password, Stage::Password),
            None => (Method::None, Stage::Request),
        };
        if offered.contains(&(wanted as u8)) {
            cx.socket.write(&write_method(Some(wanted))).ignore();
            self.stage = next;
        } else {
            self.refuse(cx, &write_method(None));
        }
        Ok(Some(length))
    }

    fn check_password(&mut self, cx: &mut Context<'_, Settings>) -> Taken {
        let Some((given, length)) = parse_credentials(&self.received)? else {
            return Ok(None);
        };
        let wanted = cx.shared.credentials.as_ref();
        if wanted.is_some_and(|wanted| are_same(&given, wanted)) {
            cx.socket.write(&write_verdict(true)).ignore();
            self.stage = Stage::Request;
        } else {
            say(cx, "another name or password");
            self.refuse(cx, &write_verdict(false));
        }
        Ok(Some(length))
    }

    fn request(&mut self, cx: &mut Context<'_, Settings>) -> Taken {
        if let Some((destination, length)) = parse_request(&self.received)? {
            // The tunnel has a handler of its own.
            if let Err(error) = tunnel::open(cx, destination, &self.received[length..]) {
                say(cx, &error.to_string());
                self.refuse(cx, &write_reply(Reply::Failed, None));
            }
        }
        Ok(None)
    }

    fn fail(&mut self, cx: &mut Context<'_, Settings>, fault: Fault) {
        say(cx, &fault.to_string());
        match self.stage {
            Stage::Request => self.refuse(cx, &write_reply(fault.reply(), None)),
            // A client that speaks another protocol would not understand an answer.
            _ => cx.socket.destroy(),
        }
    }

    fn refuse(&mut self, cx: &mut Context<'_, Settings>, answer: &[u8]) {
        cx.socket.end_with(answer).ignore();
        self.stage = Stage::Refused;
    }
}

/// Whether both are the same. The time does not tell how many bytes were right.
fn are_same(given: &Credentials, wanted: &Credentials) -> bool {
    let differ = |given: &[u8], wanted: &[u8]| {
        let bytes = given.iter().zip(wanted);
        let difference = bytes.fold(0, |difference, (a, b)| difference | (a ^ b));
        difference != 0 || given.len() != wanted.len()
    };
    !(differ(&given.name, &wanted.name) | differ(&given.password, &wanted.password))
}

/// Writes a line about the client to standard error.
pub(crate) fn say(cx: &Context<'_, Settings>, text: &str) {
    match cx.socket.peer_address() {
        Some(client) => eprintln!("{client}: {text}"),
        None => eprintln!("a client: {text}"),
    }
}
