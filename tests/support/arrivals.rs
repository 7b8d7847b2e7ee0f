//! Waits for news that is under way to sockets of the loop, which makes no turn meanwhile.
//!
//! Loopback loses a packet now and then where the programs of a machine send much. Then bytes come 200 milliseconds
//! late. A test of news that came in time asks the kernel whether it has come.

use netloop::SocketId;

use super::Scene;

/// News that the kernel has for a socket.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Arrival {
    Bytes,
    /// The peer's FIN, behind whatever bytes.
    End,
    /// The result of a connect.
    Connected,
}

impl Scene {
    /// Waits until the kernel has `arrival` for each of `ids`.
    #[track_caller]
    #[cfg(target_os = "linux")]
    pub(crate) fn await_arrival(
        &mut self,
        arrival: Arrival,
        ids: impl IntoIterator<Item = SocketId>,
    ) {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};

        let wanted = match arrival {
            Arrival::Bytes => PollFlags::IN,
            Arrival::End => PollFlags::RDHUP,
            Arrival::Connected => PollFlags::OUT,
        };
        let patience = Timespec {
            tv_sec: super::PATIENCE.as_secs().try_into().unwrap(),
            tv_nsec: 0,
        };
        for id in ids {
            let mut socket = self.event_loop.socket(id);
            let descriptor = socket.descriptor().unwrap();
            let mut polled = [PollFd::from_borrowed_fd(descriptor, wanted)];
            let reported = poll(&mut polled, Some(&patience)).unwrap();
            assert_eq!(reported, 1, "this did not come: {arrival:?}");
        }
    }

    /// Other systems have no such report, or are not known to lose packets.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn await_arrival(
        &mut self,
        _arrival: Arrival,
        _ids: impl IntoIterator<Item = SocketId>,
    ) {
    }
}
