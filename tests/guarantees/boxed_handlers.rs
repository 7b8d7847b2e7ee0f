//! Handlers in boxes: every event reaches the handler inside, and none is boxed twice.

use netloop::{Context, EventLoop, SocketHandler};

use crate::support::loopback;

/// The head of the implementation for a box.
const BOX: &str = "\nimpl<S> SocketHandler<S> for Box<dyn SocketHandler<S>> {";

/// The names of the methods that a part of `socket_handler.rs` has.
fn methods(text: &str) -> Vec<&str> {
    let mut names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("fn on_"))
        .filter_map(|rest| rest.split(['(', '<']).next())
        .collect();
    names.sort_unstable();
    names
}

#[test]
fn every_method_of_a_handler_is_forwarded_by_a_box() {
    let text = include_str!("../../src/event_loop/handlers/socket_handler.rs");
    let (declared, forwarded) = text.split_once(BOX).unwrap();
    assert!(methods(declared).len() > 12, "the trait is there");
    assert_eq!(methods(declared), methods(forwarded));
    for method in methods(declared) {
        assert!(
            forwarded.contains(&format!("(**self).on_{method}(")),
            "{method}"
        );
    }
}

#[test]
fn every_method_of_a_handler_is_forwarded_by_a_pipe() {
    let declared = include_str!("../../src/event_loop/handlers/socket_handler.rs");
    let (declared, _) = declared.split_once(BOX).unwrap();
    let pipe = include_str!("../../src/event_loop/handlers/pipe.rs");
    assert_eq!(methods(declared), methods(pipe));
    for method in methods(declared) {
        assert!(pipe.contains(&format!("handler.on_{method}(")), "{method}");
    }
}

/// Notes the address of what is called.
struct Probe(u8);

impl SocketHandler<Vec<usize>> for Probe {
    fn on_data(&mut self, cx: &mut Context<'_, Vec<usize>>, _: &[u8]) {
        cx.shared.push(usize::from(self.0));
    }
}

#[test]
fn a_box_is_not_boxed_again() {
    let probe = Probe(1).boxed();
    let before: *const dyn SocketHandler<Vec<usize>> = &raw const *probe;
    let again = probe.boxed().boxed();
    let after: *const dyn SocketHandler<Vec<usize>> = &raw const *again;
    assert!(std::ptr::addr_eq(before, after));
}

#[test]
fn a_closure_may_answer_with_each_form_of_a_handler() {
    let mut event_loop: EventLoop<Vec<usize>> = EventLoop::new().unwrap();
    let to = loopback();
    event_loop.listen(to, |_, _| Probe(0)).unwrap();
    event_loop.listen(to, |_, _| Some(Probe(0))).unwrap();
    event_loop.listen(to, |_, _| Probe(0).boxed()).unwrap();
    event_loop.listen(to, |_, _| Box::new(Probe(0))).unwrap();
    event_loop
        .listen(to, |_, _| Some(Box::new(Probe(0))))
        .unwrap();
    event_loop
        .listen(to, |cx, _| cx.shared.is_empty().then(|| Probe(0).boxed()))
        .unwrap();
    event_loop
        .listen(to, |cx, accepted| {
            cx.connect(accepted.peer_address?, Probe(0)).ok()?;
            Some(Probe(0))
        })
        .unwrap();
}
