//! The set of blocked addresses against the list of its rules, of which the last one that matches decides.

use std::net::{IpAddr, Ipv6Addr};

use arbitrary::{Result, Unstructured};
use netloop::BlockList;

/// A rule of the model: its first and last address, and whether it blocks.
type Rule = (u128, u128, bool);

/// The addresses around which the ranges lie: the ends of both families and of the mapped block between them.
const CENTRES: [u128; 6] = [
    0,
    0xffff_0000_0000,
    0xffff_0a00_0000,
    0xffff_ffff_ffff,
    0xfe80 << 112,
    u128::MAX,
];

pub(crate) fn play(input: &mut Unstructured<'_>) -> Result<()> {
    let (mut list, mut model): (BlockList, Vec<Rule>) = match input.ratio(1, 4)? {
        true => (BlockList::everything(), vec![(0, u128::MAX, true)]),
        false => (BlockList::new(), Vec::new()),
    };
    let mut seen = Vec::new();
    while !input.is_empty() && model.len() < 100 {
        let (first, last) = (address(input)?, address(input)?);
        seen.extend([first, last].map(position));
        let is_added = input.ratio(2, 3)?;
        match input.int_in_range(0..=4_u8)? {
            0 => {
                match is_added {
                    true => list.add_address(first),
                    false => list.remove_address(first),
                }
                model.push((position(first), position(first), is_added));
            }
            1 => {
                let done = match is_added {
                    true => list.add_range(first, last),
                    false => list.remove_range(first, last),
                };
                assert_eq!(done.is_ok(), is_range(first, last), "{first}-{last}");
                if done.is_ok() {
                    model.push((position(first), position(last), is_added));
                }
            }
            2 => {
                let prefix = input.int_in_range(0..=130_u8)?;
                let done = match is_added {
                    true => list.add_subnet(first, prefix),
                    false => list.remove_subnet(first, prefix),
                };
                let subnet = subnet(first, prefix);
                assert_eq!(done.is_ok(), subnet.is_some(), "{first}/{prefix}");
                model.extend(subnet.map(|(first, last)| (first, last, is_added)));
            }
            3 => {
                let prefix = input.int_in_range(0..=130_u8)?;
                let (text, rule) = match input.int_in_range(0..=2_u8)? {
                    0 => (
                        format!(" {first} "),
                        Some((position(first), position(first))),
                    ),
                    1 => (format!("{first} / {prefix}"), subnet(first, prefix)),
                    _ => {
                        let range = (position(first), position(last));
                        let text = format!("{first}-{last}");
                        (text, is_range(first, last).then_some(range))
                    }
                };
                assert_eq!(list.add(&text).is_ok(), rule.is_some(), "{text:?}");
                model.extend(rule.map(|(first, last)| (first, last, true)));
            }
            _ => {
                // A text of any bytes must not panic, and an error must change nothing.
                let before = list.clone();
                let text: &str = input.arbitrary()?;
                match list.add(text) {
                    Ok(()) => list = before,
                    Err(_) => assert_eq!(list, before),
                }
            }
        }
    }
    check(&list, &model, &seen);
    Ok(())
}

fn check(list: &BlockList, model: &[Rule], seen: &[u128]) {
    let ends = model.iter().flat_map(|&(first, last, _)| [first, last]);
    for end in ends.chain(seen.iter().copied()) {
        for position in [end.wrapping_sub(1), end, end.wrapping_add(1)] {
            let mut rules = model.iter().rev();
            let rule = rules.find(|(first, last, _)| (*first..=*last).contains(&position));
            let is_blocked = rule.is_some_and(|(.., blocks)| *blocks);
            let address = Ipv6Addr::from(position);
            assert_eq!(
                list.check(address.into()),
                is_blocked,
                "{address} in {list:?}"
            );
            if let Some(mapped) = address.to_ipv4_mapped() {
                assert_eq!(
                    list.check(mapped.into()),
                    is_blocked,
                    "{mapped} in {list:?}"
                );
            }
        }
    }
    let mut rebuilt = BlockList::new();
    let mut before: Option<u128> = None;
    for (first, last) in list.rules() {
        let (start, end) = (position(first), position(last));
        assert!(start <= end, "{list:?}");
        assert!(
            before.is_none_or(|before| before < u128::MAX && before + 1 < start),
            "{list:?}"
        );
        before = Some(end);
        match (first, last) {
            // A range beyond the mapped block cannot be given back as one range of IPv6 if one end of it is mapped.
            _ if first.to_canonical().is_ipv4() == last.to_canonical().is_ipv4() => {
                rebuilt.add_range(first, last).expect("a rule is a range");
            }
            _ => return,
        }
    }
    assert_eq!(rebuilt, *list);
}

fn address(input: &mut Unstructured<'_>) -> Result<IpAddr> {
    let centre = *input.choose(&CENTRES)?;
    let offset = match input.ratio(7, 8)? {
        true => u128::from(input.arbitrary::<u8>()? >> input.int_in_range(0..=7)?),
        false => input.arbitrary()?,
    };
    let position = match input.arbitrary()? {
        true => centre.wrapping_add(offset),
        false => centre.wrapping_sub(offset),
    };
    let address = Ipv6Addr::from(position);
    let mapped = address.to_ipv4_mapped().filter(|_| offset % 2 == 0);
    Ok(mapped.map_or_else(|| address.into(), IpAddr::from))
}

fn position(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().into(),
        IpAddr::V6(address) => address.into(),
    }
}

fn is_range(first: IpAddr, last: IpAddr) -> bool {
    first.to_canonical().is_ipv4() == last.to_canonical().is_ipv4()
        && position(first) <= position(last)
}

/// Returns the first and the last address of a subnet, found bit by bit.
fn subnet(network: IpAddr, prefix: u8) -> Option<(u128, u128)> {
    let bits = if network.is_ipv4() { 32 } else { 128 };
    let (mut first, mut last) = (position(network), position(network));
    for bit in 0..bits - u32::from(prefix).min(bits) {
        first &= !(1 << bit);
        last |= 1 << bit;
    }
    (u32::from(prefix) <= bits).then_some((first, last))
}
