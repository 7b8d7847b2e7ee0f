//! Hooks: calls that the loop makes once a turn, before its wait or after its sockets.

use std::fmt;

use crate::slots::{Key, Slots};

use super::agenda::Agenda;
use super::call::RepeatedCall;
use super::calling::Calling;
use super::turns::Limit;
use super::watch::Watched;
use super::{EventLoop, LoopContext, Turn, Wait};

/// The id of a hook. Once the hook is gone, its id reaches nothing.
///
/// ```
/// use netloop::EventLoop;
///
/// let mut event_loop: EventLoop = EventLoop::new()?;
/// let hook = event_loop.on_check(|_| println!("a turn"));
/// // The hook is no reason for `run` to go on.
/// event_loop.hook(hook).release();
/// event_loop.run(&mut ())?;
/// event_loop.hook(hook).remove();
/// # Ok::<(), netloop::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HookId(Key);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HookPlace {
    /// Directly before the wait.
    Prepare,
    /// After the sockets and their flush, and before the timers.
    Check,
}

impl HookPlace {
    fn method(self) -> &'static str {
        match self {
            Self::Prepare => "on_prepare",
            Self::Check => "on_check",
        }
    }
}

struct Entry<S> {
    /// `None` while the call runs.
    call: Option<RepeatedCall<S>>,
    place: HookPlace,
    is_held: bool,
}

pub(super) struct Hooks<S> {
    entries: Slots<Entry<S>>,
    /// In calling order. A removed hook stays in its list until the hooks of its place are called, or until `trim`.
    prepare: Vec<Key>,
    check: Vec<Key>,
    /// The position in each list behind the last hook that this turn has called; `usize::MAX` after all of them. Only the
    /// rest of a turn behind a panic reads them.
    prepared: usize,
    checked: usize,
    /// The number of hooks that keep the loop going. Invariant: the number of entries whose `is_held` is set.
    held: usize,
}

impl<S> Hooks<S> {
    pub(super) fn new() -> Self {
        Self {
            entries: Slots::new(),
            prepare: Vec::new(),
            check: Vec::new(),
            prepared: 0,
            checked: 0,
            held: 0,
        }
    }

    pub(super) fn hold_loop(&self) -> bool {
        self.held > 0
    }

    pub(super) fn has_prepare(&self) -> bool {
        !self.prepare.is_empty()
    }

    pub(super) fn has_check(&self) -> bool {
        !self.check.is_empty()
    }

    pub(super) fn add(&mut self, place: HookPlace, call: RepeatedCall<S>) -> HookId {
        let key = self.entries.insert(Entry {
            call: Some(call),
            place,
            is_held: true,
        });
        self.held += 1;
        self.keys(place).push(key);
        HookId(key)
    }

    /// Forgets which hooks were called, as only a turn that catches panics needs.
    pub(super) fn begin_turn(&mut self) {
        (self.prepared, self.checked) = (0, 0);
    }

    fn called(&mut self, place: HookPlace) -> &mut usize {
        match place {
            HookPlace::Prepare => &mut self.prepared,
            HookPlace::Check => &mut self.checked,
        }
    }

    fn keys(&mut self, place: HookPlace) -> &mut Vec<Key> {
        match place {
            HookPlace::Prepare => &mut self.prepare,
            HookPlace::Check => &mut self.check,
        }
    }

    pub(super) fn remove(&mut self, id: HookId) -> bool {
        let Some(entry) = self.entries.remove(id.0) else {
            return false;
        };
        if entry.is_held {
            self.held -= 1;
        }
        // The key stays in the list of its place, because `run_hooks` may be walking this list by position.
        true
    }

    fn set_held(&mut self, key: Key, held: bool) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        match (entry.is_held, held) {
            (false, true) => self.held += 1,
            (true, false) => self.held -= 1,
            _ => {}
        }
        entry.is_held = held;
    }

    fn take(&mut self, place: HookPlace, index: usize) -> Option<(Key, RepeatedCall<S>)> {
        let key = *self.keys(place).get(index)?;
        let call = self.entries.get_mut(key)?.call.take()?;
        Some((key, call))
    }

    /// Gives a hook its call back, unless the call has removed the hook.
    fn restore(&mut self, key: Key, call: RepeatedCall<S>) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.call = Some(call);
        }
    }

    fn forget_removed(&mut self, place: HookPlace) {
        let Self { entries, .. } = self;
        let keys = match place {
            HookPlace::Prepare => &mut self.prepare,
            HookPlace::Check => &mut self.check,
        };
        keys.retain(|&key| entries.contains(key));
    }

    pub(super) fn trim(&mut self) {
        self.forget_removed(HookPlace::Prepare);
        self.forget_removed(HookPlace::Check);
        self.entries.shrink();
        self.prepare.shrink_to_fit();
        self.check.shrink_to_fit();
    }
}

/// Hooks before the wait and after the sockets.
impl<S> EventLoop<S> {
    /// Calls `call` once a turn, directly before the wait. The bytes that `call` writes leave before the wait, and if
    /// it defers a call, the turn does not wait. Hooks of one method are called in the order in which they were added.
    /// A hook that another one of the same method adds is first called in the next turn. A hook keeps
    /// [`run`](Self::run) going until it is [released](Hook::release) or [removed](Hook::remove). Hooks are called in
    /// every turn, whatever its [`Budget`](crate::Budget): their time counts, but they are no steps. If the budget is
    /// used up, the bytes that they write wait for a later turn.
    ///
    /// ```
    /// use netloop::EventLoop;
    ///
    /// let mut event_loop: EventLoop<Vec<&str>> = EventLoop::new()?;
    /// let before = event_loop.on_prepare(|cx| cx.shared.push("before the wait"));
    /// event_loop.on_check(|cx| {
    ///     cx.shared.push("after the sockets");
    ///     cx.stop();
    /// });
    /// // Otherwise the first turn would wait for ever: nothing else is to come.
    /// event_loop.set_busy(true);
    /// let mut said = Vec::new();
    /// event_loop.run(&mut said)?;
    /// assert_eq!(said, ["before the wait", "after the sockets"]);
    /// event_loop.hook(before).remove();
    /// # Ok::<(), netloop::Error>(())
    /// ```
    #[doc(alias = "uv_prepare_t")]
    pub fn on_prepare(&mut self, call: impl FnMut(&mut LoopContext<'_, S>) + 'static) -> HookId {
        self.verbs().add_hook(HookPlace::Prepare, call)
    }

    /// Calls `call` once a turn, after the sockets and before the timers. The bytes that it writes leave in the same
    /// turn. All else is as for [`on_prepare`](Self::on_prepare). With a [`Budget`](crate::Budget), the call may come
    /// last in the turn.
    #[doc(alias = "uv_check_t")]
    pub fn on_check(&mut self, call: impl FnMut(&mut LoopContext<'_, S>) + 'static) -> HookId {
        self.verbs().add_hook(HookPlace::Check, call)
    }

    /// Returns a view of the hook `id`, to remove the hook, and to set whether it keeps `run` going.
    pub fn hook(&mut self, id: HookId) -> Hook<'_, S> {
        Hook::new(self.parts().1, id)
    }

    /// Sets whether the program is busy: while it is, no turn waits, [`poll_timeout`](Self::poll_timeout) is zero, and
    /// [`run`](Self::run) goes on. So a hook of [`on_prepare`](Self::on_prepare) can do long work in pieces, and the
    /// sockets are served in between.
    #[doc(alias = "uv_idle_t")]
    pub fn set_busy(&mut self, busy: bool) {
        self.parts().1.set_busy(busy);
    }

    /// Returns the wait of the turn: [`Wait::No`] if the loop is busy or to be stopped, otherwise the result of `wait`.
    #[cold]
    #[inline(never)]
    pub(super) fn prepare(
        &mut self,
        shared: &mut S,
        limit: &mut Limit,
        turn: &mut Turn,
        wait: impl Fn(&Self) -> Wait,
    ) -> Wait {
        if self.agenda.hooks.has_prepare() {
            self.net.refresh_now();
            self.run_hooks(shared, HookPlace::Prepare, 0, limit, turn);
            // The time that the hooks took must not be added to the wait.
            self.net.refresh_now();
        }
        match self.agenda.forbids_wait() {
            true => Wait::No,
            false => wait(self),
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) fn check(&mut self, shared: &mut S, limit: &mut Limit, turn: &mut Turn) {
        if self.agenda.hooks.has_check() {
            self.run_hooks(shared, HookPlace::Check, 0, limit, turn);
        }
    }

    /// Calls the hooks before the wait that a panic has kept from being called.
    pub(super) fn prepare_rest(&mut self, shared: &mut S, limit: &mut Limit, turn: &mut Turn) {
        let first = self.agenda.hooks.prepared;
        self.run_hooks(shared, HookPlace::Prepare, first, limit, turn);
    }

    /// As [`prepare_rest`](Self::prepare_rest), for the hooks after the sockets.
    pub(super) fn check_rest(&mut self, shared: &mut S, limit: &mut Limit, turn: &mut Turn) {
        let first = self.agenda.hooks.checked;
        self.run_hooks(shared, HookPlace::Check, first, limit, turn);
    }

    /// Calls each hook of `place` from position `first` on once, but none that these calls add, and sends what they wrote
    /// if `limit` permits.
    fn run_hooks(
        &mut self,
        shared: &mut S,
        place: HookPlace,
        first: usize,
        limit: &mut Limit,
        turn: &mut Turn,
    ) {
        let count = self.agenda.hooks.keys(place).len();
        for index in first..count {
            *self.agenda.hooks.called(place) = index + 1;
            if let Some((key, mut call)) = self.agenda.hooks.take(place, index) {
                let watched = self.watch();
                self.call_without_install(shared, Calling::Hook(HookId(key)), &mut call);
                self.agenda.hooks.restore(key, call);
                self.install();
                self.end_watch(shared, watched, place.method(), Watched::Loop);
            }
        }
        *self.agenda.hooks.called(place) = usize::MAX;
        self.agenda.hooks.forget_removed(place);
        self.agenda.end_hooks();
        if !limit.pass(&self.net) {
            self.flush_within(shared, limit, turn);
        }
    }
}

/// A view of one hook, borrowed from its loop: `hook(id)` of an [`EventLoop`] or a [`LoopContext`] returns it. If the hook
/// is gone, the view does nothing.
///
/// ```
/// use netloop::{Budget, EventLoop, Wait};
///
/// let mut event_loop: EventLoop<u32> = EventLoop::new()?;
/// let id = event_loop.on_check(|cx| *cx.shared += 1);
/// event_loop.hook(id).release();
/// let mut turns = 0;
/// for _ in 0..3 {
///     event_loop.turn(&mut turns, Wait::No, Budget::new())?;
/// }
/// assert_eq!(turns, 3);
/// assert!(event_loop.hook(id).remove());
/// assert!(!event_loop.hook(id).remove());
/// # Ok::<(), netloop::Error>(())
/// ```
pub struct Hook<'a, S = ()> {
    agenda: &'a mut Agenda<S>,
    id: HookId,
}

impl<'a, S> Hook<'a, S> {
    pub(super) fn new(agenda: &'a mut Agenda<S>, id: HookId) -> Self {
        Self { agenda, id }
    }

    /// Removes the hook, and returns whether it was there. A hook may be removed in its own call, and in that of
    /// another hook. The hook is not called any more, not even in the running turn.
    pub fn remove(self) -> bool {
        self.agenda.hooks.remove(self.id)
    }

    /// Makes the hook keep [`run`](EventLoop::run) going, as is the default until [`release`](Self::release).
    #[doc(alias = "ref")]
    pub fn hold(&mut self) {
        self.agenda.hooks.set_held(self.id.0, true);
    }

    /// Allows [`run`](EventLoop::run) to return while the hook is there.
    #[doc(alias = "unref")]
    pub fn release(&mut self) {
        self.agenda.hooks.set_held(self.id.0, false);
    }

    /// Whether the hook keeps [`run`](EventLoop::run) going.
    #[doc(alias = "hasRef")]
    pub fn is_held(&self) -> bool {
        let entry = self.agenda.hooks.entries.get(self.id.0);
        entry.is_some_and(|entry| entry.is_held)
    }
}

impl<S> fmt::Debug for Hook<'_, S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entry = self.agenda.hooks.entries.get(self.id.0);
        formatter
            .debug_struct("Hook")
            .field("id", &self.id)
            .field("place", &entry.map(|entry| entry.place))
            .finish_non_exhaustive()
    }
}
