use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().expect("it is an address")
}

fn rules(block_list: &BlockList) -> Vec<String> {
    let rules = block_list.rules();
    rules
        .map(|(first, last)| format!("{first}-{last}"))
        .collect()
}

/// The naive model of a block list: all rules in order, each with whether it blocks; the newest rule decides.
#[derive(Default)]
struct LinearScan(Vec<(u128, u128, bool)>);

impl LinearScan {
    fn check(&self, position: u128) -> bool {
        let mut newest_first = self.0.iter().rev();
        newest_first
            .find(|&&(first, last, _)| first <= position && position <= last)
            .is_some_and(|&(_, _, blocks)| blocks)
    }
}

/// One of 256 addresses, so that rules overlap, at both ends of the address space and of the mapped addresses.
fn crowded_position(random: &mut fastrand::Rng) -> u128 {
    let near = random.u128(0..64);
    match random.u8(0..4) {
        0 => near,
        1 => u128::MAX - near,
        2 => position(ip("0.0.0.32")) - 64 + near,
        _ => position(ip("255.255.255.224")) + near,
    }
}

/// The number of rules in a run, and the number of addresses that are checked after each rule.
const RULES: u32 = 40;
const CHECKS: u32 = 90;

fn compare_with_linear_scan(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut block_list = BlockList::new();
    let mut model = LinearScan::default();
    for _ in 0..RULES {
        let (one, other) = (crowded_position(&mut random), crowded_position(&mut random));
        let span = random.u128(0..8);
        let (first, last) = match random.u8(0..8) {
            0 => (one.min(other), one.max(other)),
            1..=3 => (one, one.saturating_add(span)),
            _ => (one, one),
        };
        let blocks = random.u8(0..5) > 1;
        if blocks {
            block_list.insert(first, last);
        } else {
            block_list.cut(first, last);
        }
        model.0.push((first, last, blocks));

        for _ in 0..CHECKS {
            let position = crowded_position(&mut random);
            let address = Ipv6Addr::from(position);
            let expected = model.check(position);
            assert_eq!(
                block_list.check(address.into()),
                expected,
                "seed {seed}, {address}"
            );
            // A mapped address and its IPv4 address count as the same peer.
            let canonical = address.to_canonical();
            assert_eq!(
                block_list.check(canonical),
                expected,
                "seed {seed}, {canonical}"
            );
        }
        let ranges: Vec<_> = block_list.ranges.iter().collect();
        assert!(
            ranges.iter().all(|(first, last)| first <= last),
            "seed {seed}"
        );
        let apart = |pair: &[(&u128, &u128)]| pair[0].1.saturating_add(1) < *pair[1].0;
        assert!(ranges.windows(2).all(apart), "seed {seed}: {block_list:?}");
    }
}

#[test]
fn answers_are_those_of_a_linear_scan_of_all_rules_ever_given() {
    (0..300).for_each(compare_with_linear_scan);
}

#[test]
#[ignore = "takes a minute in a release build"]
fn a_hundred_million_answers_are_those_of_a_linear_scan() {
    // Each address is checked twice: as it is, and in its canonical form.
    let operations = u64::from(RULES * (1 + 2 * CHECKS));
    let first = first_seed();
    (first..first + 100_000_000 / operations + 1).for_each(compare_with_linear_scan);
}

/// Returns the first seed of a long run, and prints it. The seed is the variable SEED if it is set, or else random.
fn first_seed() -> u64 {
    let given = std::env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| fastrand::u64(..1 << 48));
    println!("SEED={seed}");
    seed
}

#[test]
fn overlapping_and_adjacent_rules_become_one() {
    let mut block_list = BlockList::new();
    block_list
        .add_subnet([10, 0, 0, 0], 9)
        .expect("it is a rule");
    block_list
        .add_subnet([10, 128, 0, 0], 9)
        .expect("it is a rule");
    block_list
        .add_range([9, 255, 255, 250], [10, 0, 0, 3])
        .expect("it is a rule");
    block_list.add_address([10, 1, 1, 1]);
    assert_eq!(rules(&block_list), ["9.255.255.250-10.255.255.255"]);
    assert_eq!(
        format!("{block_list:?}"),
        r#"["9.255.255.250-10.255.255.255"]"#
    );
    assert_eq!(block_list.rules().count(), 1);
}

#[test]
fn a_line_that_blocks_addresses_allows_them_when_removed() {
    for rule in [
        "1.2.3.4",
        "10.0.0.0/8",
        "1.2.3.4 - 1.2.3.9",
        "fe80::/10",
        "::1",
    ] {
        let mut added = BlockList::new();
        added.add(rule).expect("it is a rule");
        let mut left = BlockList::everything();
        left.remove(rule).expect("it is a rule");
        for (first, last) in added.rules() {
            assert!(!left.check(first) && !left.check(last), "{rule}");
        }
        let blocked = left.rules().count();
        assert!((1..=2).contains(&blocked), "{rule}: {left:?}");
        added.remove(rule).expect("it is a rule");
        assert_eq!(added, BlockList::new(), "{rule}");
    }
    let mut everything = BlockList::everything();
    for rule in ["", "10.0.0.0/33", "9.9.9.9-1.1.1.1", "host"] {
        let error = everything.remove(rule).expect_err(rule);
        assert_eq!(error.code(), Error::INVALID_ARGUMENT);
    }
    assert_eq!(everything, BlockList::everything());
}

#[test]
fn a_subnet_ignores_the_host_bits_that_it_was_given_with() {
    let mut block_list = BlockList::new();
    block_list
        .add_subnet([10, 1, 2, 3], 8)
        .expect("it is a rule");
    block_list
        .add_subnet(ip("2001:db8::77"), 127)
        .expect("it is a rule");
    assert_eq!(
        rules(&block_list),
        ["10.0.0.0-10.255.255.255", "2001:db8::76-2001:db8::77"]
    );
}

#[test]
fn the_shortest_and_the_longest_prefixes_hold_what_they_say() {
    let mut block_list = BlockList::new();
    block_list
        .add_subnet(ip("1.2.3.4"), 32)
        .expect("it is a rule");
    assert_eq!(rules(&block_list), ["1.2.3.4-1.2.3.4"]);
    block_list
        .add_subnet(ip("1.2.3.4"), 0)
        .expect("it is a rule");
    assert_eq!(rules(&block_list), ["0.0.0.0-255.255.255.255"]);
    assert!(!block_list.check(ip("::1")), "all of IPv4 is not IPv6");
    block_list = BlockList::new();
    block_list.add_subnet(ip("::1"), 128).expect("it is a rule");
    assert_eq!(rules(&block_list), ["::1-::1"]);
    block_list.add_subnet(ip("::1"), 0).expect("it is a rule");
    assert_eq!(block_list, BlockList::everything());
    assert!(block_list.check(ip("1.2.3.4")));
}

#[test]
fn a_rule_for_mapped_addresses_blocks_the_ipv4_ones() {
    let mut block_list = BlockList::new();
    block_list
        .add_subnet(ip("::ffff:1.2.0.0"), 112)
        .expect("it is a rule");
    assert!(block_list.check(ip("1.2.3.4")) && block_list.check(ip("::ffff:1.2.3.4")));
    assert!(!block_list.check(ip("1.3.0.0")) && !block_list.check(ip("::102:304")));
    assert_eq!(rules(&block_list), ["1.2.0.0-1.2.255.255"]);
}

#[test]
fn rules_that_cannot_be_are_refused_with_what_was_given() {
    let mut block_list = BlockList::new();
    let text = |result: Result<()>| {
        let error = result.expect_err("it is no rule");
        assert_eq!(error.code(), Error::INVALID_ARGUMENT);
        error.to_string()
    };
    assert_eq!(
        text(block_list.add_range(ip("1.1.1.2"), ip("1.1.1.1"))),
        "the start of a range comes before its end; received 1.1.1.2 and 1.1.1.1"
    );
    assert_eq!(
        text(block_list.add_range(ip("1.1.1.2"), ip("::5"))),
        "a range has one family; received 1.1.1.2 and ::5"
    );
    assert_eq!(
        text(block_list.add_subnet(ip("1.1.1.2"), 33)),
        "the prefix of 1.1.1.2 has at most 32 bits; received 33"
    );
    assert_eq!(
        text(block_list.add_subnet(ip("::"), 129)),
        "the prefix of :: has at most 128 bits; received 129"
    );
    for rule in [
        "",
        "localhost",
        "1.2.3.4/",
        "1.2.3.4/256",
        "/8",
        "1.2.3.4-",
        "-",
        "1.2.3.4-x",
    ] {
        assert!(text(block_list.add(rule)).starts_with(&format!("{rule:?} is no address")));
    }
    assert_eq!(
        block_list.rules().count(),
        0,
        "a refused rule blocks nothing"
    );
}

#[test]
fn a_configuration_line_says_an_address_a_subnet_or_a_range() {
    let mut block_list = BlockList::new();
    for rule in [
        "192.0.2.1",
        " 10.0.0.0 / 8 ",
        "1.1.1.1 - 1.1.1.3",
        "fe80::/10",
    ] {
        block_list.add(rule).expect("it is a rule");
    }
    assert_eq!(
        rules(&block_list),
        [
            "1.1.1.1-1.1.1.3",
            "10.0.0.0-10.255.255.255",
            "192.0.2.1-192.0.2.1",
            "fe80::-febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        ]
    );
}

#[test]
fn everything_without_a_subnet_is_an_allow_list() {
    let mut block_list = BlockList::everything();
    block_list
        .remove_subnet([192, 168, 0, 0], 16)
        .expect("it is a rule");
    block_list
        .remove_range(ip("::1"), ip("::1"))
        .expect("it is a rule");
    block_list.remove_address(ip("::1"));
    assert!(!block_list.check(ip("192.168.3.4")) && !block_list.check(ip("::1")));
    assert!(block_list.check(ip("192.169.0.0")) && block_list.check(ip("::2")));
    assert_eq!(block_list.rules().count(), 3);
}

#[test]
fn special_purpose_addresses_are_no_host_on_the_internet() {
    let block_list = BlockList::special_purpose();
    for blocked in [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.31.255.255",
        "192.168.0.1",
        "198.19.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "64:ff9b:1::a00:1",
        "2001::1",
        "2001:db8::1",
        "2002:a00:1::",
        "fc00::1",
        "fd12::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ] {
        assert!(block_list.check(ip(blocked)), "{blocked}");
    }
    for passes in [
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.167.0.1",
        "192.169.0.1",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "::ffff:8.8.8.8",
        "2001:4860:4860::8888",
        "2606:4700::1111",
        "2a00::1",
        "3ffe::1",
    ] {
        assert!(!block_list.check(ip(passes)), "{passes}");
    }
}
