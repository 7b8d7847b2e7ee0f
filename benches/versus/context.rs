//! The machine and the state of the code, without which no figure means anything.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use netloop_benches::statistics::median;

use crate::options::Options;
use crate::peers::first_line;
use crate::rounds::Cores;
use crate::system::{PageBuffer, thread_cpu};

/// Copies into a buffer behind a page boundary that take so much longer are worth a warning.
const TRAP: f64 = 1.2;

/// Returns name and value of each circumstance, and the warnings that a reader must know before he believes a figure.
pub(crate) fn gather(options: &Options, cores: &Cores) -> (Vec<(String, String)>, Vec<String>) {
    let cpu_info = read("/proc/cpuinfo");
    let field = |name: &str| {
        let line = cpu_info
            .lines()
            .find_map(|line| line.strip_prefix(name)?.split_once(':'));
        line.map_or_else(
            || "unknown".to_owned(),
            |(_, value)| value.trim().to_owned(),
        )
    };
    let flags = field("flags");
    let has = |flag: &str| flags.split(' ').any(|word| word == flag);
    let copy_flags: Vec<&str> = ["erms", "fsrm"]
        .into_iter()
        .filter(|flag| has(flag))
        .collect();
    let [name, family, model] = ["model name", "cpu family", "model\t"].map(field);
    let governor = read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    let load = read("/proc/loadavg");
    let trap = copy_trap();
    let asked = std::env::args().skip(1).filter(|word| word != "--bench");
    // Of paths only the last part: the report may be handed on.
    let asked: Vec<String> = asked
        .map(|word| word.rsplit('/').next().unwrap_or_default().to_owned())
        .collect();
    let profile = match cfg!(debug_assertions) {
        true => "WITHOUT optimisation: worthless",
        false => "profile bench of the workspace: optimised, lto = fat, codegen-units = 1",
    };
    let or_reason = |line: Result<String, String>| line.unwrap_or_else(|reason| reason);
    let date = first_line(Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]));
    let mut context = Vec::new();
    let mut add = |name: &str, value: String| context.push((name.to_owned(), value));
    add("command", format!("cargo versus {}", asked.join(" ")));
    add("scope", options.scope.word().to_owned());
    add(
        "processor",
        format!("{name} (family {family}, model {model})"),
    );
    add("copy flags", copy_flags.join(" "));
    add(
        "a read behind a page boundary",
        format!("takes {trap:.2} of one at the boundary"),
    );
    add("server on core", cores.server.to_string());
    add("load generator on cores", format!("{:?}", cores.client));
    add("kernel", read("/proc/sys/kernel/osrelease"));
    add("governor", governor.clone());
    add("virtualised", has("hypervisor").to_string());
    add("load average at the start", load.clone());
    add(
        "rustc",
        or_reason(first_line(Command::new("rustc").arg("--version"))),
    );
    add("build", profile.to_owned());
    add(
        "RUSTFLAGS",
        option_env!("RUSTFLAGS").unwrap_or("none").to_owned(),
    );
    add("commit", commit());
    add("date", or_reason(date));
    add(
        "order of the peers",
        format!("drawn in each round, with the seed {}", options.seed),
    );
    add(
        "network",
        "loopback: no network card, and the client shares the memory bus".to_owned(),
    );
    add(
        "sockets",
        "TCP_NODELAY on both sides, the system's buffer sizes".to_owned(),
    );
    let mut warnings = Vec::new();
    let mut warn = |is_so: bool, warning: String| warnings.extend(is_so.then_some(warning));
    warn(
        cores.client.contains(&cores.server),
        "one core only: server and generator disturb each other, and no rate means anything".into(),
    );
    warn(
        cores.client.len() == 1,
        "the generator has one core, and every other program disturbs".into(),
    );
    let busy = load
        .split(' ')
        .next()
        .and_then(|load| load.parse::<f64>().ok());
    let other = format!("load average {load}: other programs are running");
    warn(busy.is_some_and(|load| load > 0.5), other);
    warn(
        cfg!(debug_assertions),
        "built without optimisation: use cargo versus".into(),
    );
    warn(
        !governor.is_empty() && governor != "performance",
        format!("the governor is {governor}: clock speeds change during the run"),
    );
    warn(trap > TRAP, describe_trap(trap));
    (context, warnings)
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
    let message = PageBuffer::new(16 << 10);
    let ratios = || -> std::io::Result<Vec<f64>> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let mut from = TcpStream::connect(listener.local_addr()?)?;
        let (mut to, _) = listener.accept()?;
        let mut buffers = [0, 16].map(|offset| PageBuffer::behind_page(message.len(), offset));
        let mut times = [Duration::ZERO; 2];
        let write_all = || (0..2 * ROUNDS * READS).try_for_each(|_| from.write_all(&message));
        std::thread::scope(|scope| {
            scope.spawn(write_all);
            let mut round = |_| {
                for (buffer, time) in buffers.iter_mut().zip(&mut times) {
                    let before = thread_cpu();
                    (0..READS).try_for_each(|_| to.read_exact(buffer))?;
                    *time = thread_cpu() - before;
                }
                Ok(times[1].as_secs_f64() / times[0].as_secs_f64())
            };
            (0..ROUNDS).map(&mut round).collect()
        })
    };
    // A machine that refuses these sockets will refuse the comparison too, and say why.
    median(&ratios().unwrap_or_default()).unwrap_or(1.0)
}

/// Returns the commit, and whether the sources are it; where git does not say, its own reason.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        first_line(Command::new("git").arg("-C").arg(folder).args(arguments))
    };
    match (
        git(&["rev-parse", "--short=12", "HEAD"]),
        git(&["status", "--porcelain"]),
    ) {
        (Ok(commit), Ok(changes)) if changes.is_empty() => commit,
        (Ok(commit), _) => format!("{commit}, with changes"),
        (Err(reason), _) => format!("unknown: {reason}"),
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}
