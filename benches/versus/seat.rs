//! Someone at the table: a peer, its server if one is running, and what it has shown.

use crate::load::{Slice, Target, Timing};
use crate::pattern::Pattern;
use crate::peers::Peer;
use crate::peers::process::{self, ServerProcess};
use crate::peers::service::Service;
use crate::rounds::{Cores, Row};
use crate::system::{Usage, interrupted};
use crate::warm_up::WarmUp;
use crate::workload::Workload;

/// What all seats of one workload share.
pub(crate) struct Table<'a> {
    pub(crate) workload: &'a Workload,
    pub(crate) cores: &'a Cores,
    pub(crate) pattern: &'a Pattern,
}

pub(crate) struct Seat<'a> {
    peer: &'a Peer,
    server: Option<ServerProcess>,
    pub(crate) row: Row,
}

impl<'a> Seat<'a> {
    pub(crate) fn new(peer: &'a Peer) -> Self {
        let row = Row {
            peer: peer.descriptor.name,
            slices: Vec::new(),
            peak_memory: 0,
            usage: Usage::default(),
            fault: None,
        };
        Self {
            peer,
            server: None,
            row,
        }
    }

    /// Starts the server and serves slices that do not count, until it gets no better. Returns its peak: the best rate
    /// of the last two slices, since other programs can only have made one slower.
    pub(crate) fn warm_up(&mut self, table: &Table<'_>) -> Option<f64> {
        let warm_up = WarmUp::of(self.peer.descriptor);
        let (mut costs, mut rates) = (Vec::new(), Vec::new());
        while !warm_up.is_over(&costs) && !interrupted() {
            let slice = self.run(table, warm_up.timing(), None)?;
            costs.push(slice.cpu_per_operation_ns());
            rates.push(slice.rate());
        }
        rates.into_iter().rev().take(2).reduce(f64::max)
    }

    /// Runs one slice, starting the server if need be. A fault voids the row and stops the server.
    pub(crate) fn run(
        &mut self,
        table: &Table<'_>,
        timing: Timing,
        rate: Option<f64>,
    ) -> Option<Slice> {
        if self.row.fault.is_some() {
            return None;
        }
        let outcome = self.try_run(table, timing, rate);
        if table.workload.needs_fresh_server() || outcome.is_err() {
            self.stop();
        }
        outcome.map_err(|fault| self.row.fault = Some(fault)).ok()
    }

    fn try_run(
        &mut self,
        table: &Table<'_>,
        timing: Timing,
        rate: Option<f64>,
    ) -> Result<Slice, String> {
        let server = match &mut self.server {
            Some(server) => server,
            none => {
                let service = Service {
                    port: 0,
                    mode: table.workload.mode(),
                    idle_timeout: table.workload.idle_timeout,
                };
                none.insert(ServerProcess::start(
                    self.peer,
                    &service,
                    table.cores.server,
                )?)
            }
        };
        let target = Target {
            address: server.address,
            process: server.id(),
            cores: &table.cores.client,
            pattern: table.pattern,
        };
        table.workload.kind.run(&target, timing, rate)
    }

    fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            let peak = process::memory(server.id()).peak;
            self.row.peak_memory = self.row.peak_memory.max(peak);
            self.row.usage += server.stop();
        }
    }

    pub(crate) fn finish(mut self) -> Row {
        self.stop();
        self.row
    }
}
