use std::collections::VecDeque;

use fastrand::Rng;

use crate::net::values::Family;
use crate::slots::Slots;

use super::*;

fn addresses(text: &str) -> Vec<SocketAddr> {
    text.split_whitespace()
        .map(|address| SocketAddr::new(address.parse().unwrap(), 0))
        .collect()
}

fn race(options: ConnectOptions, found: &str) -> ConnectRace {
    let mut race = ConnectRace::new("host".into(), 1, Rc::new(options));
    race.set_addresses(&addresses(found));
    race
}

fn error(address: SocketAddr) -> Error {
    Error::other(address.ip().to_string())
}

fn order(options: ConnectOptions, found: &str) -> Vec<String> {
    let mut race = race(options, found);
    let mut order = Vec::new();
    while let Some(address) = race.next_candidate() {
        order.push(address.ip().to_string());
        race.failed(address, error(address));
    }
    assert!(race.is_exhausted());
    order
}

#[test]
fn families_take_turns_beginning_with_that_of_the_first() {
    let options = ConnectOptions::new;
    assert_eq!(
        order(options(), "::1 ::2 ::3 1.1.1.1 2.2.2.2"),
        ["::1", "1.1.1.1", "::2", "2.2.2.2", "::3"]
    );
    assert_eq!(order(options(), "1.1.1.1 ::1"), ["1.1.1.1", "::1"]);
    assert_eq!(order(options(), "::1 ::1 ::2"), ["::1", "::2"]);
}

#[test]
fn a_family_that_was_asked_for_leaves_out_the_other() {
    let only_v4 = ConnectOptions::new().family(Family::IPv4);
    assert_eq!(order(only_v4, "::1 1.1.1.1"), ["1.1.1.1"]);
    let only_v6 = ConnectOptions::new().family(Family::IPv6);
    assert!(order(only_v6, "1.1.1.1").is_empty());
}

#[test]
fn without_selection_only_the_first_is_tried() {
    let first = ConnectOptions::new().auto_select_family(false);
    assert_eq!(order(first, "::1 1.1.1.1"), ["::1"]);
}

#[test]
fn without_selection_only_the_first_is_told() {
    let found = addresses("::1 1.1.1.1 2.2.2.2");
    let told = |options| race(options, "").to_be_told(&found);
    let first = || ConnectOptions::new().auto_select_family(false);
    assert_eq!(told(first()), [at_port(found[0], 1)]);
    assert_eq!(told(first().family(Family::IPv4)), [at_port(found[1], 1)]);
    assert_eq!(told(ConnectOptions::new()).len(), 3);
}

#[test]
fn addresses_of_another_family_are_not_told() {
    let found = addresses("1.1.1.1 ::1 2.2.2.2");
    let told = |family| race(ConnectOptions::new().family(family), "").to_be_told(&found);
    assert_eq!(told(Family::IPv6), [at_port(found[1], 1)]);
    assert_eq!(told(Family::IPv4).len(), 2);
    let only = addresses("1.1.1.1");
    let race = race(ConnectOptions::new().family(Family::IPv6), "");
    assert_eq!(race.to_be_told(&only), []);
}

#[test]
fn errors_are_told_in_the_order_of_the_addresses() {
    let mut race = race(ConnectOptions::new(), "1.1.1.1 2.2.2.2 3.3.3.3");
    let mut keys = Slots::new();
    let mut tried = Vec::new();
    while let Some(address) = race.next_candidate() {
        race.began(keys.insert(()), address, 1);
        tried.push(address);
    }
    for place in [2, 0, 1] {
        race.failed(tried[place], error(tried[place]));
    }
    let told: Vec<String> = race
        .failure()
        .attempts()
        .iter()
        .map(Error::to_string)
        .collect();
    assert_eq!(told, ["1.1.1.1", "2.2.2.2", "3.3.3.3"]);
}

#[test]
fn a_hostile_answer_is_cut_short() {
    let many: String = (0..1000)
        .map(|n| format!("10.0.{}.{} ", n / 250, n % 250))
        .collect();
    assert_eq!(order(ConnectOptions::new(), &many).len(), MOST_ADDRESSES);
}

#[test]
fn an_answer_keeps_its_zone_and_a_port_of_its_own() {
    let found: Vec<SocketAddr> = ["[fe80::1%3]:0", "[fe80::1%4]:0", "1.1.1.1:8080"]
        .map(|text| text.parse().unwrap())
        .into();
    let mut race = ConnectRace::new("host".into(), 80, Rc::new(ConnectOptions::new()));
    assert_eq!(
        race.to_be_told(&found)[0],
        "[fe80::1%3]:80".parse().unwrap()
    );
    assert!(race.set_addresses(&found));
    let mut tried = Vec::new();
    while let Some(address) = race.next_candidate() {
        tried.push(address.to_string());
        race.failed(address, error(address));
    }
    assert_eq!(tried, ["[fe80::1%3]:80", "1.1.1.1:8080", "[fe80::1%4]:80"]);
}

/// The naive model of a race: a list of addresses for each state, kept consistent by hand.
#[derive(Default)]
struct Lists {
    waiting: VecDeque<SocketAddr>,
    racing: Vec<(Key, SocketAddr)>,
    attempted: Vec<SocketAddr>,
    errors: Vec<(SocketAddr, String)>,
    order: Vec<SocketAddr>,
    next_tick: Option<u64>,
}

impl Lists {
    fn of(options: &ConnectOptions, found: &[SocketAddr]) -> Self {
        let mut left: Vec<SocketAddr> = Vec::new();
        for &address in found {
            let is_wanted = match options.family {
                Some(Family::IPv4) => address.is_ipv4(),
                Some(Family::IPv6) => address.is_ipv6(),
                None => true,
            };
            if is_wanted && !left.contains(&address) && left.len() < MOST_ADDRESSES {
                left.push(address);
            }
        }
        if !options.auto_select_family {
            left.truncate(1);
        }
        let mut order = Vec::new();
        let mut is_v4 = left.first().is_some_and(SocketAddr::is_ipv4);
        while !left.is_empty() {
            let of_family = left.iter().position(|address| address.is_ipv4() == is_v4);
            let address = left.remove(of_family.unwrap_or(0));
            order.push(SocketAddr::new(address.ip(), 1));
            is_v4 = !is_v4;
        }
        Self {
            waiting: order.iter().copied().collect(),
            order,
            ..Self::default()
        }
    }

    fn failure(&self) -> Vec<String> {
        let mut errors = self.errors.clone();
        errors.sort_by_key(|(address, _)| self.order.iter().position(|one| one == address));
        errors.into_iter().map(|(_, text)| text).collect()
    }

    fn check(&self, race: &ConnectRace) {
        assert_eq!(race.next_attempt_tick(), self.next_tick);
        assert_eq!(
            race.newest_attempt(),
            self.racing.last().map(|(_, address)| *address)
        );
        assert_eq!(
            race.is_exhausted(),
            self.waiting.is_empty() && self.racing.is_empty()
        );
        let is_one_of_several = self.order.len() > 1;
        let attempted: &[SocketAddr] = if is_one_of_several {
            &self.attempted
        } else {
            &[]
        };
        assert_eq!(race.attempted(), attempted);
        let failure = race.failure();
        if is_one_of_several || self.errors.is_empty() {
            let told: Vec<String> = failure.attempts().iter().map(Error::to_string).collect();
            assert_eq!(told, self.failure());
        } else {
            assert_eq!(failure.to_string(), self.errors[0].1);
        }
    }
}

#[test]
fn a_dial_answers_as_the_naive_lists_do() {
    for seed in 0..5_000 {
        let mut random = Rng::with_seed(seed);
        let pool = addresses("1.1.1.1 2.2.2.2 3.3.3.3 ::1 ::2 ::3");
        let found: Vec<SocketAddr> = (0..random.usize(..9))
            .map(|_| pool[random.usize(..pool.len())])
            .collect();
        let family = [None, None, Some(Family::IPv4), Some(Family::IPv6)];
        let options = ConnectOptions::new()
            .family(family[random.usize(..family.len())])
            .auto_select_family(random.u32(..8) > 0);
        let mut lists = Lists::of(&options, &found);
        let mut race = ConnectRace::new("host".into(), 1, Rc::new(options));
        assert!(race.is_looking_up() && !race.is_exhausted());
        assert_eq!(race.set_addresses(&found), !lists.waiting.is_empty());
        lists.check(&race);
        let mut keys = Slots::new();
        for tick in 0..random.u64(..20) {
            match random.u32(..8) {
                0..4 => {
                    let address = race.next_candidate();
                    lists.next_tick = None;
                    assert_eq!(address, lists.waiting.pop_front());
                    let Some(address) = address else { continue };
                    match random.u32(..4) {
                        0 => {
                            lists.errors.push((address, error(address).to_string()));
                            race.refused(address, error(address));
                        }
                        1 => {
                            lists.attempted.push(address);
                            lists.errors.push((address, error(address).to_string()));
                            race.failed(address, error(address));
                        }
                        _ => {
                            let key = keys.insert(());
                            lists.attempted.push(address);
                            lists.racing.push((key, address));
                            lists.next_tick = (!lists.waiting.is_empty()).then_some(tick);
                            race.began(key, address, tick);
                        }
                    }
                }
                4..7 if !lists.racing.is_empty() => {
                    let place = random.usize(..lists.racing.len());
                    let (_, address) = lists.racing.remove(place);
                    race.ended(address);
                    lists.errors.push((address, error(address).to_string()));
                    race.failed(address, error(address));
                    // After a failed attempt, the next address is tried at once, without the delay.
                    lists.next_tick = None;
                    let next = race.next_candidate();
                    assert_eq!(next, lists.waiting.front().copied());
                }
                7 => {
                    let expected: Vec<Key> = lists.racing.drain(..).map(|(key, _)| key).collect();
                    lists.next_tick = None;
                    assert_eq!(race.abandon_attempts(), expected);
                }
                _ => {}
            }
            lists.check(&race);
        }
    }
}
