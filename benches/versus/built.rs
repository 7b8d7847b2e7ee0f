//! How this binary was asked for and built, without which a figure cannot be had again.

use std::ffi::OsStr;
use std::path::Path;

/// The manifest of the workspace, which holds the profiles, as it was when this binary was built.
const MANIFEST: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"));

/// A setting of the profile: its name, what the environment said of it in the profiles of benchmarks and of releases,
/// and what it is if nobody says anything.
type Setting = (
    &'static str,
    Option<&'static str>,
    Option<&'static str>,
    &'static str,
);

const SETTINGS: [Setting; 3] = [
    (
        "opt-level",
        option_env!("CARGO_PROFILE_BENCH_OPT_LEVEL"),
        option_env!("CARGO_PROFILE_RELEASE_OPT_LEVEL"),
        "3",
    ),
    (
        "lto",
        option_env!("CARGO_PROFILE_BENCH_LTO"),
        option_env!("CARGO_PROFILE_RELEASE_LTO"),
        "false",
    ),
    (
        "codegen-units",
        option_env!("CARGO_PROFILE_BENCH_CODEGEN_UNITS"),
        option_env!("CARGO_PROFILE_RELEASE_CODEGEN_UNITS"),
        "16",
    ),
];

/// Some of the extensions that a target-cpu brings, by which it is recognised wherever it was set.
const EXTENSIONS: [(&str, bool); 6] = [
    ("sse4.2", cfg!(target_feature = "sse4.2")),
    ("avx", cfg!(target_feature = "avx")),
    ("avx2", cfg!(target_feature = "avx2")),
    ("bmi2", cfg!(target_feature = "bmi2")),
    ("avx512f", cfg!(target_feature = "avx512f")),
    ("sve", cfg!(target_feature = "sve")),
];

/// The command line. Of paths only the last part: where somebody keeps his files is not for a report that is handed on.
pub(crate) fn command() -> String {
    let words = std::env::args_os().skip(1).filter(|word| word != "--bench");
    let words: Vec<String> = words
        .map(|word| {
            let name = Path::new(&word).file_name().unwrap_or(&word);
            name.to_string_lossy().into_owned()
        })
        .collect();
    format!("cargo versus {}", words.join(" "))
        .trim_end()
        .to_owned()
}

/// The profile with its settings, as far as the manifest and the environment knew them.
pub(crate) fn profile() -> String {
    if cfg!(debug_assertions) {
        return "WITHOUT optimisation: worthless".to_owned();
    }
    // Benchmarks are built into the folder of releases; every other profile has a folder of its own.
    let program = std::env::current_exe().unwrap_or_default();
    let folder = program.ancestors().nth(2).and_then(Path::file_name);
    match folder.and_then(OsStr::to_str) {
        Some("release") | None => {
            let settings = SETTINGS.iter().map(|(name, bench, release, usual)| {
                let value = bench
                    .or_else(|| in_manifest("bench", name))
                    .or(*release)
                    .or_else(|| in_manifest("release", name))
                    .unwrap_or(usual);
                format!("{name} = {value}")
            });
            format!("profile bench: {}", settings.collect::<Vec<_>>().join(", "))
        }
        Some(other) => format!("profile {other}, optimised"),
    }
}

/// What the compiler was told beside the profile.
pub(crate) fn flags() -> String {
    let flags = option_env!("RUSTFLAGS")
        .or(option_env!("CARGO_ENCODED_RUSTFLAGS"))
        .or(option_env!("CARGO_BUILD_RUSTFLAGS"))
        .unwrap_or_default();
    match flags.replace('\u{1f}', " ").trim() {
        "" => "none in the environment".to_owned(),
        flags => flags.to_owned(),
    }
}

/// For which processors.
pub(crate) fn target() -> String {
    let extensions = EXTENSIONS.iter().filter(|(_, is_on)| *is_on);
    let extensions: Vec<&str> = extensions.map(|(name, _)| *name).collect();
    let cpu = flags();
    let cpu = cpu
        .split_once("target-cpu=")
        .and_then(|(_, cpu)| cpu.split_whitespace().next().map(str::to_owned))
        .unwrap_or_else(|| "not set in the environment".to_owned());
    let extensions = if extensions.is_empty() {
        "no extensions: the oldest of its kind".to_owned()
    } else {
        format!("with {}", extensions.join(", "))
    };
    format!("{}, target-cpu {cpu}, {extensions}", std::env::consts::ARCH)
}

/// The value of a setting in a section of the manifest.
fn in_manifest(profile: &str, name: &str) -> Option<&'static str> {
    let (_, section) = MANIFEST.split_once(&format!("[profile.{profile}]\n"))?;
    let mut lines = section.lines().take_while(|line| !line.starts_with('['));
    lines.find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == name).then(|| value.trim().trim_matches('"'))
    })
}
