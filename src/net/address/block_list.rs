//! Block lists: sets of IP addresses from which peers may not connect, or to which the program must not connect.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use crate::net::error::{Error, Result};

/// A set of IP addresses, given as addresses, ranges and subnets: Node's `net.BlockList`.
///
/// An IPv4 address and its IPv4-mapped IPv6 form count as one address, in rules and in queries. (A listener of both
/// families shows its IPv4 peers as `::ffff:1.2.3.4`.) So `::/0` contains every address of both families. A set does
/// not look at zones: an IPv6 address is blocked on all links or on none.
///
/// Node keeps a list of rules, and walks it for every query. This type is a set: overlapping and adjacent ranges become
/// one, and a query among n ranges takes O(log n). Removing an address takes it out of the set, whichever rule had
/// added it. So the set can also serve as an allow-list: begin with [`everything`](Self::everything), and remove the
/// allowed addresses.
///
/// ```
/// use netloop::BlockList;
///
/// let mut block_list = BlockList::new();
/// block_list.add_subnet([10, 0, 0, 0], 8)?;
/// block_list.add("192.0.2.1-192.0.2.9")?;
/// block_list.remove_address([10, 0, 0, 1]);
///
/// assert!(block_list.check("10.1.2.3".parse()?));
/// assert!(block_list.check("::ffff:192.0.2.5".parse()?));
/// assert!(!block_list.check("10.0.0.1".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct BlockList {
    /// The first address of each range, and its last; IPv4 in its IPv4-mapped IPv6 form (`::ffff:0:0/96`). Invariant:
    /// no range overlaps or touches another, and no range ends before it begins. A map and not a sorted vector, so that
    /// adding one rule to a million stays cheap.
    ranges: BTreeMap<u128, u128>,
}

impl BlockList {
    /// A list that blocks nothing.
    #[doc(alias = "clear")]
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A list that blocks every address. Remove addresses from it to make an allow-list.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            ranges: BTreeMap::from([(0, u128::MAX)]),
        }
    }

    /// A list of the special-purpose addresses, none of which belongs to one host on the public internet. Private,
    /// shared, link-local, loopback, documentation, multicast and reserved addresses are on it. It includes the IPv6
    /// ranges that embed an IPv4 address (6to4, NAT64, Teredo, `::/96`), since a connect to those may reach the IPv4
    /// address. Most ranges come from the IANA special-purpose registries (RFC 6890). The list protects a service that
    /// connects to hosts which its users choose: no user can make the service connect into a private network.
    #[doc(alias = "PRIVATE_RANGES")]
    #[must_use]
    pub fn special_purpose() -> Self {
        let mut block_list = Self::new();
        for &(network, prefix) in SPECIAL_PURPOSE {
            let network = u128::from(Ipv6Addr::from(network));
            block_list.insert(network, network | host_bits(prefix));
        }
        block_list
    }

    /// Blocks one address.
    #[doc(alias = "addAddress")]
    pub fn add_address(&mut self, address: impl Into<IpAddr>) {
        let position = position(address.into());
        self.insert(position, position);
    }

    /// Blocks every address from `start` to `end`, both included.
    ///
    /// # Errors
    ///
    /// `ERR_INVALID_ARGUMENT` if `end` comes before `start`, or if only one of the two is IPv4.
    #[doc(alias = "addRange")]
    pub fn add_range(&mut self, start: impl Into<IpAddr>, end: impl Into<IpAddr>) -> Result<()> {
        let (first, last) = range(start.into(), end.into())?;
        self.insert(first, last);
        Ok(())
    }

    /// Blocks every address that has the first `prefix` bits of `network`. The other bits of `network` are ignored.
    ///
    /// # Errors
    ///
    /// `ERR_INVALID_ARGUMENT` if `prefix` is longer than an address of that family: 32 or 128 bits.
    #[doc(alias = "addSubnet")]
    pub fn add_subnet(&mut self, network: impl Into<IpAddr>, prefix: u8) -> Result<()> {
        let (first, last) = subnet(network.into(), prefix)?;
        self.insert(first, last);
        Ok(())
    }

    /// Blocks the addresses of one line of a configuration: `1.2.3.4`, `10.0.0.0/8`, `fe80::/10` or `1.2.3.4-1.2.3.9`.
    ///
    /// # Errors
    ///
    /// `ERR_INVALID_ARGUMENT` if `rule` has none of these forms, and the errors of [`add_range`](Self::add_range) and
    /// [`add_subnet`](Self::add_subnet).
    #[doc(alias = "addCIDR")]
    pub fn add(&mut self, rule: &str) -> Result<()> {
        let (first, last) = parse(rule)?;
        self.insert(first, last);
        Ok(())
    }

    /// Removes one address, even if it was added as part of a range or a subnet.
    #[doc(alias = "removeAddress")]
    pub fn remove_address(&mut self, address: impl Into<IpAddr>) {
        let position = position(address.into());
        self.cut(position, position);
    }

    /// Removes the addresses from `start` to `end`, both included.
    ///
    /// # Errors
    ///
    /// The errors of [`add_range`](Self::add_range).
    #[doc(alias = "removeRange")]
    pub fn remove_range(&mut self, start: impl Into<IpAddr>, end: impl Into<IpAddr>) -> Result<()> {
        let (first, last) = range(start.into(), end.into())?;
        self.cut(first, last);
        Ok(())
    }

    /// Removes the addresses of a subnet.
    ///
    /// # Errors
    ///
    /// The errors of [`add_subnet`](Self::add_subnet).
    #[doc(alias("removeSubnet", "removeCIDR"))]
    pub fn remove_subnet(&mut self, network: impl Into<IpAddr>, prefix: u8) -> Result<()> {
        let (first, last) = subnet(network.into(), prefix)?;
        self.cut(first, last);
        Ok(())
    }

    /// Removes the addresses of one line of a configuration, in the forms of [`add`](Self::add).
    ///
    /// ```
    /// use netloop::BlockList;
    ///
    /// let mut all_but_ours = BlockList::everything();
    /// all_but_ours.remove("10.0.0.0/8")?;
    /// assert!(!all_but_ours.check("10.1.2.3".parse()?));
    /// assert!(all_but_ours.check("192.0.2.1".parse()?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of [`add`](Self::add).
    pub fn remove(&mut self, rule: &str) -> Result<()> {
        let (first, last) = parse(rule)?;
        self.cut(first, last);
        Ok(())
    }

    /// Whether `address` is blocked.
    #[must_use]
    pub fn check(&self, address: IpAddr) -> bool {
        let position = position(address);
        let candidate = self.ranges.range(..=position).next_back();
        candidate.is_some_and(|(_, &last)| position <= last)
    }

    /// The blocked ranges, both ends included, in the ascending order of their IPv6 forms. No two ranges are adjacent.
    /// A range within `::ffff:0:0/96` is returned as IPv4.
    #[doc(alias = "size")]
    pub fn rules(&self) -> impl Iterator<Item = (IpAddr, IpAddr)> + '_ {
        self.ranges.iter().map(|(&first, &last)| {
            let ends = [first, last].map(Ipv6Addr::from);
            match ends.map(|address| address.to_ipv4_mapped()) {
                [Some(first), Some(last)] => (first.into(), last.into()),
                _ => (ends[0].into(), ends[1].into()),
            }
        })
    }

    /// Adds a range, and merges it with every range that it overlaps or touches.
    fn insert(&mut self, mut first: u128, mut last: u128) {
        if let Some((&before, &end)) = self.ranges.range(..=first).next_back() {
            if end.saturating_add(1) >= first {
                first = before;
            }
        }
        let reach = last.saturating_add(1);
        while let Some((&start, &end)) = self.ranges.range(first..=reach).next_back() {
            last = last.max(end);
            self.ranges.remove(&start);
        }
        self.ranges.insert(first, last);
    }

    /// Removes the addresses from `first` to `last`. A range that reaches beyond them keeps its outer parts.
    fn cut(&mut self, first: u128, last: u128) {
        while let Some((&start, &end)) = self.ranges.range(..=last).next_back() {
            if end < first {
                return;
            }
            self.ranges.remove(&start);
            if end > last {
                self.ranges.insert(last + 1, end);
            }
            if start < first {
                self.ranges.insert(start, first - 1);
                return;
            }
        }
    }
}

/// Shows the blocked ranges as text.
impl fmt::Debug for BlockList {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules = self.rules().map(|(first, last)| format!("{first}-{last}"));
        formatter.debug_list().entries(rules).finish()
    }
}

/// The networks of [`BlockList::special_purpose`]. The mapping to IPv6 makes an IPv4 prefix longer by 96 bits.
#[rustfmt::skip]
const SPECIAL_PURPOSE: &[([u16; 8], u8)] = &[
    (mapped(0, 0, 0), 96 + 8),
    (mapped(10, 0, 0), 96 + 8),
    (mapped(100, 64, 0), 96 + 10),
    (mapped(127, 0, 0), 96 + 8),
    (mapped(169, 254, 0), 96 + 16),
    (mapped(172, 16, 0), 96 + 12),
    (mapped(192, 0, 0), 96 + 24),
    (mapped(192, 0, 2), 96 + 24),
    (mapped(192, 88, 99), 96 + 24),
    (mapped(192, 168, 0), 96 + 16),
    (mapped(198, 18, 0), 96 + 15),
    (mapped(198, 51, 100), 96 + 24),
    (mapped(203, 0, 113), 96 + 24),
    (mapped(224, 0, 0), 96 + 4),
    (mapped(240, 0, 0), 96 + 4),
    // The unspecified address, loopback, and the obsolete form of an embedded IPv4 address (`::/96`).
    ([0, 0, 0, 0, 0, 0, 0, 0], 96),
    ([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96),
    ([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48),
    ([0x100, 0, 0, 0, 0, 0, 0, 0], 64),
    // IETF protocol assignments, which include Teredo.
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),
    ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16),
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),
    ([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16),
    // Unique local, link-local together with the obsolete site-local, and multicast addresses.
    ([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7),
    ([0xfe80, 0, 0, 0, 0, 0, 0, 0], 9),
    ([0xff00, 0, 0, 0, 0, 0, 0, 0], 8),
];

const fn mapped(first: u16, second: u16, third: u16) -> [u16; 8] {
    [0, 0, 0, 0, 0, 0xffff, first << 8 | second, third << 8]
}

/// Returns the key of an address in the map: its IPv6 form as a number.
fn position(address: IpAddr) -> u128 {
    u128::from(match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    })
}

/// Returns a mask of the bits after the first `prefix` bits.
fn host_bits(prefix: u8) -> u128 {
    u128::MAX.checked_shr(u32::from(prefix)).unwrap_or(0)
}

fn range(start: IpAddr, end: IpAddr) -> Result<(u128, u128)> {
    if start.to_canonical().is_ipv4() != end.to_canonical().is_ipv4() {
        return Err(invalid(format!(
            "a range has one family; received {start} and {end}"
        )));
    }
    let (first, last) = (position(start), position(end));
    if first > last {
        return Err(invalid(format!(
            "the start of a range comes before its end; received {start} and {end}"
        )));
    }
    Ok((first, last))
}

fn subnet(network: IpAddr, prefix: u8) -> Result<(u128, u128)> {
    let (longest, mapping) = match network {
        IpAddr::V4(_) => (32, 96),
        IpAddr::V6(_) => (128, 0),
    };
    if prefix > longest {
        return Err(invalid(format!(
            "the prefix of {network} has at most {longest} bits; received {prefix}"
        )));
    }
    let host_bits = host_bits(prefix + mapping);
    let first = position(network) & !host_bits;
    Ok((first, first | host_bits))
}

fn parse(rule: &str) -> Result<(u128, u128)> {
    let malformed = || {
        invalid(format!(
            "{rule:?} is no address, no \"network/prefix\" and no \"start-end\""
        ))
    };
    let address = |text: &str| text.trim().parse::<IpAddr>().map_err(|_| malformed());
    if let Some((network, prefix)) = rule.split_once('/') {
        let prefix = prefix.trim().parse().map_err(|_| malformed())?;
        subnet(address(network)?, prefix)
    } else if let Some((start, end)) = rule.split_once('-') {
        range(address(start)?, address(end)?)
    } else {
        let position = position(address(rule)?);
        Ok((position, position))
    }
}

fn invalid(message: String) -> Error {
    Error::with_code(Error::INVALID_ARGUMENT, message)
}

#[cfg(test)]
mod tests;
