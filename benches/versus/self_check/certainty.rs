//! Whether what is called certain is: intervals and bars, played through where the truth is known.

use crate::bars::list::bars;
use crate::bars::measure::ROUNDS;
use crate::bars::{Bar, Verdict};
use crate::say::say;
use crate::statistics::{Confidence, Estimate, FEWEST, Interval};

/// Any will do; this one makes the outcome the same each time.
const SEED: u64 = 20_261_127;
const TRIALS: usize = 4000;
/// As many passes as the time for the bars allows, and more.
const LOOKS: usize = 10;
/// How far chance takes a share of 5 % among so many trials, three times out of a thousand.
const CHANCE: f64 = 0.011;

pub(super) fn check() -> Result<(), String> {
    say(&format!("simulations with the seed {SEED}"));
    known_answers()?;
    equals()?;
    bar_at_the_truth()?;
    bar_beside_the_truth()
}

fn known_answers() -> Result<(), String> {
    let range = |low: f64, high: f64| Some(Interval { low, high });
    let values = [9.0, 3.0, 1.0, 4.0, 2.0, 8.0, 5.0, 7.0, 6.0];
    let with = |count: usize, confidence| Estimate::with(&values[..count], confidence);
    let interval = |count, confidence| with(count, confidence).and_then(|it| it.interval);
    let is_sound = Estimate::of(&[]).is_none()
        && with(FEWEST, Confidence::Usual).is_some_and(|it| it.median == 3.5)
        && with(9, Confidence::Usual).is_some_and(|it| it.median == 5.0)
        && interval(FEWEST - 1, Confidence::Usual).is_none()
        && interval(FEWEST, Confidence::Usual) == range(1.0, 9.0)
        && interval(9, Confidence::Usual) == range(2.0, 8.0)
        && interval(7, Confidence::Repeated).is_none()
        && interval(9, Confidence::Repeated) == range(1.0, 9.0)
        && Estimate::of(&[2.0; 7]).is_some_and(|it| it.spread() == 0.0);
    if is_sound {
        Ok(())
    } else {
        Err("medians or intervals are wrong where the answer is known".to_owned())
    }
}

/// Two peers that are equal must be told apart as rarely as the interval says.
fn equals() -> Result<(), String> {
    let mut random = fastrand::Rng::with_seed(SEED);
    for rounds in [FEWEST, 7, 9, 21] {
        let is_wrong = |_: &usize| {
            let ratios: Vec<f64> = (0..rounds).map(|_| noise(&mut random).exp()).collect();
            Estimate::of(&ratios).is_some_and(|it| it.is_above(1.0) || it.is_below(1.0))
        };
        let share = (0..TRIALS).filter(is_wrong).count() as f64 / TRIALS as f64;
        say(&format!(
            "equals are told apart in {rounds} rounds: {:.1} %",
            share * 100.0
        ));
        if share > 0.05 + CHANCE {
            return Err(format!(
                "{rounds} rounds give an interval that is too narrow"
            ));
        }
    }
    Ok(())
}

/// A bar that lies exactly at the truth cannot be decided: whatever is decided is wrong.
fn bar_at_the_truth() -> Result<(), String> {
    let (reached, not_reached, _) = play(1.0)?;
    say(&format!(
        "a bar at the truth, {LOOKS} looks: {:.1} % reached, {:.1} % not reached",
        reached * 100.0,
        not_reached * 100.0
    ));
    if reached + not_reached > 0.05 + CHANCE {
        return Err("bars are decided too lightly".to_owned());
    }
    Ok(())
}

/// A bar that is missed by as much as a round varies must be found to be missed, and soon.
fn bar_beside_the_truth() -> Result<(), String> {
    let (reached, not_reached, looks) = play(1.0 + NOISE)?;
    say(&format!(
        "a bar missed by {:.0} %: {:.1} % reached, {:.1} % not reached, after {looks:.1} looks",
        NOISE * 100.0,
        reached * 100.0,
        not_reached * 100.0
    ));
    if reached > 0.001 || not_reached < 0.99 {
        return Err("bars are not decided where they could be".to_owned());
    }
    Ok(())
}

/// What one round differs from another by, in both directions.
const NOISE: f64 = 0.03;

/// The shares of trials in which a bar is found reached and not reached, where the truth is `truth` times the bar; and
/// the looks that it takes.
fn play(truth: f64) -> Result<(f64, f64, f64), String> {
    let mut random = fastrand::Rng::with_seed(SEED);
    let bar = bars().into_iter().find(|bar| bar.against.is_some());
    let bar = bar.ok_or("there is no bar to play with")?;
    let (mut reached, mut not_reached, mut looks) = (0, 0, 0);
    for _ in 0..TRIALS {
        let mut round = || bar.at_most * truth * noise(&mut random).exp();
        let (verdict, looked) = look_again(&bar, &mut round);
        reached += usize::from(verdict == Verdict::Reached);
        not_reached += usize::from(verdict == Verdict::NotReached);
        looks += looked;
    }
    let share = |count: usize| count as f64 / TRIALS as f64;
    Ok((share(reached), share(not_reached), share(looks)))
}

/// Until it is decided.
fn look_again(bar: &Bar, round: &mut dyn FnMut() -> f64) -> (Verdict, usize) {
    let mut ratios = Vec::new();
    for look in 1..=LOOKS {
        ratios.extend((0..ROUNDS).map(|_| round()));
        let (_, verdict) = bar.decide(&ratios, false);
        if verdict != Verdict::NotDecided {
            return (verdict, look);
        }
    }
    (Verdict::NotDecided, LOOKS)
}

/// As many dice as make a bell.
fn noise(random: &mut fastrand::Rng) -> f64 {
    let sum: f64 = (0..12).map(|_| random.f64()).sum();
    (sum - 6.0) * NOISE
}
