//! The end of a loop that still has sockets.

use super::Net;

/// A socket with unsent bytes closes with a RST, unless its user has chosen with `destroy` to drop these bytes. A FIN
/// would tell the peer that it has received everything.
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
    }
}
