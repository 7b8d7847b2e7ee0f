//! The report of a shutdown to its caller.

use std::cell::Cell;
use std::rc::Rc;

use crate::event_loop::call::Call;
use crate::event_loop::contexts::LoopContext;

use super::report::ShutdownReport;

/// The call that reports the end of a shutdown, with the cell from which the call takes the report.
pub(super) struct Done<S> {
    call: Call<S>,
    report: Rc<Cell<ShutdownReport>>,
}

impl<S> Done<S> {
    pub(super) fn new(
        done: impl FnOnce(&mut LoopContext<'_, S>, ShutdownReport) + 'static,
    ) -> Self {
        let report = Rc::new(Cell::new(ShutdownReport::default()));
        let place = Rc::clone(&report);
        let call = Box::new(move |cx: &mut LoopContext<'_, S>| done(cx, place.get()));
        Self { call, report }
    }

    pub(super) fn into_call(self, report: ShutdownReport) -> Call<S> {
        self.report.set(report);
        self.call
    }
}
