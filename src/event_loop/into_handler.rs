//! The answers of a closure that accepts connections.

use super::socket_handler::SocketHandler;

use sealed::{Always, Boxed, Optional};

/// An answer of the closure that is given to [`listen`](crate::EventLoop::listen): the handler of the new connection.
///
/// It is a [`SocketHandler`], or an `Option` of one, of which `None` refuses the connection. Where kinds of handlers
/// differ it is a box of one, which [`boxed`](SocketHandler::boxed) makes. `M` tells these forms apart and is always
/// inferred. The trait is sealed.
///
/// ```
/// use netloop::{Context, EventLoop, SocketHandler};
///
/// struct Quiet;
///
/// impl SocketHandler<u32> for Quiet {
///     fn on_data(&mut self, _: &mut Context<'_, u32>, _: &[u8]) {}
/// }
///
/// let mut event_loop: EventLoop<u32> = EventLoop::new()?;
/// event_loop.listen("127.0.0.1:0", |_, _| Quiet)?;
/// event_loop.listen("127.0.0.1:0", |cx, _| (*cx.shared < 100).then_some(Quiet))?;
/// event_loop.listen("127.0.0.1:0", |_, _| Quiet.boxed())?;
/// # Ok::<(), netloop::Error>(())
/// ```
// The marker is there for the compiler: without it an implementation for `H: SocketHandler<S>` beside one for `Option<H>`
// is E0119, as another crate may implement `SocketHandler` for an `Option` of its own type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the handler of an accepted connection",
    label = "neither a `SocketHandler<{S}>` nor an `Option` or a box of one",
    note = "the closure given to `listen` answers with a `SocketHandler<{S}>`, with an `Option` of one (`None` refuses \
            the connection), or with a `Box<dyn SocketHandler<{S}>>`"
)]
pub trait IntoHandler<S, M>: sealed::IntoHandler<S, M> {}

/// The parts of the trait that have to be public for the compiler, and that nothing outside can name.
mod sealed {
    use super::SocketHandler;

    /// The form of a handler, or of a `Box<dyn SocketHandler>`.
    #[derive(Debug)]
    pub enum Always {}

    /// The form of a box of a handler of a type that is known.
    #[derive(Debug)]
    pub enum Boxed {}

    /// The form of an `Option` of a handler in the form `M`.
    #[derive(Debug)]
    pub struct Optional<M>(M);

    pub trait IntoHandler<S, M> {
        fn into_handler(self) -> Option<Box<dyn SocketHandler<S>>>;
    }
}

impl<S, H: SocketHandler<S> + 'static> IntoHandler<S, Always> for H {}

impl<S, H: SocketHandler<S> + 'static> sealed::IntoHandler<S, Always> for H {
    fn into_handler(self) -> Option<Box<dyn SocketHandler<S>>> {
        Some(self.boxed())
    }
}

impl<S, H: SocketHandler<S> + 'static> IntoHandler<S, Boxed> for Box<H> {}

impl<S, H: SocketHandler<S> + 'static> sealed::IntoHandler<S, Boxed> for Box<H> {
    fn into_handler(self) -> Option<Box<dyn SocketHandler<S>>> {
        Some(self)
    }
}

impl<S, M, H: IntoHandler<S, M>> IntoHandler<S, Optional<M>> for Option<H> {}

impl<S, M, H: IntoHandler<S, M>> sealed::IntoHandler<S, Optional<M>> for Option<H> {
    fn into_handler(self) -> Option<Box<dyn SocketHandler<S>>> {
        self?.into_handler()
    }
}
