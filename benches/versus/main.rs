//! The comparison: the same work for netloop and for other servers, side by side, on this machine.
//!
//! `cargo versus --help` names the options. From top to bottom: the command line ([`options`]), one run ([`run`]),
//! peers ([`peers`]), workloads ([`workload`], carried by [`load`]), the order of measurement ([`rounds`]), results
//! ([`report`]). The same peers are counted in place of timed by `cargo count` ([`count`]); `cargo datagrams` compares
//! servers of UDP ([`datagrams`]).

cfg_if::cfg_if! {
    if #[cfg(target_os = "linux")] {
        mod context;
        mod count;
        mod datagrams;
        mod load;
        mod options;
        mod pattern;
        mod peers;
        mod report;
        mod rounds;
        mod run;
        mod section;
        mod self_check;
        mod system;
        mod workload;

        fn main() -> std::process::ExitCode {
            run::main()
        }
    } else {
        fn main() {
            println!("the comparison needs Linux: its floor and its load generator stand on epoll");
        }
    }
}
