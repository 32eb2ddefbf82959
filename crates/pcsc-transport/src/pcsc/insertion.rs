//! Which stay of a card in a reader it is: the service's count of insertions, and
//! what makes sure that it is the same count.
//!
//! pcsc-lite counts anew whenever the service starts, and for each reader that is
//! plugged in; and where the reader is a part of the token, each stay has the same
//! count. So the count says something only together with the run of the service (its
//! process, since when it runs, since which start of the computer), and with the
//! USB devices as they are plugged in: each has a device file, made when it was
//! plugged in. Whoever plugs in a mouse changes that, which costs a proof and no
//! more. A card that was in the reader before and after all this is the same one.
//!
//! Where one of these can't be told (other systems, a service outside of this
//! container or on another computer), there is no proof.

use std::ffi::CStr;
use std::time::Duration;

use pcsc::{Context, ReaderState, State};

use super::convert::guarded;
use crate::link::Insertion;

/// The stay of the card that is in the reader, which a transaction holds there.
pub(super) fn of(context: &Context, reader: &CStr) -> Option<Insertion> {
    let surroundings = surroundings()?;
    let mut state = [ReaderState::new(reader, State::UNAWARE)];
    guarded(|| context.get_status_change(Duration::ZERO, &mut state)).ok()?;
    let count = state[0].event_count().to_be_bytes();
    Some(Insertion::of(&[&surroundings, reader.to_bytes(), &count]))
}

#[cfg(not(target_os = "linux"))]
fn surroundings() -> Option<Vec<u8>> {
    None
}

#[cfg(target_os = "linux")]
use linux::surroundings;

#[cfg(target_os = "linux")]
mod linux {
    use std::fmt::Write as _;
    use std::os::linux::fs::MetadataExt as _;
    use std::os::unix::net::UnixStream;
    use std::path::Path;
    use std::{fs, io};

    use nix::sys::socket::getsockopt;
    use nix::sys::socket::sockopt::PeerCredentials;

    use crate::pcsc::socket::socket;

    const SERVICE: &str = "pcscd";
    const UNIT: &str = "/sys/fs/cgroup/system.slice/pcscd.service/cgroup.procs";
    const SOCKET: &str = "/run/pcscd/pcscd.comm";
    const USB_DEVICES: &str = "/dev/bus/usb";
    /// What the kernel knows of USB, whatever device files are shown to us.
    const USB_OF_KERNEL: &str = "/sys/bus/usb/devices";

    /// This start of the computer, this run of the service, and the USB devices.
    pub(super) fn surroundings() -> Option<Vec<u8>> {
        let mut text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let service = service()?;
        let _ = writeln!(text, "{service} {}", started(service)?);
        if is_empty(Path::new(USB_DEVICES)) && !is_empty(Path::new(USB_OF_KERNEL)) {
            return None;
        }
        usb_devices(Path::new(USB_DEVICES), &mut text).ok()?;
        Some(text.into_bytes())
    }

    /// The process at the other end of the service's socket; if systemd listens for
    /// it there, the process of its unit.
    fn service() -> Option<u32> {
        let socket = socket()?;
        let stream = UnixStream::connect(&socket).ok()?;
        let peer = getsockopt(&stream, PeerCredentials).ok()?.pid();
        let peer = u32::try_from(peer).ok()?;
        if name(peer)? == SERVICE {
            return Some(peer);
        }
        // The first process listens for the unit of the system, there and nowhere else.
        let is_unit = peer == 1 && socket == Path::new(SOCKET);
        is_unit.then(|| only_process(&fs::read_to_string(UNIT).ok()?))?
    }

    fn only_process(of_unit: &str) -> Option<u32> {
        let mut processes = of_unit.lines().map(str::parse::<u32>);
        let only = processes.next()?.ok().filter(|id| *id != 0)?;
        let is_it = processes.next().is_none() && name(only)? == SERVICE;
        is_it.then_some(only)
    }

    fn name(process: u32) -> Option<String> {
        let name = fs::read_to_string(format!("/proc/{process}/comm")).ok()?;
        Some(name.trim_end().to_owned())
    }

    /// When a process was started, in ticks since the computer was.
    fn started(process: u32) -> Option<u64> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        start_time(&stat)
    }

    /// The 22nd field of `/proc/PID/stat`. The second is a name in parentheses, which
    /// may have spaces and parentheses in it.
    fn start_time(stat: &str) -> Option<u64> {
        let (_, rest) = stat.rsplit_once(')')?;
        rest.split_ascii_whitespace().nth(19)?.parse().ok()
    }

    /// Whether there is no such folder, or nothing in it.
    fn is_empty(folder: &Path) -> bool {
        fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none())
    }

    /// Each device file and when it was last touched: made, or given to somebody.
    /// Without the folder there is no USB here.
    fn usb_devices(folder: &Path, text: &mut String) -> io::Result<()> {
        let buses = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            buses => buses?,
        };
        let mut devices = Vec::new();
        for bus in buses {
            for device in fs::read_dir(bus?.path())? {
                let path = device?.path();
                let file = fs::metadata(&path)?;
                devices.push((path, file.st_ctime(), file.st_ctime_nsec()));
            }
        }
        devices.sort();
        for (path, seconds, nanoseconds) in devices {
            let _ = writeln!(text, "{} {seconds}.{nanoseconds}", path.display());
        }
        Ok(())
    }

    #[cfg(test)]
    mod tests {
        #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

        use super::*;

        #[test]
        fn a_process_s_start_is_found_whatever_it_is_called() {
            let stat = "4711 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 98765 20 21";
            assert_eq!(start_time(stat), Some(98765));
            for bad in ["", "4711", "4711 (x) S 1 2", "4711 x S"] {
                assert_eq!(start_time(bad), None, "{bad}");
            }
            let own = std::process::id();
            assert_eq!(started(own), started(own));
            assert!(started(own).is_some());
            assert_eq!(started(u32::MAX), None);
        }

        #[test]
        fn a_unit_s_process_is_told_only_if_it_is_the_service() {
            let own = std::process::id();
            for unit in [String::new(), "0\n".into(), format!("{own}\n"), "x".into()] {
                assert_eq!(only_process(&unit), None, "{unit}");
            }
        }

        #[test]
        fn a_device_that_was_plugged_in_again_changes_what_is_told() {
            let folder = std::env::temp_dir().join(format!("usb-{}", std::process::id()));
            let told = || {
                let mut text = String::new();
                usb_devices(&folder, &mut text).unwrap();
                text
            };
            assert_eq!(told(), "", "no USB");
            fs::create_dir_all(folder.join("001")).unwrap();
            fs::write(folder.join("001/002"), "").unwrap();
            fs::write(folder.join("001/003"), "").unwrap();
            let before = told();
            assert_eq!(before.lines().count(), 2);
            assert_eq!(told(), before);
            fs::remove_file(folder.join("001/003")).unwrap();
            // The clock of files moves in ticks of some milliseconds.
            std::thread::sleep(std::time::Duration::from_millis(20));
            fs::write(folder.join("001/003"), "").unwrap();
            assert_ne!(told(), before);
            fs::remove_dir_all(&folder).unwrap();
        }
    }
}
