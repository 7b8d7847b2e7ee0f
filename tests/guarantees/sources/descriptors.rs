//! The descriptors of Linux that are for polling: timerfd, eventfd, inotify, pidfd, and a child's output.

use std::io::Read;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::process::{Child, ChildStdout, Command, Stdio};

use netloop::{Descriptor, Interest, SourceContext};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::inotify;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use super::{Notes, Stage, Watch};
use crate::support::scratch_path;

type Fd = Descriptor<OwnedFd>;

/// Reads the number that a timerfd or an eventfd holds.
fn read_number(cx: &mut SourceContext<'_, Fd, Notes>) -> Option<u64> {
    let mut number = [0; 8];
    let read = cx.try_io(Interest::READABLE, |source| {
        Ok(rustix::io::read(&source.0, &mut number)?)
    });
    read.ok().map(|_| u64::from_ne_bytes(number))
}

#[test]
fn a_timerfd_counts_its_expirations() {
    let mut stage = Stage::new();
    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK).unwrap();
    let millisecond = Timespec {
        tv_sec: 0,
        tv_nsec: 1_000_000,
    };
    let every = Itimerspec {
        it_interval: millisecond,
        it_value: millisecond,
    };
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &every).unwrap();
    let mut expirations = 0;
    let handler = Watch::new("timer").on_readable(move |cx| {
        expirations += read_number(cx).unwrap_or(0);
        if expirations >= 5 {
            cx.close();
        }
    });
    stage.add(Descriptor(timer), Interest::READABLE, handler);
    stage.run_to_its_end();
    assert_eq!(stage.count("timer close"), 1);
}

#[test]
fn an_eventfd_tells_the_sum_of_its_writes() {
    let mut stage = Stage::new();
    let event = eventfd(0, EventfdFlags::NONBLOCK).unwrap();
    let other = event.try_clone().unwrap();
    let handler = Watch::new("event").on_readable(|cx| {
        if let Some(number) = read_number(cx) {
            cx.shared.push(number.to_string());
        }
    });
    stage.add(Descriptor(event), Interest::READABLE, handler);
    stage.settle();
    for (writes, sum) in [(&[1_u64, 2, 3][..], "6"), (&[40], "40")] {
        for number in writes {
            rustix::io::write(&other, &number.to_ne_bytes()).unwrap();
        }
        stage.drive_to(sum);
    }
}

#[test]
fn an_inotify_tells_of_a_file() {
    let mut stage = Stage::new();
    let scratch = scratch_path();
    let folder = scratch.path.parent().unwrap();
    let watch = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
    inotify::add_watch(&watch, folder, inotify::WatchFlags::CREATE).unwrap();
    let handler = Watch::new("folder").on_readable(|cx: &mut SourceContext<'_, Fd, Notes>| {
        let mut names = Vec::new();
        let drained = cx.try_io(Interest::READABLE, |source| {
            let mut buffer = [MaybeUninit::uninit(); 512];
            let mut reader = inotify::Reader::new(&source.0, &mut buffer);
            loop {
                let event = reader.next()?;
                names.extend(
                    event
                        .file_name()
                        .map(|name| name.to_string_lossy().into_owned()),
                );
            }
            #[expect(unreachable_code, reason = "it gives the closure its type")]
            Ok(())
        });
        assert_eq!(drained.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
        cx.shared.extend(names);
    });
    stage.add(Descriptor(watch), Interest::READABLE, handler);
    stage.settle();
    for name in ["first", "second"] {
        std::fs::write(folder.join(name), b"").unwrap();
        stage.drive_to(name);
    }
}

fn shell(script: &str) -> Child {
    let mut command = Command::new("sh");
    command
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command.spawn().unwrap()
}

fn watch_output(stage: &mut Stage, output: ChildStdout) {
    let handler = Watch::new("output").on_readable(
        |cx: &mut SourceContext<'_, Descriptor<ChildStdout>, Notes>| {
            let mut buffer = [0; 64];
            match cx.try_io(Interest::READABLE, |output| output.0.read(&mut buffer)) {
                Ok(0) => cx.close(),
                Ok(length) => {
                    let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                    cx.shared.push(text);
                }
                Err(_) => {}
            }
        },
    );
    let source = Descriptor::non_blocking(output).unwrap();
    stage.add(source, Interest::READABLE, handler);
}

/// Waits for the exit of a child with a descriptor of the process.
fn watch_exit(stage: &mut Stage, mut child: Child) {
    let pid = Pid::from_child(&child);
    let descriptor = pidfd_open(pid, PidfdFlags::empty()).unwrap();
    let handler =
        Watch::new("process").on_readable(move |cx: &mut SourceContext<'_, Fd, Notes>| {
            // It is readable once the process has exited, so this does not wait.
            let status = child.try_wait().unwrap().expect("it has exited");
            cx.shared.push(format!("exit {:?}", status.code()));
            cx.close();
        });
    stage.add(Descriptor(descriptor), Interest::READABLE, handler);
}

#[test]
fn a_child_is_heard_to_its_end_and_its_exit_is_told() {
    let mut stage = Stage::new();
    let mut child = shell("echo begun; read line; echo \"$line\"; exit 3");
    watch_output(&mut stage, child.stdout.take().unwrap());
    let mut input = child.stdin.take().unwrap();
    watch_exit(&mut stage, child);
    stage.drive_to("begun\n");
    stage.settle();
    assert_eq!(stage.count("exit Some(3)"), 0);
    std::io::Write::write_all(&mut input, b"a line\n").unwrap();
    stage.run_to_its_end();
    assert!(stage.has("a line\n") && stage.has("output close"));
    assert!(stage.has("exit Some(3)") && stage.has("process close"));
}

// A child that was killed, and one whose exit came before its source.
#[test]
fn the_exit_of_a_child_is_told_whenever_it_comes() {
    let mut stage = Stage::new();
    let mut killed = shell("read line");
    killed.kill().unwrap();
    let mut output = killed.stdout.take().unwrap();
    assert_eq!(output.read(&mut [0; 1]).unwrap(), 0);
    watch_exit(&mut stage, killed);
    stage.run_to_its_end();
    assert!(stage.has("exit None"));
}
