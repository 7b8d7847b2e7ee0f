//! The cost of TLS on this loop, beside the same rustls on an epoll loop by hand and on tokio, and beside Node's `tls`.
//! It is the server's processor time for an echo and for a handshake.
//!
//! The servers are processes of their own, and take turns. The client, the loads and the certificate are the same for
//! all. Each round gives the ratio of a server's processor time to that of the loop by hand. The median and the middle
//! half of the rounds are printed. All servers start anew several times, because the place of their buffers is another
//! after each start. Beside the time stand the rate of operations in a row by one client, the page faults of an
//! operation, and the server's sleeps.
//!
//! ```console
//! $ cargo run --release -p netloop-benches-tls
//! $ cargo run --release -p netloop-benches-tls -- --load handshake --peer netloop --rounds 3
//! $ cargo run --release -p netloop-benches-tls -- --load handshake --under 'strace -c'
//! ```

cfg_if::cfg_if! {
    if #[cfg(target_os = "linux")] {
        mod by_hand;
        mod client;
        mod measure;
        mod options;
        mod peers;

        fn main() -> Result<(), Box<dyn std::error::Error>> {
            let words: Vec<String> = std::env::args().skip(1).collect();
            match &words[..] {
                [serve, kind] if serve == "serve" => peers::serve(kind),
                _ => measure::run(&options::Options::parse()?),
            }
        }
    } else {
        fn main() {
            eprintln!("this measures on Linux alone");
        }
    }
}
