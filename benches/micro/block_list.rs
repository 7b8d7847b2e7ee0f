//! The check of an address, beside a list of rules that is searched from its beginning, as Node's is.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use criterion::Criterion;
use fastrand::Rng;
use netloop::BlockList;

use crate::measure::Group;

/// The length of the rules' prefixes.
const PREFIX: u8 = 24;

pub(crate) fn measure(criterion: &mut Criterion) {
    let mut group = Group::new(
        criterion,
        "block list: check an address against so many rules",
    );
    for size in [10, 1_000, 10_000, 100_000] {
        let mut random = Rng::with_seed(1);
        let networks: Vec<u32> = (0..size).map(|_| random.u32(..) & !0xFF).collect();
        let mut block_list = BlockList::new();
        for &network in &networks {
            let added = block_list.add_subnet(Ipv4Addr::from(network), PREFIX);
            added.expect("the prefix is of the right length");
        }
        group.each("netloop", size, || {
            let address = IpAddr::V4(Ipv4Addr::from(random.u32(..)));
            block_list.check(black_box(address))
        });
        group.each("one rule after the other", size, || {
            let address = black_box(random.u32(..));
            networks.contains(&(address & !0xFF))
        });
    }
}
