//! Echo of datagrams: the processor time of the server for each, beside a loop by hand on mio, libuv and Node's dgram.
//!
//! ```text
//! cargo datagrams
//! cargo datagrams --rounds 61 --datagrams 40000
//! ```
//!
//! All servers are up for the whole run, and take turns of a tenth of a second: so that what else the machine does hits all
//! alike. The servers are pinned to one core, and the load to another: else the scheduler decides in each round whether a
//! datagram crosses from core to core. A ratio is that of the same round; its interval is that of the bars.

cfg_if::cfg_if! {
    if #[cfg(target_os = "linux")] {
        mod bursts;
        mod run;
        mod servers;

        fn main() -> Result<(), Box<dyn std::error::Error>> {
            run::main()
        }
    } else {
        fn main() {
            println!("the processor time of another process is read on Linux alone");
        }
    }
}
