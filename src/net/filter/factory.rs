//! Factories of filters: the options hold a factory, and each connection gets a filter of its own.

use std::fmt;
use std::rc::Rc;

use crate::net::error::Result;

use super::layer::AnyFilter;

/// A factory that makes one filter for each connection.
#[derive(Clone)]
pub(crate) struct FilterFactory(Rc<dyn Fn() -> Result<Box<dyn AnyFilter>>>);

impl FilterFactory {
    pub(crate) fn new<F: AnyFilter + 'static>(make: impl Fn() -> Result<F> + 'static) -> Self {
        Self(Rc::new(move || Ok(Box::new(make()?))))
    }

    pub(crate) fn make(&self) -> Result<Box<dyn AnyFilter>> {
        (self.0)()
    }
}

impl fmt::Debug for FilterFactory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("FilterFactory")
    }
}
