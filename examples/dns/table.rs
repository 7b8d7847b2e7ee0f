//! The names that the server knows.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// The addresses of each name, by the name in lower case and without a dot at its end.
#[derive(Default)]
pub(crate) struct Table(BTreeMap<String, Vec<IpAddr>>);

impl Table {
    /// Makes the table from entries of the form `name=address`.
    pub(crate) fn parse(entries: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut table = Self::default();
        for entry in entries {
            let (name, address) = entry.split_once('=').ok_or("an entry is NAME=ADDRESS")?;
            let address = address
                .parse()
                .map_err(|_| format!("{address} is no address"))?;
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            table.0.entry(name).or_default().push(address);
        }
        Ok(table)
    }

    /// Returns the addresses of a name in lower case; `None` if there is no such name.
    pub(crate) fn addresses(&self, name: &str) -> Option<&[IpAddr]> {
        self.0.get(name).map(Vec::as_slice)
    }
}
