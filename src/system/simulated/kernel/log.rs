//! The log of a run, for people. Each line has the time, and a call or event of a machine or a text of the program.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use super::machine::MachineId;

/// The last lines of a run. Without a limit, the log of a long run would take all memory.
#[derive(Debug)]
pub(super) struct Log {
    lines: VecDeque<String>,
    most: usize,
    dropped: u64,
}

impl Log {
    pub(super) fn new(most: usize) -> Self {
        Self {
            lines: VecDeque::new(),
            most,
            dropped: 0,
        }
    }

    /// Adds a line. `machine` is `None` for a line of the program.
    pub(super) fn add(
        &mut self,
        at: Duration,
        machine: Option<MachineId>,
        socket: Option<(SocketAddr, SocketAddr)>,
        text: &str,
    ) {
        if self.most == 0 {
            return;
        }
        if self.lines.len() >= self.most {
            self.lines.pop_front();
            self.dropped += 1;
        }
        let mut line = format!("{:>14.9} s  ", at.as_secs_f64());
        // Writing to a string cannot fail.
        let _ = match machine {
            Some(machine) => write!(line, "machine {:<2}  ", machine + 1),
            None => write!(line, "{:<12}", ""),
        };
        if let Some((local, remote)) = socket {
            let _ = write!(line, "{local} (peer {remote})  ");
        }
        line.push_str(text);
        self.lines.push_back(line);
    }

    /// Returns the kept lines, and before them the number of the lines that were dropped.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        if self.dropped > 0 {
            let _ = writeln!(text, "({} earlier lines are not kept)", self.dropped);
        }
        for line in &self.lines {
            text.push_str(line);
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_keeps_its_last_lines_and_counts_the_others() {
        let mut log = Log::new(2);
        let address = "10.0.0.1:7000".parse().unwrap();
        for length in 1..=3 {
            let text = format!("sends {length} bytes");
            let at = Duration::from_micros(length);
            log.add(at, Some(0), Some((address, address)), &text);
        }
        assert_eq!(
            log.text(),
            "(1 earlier lines are not kept)\n   \
             0.000002000 s  machine 1   10.0.0.1:7000 (peer 10.0.0.1:7000)  sends 2 bytes\n   \
             0.000003000 s  machine 1   10.0.0.1:7000 (peer 10.0.0.1:7000)  sends 3 bytes\n"
        );
    }
}
