//! The hook for pressure: it is called when the queued bytes near their limit, before the loop has to close sockets.

use std::fmt;

use crate::event_loop::{EventLoop, LoopContext};

use super::stall::Watched;

/// The queued bytes of all sockets, near their limit: the argument of [`EventLoop::on_pressure`].
///
/// `{}` shows it as a line for a log: `245366784 of at most 268435456 bytes are queued`.
///
/// ```
/// use netloop::EventLoop;
///
/// let mut event_loop: EventLoop = EventLoop::new()?;
/// event_loop.on_pressure(|_, pressure| {
///     eprintln!("{pressure}: {} bytes before sockets are closed", pressure.limit - pressure.queued_bytes);
/// });
/// # Ok::<(), netloop::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pressure {
    /// The bytes that wait in the queues of all sockets, UDP sockets included, until the kernel takes them.
    pub queued_bytes: usize,
    /// The [limit](crate::Limits::max_total_queued_bytes) on these bytes.
    pub limit: usize,
}

impl fmt::Display for Pressure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            queued_bytes,
            limit,
        } = self;
        write!(
            formatter,
            "{queued_bytes} of at most {limit} bytes are queued"
        )
    }
}

pub(crate) type PressureHook<S> = Box<dyn FnMut(&mut LoopContext<'_, S>, &Pressure)>;

/// The limit on the queued bytes of all sockets.
impl<S> EventLoop<S> {
    /// Calls `hook` when the queued bytes of all sockets have reached nine tenths of
    /// [`max_total_queued_bytes`](crate::Limits::max_total_queued_bytes). The next call comes only after they have
    /// fallen below eight tenths. At the limit itself, the loop closes the sockets with the most queued bytes. The hook
    /// may choose others first, or stop the sources of the bytes. A hook that was set before is replaced. If one
    /// callback makes the bytes rise, fall and rise again, the hook is called once. The call comes after the callback
    /// that has written the bytes, or in the next turn if the host has written them. If `hook` panics, it is dropped. A
    /// loop without a hook pays nothing for it.
    ///
    /// ```
    /// use netloop::{EventLoop, EventLoopOptions, Limits};
    ///
    /// let limits = Limits::new().max_total_queued_bytes(64 << 20);
    /// let mut event_loop: EventLoop = EventLoop::with_options(EventLoopOptions::new().limits(limits))?;
    /// event_loop.on_pressure(|cx, pressure| {
    ///     eprintln!("{pressure}");
    ///     // Drops the subscribers that are a megabyte behind.
    ///     for id in cx.sockets.ids() {
    ///         let mut socket = cx.sockets.socket(id);
    ///         if socket.queued_bytes() > 1 << 20 {
    ///             socket.destroy();
    ///         }
    ///     }
    /// });
    /// # Ok::<(), netloop::Error>(())
    /// ```
    pub fn on_pressure(&mut self, hook: impl FnMut(&mut LoopContext<'_, S>, &Pressure) + 'static) {
        self.pressure_hook = Some(Box::new(hook));
        self.agenda.meter.set_awaits_pressure(true);
    }

    /// Removes the hook for pressure.
    ///
    /// ```
    /// # let mut event_loop: netloop::EventLoop = netloop::EventLoop::new()?;
    /// event_loop.on_pressure(|_, pressure| eprintln!("{pressure}"));
    /// event_loop.ignore_pressure();
    /// # Ok::<(), netloop::Error>(())
    /// ```
    pub fn ignore_pressure(&mut self) {
        self.pressure_hook = None;
        self.agenda.meter.set_awaits_pressure(false);
    }

    /// Calls the hook if pressure has begun. `owner` is the owner of the callback that has just returned.
    #[inline]
    pub(crate) fn relieve(&mut self, shared: &mut S, owner: Watched) {
        if self.agenda.meter.awaits_pressure() && self.net.has_pressure() {
            self.tell_pressure(shared, owner);
        }
    }

    #[cold]
    fn tell_pressure(&mut self, shared: &mut S, owner: Watched) {
        let Some(mut hook) = self.pressure_hook.take() else {
            return;
        };
        let (queued_bytes, limit) = self.net.take_pressure();
        let pressure = Pressure {
            queued_bytes,
            limit,
        };
        // If the hook panics, it is dropped, and no pressure is awaited any more.
        self.agenda.meter.set_awaits_pressure(false);
        self.call_hook(shared, owner, |cx| hook(cx, &pressure));
        // The hook cannot have set another hook: only `EventLoop` has `on_pressure`, and no context has it.
        self.pressure_hook = Some(hook);
        self.agenda.meter.set_awaits_pressure(true);
    }
}
