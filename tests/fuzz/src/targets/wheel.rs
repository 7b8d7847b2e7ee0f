//! The timer wheel against a sorted map and a queue.

use std::collections::{BTreeMap, HashMap, VecDeque};

use arbitrary::{Result, Unstructured};
use netloop::internals::wheel::{NEVER, TimerHandle, Wheel};

use super::drawing::number;

/// With at most this many timers the next deadline is exact, whatever was cancelled.
const EXACT: usize = 16;

struct Model {
    now: u64,
    armings: u64,
    /// By deadline, then by the number of the arming.
    waiting: BTreeMap<(u64, u64), u64>,
    due: VecDeque<u64>,
    armed: HashMap<u64, (u64, u64)>,
}

impl Model {
    fn arm(&mut self, deadline: u64, payload: u64) {
        self.armings += 1;
        self.waiting.insert((deadline, self.armings), payload);
        self.armed.insert(payload, (deadline, self.armings));
    }

    fn cancel(&mut self, payload: u64) -> Option<u64> {
        let place = self.armed.remove(&payload)?;
        if self.waiting.remove(&place).is_none() {
            self.due.retain(|due| *due != payload);
        }
        Some(payload)
    }

    fn advance(&mut self, now: u64) {
        self.now = self.now.max(now);
        while let Some(first) = self.waiting.first_entry() {
            let (deadline, _) = *first.key();
            if deadline > self.now || deadline == NEVER {
                break;
            }
            self.due.push_back(first.remove());
        }
    }

    fn next_due(&mut self) -> Option<u64> {
        let payload = self.due.pop_front()?;
        self.armed.remove(&payload);
        Some(payload)
    }

    fn next_deadline(&self) -> Option<u64> {
        if !self.due.is_empty() {
            return Some(self.now);
        }
        let (&(deadline, _), _) = self.waiting.first_key_value()?;
        (deadline != NEVER).then_some(deadline.max(self.now))
    }
}

pub(crate) fn play(input: &mut Unstructured<'_>) -> Result<()> {
    let start = number(input)?;
    let mut wheel = Wheel::new(start);
    let mut model = Model {
        now: start,
        armings: 0,
        waiting: BTreeMap::new(),
        due: VecDeque::new(),
        armed: HashMap::new(),
    };
    // The handles of all timers that were ever armed, by their payloads.
    let mut handles: Vec<TimerHandle> = Vec::new();
    while !input.is_empty() {
        let chosen = match handles.len() {
            0 => None,
            count => Some(input.choose_index(count)?),
        };
        match (input.int_in_range(0..=11_u8)?, chosen) {
            (0..=4, _) => {
                let deadline = deadline(input, &model)?;
                let payload = handles.len() as u64;
                handles.push(wheel.arm(deadline, payload));
                model.arm(deadline, payload);
            }
            (5..=6, Some(chosen)) => {
                let payload = chosen as u64;
                assert_eq!(wheel.cancel(handles[chosen]), model.cancel(payload));
            }
            (7, Some(chosen)) => {
                let (deadline, payload) = (deadline(input, &model)?, chosen as u64);
                let is_alive = model.cancel(payload).is_some();
                if is_alive {
                    model.arm(deadline, payload);
                }
                assert_eq!(wheel.rearm(handles[chosen], deadline), is_alive);
            }
            (8..=9, _) => {
                let now = match input.int_in_range(0..=3_u8)? {
                    0 => wheel.next_deadline().unwrap_or(model.now),
                    1 => model.now.saturating_add(number(input)? % 200),
                    2 => model.now.saturating_sub(number(input)?),
                    _ => model.now.saturating_add(number(input)? >> 8),
                };
                wheel.advance(now);
                model.advance(now);
            }
            _ => {
                for _ in 0..input.int_in_range(0..=8_u8)? {
                    let deadline = model.due.front().map(|payload| model.armed[payload].0);
                    let popped = wheel.next_due();
                    assert_eq!(popped.map(|(_, payload)| payload), model.next_due());
                    let Some((handle, _)) = popped else { break };
                    assert_eq!(Some(wheel.deadline_of_popped(handle)), deadline);
                    assert_eq!(wheel.deadline(handle), None, "a popped timer is dead");
                }
            }
        }
        check(&wheel, &model);
        if let Some(chosen) = chosen {
            let deadline = model
                .armed
                .get(&(chosen as u64))
                .map(|(deadline, _)| *deadline);
            assert_eq!(wheel.deadline(handles[chosen]), deadline);
        }
    }
    Ok(())
}

fn check(wheel: &Wheel<u64>, model: &Model) {
    assert_eq!(wheel.len(), model.armed.len());
    assert_eq!(wheel.is_empty(), model.armed.is_empty());
    let (promised, exact) = (wheel.next_deadline(), model.next_deadline());
    if model.armed.len() <= EXACT {
        assert_eq!(promised, exact);
    } else {
        assert_eq!(promised.is_some(), exact.is_some());
        assert!(promised <= exact, "{promised:?} is too late for {exact:?}");
        assert!(promised.is_none_or(|tick| tick >= model.now), "in the past");
    }
}

fn deadline(input: &mut Unstructured<'_>, model: &Model) -> Result<u64> {
    let gap = number(input)?;
    Ok(match input.int_in_range(0..=7_u8)? {
        0 => model.now.saturating_sub(gap),
        1 => NEVER,
        // Together with another timer.
        2 => model
            .waiting
            .keys()
            .next()
            .map_or(NEVER - 1, |(deadline, _)| *deadline),
        3 => model
            .waiting
            .keys()
            .next_back()
            .map_or(gap, |(deadline, _)| *deadline),
        _ => model.now.saturating_add(gap),
    })
}
