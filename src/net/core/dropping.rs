//! The end of a loop that still has sockets.

#[cfg(feature = "udp-batch")]
use crate::net::datagram::Datagrams;

use super::Net;

/// Resets a socket with unsent bytes, unless `destroy` has dropped them: a FIN would say that the peer has everything.
/// Offers the gathered datagrams to the kernel, which has those of sockets without batches already.
impl Drop for Net {
    fn drop(&mut self) {
        // A forked child shares SO_LINGER with its parent, and must not set the option on the parent's sockets.
        if self.check_owner().is_err() {
            return;
        }
        for id in self.socket_ids() {
            if self.queued_bytes(id) > 0 {
                if let Some(connection) = self.connection(id) {
                    connection.reset_if_cut_short();
                }
            }
        }
        #[cfg(feature = "udp-batch")]
        for place in 0..self.datagrams.len() {
            self.with_datagrams(self.datagrams[place], Datagrams::send_all);
        }
    }
}
