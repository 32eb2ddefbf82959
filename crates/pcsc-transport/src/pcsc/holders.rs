//! Who may be holding a reader.

use crate::error::Holder;

/// Other processes of this system that have the PC/SC client library loaded:
/// PC/SC does not tell who holds a card, but it is one of these. Best effort,
/// on Linux from `/proc`; processes of other users are seen only with the right
/// to look at them. Elsewhere always empty. Touches no process and no card.
pub fn holders() -> Vec<Holder> {
    #[cfg(target_os = "linux")]
    return linux::holders(std::path::Path::new("/proc"), std::process::id());
    #[cfg(not(target_os = "linux"))]
    return Vec::new();
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::path::Path;

    use super::Holder;

    pub(super) fn holders(proc: &Path, own_pid: u32) -> Vec<Holder> {
        let Ok(entries) = fs::read_dir(proc) else {
            return Vec::new();
        };
        let mut holders: Vec<Holder> = entries
            .filter_map(Result::ok)
            .filter_map(|entry| {
                let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
                if pid == own_pid {
                    return None;
                }
                let maps = fs::read(entry.path().join("maps")).ok()?;
                if !maps_the_library(&maps) {
                    return None;
                }
                let name = fs::read(entry.path().join("comm")).ok()?;
                let name = String::from_utf8_lossy(&name);
                let name: String = name
                    .trim_end()
                    .chars()
                    .filter(|c| !c.is_control())
                    .collect();
                // The service itself holds nothing on its own account.
                (name != "pcscd").then_some(Holder { pid, name })
            })
            .collect();
        holders.sort();
        holders
    }

    /// True if a file `libpcsclite*` is mapped.
    fn maps_the_library(maps: &[u8]) -> bool {
        maps.split(|byte| *byte == b'\n').any(|line| {
            line.rsplit(|byte| *byte == b'/')
                .next()
                .is_some_and(|file| file.starts_with(b"libpcsclite"))
        })
    }

    #[cfg(test)]
    mod tests {
        #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

        use super::*;

        #[test]
        fn finds_the_processes_with_the_library() {
            let proc = std::env::temp_dir().join(format!("holders-{}", std::process::id()));
            let process = |pid: &str, name: &str, maps: &str| {
                let dir = proc.join(pid);
                fs::create_dir_all(&dir).unwrap();
                fs::write(dir.join("comm"), format!("{name}\n")).unwrap();
                fs::write(dir.join("maps"), maps).unwrap();
            };
            let library = "7f00-7f01 r-xp 00000000 08:01 42  /usr/lib/libpcsclite.so.1.0.0\n";
            process("10", "scdaemon", library);
            process(
                "11",
                "bash",
                "7f00-7f01 r-xp 00000000 08:01 42  /usr/lib/libc.so.6\n",
            );
            process("12", "ourselves", library);
            process("13", "pcscd", library);
            process("9", "evil\x1B[2J", library);
            process("self", "scdaemon", library);
            let found = holders(&proc, 12);
            fs::remove_dir_all(&proc).unwrap();
            let found: Vec<(u32, &str)> = found.iter().map(|h| (h.pid, &*h.name)).collect();
            assert_eq!(found, [(9, "evil[2J"), (10, "scdaemon")]);
        }

        #[test]
        fn a_missing_proc_is_nobody() {
            assert!(holders(Path::new("/nonexistent"), 1).is_empty());
        }
    }
}
