//! The table of host names of a simulated network.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

/// `Sync` because the resolver trait requires it, although all lookups of a simulation run on one thread.
#[derive(Debug, Default)]
pub(crate) struct Names {
    table: Mutex<BTreeMap<String, Vec<IpAddr>>>,
}

impl Names {
    pub(crate) fn set(&self, name: &str, addresses: &[IpAddr]) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.insert(name.to_owned(), addresses.to_vec());
    }

    /// Returns the addresses of `name`. Every machine has the name `localhost`.
    pub(crate) fn look_up(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        match table.get(name) {
            Some(addresses) => Ok(addresses.clone()),
            None if name == "localhost" => {
                Ok(vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()])
            }
            None => Err(io::Error::new(
                io::ErrorKind::NotFound,
                "the simulation has no such name",
            )),
        }
    }
}
