//! The storm of a run: machines and links that are cut off, small budgets, and stalls.

use std::rc::Rc;
use std::time::Duration;

use netloop::Budget;

use super::calls::end;
use super::run::Scene;
use super::workload::Workload;

impl Scene {
    /// Runs with faults for a while, with machines that are cut off and come back.
    pub(super) fn disturb(&mut self) {
        for _ in 0..10 {
            let time = self.random.choice([20, 500, 30_000, 400_000]).unwrap();
            self.run_for(Duration::from_micros(time));
            if self.simulation.turns() > 500 {
                break;
            }
            let chosen = self.random.usize(..self.hosts.len());
            if self.workload == Workload::Stalled {
                // Again and again: a stall counts only with a small budget behind it.
                self.stall();
                self.hosts[chosen].budget = self.random_budget();
                continue;
            }
            let event_loop = &self.hosts[chosen].event_loop;
            match self.random.u32(..9) {
                0 => self.simulation.partition(event_loop),
                1 | 2 => self.simulation.heal(event_loop),
                3 => self.stall(),
                4..=6 => self.cut_or_mend_link(chosen),
                _ => self.hosts[chosen].budget = self.random_budget(),
            }
        }
        for host in &mut self.hosts {
            host.shared.stalls = false;
        }
        if self.workload == Workload::Shutdown {
            self.shut_down();
        }
    }

    /// Cuts or mends the link from a host to another one, in both directions or in one.
    fn cut_or_mend_link(&mut self, from: usize) {
        let to = self.random.usize(..self.hosts.len());
        let [from, to] = [from, to].map(|host| &self.hosts[host].event_loop);
        match self.random.u32(..5) {
            0 => self.simulation.partition_pair(from, to),
            1 => self.simulation.partition_one_way(from, to),
            2 => self.simulation.heal_one_way(from, to),
            _ => self.simulation.heal_pair(from, to),
        }
    }

    /// Lets time pass in which no loop turns, as a main loop does that is busy with other things.
    fn stall(&mut self) {
        if !self.hosts[0].shared.stalls {
            return;
        }
        let most = self.random.choice([1, 50, 500]).unwrap();
        let time = Duration::from_millis(self.random.u64(..most));
        self.ledger.borrow_mut().stalled += time;
        self.simulation.handle().pass(time);
    }

    fn random_budget(&mut self) -> Budget {
        match self.random.u32(..5) {
            0 => Budget::new().steps(1),
            1 => Budget::new().steps(self.random.u32(2..8)),
            2 => Budget::new().time(Duration::from_micros(self.random.u64(1..3_000))),
            _ => Budget::new(),
        }
    }

    /// In the midst of everything: no more connections, and an end to all that there are.
    fn shut_down(&mut self) {
        let ledger = Rc::clone(&self.ledger);
        let host = &mut self.hosts[0];
        for &(id, side) in &host.shared.sides {
            end(&mut host.event_loop.socket(id), &ledger, side);
        }
        self.close_servers();
    }
}
