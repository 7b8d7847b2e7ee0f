//! The tokens of `notify_when_sent`, and the callbacks that must come of them (S3).

use std::collections::VecDeque;

use netloop::Error;

use super::ledger::Phase;

/// The most tokens of one side: they make the checks slower.
const MOST: u64 = 20;

/// The tokens of one side, which are numbers in the order in which they were asked for.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    asked: u64,
    waiting: VecDeque<Token>,
    /// A token was told of a close. From then on there are only more of these, and `on_close`.
    is_abandoned: bool,
}

#[derive(Debug)]
struct Token {
    number: u64,
    /// The number of bytes that writes had accepted.
    position: u64,
    /// Whether the last write was refused, since the side had ended.
    is_refused: bool,
}

impl Tokens {
    pub(crate) fn wants_more(&self) -> bool {
        self.asked < MOST
    }

    /// The next token, behind `position` accepted bytes.
    pub(crate) fn ask(&mut self, position: u64, is_refused: bool) -> u64 {
        let number = self.asked;
        self.asked += 1;
        self.waiting.push_back(Token {
            number,
            position,
            is_refused,
        });
        number
    }

    /// `number` is told when the kernel has taken `taken` bytes.
    pub(crate) fn told(&mut self, number: u64, sent: Result<(), &Error>, taken: u64, phase: Phase) {
        let token = self.waiting.pop_front();
        let token = token.unwrap_or_else(|| panic!("S3: {number} was told before"));
        assert_eq!(number, token.number, "S3: another token's turn: {self:?}");
        match sent {
            Ok(()) => {
                assert!(!token.is_refused, "S3: sent, and was refused: {token:?}");
                assert!(
                    matches!(phase, Phase::Connected | Phase::Ended) && !self.is_abandoned,
                    "S3: sent in phase {phase:?}: {token:?}"
                );
                assert!(
                    token.position <= taken,
                    "S3: sent, and only {taken} bytes are: {token:?}"
                );
            }
            Err(error) if error.code() == Error::WRITE_AFTER_END => {
                assert!(token.is_refused, "S3: {error}, before the end: {token:?}");
            }
            // Behind the end of everything there is nothing but the close.
            Err(_) => self.is_abandoned = true,
        }
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.is_abandoned
    }

    pub(crate) fn all_are_told(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The first token, if no queued byte is before it and it was not told.
    pub(crate) fn overdue(&self, taken: u64) -> Option<u64> {
        let first = self.waiting.front();
        first
            .filter(|first| first.position <= taken)
            .map(|first| first.number)
    }

    /// L: at rest, each token is told that has no queued byte before it.
    pub(crate) fn check_rest(&self, taken: u64) {
        assert!(
            self.overdue(taken).is_none(),
            "L: never told of what is sent: {self:?}, and {taken} bytes are"
        );
    }
}
