//! What the system tells about smart cards without PC/SC: which service and
//! drivers are installed, whether the service can be reached, which readers
//! hang on USB. Only reads; on systems other than Linux there is little to
//! read, and it says so by being empty.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What was found.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// Where the program pcscd is.
    pub(super) program: Option<PathBuf>,
    /// Whether its socket can be reached.
    pub(super) socket: Socket,
    /// Whether the system is run by systemd.
    pub(super) systemd: bool,
    /// The command that installs packages here.
    pub(super) packages: Packages,
    /// The reader drivers.
    pub(super) drivers: Vec<Driver>,
    /// What looks like a reader on USB.
    pub(super) usb: Vec<UsbReader>,
}

/// The socket over which programs reach pcscd.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Socket {
    /// Not looked for: no such thing on this system.
    #[default]
    NotApplicable,
    /// It is not there.
    Missing(PathBuf),
    /// Something listens.
    Answers(PathBuf),
    /// It is there and nobody listens.
    Dead(PathBuf),
    /// The file system does not let this user at it.
    Forbidden(PathBuf),
    /// Something else is wrong with it.
    Broken(PathBuf, String),
}

/// How packages are installed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Packages {
    /// Debian, Ubuntu and their kin.
    Apt,
    /// Fedora and its kin.
    Dnf,
    /// Arch and its kin.
    Pacman,
    /// openSUSE.
    Zypper,
    /// Alpine.
    Apk,
    /// Not known.
    #[default]
    Unknown,
}

impl Packages {
    /// How to install the service with its USB driver, as part of a sentence.
    pub(super) fn install_service(self) -> &'static str {
        match self {
            Packages::Apt => "sudo apt install pcscd",
            Packages::Dnf => "sudo dnf install pcsc-lite pcsc-lite-ccid",
            Packages::Pacman => "sudo pacman -S pcsclite ccid",
            Packages::Zypper => "sudo zypper install pcsc-lite pcsc-ccid",
            Packages::Apk => "sudo apk add pcsc-lite ccid",
            Packages::Unknown => "install pcsc-lite (pcscd) with your package manager",
        }
    }

    /// How to install the USB driver.
    pub(super) fn install_driver(self) -> &'static str {
        match self {
            Packages::Apt => "sudo apt install libccid",
            Packages::Dnf => "sudo dnf install pcsc-lite-ccid",
            Packages::Pacman => "sudo pacman -S ccid",
            Packages::Zypper => "sudo zypper install pcsc-ccid",
            Packages::Apk => "sudo apk add ccid",
            Packages::Unknown => "install the CCID driver (libccid) with your package manager",
        }
    }
}

/// A reader driver that pcscd can load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Driver {
    /// Its name: `ifd-ccid`, `libifdvpcd.so`.
    pub(super) name: String,
    /// The names that its readers begin with.
    pub(super) readers: Vec<String>,
    /// The USB devices it is for: vendor and product.
    pub(super) usb: Vec<(u16, u16)>,
}

/// A USB device with a smart card interface (class 0B, CCID).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UsbReader {
    /// Vendor id.
    pub(super) vendor: u16,
    /// Product id.
    pub(super) product: u16,
    /// What it calls itself.
    pub(super) name: String,
}

/// The driver of a reader, by the name that PC/SC gives the reader. The
/// longest matching name decides.
pub(super) fn driver_of<'a>(drivers: &'a [Driver], reader: &str) -> Option<&'a Driver> {
    drivers
        .iter()
        .filter_map(|driver| {
            let matches = driver
                .readers
                .iter()
                .filter(|name| reader.starts_with(name.as_str()));
            Some((matches.map(String::len).max()?, driver))
        })
        .max_by_key(|(length, _)| *length)
        .map(|(_, driver)| driver)
}

/// Looks at the system whose files are under `root`.
pub(super) fn look(root: &Path) -> Facts {
    if !cfg!(target_os = "linux") {
        return Facts::default();
    }
    Facts {
        program: program(root),
        socket: socket(root),
        systemd: root.join("run/systemd/system").is_dir(),
        packages: packages(root),
        drivers: drivers(root),
        usb: usb_readers(&root.join("sys/bus/usb/devices")),
    }
}

fn program(root: &Path) -> Option<PathBuf> {
    [
        "usr/sbin",
        "usr/bin",
        "usr/local/sbin",
        "sbin",
        "run/current-system/sw/bin",
    ]
    .iter()
    .map(|directory| root.join(directory).join("pcscd"))
    .find(|path| path.is_file())
}

/// Looks for the socket where libpcsclite does: `PCSCLITE_CSOCK_NAME`, else
/// /run/pcscd/pcscd.comm.
fn socket(root: &Path) -> Socket {
    let path = std::env::var_os("PCSCLITE_CSOCK_NAME")
        .map_or_else(|| root.join("run/pcscd/pcscd.comm"), PathBuf::from);
    connect(path)
}

#[cfg(unix)]
fn connect(path: PathBuf) -> Socket {
    match std::os::unix::net::UnixStream::connect(&path) {
        Ok(_) => Socket::Answers(path),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound => Socket::Missing(path),
            io::ErrorKind::ConnectionRefused => Socket::Dead(path),
            io::ErrorKind::PermissionDenied => Socket::Forbidden(path),
            _ => Socket::Broken(path, error.to_string()),
        },
    }
}

#[cfg(not(unix))]
fn connect(_: PathBuf) -> Socket {
    Socket::NotApplicable
}

/// Reads os-release(5).
fn packages(root: &Path) -> Packages {
    let text = fs::read_to_string(root.join("etc/os-release")).unwrap_or_default();
    let ids = text
        .lines()
        .filter_map(|line| line.strip_prefix("ID=").or(line.strip_prefix("ID_LIKE=")))
        .flat_map(|value| value.trim_matches('"').split_whitespace());
    for id in ids {
        match id {
            "debian" | "ubuntu" => return Packages::Apt,
            "fedora" | "rhel" | "centos" => return Packages::Dnf,
            "arch" => return Packages::Pacman,
            "suse" | "opensuse" => return Packages::Zypper,
            "alpine" => return Packages::Apk,
            _ => {}
        }
    }
    Packages::Unknown
}

fn drivers(root: &Path) -> Vec<Driver> {
    let mut drivers = Vec::new();
    let bundles = [
        "usr/lib/pcsc/drivers",
        "usr/lib64/pcsc/drivers",
        "usr/local/lib/pcsc/drivers",
    ];
    for path in bundles.iter().flat_map(|at| files_in(&root.join(at))) {
        let Some(name) = stem(&path, "bundle") else {
            continue;
        };
        if let Ok(plist) = fs::read_to_string(path.join("Contents/Info.plist")) {
            drivers.push(bundle(&name, &plist));
        }
    }
    for path in files_in(&root.join("etc/reader.conf.d")) {
        if let Ok(text) = fs::read_to_string(&path) {
            drivers.extend(reader_conf(&text));
        }
    }
    drivers
}

/// The entries of a directory, sorted; none if it cannot be read.
fn files_in(directory: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    paths
}

/// The file's name without the extension, if it is this one.
fn stem(path: &Path, extension: &str) -> Option<String> {
    let matches = path.extension().is_some_and(|found| found == extension);
    matches.then(|| {
        path.file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
    })?
}

/// A USB driver, from its bundle's Info.plist: three arrays in step.
fn bundle(name: &str, plist: &str) -> Driver {
    let numbers = |key| {
        strings_of(plist, key)
            .map(|text| u16::from_str_radix(text.trim_start_matches("0x"), 16).unwrap_or(0))
            .collect::<Vec<u16>>()
    };
    Driver {
        name: name.to_owned(),
        readers: strings_of(plist, "ifdFriendlyName")
            .map(|name| name.replace("&amp;", "&"))
            .collect(),
        usb: numbers("ifdVendorID")
            .into_iter()
            .zip(numbers("ifdProductID"))
            .collect(),
    }
}

/// The strings of the array that follows a key in a property list.
fn strings_of<'a>(plist: &'a str, key: &str) -> impl Iterator<Item = &'a str> {
    let array = plist
        .split_once(&format!("<key>{key}</key>"))
        .and_then(|(_, rest)| rest.split_once("</array>"))
        .map_or("", |(array, _)| array);
    array
        .split("<string>")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once("</string>")?.0))
}

/// The drivers that a file in reader.conf.d names (reader.conf(5)).
fn reader_conf(text: &str) -> Vec<Driver> {
    let mut drivers = Vec::new();
    let mut friendly = None;
    for line in text.lines().map(str::trim) {
        let Some((key, value)) = line.split_once(char::is_whitespace) else {
            continue;
        };
        let value = value.trim().trim_matches('"');
        match key {
            "FRIENDLYNAME" => friendly = Some(value.to_owned()),
            "LIBPATH" => {
                if let Some(readers) = friendly.take() {
                    let name = value.rsplit('/').next().unwrap_or(value);
                    drivers.push(Driver {
                        name: name.to_owned(),
                        readers: vec![readers],
                        usb: Vec::new(),
                    });
                }
            }
            _ => {}
        }
    }
    drivers
}

/// The USB devices with an interface of class 0B (smart card).
fn usb_readers(devices: &Path) -> Vec<UsbReader> {
    let read = |path: PathBuf| {
        fs::read_to_string(path)
            .map(|text| text.trim().to_owned())
            .unwrap_or_default()
    };
    let mut found = Vec::new();
    for interface in files_in(devices) {
        let name = interface
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        // An interface is called after its device: 1-2:1.0 belongs to 1-2.
        let Some((device, _)) = name.split_once(':') else {
            continue;
        };
        if read(interface.join("bInterfaceClass")) != "0b" {
            continue;
        }
        let device = devices.join(device);
        let id = |file| u16::from_str_radix(&read(device.join(file)), 16).unwrap_or(0);
        let words = [
            read(device.join("manufacturer")),
            read(device.join("product")),
        ];
        let reader = UsbReader {
            vendor: id("idVendor"),
            product: id("idProduct"),
            name: words.join(" ").trim().to_owned(),
        };
        if !found.contains(&reader) {
            found.push(reader);
        }
    }
    found
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    const PLIST: &str = "<plist><dict>
        <key>ifdVendorID</key><array><string>0x076B</string><string>0x04E6</string></array>
        <key>ifdProductID</key><array><string>0x3031</string><string>0x5116</string></array>
        <key>ifdFriendlyName</key><array>
          <string>HID Global OMNIKEY 3x21 Smart Card Reader</string>
          <string>SCM &amp; Co SCR3310</string></array>
        </dict></plist>";

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn an_empty_system_has_nothing() {
        let root = tempfile::tempdir().unwrap();
        let facts = look(root.path());
        assert_eq!(facts.program, None);
        assert!(matches!(facts.socket, Socket::Missing(_)));
        assert_eq!(facts.packages, Packages::Unknown);
        assert!(facts.drivers.is_empty() && facts.usb.is_empty() && !facts.systemd);
    }

    #[test]
    fn drivers_are_read_from_bundles_and_configuration() {
        let root = tempfile::tempdir().unwrap();
        write(
            root.path(),
            "usr/lib/pcsc/drivers/ifd-ccid.bundle/Contents/Info.plist",
            PLIST,
        );
        write(
            root.path(),
            "etc/reader.conf.d/vpcd",
            "FRIENDLYNAME \"Virtual PCD\"\nDEVICENAME /dev/null:0x8C7B\n\
             LIBPATH      /usr/lib/pcsc/drivers/serial/libifdvpcd.so\nCHANNELID 0x8C7B\n",
        );
        write(
            root.path(),
            "etc/reader.conf.d/commented",
            "#FRIENDLYNAME \"x\"\n#LIBPATH /x.so\n",
        );
        let drivers = look(root.path()).drivers;
        assert_eq!(drivers.len(), 2);
        assert_eq!(drivers[0].usb, [(0x076B, 0x3031), (0x04E6, 0x5116)]);
        let of = |reader| driver_of(&drivers, reader).map(|driver| driver.name.as_str());
        assert_eq!(
            of("HID Global OMNIKEY 3x21 Smart Card Reader [x] 00 00"),
            Some("ifd-ccid")
        );
        assert_eq!(of("SCM & Co SCR3310 00 00"), Some("ifd-ccid"));
        assert_eq!(of("Virtual PCD 00 01"), Some("libifdvpcd.so"));
        assert_eq!(of("Something else"), None);
    }

    #[test]
    fn usb_readers_are_seen_once_each() {
        let root = tempfile::tempdir().unwrap();
        let at = "sys/bus/usb/devices";
        for (file, text) in [
            ("1-2/idVendor", "076b\n"),
            ("1-2/idProduct", "3031\n"),
            ("1-2/manufacturer", "HID Global\n"),
            ("1-2/product", "OMNIKEY 3x21\n"),
            ("1-2:1.0/bInterfaceClass", "0b\n"),
            ("1-2:1.1/bInterfaceClass", "0b\n"),
            ("1-3:1.0/bInterfaceClass", "03\n"),
        ] {
            write(root.path(), &format!("{at}/{file}"), text);
        }
        assert_eq!(
            look(root.path()).usb,
            [UsbReader {
                vendor: 0x076B,
                product: 0x3031,
                name: "HID Global OMNIKEY 3x21".to_owned(),
            }]
        );
    }

    #[test]
    fn the_package_manager_is_known_by_kinship() {
        let root = tempfile::tempdir().unwrap();
        write(
            root.path(),
            "etc/os-release",
            "NAME=\"Linux Mint\"\nID=linuxmint\nID_LIKE=\"ubuntu debian\"\n",
        );
        assert_eq!(look(root.path()).packages, Packages::Apt);
    }

    #[test]
    fn a_socket_that_nobody_listens_to_is_dead() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("run/pcscd")).unwrap();
        let path = root.path().join("run/pcscd/pcscd.comm");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert_eq!(look(root.path()).socket, Socket::Answers(path.clone()));
        drop(listener);
        assert_eq!(look(root.path()).socket, Socket::Dead(path));
    }
}
