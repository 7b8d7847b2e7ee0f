//! Commands side by side in one loop: the output of each command, line by line, and its exit. A command is two sources:
//! the pipe of its output, and a descriptor of its process (pidfd, which needs Linux).
//!
//! ```text
//! $ cargo run --example child_process -- 'echo one; sleep 1; echo two' 'echo hello; exit 3'
//! 1: one
//! 2: hello
//! 2: exit status: 3
//! 1: two
//! 1: exit status: 0
//! ```
use std::error::Error;

#[cfg(target_os = "linux")]
mod commands {
    use std::io::{self, Read};
    use std::os::fd::OwnedFd;
    use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

    use netloop::text::Lines;
    use netloop::{Descriptor, EventLoop, Interest, LoopContext, SourceContext, SourceHandler};
    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    const MAX_LINE_BYTES: usize = 64 << 10;

    /// The end of one command: its output and its process may end in either order.
    #[derive(Default)]
    pub(crate) struct Ending {
        has_said_all: bool,
        status: Option<ExitStatus>,
    }

    impl Ending {
        fn tell(&self, number: usize) {
            if let (true, Some(status)) = (self.has_said_all, self.status) {
                println!("{number}: {status}");
            }
        }
    }

    /// The endings of the commands, by their numbers.
    pub(crate) type Endings = Vec<Ending>;

    struct Output {
        number: usize,
        lines: Lines,
    }

    impl SourceHandler<Endings> for Output {
        type Source = Descriptor<ChildStdout>;

        fn on_readable(&mut self, cx: &mut SourceContext<'_, Self::Source, Endings>) {
            let mut buffer = [0; 4096];
            match cx.try_io(Interest::READABLE, |output| output.0.read(&mut buffer)) {
                // The rest comes in the next call, after the other commands had theirs.
                Ok(length) if length > 0 => {
                    for line in self.lines.push(&buffer[..length]) {
                        match line {
                            Ok(line) => println!("{}: {}", self.number, line.escape_ascii()),
                            Err(too_long) => println!("{}: {too_long}", self.number),
                        }
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // The end of the output.
                Ok(_) | Err(_) => cx.close(),
            }
        }

        fn on_close(mut self, cx: &mut LoopContext<'_, Endings>, _: Self::Source) {
            if let Some(line) = self.lines.finish() {
                println!("{}: {}", self.number, line.escape_ascii());
            }
            let ending = &mut cx.shared[self.number - 1];
            ending.has_said_all = true;
            ending.tell(self.number);
        }
    }

    struct Process {
        number: usize,
        child: Child,
    }

    impl SourceHandler<Endings> for Process {
        type Source = Descriptor<OwnedFd>;

        // The descriptor is readable from the exit on, and is never read.
        fn on_readable(&mut self, cx: &mut SourceContext<'_, Self::Source, Endings>) {
            if let Ok(Some(status)) = self.child.try_wait() {
                let ending = &mut cx.shared[self.number - 1];
                ending.status = Some(status);
                ending.tell(self.number);
            }
            cx.close();
        }
    }

    /// Starts `command`, and adds its two sources to the loop.
    pub(crate) fn start(
        cx: &mut LoopContext<'_, Endings>,
        command: &str,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let mut child = Command::new("sh")
            .args(["-c", command])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        cx.shared.push(Ending::default());
        let number = cx.shared.len();
        if let Some(output) = child.stdout.take() {
            let lines = Lines::new(MAX_LINE_BYTES);
            cx.add_source(
                Descriptor::non_blocking(output)?,
                Interest::READABLE,
                Output { number, lines },
            )?;
        }
        let process = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?;
        cx.add_source(
            Descriptor(process),
            Interest::READABLE,
            Process { number, child },
        )?;
        Ok(())
    }

    pub(crate) fn run(commands: &[String]) -> Result<(), Box<dyn std::error::Error>> {
        let mut event_loop = EventLoop::new()?;
        let mut endings = Endings::new();
        for command in commands {
            start(&mut event_loop.context(&mut endings), command)?;
        }
        // Ends when the last source has closed.
        event_loop.run(&mut endings)?;
        Ok(())
    }
}

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn Error>> {
    let commands: Vec<String> = std::env::args().skip(1).collect();
    commands::run(&commands)
}

#[cfg(not(target_os = "linux"))]
fn main() -> Result<(), Box<dyn Error>> {
    Err("a descriptor of a process (pidfd) needs Linux".into())
}
