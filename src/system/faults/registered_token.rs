//! The token of a source with faults.

use super::injector::Injector;
use crate::readiness::Readiness;

/// The drop takes the token out of the injector. The kernel deregisters a closed source by itself, so a source may
/// close without a call that takes the token out.
#[derive(Debug)]
pub(super) struct RegisteredToken {
    injector: Injector,
    token: Option<usize>,
}

impl RegisteredToken {
    pub(super) fn none(injector: &Injector) -> Self {
        Self {
            injector: injector.clone(),
            token: None,
        }
    }

    pub(super) fn set(&mut self, token: mio::Token) {
        self.token = Some(token.0);
        self.injector.register(token.0);
    }

    pub(super) fn clear(&mut self) {
        if let Some(token) = self.token.take() {
            self.injector.deregister(token);
        }
    }

    pub(super) fn owe(&self, readiness: Readiness) {
        if let Some(token) = self.token {
            self.injector.owe(token, readiness);
        }
    }
}

impl Drop for RegisteredToken {
    fn drop(&mut self) {
        self.clear();
    }
}
