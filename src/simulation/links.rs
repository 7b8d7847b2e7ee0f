//! The links between the machines of a simulation: names, routes, partitions and latencies.

use std::net::IpAddr;
use std::time::Duration;

use crate::event_loop::EventLoop;

use super::{Route, Simulation};

/// The links between machines.
impl Simulation {
    /// Gives `name` the `addresses`; without addresses, a lookup of the name fails. All loops without a
    /// [`Resolver`](crate::Resolver) of their own look names up in this table, which at first has only `localhost`.
    ///
    /// ```
    /// # use netloop::simulation::{Options, Simulation};
    /// # use netloop::{Context, SocketHandler};
    /// # use std::time::Duration;
    /// # struct Echo;
    /// # impl SocketHandler for Echo {
    /// #     fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) { cx.socket.write(data).ignore(); }
    /// # }
    /// # struct Ask;
    /// # impl SocketHandler<Vec<u8>> for Ask {
    /// #     fn on_connect(&mut self, cx: &mut Context<'_, Vec<u8>>) { cx.socket.end_with(b"hello").ignore(); }
    /// #     fn on_data(&mut self, cx: &mut Context<'_, Vec<u8>>, data: &[u8]) { cx.shared.extend_from_slice(data); }
    /// # }
    /// # fn main() -> netloop::Result<()> {
    /// # let mut simulation = Simulation::new(1, Options { latency: Duration::from_millis(10), ..Options::new() })?;
    /// # let mut server = simulation.host(())?;
    /// # let mut client = simulation.host(Vec::new())?;
    /// # server.event_loop.listen("10.0.0.1:7000", |_, _| Echo)?;
    ///
    /// simulation.set_name("database", &["10.0.0.1".parse().unwrap()]);
    /// client.event_loop.connect("database:7000", Ask)?;
    /// simulation.run(&mut [&mut server, &mut client])?;
    /// assert_eq!(client.shared, b"hello");
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_name(&mut self, name: &str, addresses: &[IpAddr]) {
        self.names.set(name, addresses);
    }

    /// Makes all further connects and datagrams to `address` slow, lost or impossible, or [normal](Route::Normal)
    /// again. So a test can make one address of a name worse than the others.
    pub fn set_route(&mut self, address: IpAddr, route: Route) {
        self.network.borrow_mut().set_route(address, route);
    }

    /// Gives the packets between two loops a latency of their own, in both directions. `None` stands for the latency of
    /// the [`Options`](super::Options). Packets under way keep their time of arrival.
    ///
    /// ```
    /// use std::time::Duration;
    /// use netloop::simulation::{Options, Simulation};
    /// # use netloop::{Context, SocketHandler};
    /// # struct Idle;
    /// # impl SocketHandler for Idle {
    /// #     fn on_connect(&mut self, cx: &mut Context<'_>) { cx.socket.destroy(); }
    /// #     fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {}
    /// # }
    ///
    /// # fn main() -> netloop::Result<()> {
    /// let mut simulation = Simulation::new(1, Options::new())?;
    /// let mut here = simulation.host(())?;
    /// let mut overseas = simulation.host(())?;
    /// simulation.set_latency(&here.event_loop, &overseas.event_loop, Duration::from_millis(80));
    ///
    /// overseas.event_loop.listen("10.0.0.2:7000", |_, _| Idle)?;
    /// here.event_loop.connect("10.0.0.2:7000", Idle)?;
    /// simulation.run(&mut [&mut here, &mut overseas])?;
    /// // The request to connect, its answer, and the end.
    /// assert!(simulation.elapsed() >= Duration::from_millis(240));
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_latency<S, T>(
        &mut self,
        one: &EventLoop<S>,
        other: &EventLoop<T>,
        latency: impl Into<Option<Duration>>,
    ) {
        if let (Some(one), Some(other)) = (self.machine_of(one), self.machine_of(other)) {
            let mut network = self.network.borrow_mut();
            network.set_latency(one, other, latency.into());
        }
    }

    /// Cuts the loop off from all other loops until [`heal`](Self::heal) or [`end_faults`](Self::end_faults). Packets
    /// of TCP that would arrive during the partition arrive after it, because a real TCP would send them again.
    /// Datagrams are lost. Meanwhile a connect waits, and fails with ETIMEDOUT if the partition outlasts its timeout.
    ///
    /// ```
    /// # use netloop::simulation::{Options, Simulation};
    /// # use netloop::{Context, SocketHandler};
    /// # use std::time::Duration;
    /// # struct Echo;
    /// # impl SocketHandler for Echo {
    /// #     fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) { cx.socket.write(data).ignore(); }
    /// # }
    /// # struct Ask;
    /// # impl SocketHandler<Vec<u8>> for Ask {
    /// #     fn on_connect(&mut self, cx: &mut Context<'_, Vec<u8>>) { cx.socket.end_with(b"hello").ignore(); }
    /// #     fn on_data(&mut self, cx: &mut Context<'_, Vec<u8>>, data: &[u8]) { cx.shared.extend_from_slice(data); }
    /// # }
    /// # fn main() -> netloop::Result<()> {
    /// # let mut simulation = Simulation::new(1, Options { latency: Duration::from_millis(10), ..Options::new() })?;
    /// # let mut server = simulation.host(())?;
    /// # let mut client = simulation.host(Vec::new())?;
    /// # server.event_loop.listen("10.0.0.1:7000", |_, _| Echo)?;
    /// # client.event_loop.connect("10.0.0.1:7000", Ask)?;
    ///
    /// simulation.partition(&server.event_loop);
    /// simulation.run_for(&mut [&mut server, &mut client], Duration::from_secs(1))?;
    /// assert!(client.shared.is_empty());
    ///
    /// simulation.heal(&server.event_loop);
    /// simulation.run(&mut [&mut server, &mut client])?;
    /// assert_eq!(client.shared, b"hello", "no byte is lost");
    /// # Ok(())
    /// # }
    /// ```
    pub fn partition<S>(&mut self, event_loop: &EventLoop<S>) {
        self.set_partitioned(event_loop, true);
    }

    /// Ends a [`partition`](Self::partition). Partitions of pairs and of one direction stay.
    pub fn heal<S>(&mut self, event_loop: &EventLoop<S>) {
        self.set_partitioned(event_loop, false);
    }

    /// Cuts two loops off from one another, until [`heal_pair`](Self::heal_pair) or [`end_faults`](Self::end_faults).
    /// Each still reaches all other loops.
    ///
    /// ```
    /// use netloop::simulation::{Options, Simulation, SimulationEnd};
    /// use std::time::Duration;
    /// # use netloop::{Context, SocketHandler};
    /// # struct Idle;
    /// # impl SocketHandler<u32> for Idle {
    /// #     fn on_connect(&mut self, cx: &mut Context<'_, u32>) { *cx.shared += 1; cx.socket.end(); }
    /// #     fn on_data(&mut self, _: &mut Context<'_, u32>, _: &[u8]) {}
    /// # }
    ///
    /// # fn main() -> netloop::Result<()> {
    /// let mut simulation = Simulation::new(1, Options::new())?;
    /// let mut server = simulation.host(0)?;
    /// let mut near = simulation.host(0)?;
    /// let mut far = simulation.host(0)?;
    /// server.event_loop.listen("10.0.0.1:7000", |_, _| Idle)?;
    /// simulation.partition_pair(&server.event_loop, &far.event_loop);
    ///
    /// near.event_loop.connect("10.0.0.1:7000", Idle)?;
    /// far.event_loop.connect("10.0.0.1:7000", Idle)?;
    /// simulation.run_for(&mut [&mut server, &mut near, &mut far], Duration::from_secs(1))?;
    /// assert_eq!((near.shared, far.shared), (1, 0));
    ///
    /// simulation.heal_pair(&server.event_loop, &far.event_loop);
    /// simulation.run(&mut [&mut server, &mut near, &mut far])?;
    /// assert_eq!(far.shared, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn partition_pair<S, T>(&mut self, one: &EventLoop<S>, other: &EventLoop<T>) {
        self.set_blocked(one, other, true);
        self.set_blocked(other, one, true);
    }

    /// Ends a [`partition_pair`](Self::partition_pair), or a [one-way partition](Self::partition_one_way) in either
    /// direction.
    pub fn heal_pair<S, T>(&mut self, one: &EventLoop<S>, other: &EventLoop<T>) {
        self.set_blocked(one, other, false);
        self.set_blocked(other, one, false);
    }

    /// Stops the packets that `from` sends to `to`, but not those that `to` sends, as a wrong firewall or route does.
    /// Ends with [`heal_one_way`](Self::heal_one_way) or [`end_faults`](Self::end_faults).
    ///
    /// Bytes of `to` arrive at `from`, but their acknowledgements do not come back. A side that sends meanwhile fails
    /// with ETIMEDOUT, unless the partition ends within
    /// [`Options::retransmission_timeout`](super::Options::retransmission_timeout).
    ///
    /// ```
    /// use netloop::simulation::{Options, Simulation};
    /// use std::time::Duration;
    /// # use netloop::{Context, SocketHandler};
    /// # struct Greet;
    /// # impl SocketHandler<u32> for Greet {
    /// #     fn on_data(&mut self, cx: &mut Context<'_, u32>, _: &[u8]) {
    /// #         *cx.shared += 1;
    /// #         let _ = cx.socket.write(b"hello yourself");
    /// #     }
    /// # }
    /// # struct Ask;
    /// # impl SocketHandler<u32> for Ask {
    /// #     fn on_connect(&mut self, cx: &mut Context<'_, u32>) { let _ = cx.socket.write(b"hello"); }
    /// #     fn on_data(&mut self, cx: &mut Context<'_, u32>, _: &[u8]) { *cx.shared += 1; cx.socket.end(); }
    /// # }
    ///
    /// # fn main() -> netloop::Result<()> {
    /// let latency = Duration::from_millis(10);
    /// let mut simulation = Simulation::new(1, Options { latency, ..Options::new() })?;
    /// let mut server = simulation.host(0)?;
    /// let mut client = simulation.host(0)?;
    /// server.event_loop.listen("10.0.0.1:7000", |_, _| Greet)?;
    /// client.event_loop.connect("10.0.0.1:7000", Ask)?;
    /// simulation.run_for(&mut [&mut server, &mut client], latency * 2)?;
    ///
    /// simulation.partition_one_way(&server.event_loop, &client.event_loop);
    /// simulation.run_for(&mut [&mut server, &mut client], Duration::from_secs(1))?;
    /// assert_eq!((server.shared, client.shared), (1, 0), "the question arrives, and no answer");
    ///
    /// simulation.heal_one_way(&server.event_loop, &client.event_loop);
    /// simulation.run(&mut [&mut server, &mut client])?;
    /// assert_eq!(client.shared, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn partition_one_way<S, T>(&mut self, from: &EventLoop<S>, to: &EventLoop<T>) {
        self.set_blocked(from, to, true);
    }

    /// Ends a [`partition_one_way`](Self::partition_one_way), or this direction of a
    /// [`partition_pair`](Self::partition_pair).
    pub fn heal_one_way<S, T>(&mut self, from: &EventLoop<S>, to: &EventLoop<T>) {
        self.set_blocked(from, to, false);
    }

    fn set_partitioned<S>(&self, event_loop: &EventLoop<S>, is_partitioned: bool) {
        if let Some(machine) = self.machine_of(event_loop) {
            let mut network = self.network.borrow_mut();
            network.set_partitioned(machine, is_partitioned);
        }
    }

    fn set_blocked<S, T>(&self, from: &EventLoop<S>, to: &EventLoop<T>, is_blocked: bool) {
        if let (Some(from), Some(to)) = (self.machine_of(from), self.machine_of(to)) {
            self.network.borrow_mut().set_blocked(from, to, is_blocked);
        }
    }
}
