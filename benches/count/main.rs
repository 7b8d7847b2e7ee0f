//! Instructions and system calls for each operation: they repeat from run to run, on a busy machine too.
//!
//! Each server runs under an instrument with a short load and with a long one, and the difference is counted: so that
//! neither its start nor its end is in the figures.
//!
//! ```text
//! cargo count
//! cargo count --case echo,visits
//! ```

#[cfg(target_os = "linux")]
mod case;
#[cfg(target_os = "linux")]
mod counts;
#[cfg(target_os = "linux")]
mod instrument;
#[cfg(target_os = "linux")]
mod load;
#[cfg(target_os = "linux")]
mod run;
#[cfg(target_os = "linux")]
mod subject;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    run::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("counting needs Linux: strace and the raw epoll floor are of there");
}
