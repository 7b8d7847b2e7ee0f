use std::thread;

use crate::system::ScriptedWaker;

use super::*;

/// More failures than the wakes of a test have tries. So every wake fails until the number is set to zero.
const MANY: usize = 1_000_000;

struct Stage {
    mailbox: Mailbox<()>,
    script: Arc<ScriptedWaker>,
    taken: VecDeque<Post<()>>,
}

impl Stage {
    fn new() -> Self {
        let script = Arc::new(ScriptedWaker::default());
        Self {
            mailbox: Mailbox::new(
                WakeHandle::Scripted(Arc::clone(&script)),
                WakeListener::default(),
                1024,
            ),
            script,
            taken: VecDeque::new(),
        }
    }

    fn post(&self) -> Result<()> {
        Ok(self.mailbox.post(|_: &mut LoopContext<'_>| ())?)
    }

    /// Takes the posts as a turn of the loop does, and returns their number and whether a stop was asked for.
    fn take(&mut self) -> (usize, bool) {
        self.taken.clear();
        let stops = self.mailbox.take(usize::MAX, &mut self.taken);
        (self.taken.len(), stops)
    }
}

#[test]
fn of_many_posts_only_the_first_wakes_the_loop() {
    let mut stage = Stage::new();
    for round in 1..=3 {
        for _ in 0..100 {
            stage.post().unwrap();
            stage.mailbox.wake().unwrap();
        }
        assert_eq!(stage.script.calls(), round);
        assert_eq!(stage.take(), (100, false));
    }
}

#[test]
fn a_post_whose_wake_fails_is_not_made() {
    let mut stage = Stage::new();
    stage.script.fail(MANY);
    stage.post().unwrap_err();
    assert_eq!(stage.take(), (0, false));
    stage.post().unwrap_err();
    stage.script.fail(0);
    stage.post().unwrap();
    assert_eq!(stage.script.wakes(), 1, "it relies on no failed wake");
    assert_eq!(stage.take(), (1, false));
}

#[test]
fn after_a_failed_wake_the_next_one_wakes_the_loop() {
    let stage = Stage::new();
    for wake in [
        Mailbox::wake as fn(&Mailbox<()>) -> io::Result<()>,
        Mailbox::stop,
        |mailbox| {
            mailbox.hold();
            mailbox.release();
            Err(io::ErrorKind::Other.into())
        },
    ] {
        let before = stage.script.wakes();
        stage.script.fail(MANY);
        wake(&stage.mailbox).unwrap_err();
        stage.script.fail(0);
        stage.mailbox.wake().unwrap();
        assert_eq!(stage.script.wakes(), before + 1);
        stage.mailbox.take(0, &mut VecDeque::new());
    }
}

#[test]
fn a_stop_whose_wake_fails_does_not_come() {
    let mut stage = Stage::new();
    stage.script.fail(MANY);
    stage.mailbox.stop().unwrap_err();
    assert_eq!(stage.take(), (0, false));
    stage.script.fail(0);
    stage.mailbox.stop().unwrap();
    stage.script.fail(MANY);
    stage.mailbox.stop().unwrap();
    assert_eq!(stage.take(), (0, true), "the first wake stands for both");
    assert_eq!(stage.take(), (0, false), "a stop is told once");
}

#[test]
fn a_withdrawn_stop_withdraws_no_other() {
    let requests = StopRequests::default();
    let first = requests.ask();
    let second = requests.ask();
    assert_eq!(first, second);
    assert!(requests.withdraw(first));
    assert!(requests.take(), "the second stands");
    assert!(!requests.withdraw(second), "it was taken");
    let third = requests.ask();
    assert!(!requests.withdraw(second), "the third is not the second");
    assert!(requests.withdraw(third));
    assert!(!requests.take());
}

#[test]
fn a_wake_and_a_stop_do_not_take_the_lock() {
    let mut stage = Stage::new();
    let inbox = stage.mailbox.inbox();
    stage.mailbox.wake().unwrap();
    stage.mailbox.stop().unwrap();
    stage.script.fail(MANY);
    stage.mailbox.wake().unwrap();
    drop(inbox);
    assert_eq!(stage.take(), (0, true));
    let inbox = stage.mailbox.inbox();
    stage.mailbox.wake().unwrap_err();
    stage.mailbox.stop().unwrap_err();
    drop(inbox);
    assert_eq!(stage.take(), (0, false));
}

/// Plays the loop against threads whose wakes fail at times. The loop takes as many posts as were accepted.
#[test]
fn posts_of_many_threads_and_their_answers_agree() {
    const THREADS: usize = 3;
    const POSTS: usize = 20_000;
    let mut stage = Stage::new();
    let accepted = thread::scope(|scope| {
        let (mailbox, script) = (&stage.mailbox, &stage.script);
        let posters: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(move || {
                    let posts = (0..POSTS).map(|number| {
                        if number % 64 == 0 {
                            script.fail(MANY);
                        } else if number % 64 == 8 {
                            script.fail(0);
                        }
                        mailbox.post(|_: &mut LoopContext<'_>| ()).is_ok()
                    });
                    posts.filter(|accepted| *accepted).count()
                })
            })
            .collect();
        let mut taken = VecDeque::new();
        while !posters.iter().all(|poster| poster.is_finished()) {
            if mailbox.is_pending() {
                mailbox.take(usize::MAX, &mut taken);
            }
        }
        mailbox.take(usize::MAX, &mut taken);
        stage.taken = taken;
        posters
            .into_iter()
            .map(|poster| poster.join().unwrap())
            .sum::<usize>()
    });
    assert_eq!(stage.taken.len(), accepted);
    assert!(accepted > 0);
}
