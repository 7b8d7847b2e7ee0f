//! The machine and the state of the code, without which no figure means anything.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use netloop_benches::build::first_line;
use netloop_benches::machine::{processor, read};
use netloop_benches::statistics::median;

use crate::options::Options;
use crate::rounds::Cores;
use crate::system::{behind_page, thread_cpu};

/// Copies into a buffer behind a page boundary that take so much longer are worth a warning.
const TRAP: f64 = 1.2;

const WARNINGS: [&str; 4] = [
    "one core only, so that no rate means anything",
    "the generator has one core, and every other program disturbs",
    "other programs were running at the start (load average)",
    "built without optimisation: use cargo versus",
];

/// Returns name and value of each circumstance, and the warnings that a reader must know before he believes a figure.
pub(crate) fn gather(options: &Options, cores: &Cores) -> (Vec<(String, String)>, Vec<String>) {
    let [name, family, model, all] = ["model name", "cpu family", "model", "flags"].map(processor);
    let has = |flag: &&str| all.split(' ').any(|word| word == *flag);
    let flags = ["erms", "fsrm", "hypervisor"].into_iter().filter(has);
    let flags = flags.collect::<Vec<_>>().join(" ");
    let trap = copy_trap();
    // Of paths only the last part: the report may be handed on.
    let bare = |word: String| word.rsplit('/').next().unwrap_or_default().to_owned();
    let words = std::env::args().skip(1).filter(|word| word != "--bench");
    let command = words.map(bare).collect::<Vec<_>>().join(" ");
    let build = match cfg!(debug_assertions) {
        true => "WITHOUT optimisation: worthless",
        false => "profile bench of the workspace: optimised, lto = fat, codegen-units = 1",
    };
    let rust_flags = option_env!("RUSTFLAGS").unwrap_or("none");
    let ask = |command: &mut Command| first_line(command).unwrap_or_else(|reason| reason);
    let rustc = ask(Command::new("rustc").arg("--version"));
    let date = ask(Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]));
    let governor = read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");
    let (server, client, seed) = (cores.server, &cores.client, options.seed);
    let scope = options.scope;
    let mut git = Command::new("git");
    git.args(["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always"]);
    git.args(["--exclude=*", "--abbrev=12", "--dirty=, with changes"]);
    let commit = ask(&mut git);
    let text = format!(
        "command: cargo versus {command}\nscope: {scope:?}\n\
         processor: {name}, family {family}, model {model}\nflags: {flags} (of erms, fsrm, hypervisor)\n\
         a read behind a page boundary: takes {trap:.2} of the time of one at the boundary\n\
         cores: the server on {server}, the load generator on {client:?}\n\
         kernel: {kernel}\ngovernor: {governor}\nload average at the start: {load}\n\
         rustc: {rustc}\nbuild: {build}\nRUSTFLAGS: {rust_flags}\ncommit: {commit}\ndate: {date}\n\
         order of the peers: drawn in each round, with the seed {seed}\n\
         network: loopback, so that there is no network card, and the client shares the memory bus\n\
         sockets: TCP_NODELAY on both sides, the system's buffer sizes"
    );
    let pairs = text.lines().filter_map(|line| line.split_once(": "));
    let context = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let busy = load.split(' ').next().map(str::parse::<f64>);
    let is_busy = matches!(busy, Some(Ok(load)) if load > 0.5);
    let (clients, trap_text) = (&cores.client, describe_trap(trap));
    let shares_core = clients.contains(&cores.server);
    let is_slow = cfg!(debug_assertions);
    let are_so = [shares_core, clients.len() == 1, is_busy, is_slow];
    let warnings = are_so.into_iter().zip(WARNINGS);
    let warnings = warnings.chain([(trap > TRAP, trap_text.as_str())]);
    let warnings = warnings.filter(|(is_so, _)| *is_so);
    let warnings = warnings.map(|(_, text)| text.to_owned()).collect();
    (context.collect(), warnings)
}

/// Names the trap that decided some comparisons on processors with `erms` and `fsrm`.
pub(crate) fn describe_trap(trap: f64) -> String {
    format!(
        "on this processor a read into a buffer that begins 16 bytes behind a page boundary takes {trap:.2} of the time of \
         one at the boundary (rep movsb, flags erms and fsrm). A vector of 128 KiB or more begins there. A server with such a \
         read buffer is measured with that, and not with its design"
    )
}

/// Returns the time of reads into a buffer behind a page boundary, as a multiple of reads to the boundary: the median of
/// interleaved rounds. The writer is another thread, on another core if there is one.
pub(crate) fn copy_trap() -> f64 {
    const ROUNDS: usize = 31;
    const READS: usize = 128;
    let message = vec![0; 16 << 10];
    let ratios = || -> std::io::Result<Vec<f64>> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let mut from = TcpStream::connect(listener.local_addr()?)?;
        let (mut to, _) = listener.accept()?;
        let mut memories = [Vec::new(), Vec::new()];
        let mut times = [Duration::ZERO; 2];
        let write_all = || (0..2 * ROUNDS * READS).try_for_each(|_| from.write_all(&message));
        std::thread::scope(|scope| {
            scope.spawn(write_all);
            let mut round = |_| {
                for (place, memory) in memories.iter_mut().enumerate() {
                    let buffer = behind_page(memory, message.len(), 16 * place);
                    let before = thread_cpu();
                    (0..READS).try_for_each(|_| to.read_exact(buffer))?;
                    times[place] = thread_cpu() - before;
                }
                Ok(times[1].as_secs_f64() / times[0].as_secs_f64())
            };
            (0..ROUNDS).map(&mut round).collect()
        })
    };
    // A machine that refuses these sockets will refuse the comparison too, and say why.
    median(&ratios().unwrap_or_default()).unwrap_or(1.0)
}
