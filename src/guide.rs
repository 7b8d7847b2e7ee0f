//! Chapters for one kind of program each: recipes whose code is compiled and run as tests.

#[doc = include_str!("guide/embedding.md")]
pub mod embedding {}
