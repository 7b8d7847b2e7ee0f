//! The connections that a server holds from each network.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, TryReserveError};
use std::net::IpAddr;

#[derive(Debug)]
pub(super) struct Networks {
    most: usize,
    /// The lengths of the prefixes that make a network, in IPv4 and IPv6. Fixed, so that a connection leaves the
    /// network that it has entered. Invariant: at most 32 and 128.
    prefixes: (u8, u8),
    /// Invariant: no number is zero. The hash function's keys are random: peers could otherwise choose addresses that
    /// collide.
    connections: HashMap<u128, usize>,
}

impl Networks {
    pub(super) fn new(most: usize, prefixes: (u8, u8)) -> Self {
        Self {
            most,
            prefixes,
            connections: HashMap::new(),
        }
    }

    pub(super) fn is_full(&self, peer: IpAddr) -> bool {
        let connections = self.connections.get(&self.network_of(peer));
        connections.copied().unwrap_or(0) >= self.most
    }

    pub(super) fn reserve(&mut self) -> Result<(), TryReserveError> {
        self.connections.try_reserve(1)
    }

    pub(super) fn enter(&mut self, peer: IpAddr) {
        *self.connections.entry(self.network_of(peer)).or_insert(0) += 1;
    }

    pub(super) fn leave(&mut self, peer: IpAddr) {
        match self.connections.entry(self.network_of(peer)) {
            Entry::Occupied(mut connections) if *connections.get() > 1 => {
                *connections.get_mut() -= 1;
            }
            Entry::Occupied(connections) => {
                connections.remove();
            }
            Entry::Vacant(_) => debug_assert!(false, "a connection leaves a network once"),
        }
    }

    pub(super) fn shrink(&mut self) {
        self.connections.shrink_to_fit();
    }

    /// Returns the network of `peer` as an IPv6 address, with zeroes after the prefix. IPv4 addresses are mapped to
    /// `::ffff:0:0/96`, outside of which all other networks lie: an IPv4 and an IPv6 network never share a key.
    fn network_of(&self, peer: IpAddr) -> u128 {
        let (ipv4_bits, ipv6_bits) = self.prefixes;
        let (address, bits) = match peer.to_canonical() {
            IpAddr::V4(address) => (address.to_ipv6_mapped(), 96 + u32::from(ipv4_bits)),
            IpAddr::V6(address) => (address, u32::from(ipv6_bits)),
        };
        let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
        u128::from(address) & mask
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use fastrand::Rng;

    use super::*;

    fn share(prefixes: (u8, u8), addresses: [&str; 2]) -> bool {
        let networks = Networks::new(1, prefixes);
        let [first, second] = addresses.map(|address| {
            let address = address.parse().unwrap();
            networks.network_of(address)
        });
        first == second
    }

    #[test]
    fn neighbours_share_a_network_and_strangers_do_not() {
        for (prefixes, addresses, expected) in [
            ((32, 64), ["127.1.2.3", "127.1.2.3"], true),
            ((32, 64), ["127.1.2.3", "127.1.2.2"], false),
            ((24, 64), ["127.1.2.3", "127.1.2.255"], true),
            ((24, 64), ["127.1.2.3", "127.1.3.3"], false),
            ((1, 64), ["1.2.3.4", "127.9.9.9"], true),
            ((1, 64), ["1.2.3.4", "128.0.0.1"], false),
            ((0, 64), ["1.2.3.4", "255.255.255.255"], true),
            ((32, 64), ["2001:db8:1:2::1", "2001:db8:1:2:ffff::9"], true),
            ((32, 64), ["2001:db8:1:2::1", "2001:db8:1:3::1"], false),
            ((32, 48), ["2001:db8:1:2::1", "2001:db8:1:3::1"], true),
            ((32, 128), ["2001:db8::1", "2001:db8::1"], true),
            ((32, 128), ["2001:db8::1", "2001:db8::2"], false),
            ((32, 0), ["2001:db8::1", "fe80::2"], true),
        ] {
            assert_eq!(
                share(prefixes, addresses),
                expected,
                "{prefixes:?} {addresses:?}"
            );
        }
    }

    #[test]
    fn a_mapped_address_belongs_to_its_ipv4_network() {
        assert!(share((32, 64), ["::ffff:127.1.2.3", "127.1.2.3"]));
        assert!(share((24, 64), ["::ffff:127.1.2.9", "127.1.2.3"]));
        assert!(!share((32, 64), ["::ffff:127.1.2.4", "127.1.2.3"]));
        // No IPv6 network equals an IPv4 network, whatever the lengths of the prefixes.
        for ipv6_bits in 0..=128 {
            for address in ["::1", "::ffff:0:0:0", "::fffe:127.1.2.3", "::127.1.2.3"] {
                for ipv4_bits in [0, 8, 32] {
                    let prefixes = (ipv4_bits, ipv6_bits);
                    assert!(
                        !share(prefixes, [address, "127.1.2.3"]),
                        "{prefixes:?} {address}"
                    );
                }
            }
        }
    }

    #[test]
    fn counts_equal_those_of_a_naive_model() {
        for seed in 0..50 {
            let mut random = Rng::with_seed(seed);
            let most = random.usize(0..4);
            let mut networks = Networks::new(most, (24, 64));
            let mut model: BTreeMap<[u8; 3], usize> = BTreeMap::new();
            let mut inside: Vec<IpAddr> = Vec::new();
            for _ in 0..500 {
                let octets = [10, 0, random.u8(0..3), random.u8(..)];
                let is_full = |model: &BTreeMap<[u8; 3], usize>| {
                    model.get(&octets[..3]).copied().unwrap_or(0) >= most
                };
                let address = IpAddr::from(octets);
                assert_eq!(networks.is_full(address), is_full(&model), "seed {seed}");
                if random.bool() && !is_full(&model) {
                    networks.enter(address);
                    *model.entry([10, 0, octets[2]]).or_default() += 1;
                    inside.push(address);
                } else if !inside.is_empty() {
                    let leaver = inside.swap_remove(random.usize(0..inside.len()));
                    networks.leave(leaver);
                    let IpAddr::V4(leaver) = leaver else {
                        unreachable!()
                    };
                    let octets = leaver.octets();
                    *model.get_mut(&octets[..3]).unwrap() -= 1;
                }
                model.retain(|_, connections| *connections > 0);
                assert_eq!(networks.connections.len(), model.len(), "seed {seed}");
            }
        }
    }
}
