//! The wall clock of a simulation, by which rustls decides whether certificates and sessions are valid.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;

use super::Simulation;

#[derive(Debug)]
struct WallClock {
    /// The wall-clock time at which the simulation began.
    origin: Duration,
    /// The number of nanoseconds since the simulation began.
    elapsed: Arc<AtomicU64>,
}

impl TimeProvider for WallClock {
    fn current_time(&self) -> Option<UnixTime> {
        let elapsed = Duration::from_nanos(self.elapsed.load(Ordering::Relaxed));
        Some(UnixTime::since_unix_epoch(
            self.origin.saturating_add(elapsed),
        ))
    }
}

/// TLS.
impl Simulation {
    /// Returns the clock for the configurations of TLS, so that certificates and sessions expire in virtual time. The
    /// clock began at [`Options::unix_time`](super::Options::unix_time). Without this clock, rustls asks the real one.
    ///
    /// The bytes of TLS are random. A seed repeats the order and the times of all events only if the messages have the
    /// same lengths in each run. So make the certificates once, with keys of Ed25519 or RSA: signatures of ECDSA differ
    /// in length. Make the configurations anew in each run, because they keep sessions.
    ///
    /// ```
    /// use netloop::rustls::crypto::CryptoProvider;
    /// use netloop::rustls::{ClientConfig, Error, RootCertStore};
    /// use netloop::simulation::Simulation;
    /// use std::sync::Arc;
    ///
    /// /// The configuration of a client. For a server, the same with `ServerConfig`.
    /// fn client(
    ///     simulation: &Simulation,
    ///     provider: Arc<CryptoProvider>,
    ///     roots: RootCertStore,
    /// ) -> Result<ClientConfig, Error> {
    ///     let config = ClientConfig::builder_with_details(provider, simulation.time_provider())
    ///         .with_safe_default_protocol_versions()?
    ///         .with_root_certificates(roots)
    ///         .with_no_client_auth();
    ///     Ok(config)
    /// }
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    pub fn time_provider(&self) -> Arc<dyn TimeProvider> {
        Arc::new(WallClock {
            origin: self.options.unix_time,
            elapsed: self.network.borrow().share_clock(),
        })
    }
}
