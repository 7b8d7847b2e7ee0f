//! The types that a closure given to `listen` may return.

use super::handlers::SocketHandler;

use sealed::{Always, Boxed, Optional};

/// A value that the closure of [`listen`](crate::EventLoop::listen) may return: the handler of the connection.
///
/// The value is a [`SocketHandler`], or an `Option` of a handler, whose `None` refuses the connection. A closure that
/// returns handlers of several types returns each in a box, which [`boxed`](SocketHandler::boxed) makes. `M`
/// distinguishes these forms, and the compiler always infers it. No other crate can implement the trait.
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
// The compiler needs the marker `M`. Without it, the implementations for `H: SocketHandler<S>` and for `Option<H>`
// overlap (E0119), because another crate may implement `SocketHandler` for an `Option` of its own type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the handler of an accepted connection",
    label = "neither a `SocketHandler<{S}>` nor an `Option` or a box of one",
    note = "the closure given to `listen` answers with a `SocketHandler<{S}>`, with an `Option` of one (`None` refuses \
            the connection), or with a `Box<dyn SocketHandler<{S}>>`"
)]
pub trait IntoHandler<S, M>: sealed::IntoHandler<S, M> {}

/// The parts of the trait that must be public for the compiler, but that no other crate can name.
mod sealed {
    use super::SocketHandler;

    /// The marker of a plain handler, and of a `Box<dyn SocketHandler>`.
    #[derive(Debug)]
    pub enum Always {}

    /// The marker of a `Box` of a handler whose type is known.
    #[derive(Debug)]
    pub enum Boxed {}

    /// The marker of `Option<H>`, where `M` is the marker of `H`.
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
