//! The machine, without which no figure means anything.

/// Returns a field of the first processor, as `/proc/cpuinfo` has it.
pub fn processor(field: &str) -> String {
    let text = read("/proc/cpuinfo");
    let mut fields = text.lines().filter_map(|line| line.split_once(':'));
    let value = fields.find(|(name, _)| name.trim() == field);
    value
        .map_or("unknown", |(_, value)| value.trim())
        .to_owned()
}

/// Returns the text of a small file, or nothing where there is none.
pub fn read(path: &str) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.trim().to_owned()
}
