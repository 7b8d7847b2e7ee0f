//! The output of a program or a socket so far, and waits for its next output.

use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The longest wait for anything that is not much data. It is long because the machine may be busy with something else;
/// the answers themselves come within milliseconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Asks until there is an answer, where no event tells of it.
pub(crate) fn ask_for<T>(wanted: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "there was no {wanted}");
        #[expect(
            clippy::disallowed_methods,
            reason = "no event tells of it; the deadline is above"
        )]
        thread::sleep(Duration::from_millis(2));
    }
}

/// Everything that came out of a reader, which a thread reads to its end.
pub(crate) struct Transcript {
    of: String,
    heard: Arc<Heard>,
    /// Up to where [`expect`](Self::expect) has looked: what is behind that was expected before.
    seen: usize,
}

#[derive(Default)]
struct Heard {
    text: Mutex<Text>,
    has_changed: Condvar,
}

#[derive(Default)]
struct Text {
    bytes: Vec<u8>,
    is_over: bool,
}

impl Transcript {
    pub(crate) fn of(name: &str, reader: impl Read + Send + 'static) -> Self {
        let heard = Arc::new(Heard::default());
        let hearing = Arc::clone(&heard);
        thread::spawn(move || hearing.listen_to(reader));
        Self {
            of: name.to_owned(),
            heard,
            seen: 0,
        }
    }

    /// Waits for `text`, behind what was expected before.
    pub(crate) fn expect(&mut self, text: &str) {
        let from = self.seen;
        let found = self.wait(text, |heard| {
            let behind = &heard.bytes[from..];
            let at = find(behind, text.as_bytes())?;
            Some(from + at + text.len())
        });
        self.seen = found;
    }

    /// Waits for the next line, and returns it without its end.
    pub(crate) fn next_line(&mut self) -> String {
        let from = self.seen;
        let line = self.wait("a line", |heard| {
            let length = find(&heard.bytes[from..], b"\n")?;
            Some(heard.bytes[from..from + length].to_vec())
        });
        self.seen += line.len() + 1;
        String::from_utf8(line).expect("the examples speak UTF-8")
    }

    /// Waits for the end, and returns all that was ever said.
    pub(crate) fn to_the_end(&self) -> String {
        self.wait("its end", |heard| heard.is_over.then_some(()));
        self.so_far()
    }

    /// All that was said until now.
    pub(crate) fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.heard.text().bytes).into_owned()
    }

    fn wait<T>(&self, wanted: &str, mut look: impl FnMut(&Text) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut text = self.heard.text();
        loop {
            if let Some(found) = look(&text) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if text.is_over || left.is_zero() {
                let said = String::from_utf8_lossy(&text.bytes).into_owned();
                // So that the thread that still listens does not panic at a poisoned lock as well.
                drop(text);
                panic!("{} did not say {wanted:?}; it said:\n{said}", self.of);
            }
            let waited = self.heard.has_changed.wait_timeout(text, left);
            text = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Heard {
    fn text(&self) -> MutexGuard<'_, Text> {
        self.text.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listen_to(&self, mut reader: impl Read) {
        let mut chunk = [0; 64 << 10];
        loop {
            // A reset ends it as well: what was said before it is what counts.
            let length = reader.read(&mut chunk).unwrap_or(0);
            let mut text = self.text();
            text.bytes.extend_from_slice(&chunk[..length]);
            text.is_over = length == 0;
            drop(text);
            self.has_changed.notify_all();
            if length == 0 {
                return;
            }
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut from = 0;
    loop {
        let at = from + bytes[from..].iter().position(|&byte| byte == first)?;
        if bytes[at..].starts_with(wanted) {
            return Some(at);
        }
        from = at + 1;
    }
}
