//! Factories of filters: the options hold a factory, and each connection gets a filter of its own.

use std::fmt;
use std::rc::Rc;

use crate::net::error::{Error, Result};
use crate::system::catch_panic;

use super::layer::AnyFilter;

#[derive(Clone)]
pub(crate) struct FilterFactory {
    make: Rc<dyn Fn() -> Result<Box<dyn AnyFilter>>>,
    /// Whether the filters are made from a configuration alone: if one cannot be made, none ever can.
    is_of_configuration: bool,
}

impl FilterFactory {
    pub(crate) fn new<F: AnyFilter + 'static>(make: impl Fn() -> Result<F> + 'static) -> Self {
        Self {
            make: Rc::new(move || Ok(Box::new(make()?))),
            is_of_configuration: false,
        }
    }

    #[cfg(feature = "tls")]
    pub(crate) fn of_configuration<F: AnyFilter + 'static>(
        make: impl Fn() -> Result<F> + 'static,
    ) -> Self {
        Self {
            is_of_configuration: true,
            ..Self::new(make)
        }
    }

    /// Checks a configuration: with a bad one, a server could serve no connection.
    pub(crate) fn check(&self) -> Result<()> {
        if self.is_of_configuration {
            self.make()?;
        }
        Ok(())
    }

    /// Makes a filter. A panic of the factory is an error, as one of a filter is.
    pub(crate) fn make(&self) -> Result<Box<dyn AnyFilter>> {
        catch_panic("the factory of its filter panicked", || (self.make)())
            .unwrap_or_else(|text| Err(Error::with_code(Error::HANDLER_PANICKED, text)))
    }
}

impl fmt::Debug for FilterFactory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("FilterFactory")
    }
}
