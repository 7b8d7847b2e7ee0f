//! The machine and the state of the code, without which no figure means anything.

use std::path::Path;
use std::process::Command;

use crate::ask::first_line;
use crate::built;
use crate::rounds::Cores;

/// Name and value of each circumstance, in the order of the report.
pub(crate) type Context = Vec<(&'static str, String)>;

pub(crate) fn gather(scope: &str, cores: &Cores, open_files: u64) -> Context {
    let cpu_info = read("/proc/cpuinfo");
    let model = cpu_info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let virtualised = cpu_info
        .lines()
        .any(|line| line.starts_with("flags") && line.contains(" hypervisor"));
    let governor = read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    let list = |cores: &[usize]| {
        cores
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ")
    };
    vec![
        ("command", built::command()),
        ("scope", scope.to_owned()),
        (
            "CPU",
            model
                .map_or("unknown", |(_, model)| model.trim())
                .to_owned(),
        ),
        (
            "cores",
            std::thread::available_parallelism()
                .map_or(1, usize::from)
                .to_string(),
        ),
        ("server on core", cores.server.to_string()),
        ("load generator on cores", list(&cores.client)),
        ("kernel", read("/proc/sys/kernel/osrelease")),
        (
            "governor",
            if governor.is_empty() {
                "unknown".to_owned()
            } else {
                governor
            },
        ),
        (
            "virtualised",
            if virtualised {
                "yes: expect noise from neighbours"
            } else {
                "no"
            }
            .to_owned(),
        ),
        (
            "load average at the start",
            read("/proc/loadavg")
                .split(' ')
                .take(3)
                .collect::<Vec<_>>()
                .join(" "),
        ),
        ("open files", open_files.to_string()),
        (
            "rustc",
            first_line(Command::new("rustc").arg("--version")).unwrap_or_else(unknown),
        ),
        ("build", built::profile()),
        ("RUSTFLAGS", built::flags()),
        ("built for", built::target()),
        ("commit", commit()),
        (
            "date",
            first_line(Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]))
                .unwrap_or_else(unknown),
        ),
        (
            "network",
            "loopback: no network card, no distance, and the client shares the memory bus"
                .to_owned(),
        ),
        (
            "sockets",
            "TCP_NODELAY on both sides, backlog 511, the system's buffer sizes".to_owned(),
        ),
    ]
}

/// What a reader must know before he believes a figure of this machine.
pub(crate) fn warnings(cores: &Cores) -> Vec<String> {
    let mut warnings = Vec::new();
    if cores.client.contains(&cores.server) {
        warnings.push(
            "one core only: server and generator disturb each other, and no rate means anything"
                .to_owned(),
        );
    } else if cores.client.len() == 1 {
        warnings.push(
            "two cores only: the generator has one thread, and whatever else runs disturbs"
                .to_owned(),
        );
    }
    let load = read("/proc/loadavg")
        .split(' ')
        .next()
        .and_then(|load| load.parse::<f64>().ok());
    if let Some(load) = load.filter(|load| *load > 0.5) {
        warnings.push(format!(
            "a load average of {load} at the start: other programs are running"
        ));
    }
    if cfg!(debug_assertions) {
        warnings.push("built without optimisation: use cargo bench".to_owned());
    }
    let governor = read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    if !governor.is_empty() && governor != "performance" {
        warnings.push(format!(
            "the governor is {governor}: clock speeds change during the run"
        ));
    }
    warnings
}

/// The commit, and whether the sources are it; where git does not say, its own reason, which is not always that there
/// is no repository.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        first_line(Command::new("git").arg("-C").arg(folder).args(arguments))
    };
    match git(&["rev-parse", "--short=12", "HEAD"]) {
        Ok(commit) if git(&["status", "--porcelain"]).is_ok() => {
            format!("{commit}, with changes")
        }
        Ok(commit) => commit,
        Err(reason) => unknown(reason),
    }
}

fn unknown(reason: String) -> String {
    format!("unknown: {reason}")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}
