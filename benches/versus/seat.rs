//! Someone at the table: a peer, its server if one is running, and what it has shown.

use std::time::Duration;

use crate::load::{Slice, Target, Timing};
use crate::pattern::Pattern;
use crate::peers::Peer;
use crate::peers::process::ServerProcess;
use crate::peers::service::Service;
use crate::rounds::{Cores, Row};
use crate::system::{Usage, interrupted};
use crate::warm_up::WarmUp;
use crate::workload::Workload;

/// No operation costs a server less: a system call alone takes longer, and at most 16 messages share one.
const LEAST_CPU_NS: f64 = 10.0;

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
            server: &server.family(),
            cores: &table.cores.client,
            pattern: table.pattern,
        };
        table.workload.kind.run(&target, timing, rate)
    }

    fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            let peak = server.family().memory().peak;
            self.row.peak_memory = self.row.peak_memory.max(peak);
            self.row.usage += server.stop();
        }
    }

    pub(crate) fn finish(mut self) -> Row {
        self.stop();
        let fault = self.row.fault.take();
        self.row.fault = fault.or_else(|| unaccounted(&self.row.slices));
        self.row
    }
}

/// What is wrong if servers have answered without using CPU time. Only all slices together show it: a source may live
/// for the length of one on what the kernel still has of it.
pub(crate) fn unaccounted(slices: &[Slice]) -> Option<String> {
    let operations: u64 = slices.iter().map(|slice| slice.operations).sum();
    let cpu: Duration = slices.iter().map(|slice| slice.server_cpu).sum();
    // A daemon is no child of what was started, for example, and would look like a miracle.
    let is_miracle = operations > 0 && cpu.as_secs_f64() * 1e9 < LEAST_CPU_NS * operations as f64;
    is_miracle
        .then(|| "answered without using CPU time: it is another process that serves".to_owned())
}
