//! Chapters, each about one subject. Nearly all of their code is compiled in tests, and most of it runs there.

#[doc = include_str!("guide/first_server.md")]
pub mod first_server {}

#[doc = include_str!("guide/from_node.md")]
pub mod from_node {}

#[doc = include_str!("guide/backpressure.md")]
pub mod backpressure {}

#[doc = include_str!("guide/timeouts_and_limits.md")]
pub mod timeouts_and_limits {}

#[doc = include_str!("guide/errors_and_closing.md")]
pub mod errors_and_closing {}

#[doc = include_str!("guide/tls.md")]
pub mod tls {}

#[doc = include_str!("guide/patterns.md")]
pub mod patterns {}

#[doc = include_str!("guide/datagrams.md")]
pub mod datagrams {}

#[doc = include_str!("guide/testing.md")]
pub mod testing {}

#[doc = include_str!("guide/embedding.md")]
pub mod embedding {}

/// The design of the library, for readers of its code: `ARCHITECTURE.md` of the repository.
#[doc = include_str!("../ARCHITECTURE.md")]
pub mod architecture {}

#[doc = include_str!("guide/comparison.md")]
pub mod comparison {}

#[doc = include_str!("guide/faq.md")]
pub mod faq {}
