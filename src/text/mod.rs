//! Text and lines from the bytes of a stream, which a network cuts anywhere.
//!
//! A socket delivers bytes. Two adapters, which a handler owns, take the place of Node's `setEncoding`:
//! [`Utf8Decoder`] and [`Lines`].
//!
//! ```
//! use netloop::text::Lines;
//!
//! let mut lines = Lines::new(1024);
//! let mut commands = Vec::new();
//! for data in [&b"SET a 1\r\nGE"[..], b"T a\r\n"] {
//!     for line in lines.push(data) {
//!         commands.push(String::from_utf8_lossy(line?).into_owned());
//!     }
//! }
//! assert_eq!(commands, ["SET a 1", "GET a"]);
//! # Ok::<(), netloop::text::LineTooLong>(())
//! ```

mod lines;
mod utf8;

pub use lines::{CompletedLines, LineTooLong, Lines};
pub use utf8::{InvalidUtf8, Utf8Decoder};
