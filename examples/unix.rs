//! A server and a client on a Unix socket: on the path of a file, or on a name in Linux's abstract namespace (`@name`).
//!
//! The server tells each client which user and which process the kernel says that it is (on Linux). It ends at the end of its
//! input, and removes its file. A file that a killed server has left is replaced; the file of a server that is there is not.
//!
//! ```text
//! $ cargo run --example unix -- serve /tmp/app.sock
//! listening /tmp/app.sock
//! user 1000, process 4711: comes
//! user 1000, process 4711: leaves
//! ^D
//! ```
//!
//! ```text
//! $ cargo run --example unix -- connect /tmp/app.sock
//! hello
//! user 1000, process 4711: hello
//! ^D
//! ```
use std::error::Error;

#[cfg(unix)]
mod programs {
    use std::io::{self, ErrorKind, Write};
    use std::os::unix::fs::FileTypeExt;
    use std::os::unix::net::UnixStream;
    use std::path::Path;
    use std::time::Duration;

    use netloop::text::Lines;
    use netloop::{
        CloseReason, Context, Endpoint, Error, EventLoop, Result, ServerId, Socket, SocketHandler,
    };

    const MAX_LINE_BYTES: usize = 4096;

    /// The time that clients have to end, once the server ends.
    const FAREWELL: Duration = Duration::from_secs(1);

    /// One client of the server.
    struct Session {
        client: String,
        lines: Lines,
    }

    impl SocketHandler for Session {
        fn on_connect(&mut self, cx: &mut Context<'_>) {
            self.client = describe(&mut cx.socket);
            println!("{}: comes", self.client);
        }

        fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) {
            for line in self.lines.push(data) {
                match line {
                    Ok(line) => writeln!(cx.socket, "{}: {}", self.client, line.escape_ascii()),
                    Err(too_long) => writeln!(cx.socket, "{}: {too_long}", self.client),
                };
            }
        }

        fn on_close(&mut self, _: &mut Context<'_>, _: CloseReason) {
            println!("{}: leaves", self.client);
        }
    }

    /// The client, as the kernel knows it: no process can pretend to be another.
    #[cfg(target_os = "linux")]
    fn describe(socket: &mut Socket<'_>) -> String {
        let credentials = socket
            .descriptor()
            .map(rustix::net::sockopt::socket_peercred);
        match credentials {
            Some(Ok(it)) => {
                let process = it.pid.as_raw_nonzero();
                format!("user {}, process {process}", it.uid.as_raw())
            }
            _ => "a client".to_owned(),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn describe(_: &mut Socket<'_>) -> String {
        "a client".to_owned()
    }

    /// The input of the server, whose end is the server's.
    struct Input;

    impl SocketHandler for Input {
        fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {}

        fn on_close(&mut self, cx: &mut Context<'_>, _: CloseReason) {
            // The server's file goes first, and then the clients.
            cx.as_loop().shutdown(FAREWELL, |_, _| {});
        }
    }

    pub(crate) fn serve(place: &Endpoint) -> Result<()> {
        let mut event_loop = EventLoop::new()?;
        listen(&mut event_loop, place)?;
        println!("listening {place}");
        event_loop.read_input(io::stdin(), Input)?;
        event_loop.run(&mut ())
    }

    /// Listens on `place`, also if a server that is gone has left its file there.
    fn listen(event_loop: &mut EventLoop, place: &Endpoint) -> Result<ServerId> {
        let listening = bind(event_loop, place);
        match (&listening, place) {
            (Err(error), Endpoint::Path(path))
                if error.code() == "EADDRINUSE" && is_stale(path) =>
            {
                // Of two servers that begin at the same moment, one may remove the file of the other. A program for which
                // that counts takes a lock (`flock`) on a file beside it before this.
                std::fs::remove_file(path)?;
                bind(event_loop, place)
            }
            _ => listening,
        }
    }

    fn bind(event_loop: &mut EventLoop, place: &Endpoint) -> Result<ServerId> {
        event_loop.listen(place, |_, _| Session {
            client: String::new(),
            lines: Lines::new(MAX_LINE_BYTES),
        })
    }

    /// Whether the file is that of a Unix socket on which nothing listens.
    fn is_stale(path: &Path) -> bool {
        let is_socket = path
            .symlink_metadata()
            .is_ok_and(|file| file.file_type().is_socket());
        let answer = UnixStream::connect(path).map_err(|error| error.kind());
        is_socket && matches!(answer, Err(ErrorKind::ConnectionRefused))
    }

    /// The output of the client: the bytes of the server. The state of the loop is the error, if there was one.
    struct Screen;

    impl SocketHandler<Option<Error>> for Screen {
        fn on_data(&mut self, cx: &mut Context<'_, Option<Error>>, data: &[u8]) {
            let mut screen = io::stdout().lock();
            if let Err(error) = screen.write_all(data).and_then(|()| screen.flush()) {
                cx.socket.destroy_with(error);
            }
        }

        fn on_end(&mut self, cx: &mut Context<'_, Option<Error>>) {
            // The pipe from the keyboard would keep this side open.
            cx.socket.end();
        }

        fn on_error(&mut self, cx: &mut Context<'_, Option<Error>>, error: &Error) {
            *cx.shared = Some(error.clone());
        }
    }

    /// The input of the client. Its bytes go through a pipe.
    struct Keyboard;

    impl SocketHandler<Option<Error>> for Keyboard {
        fn on_data(&mut self, _: &mut Context<'_, Option<Error>>, _: &[u8]) {}
    }

    pub(crate) fn connect(place: &Endpoint) -> Result<()> {
        let mut event_loop = EventLoop::new()?;
        let mut failure = None;
        let server = event_loop.connect(place, Screen)?;
        let keyboard = event_loop.read_input(io::stdin(), Keyboard)?;
        // With the end of the input, this side of the connection ends too. The close of the connection ends the input.
        event_loop.context(&mut failure).pipe(keyboard, server);
        event_loop.run(&mut failure)?;
        failure.map_or(Ok(()), Err)
    }
}

#[cfg(unix)]
fn main() -> Result<(), Box<dyn Error>> {
    use netloop::IntoEndpoint;

    let mut arguments = std::env::args().skip(1);
    let (Some(mode), Some(place), None) = (arguments.next(), arguments.next(), arguments.next())
    else {
        return Err("usage: unix serve|connect PATH|@NAME".into());
    };
    // The prefix is for places that could also be an address.
    let place = format!("unix:{place}").into_endpoint()?;
    match mode.as_str() {
        "serve" => programs::serve(&place)?,
        "connect" => programs::connect(&place)?,
        _ => return Err("usage: unix serve|connect PATH|@NAME".into()),
    }
    Ok(())
}

#[cfg(not(unix))]
fn main() -> Result<(), Box<dyn Error>> {
    Err("a Unix socket needs Unix".into())
}
