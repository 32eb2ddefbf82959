//! From what was seen to what it means and what to do: no input or output.

use pcsc_transport::{CardPresence, Holder, LinkError, ReaderState};

use super::system::{Facts, Socket, UsbReader, driver_of};
use crate::commands::doctor::finding::{Area, Finding, Level};

/// What became of talking to a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Probe {
    /// It selected the PIV application; what the ATR says it is.
    PivToken(Option<String>),
    /// It did not: this kind of card, if the ATR tells.
    OtherCard(Option<String>),
    /// Another program holds the reader.
    Held(Vec<Holder>),
    /// Another program keeps a transaction open for longer than any job needs.
    Busy,
    /// It does not answer to reset.
    Mute,
    /// Another failure, in its own words.
    Failed(String),
}

/// Findings about the service: installed, running, answering, letting us in.
/// `answer` is what asking it for the readers gave.
pub(super) fn service(facts: &Facts, answer: Result<(), &LinkError>) -> Vec<Finding> {
    let area = Area::Service;
    let mut findings = Vec::new();
    let reachable = answer.is_ok();
    match &facts.program {
        Some(path) => findings.push(Finding::new(
            "service-installed",
            area,
            Level::Ok,
            format!("pcscd is installed ({})", path.display()),
        )),
        // It may run outside of this container, or not be called so.
        None if reachable || facts.socket == Socket::NotApplicable => {}
        None => findings.push(
            Finding::new(
                "service-installed",
                area,
                Level::Problem,
                "pcscd is not installed",
            )
            .next(facts.packages.install_service()),
        ),
    }
    let start = if facts.systemd {
        "sudo systemctl enable --now pcscd.socket"
    } else {
        "sudo pcscd (there is no systemd here to start it)"
    };
    let running = |level, message: String| Finding::new("service-running", area, level, message);
    match &facts.socket {
        Socket::NotApplicable => {}
        Socket::Answers(path) => findings.push(running(
            Level::Ok,
            format!("Its socket can be reached ({})", path.display()),
        )),
        // Without the program, the advice is to install it.
        Socket::Missing(_) if facts.program.is_none() => {}
        Socket::Missing(path) => findings.push(
            running(
                Level::Problem,
                format!("pcscd is not running: {} does not exist", path.display()),
            )
            .next(start),
        ),
        Socket::Dead(path) => findings.push(
            running(
                Level::Problem,
                format!("pcscd is not running: nobody listens at {}", path.display()),
            )
            .next(start),
        ),
        Socket::Forbidden(path) => findings.push(
            running(
                Level::Problem,
                format!("This user may not open pcscd's socket {}", path.display()),
            )
            .next(format!("ls -l {} shows who may", path.display())),
        ),
        Socket::Broken(path, error) => findings.push(running(
            Level::Problem,
            format!(
                "pcscd's socket {} cannot be opened: {error}",
                path.display()
            ),
        )),
    }
    findings.extend(answered(facts, answer));
    findings
}

/// Whether the service answered, unless the reason why not is known already.
fn answered(facts: &Facts, answer: Result<(), &LinkError>) -> Option<Finding> {
    let area = Area::Service;
    let socket_answers = matches!(facts.socket, Socket::Answers(_) | Socket::NotApplicable);
    match answer {
        Ok(()) => Some(Finding::new(
            "service-answers",
            area,
            Level::Ok,
            "The service answers, and this user may use it",
        )),
        Err(LinkError::AccessDenied) => Some(
            Finding::new(
                "service-answers",
                area,
                Level::Problem,
                "The service refuses this user: its polkit policy lets only people at the \
                 machine itself in",
            )
            .next(
                "Log in at the machine, or have its administrator allow the polkit actions \
                 org.debian.pcsc-lite.access_pcsc and org.debian.pcsc-lite.access_card for you \
                 with a rule in /etc/polkit-1/rules.d",
            ),
        ),
        Err(_) if !socket_answers => None,
        Err(error) if error.is_service_gone() => {
            let advice = if facts.socket == Socket::NotApplicable {
                pcsc_transport::service_hint().to_owned()
            } else if facts.systemd {
                "systemctl status pcscd says why; sudo systemctl restart pcscd starts it anew"
                    .to_owned()
            } else {
                "Stop pcscd and start it again: sudo pcscd".to_owned()
            };
            Some(
                Finding::new(
                    "service-answers",
                    area,
                    Level::Problem,
                    "The service does not answer",
                )
                .next(advice),
            )
        }
        Err(error) => Some(Finding::new(
            "service-answers",
            area,
            Level::Problem,
            format!("The service answers with an error: {error}"),
        )),
    }
}

/// Findings about drivers, readers on USB, and readers that PC/SC lists.
pub(super) fn readers(facts: &Facts, readers: &[ReaderState]) -> Vec<Finding> {
    let area = Area::Readers;
    let mut findings = Vec::new();
    for reader in readers {
        let driver = driver_of(&facts.drivers, &reader.name)
            .map_or_else(String::new, |driver| format!(", driver {}", driver.name));
        findings.push(match reader.card {
            CardPresence::Unavailable => Finding::new(
                "reader",
                area,
                Level::Problem,
                format!("{}{driver}: listed, but cannot be used", reader.name),
            )
            .next("Unplug it and plug it in again"),
            _ => Finding::new(
                "reader",
                area,
                Level::Ok,
                format!("{}{driver}", reader.name),
            ),
        });
    }
    findings.extend(
        facts
            .usb
            .iter()
            .filter(|usb| !is_listed(facts, usb, readers))
            .map(|usb| unlisted(facts, usb)),
    );
    if readers.is_empty() && facts.usb.is_empty() {
        findings.push(
            Finding::new("reader", area, Level::Problem, "There is no reader").next(
                "Plug in a reader or a USB token; lsusb shows whether the system sees it. \
                 Without hardware: tokenctl --virtual, or tokenctl virtual serve",
            ),
        );
    }
    findings
}

/// Whether PC/SC lists a reader that may be this device. Names are built by
/// the driver, so this goes by the driver, not by the device's own name.
fn is_listed(facts: &Facts, usb: &UsbReader, readers: &[ReaderState]) -> bool {
    readers.iter().any(|reader| {
        let by_name = !usb.name.is_empty() && reader.name.starts_with(&usb.name);
        by_name
            || driver_of(&facts.drivers, &reader.name)
                .is_some_and(|driver| driver.usb.contains(&(usb.vendor, usb.product)))
    })
}

/// A device on USB that no reader in PC/SC stands for.
fn unlisted(facts: &Facts, usb: &UsbReader) -> Finding {
    let id = format!("{:04x}:{:04x}", usb.vendor, usb.product);
    let device = if usb.name.is_empty() {
        format!("USB device {id}")
    } else {
        format!("{} (USB {id})", usb.name)
    };
    let usb_drivers: Vec<_> = facts
        .drivers
        .iter()
        .filter(|driver| !driver.usb.is_empty())
        .collect();
    let id = (usb.vendor, usb.product);
    let finding = |message| Finding::new("usb-reader", Area::Readers, Level::Problem, message);
    if usb_drivers.is_empty() {
        finding(format!(
            "{device} is plugged in, but no driver for it is installed"
        ))
        .next(facts.packages.install_driver())
    } else if usb_drivers.iter().any(|driver| driver.usb.contains(&id)) {
        finding(format!(
            "{device} is plugged in and has a driver, but PC/SC does not list it"
        ))
        .next(
            "Another program may have opened the device itself (gpg's scdaemon does: \
             put disable-ccid into ~/.gnupg/scdaemon.conf); close it and plug the reader in again",
        )
    } else {
        finding(format!(
            "{device} is plugged in, but its driver does not know it"
        ))
        .next("Install a newer CCID driver, or the driver of the reader's maker")
    }
}

/// Findings about the cards in the readers.
pub(super) fn tokens(probes: &[(String, Probe)], clients: &[Holder]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = probes
        .iter()
        .map(|(reader, probe)| card(reader, probe))
        .collect();
    if probes.is_empty() {
        findings.push(
            Finding::new(
                "token",
                Area::Tokens,
                Level::Warning,
                "There is no card in any reader",
            )
            .next("Insert a card, chip first and face up, or lay it on the reader"),
        );
    }
    findings.extend(programs(clients));
    findings
}

fn card(reader: &str, probe: &Probe) -> Finding {
    let finding = |level, message| Finding::new("token", Area::Tokens, level, message);
    match probe {
        Probe::PivToken(name) => finding(
            Level::Ok,
            format!(
                "{} in {reader} answers, and is free to use",
                name.as_deref().unwrap_or("A PIV card")
            ),
        ),
        Probe::OtherCard(name) => finding(
            Level::Warning,
            match name {
                Some(name) => format!("{name} in {reader} refuses its PIV application"),
                None => format!("The card in {reader} is not a PIV card"),
            },
        ),
        Probe::Held(holders) => finding(
            Level::Problem,
            format!("The card in {reader} is held by {}", names(holders)),
        )
        .next("Close that program, or have it share the card"),
        Probe::Busy => finding(
            Level::Problem,
            format!("The card in {reader} is busy: another program keeps it to itself"),
        )
        .next("Finish or close what is asking for a PIN or signing in another window"),
        Probe::Mute => finding(
            Level::Problem,
            format!("What is in {reader} does not answer"),
        )
        .next("Take it out and insert it again, chip first; clean its contacts"),
        Probe::Failed(error) => finding(
            Level::Problem,
            format!("The card in {reader} could not be asked: {error}"),
        ),
    }
}

/// Who else has PC/SC open. That is no fault; only known troublemakers are.
fn programs(clients: &[Holder]) -> Option<Finding> {
    if clients.is_empty() {
        return None;
    }
    let area = Area::Tokens;
    let greedy = clients.iter().find(|client| client.name == "scdaemon");
    Some(match greedy {
        Some(_) => Finding::new(
            "clients",
            area,
            Level::Warning,
            format!(
                "Also using smart cards: {}. GnuPG's scdaemon can hold a card exclusively",
                names(clients)
            ),
        )
        .next("If a card is held: put pcsc-shared into ~/.gnupg/scdaemon.conf, then gpgconf --kill scdaemon"),
        None => Finding::new(
            "clients",
            area,
            Level::Ok,
            format!("Also using smart cards: {}", names(clients)),
        ),
    })
}

fn names(holders: &[Holder]) -> String {
    if holders.is_empty() {
        return "another program (the system does not say which)".to_owned();
    }
    holders
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, reason = "a test fails by panicking")]

    use std::path::PathBuf;

    use super::super::system::{Driver, Packages};
    use super::*;

    fn healthy() -> Facts {
        Facts {
            program: Some(PathBuf::from("/usr/sbin/pcscd")),
            socket: Socket::Answers(PathBuf::from("/run/pcscd/pcscd.comm")),
            systemd: true,
            packages: Packages::Apt,
            drivers: vec![Driver {
                name: "ifd-ccid".to_owned(),
                readers: vec!["HID Global OMNIKEY".to_owned()],
                usb: vec![(0x076B, 0x3031)],
            }],
            usb: Vec::new(),
        }
    }

    fn omnikey() -> UsbReader {
        UsbReader {
            vendor: 0x076B,
            product: 0x3031,
            name: "OMNIKEY".to_owned(),
        }
    }

    fn worst(findings: &[Finding]) -> Option<&Finding> {
        findings.iter().max_by_key(|finding| finding.level)
    }

    /// The most serious finding: its id, level, and whether its advice holds `advice`.
    fn check(findings: &[Finding], id: &str, level: Level, advice: &str) {
        let Some(worst) = worst(findings) else {
            panic!("no finding")
        };
        assert_eq!((worst.id, worst.level), (id, level), "{findings:#?}");
        let next = worst.next.as_deref().unwrap_or_default();
        assert!(next.contains(advice), "{next:?} has no {advice:?}");
    }

    #[test]
    fn a_healthy_service_is_ok() {
        let findings = service(&healthy(), Ok(()));
        assert_eq!(findings.len(), 3);
        assert!(findings.iter().all(|finding| finding.level == Level::Ok));
    }

    #[test]
    fn not_installed_says_how_to_install() {
        let facts = Facts {
            program: None,
            socket: Socket::Missing(PathBuf::from("/run/pcscd/pcscd.comm")),
            ..healthy()
        };
        let findings = service(&facts, Err(&LinkError::ServiceUnavailable));
        assert_eq!(findings.len(), 1, "one cause, one finding: {findings:#?}");
        check(
            &findings,
            "service-installed",
            Level::Problem,
            "apt install pcscd",
        );
    }

    #[test]
    fn not_running_says_how_to_start() {
        for socket in [
            Socket::Missing(PathBuf::from("/s")),
            Socket::Dead(PathBuf::from("/s")),
        ] {
            let facts = Facts {
                socket,
                ..healthy()
            };
            let findings = service(&facts, Err(&LinkError::ServiceUnavailable));
            check(&findings, "service-running", Level::Problem, "systemctl");
            let findings = service(
                &Facts {
                    systemd: false,
                    ..facts
                },
                Err(&LinkError::ServiceUnavailable),
            );
            check(&findings, "service-running", Level::Problem, "sudo pcscd");
        }
    }

    #[test]
    fn refused_by_polkit_says_which_right_is_missing() {
        let findings = service(&healthy(), Err(&LinkError::AccessDenied));
        check(&findings, "service-answers", Level::Problem, "polkit");
    }

    #[test]
    fn a_forbidden_socket_is_its_own_finding() {
        let facts = Facts {
            socket: Socket::Forbidden(PathBuf::from("/s")),
            ..healthy()
        };
        let findings = service(&facts, Err(&LinkError::ServiceUnavailable));
        check(&findings, "service-running", Level::Problem, "ls -l /s");
    }

    #[test]
    fn a_service_in_a_container_needs_no_program_here() {
        let facts = Facts {
            program: None,
            ..healthy()
        };
        assert!(service(&facts, Ok(())).iter().all(|f| f.level == Level::Ok));
    }

    #[test]
    fn a_reader_is_listed_with_its_driver() {
        let facts = Facts {
            usb: vec![omnikey()],
            ..healthy()
        };
        let listed = [ReaderState::new(
            "HID Global OMNIKEY 00 00",
            CardPresence::Empty,
        )];
        let findings = readers(&facts, &listed);
        assert_eq!(findings.len(), 1, "{findings:#?}");
        assert!(findings[0].message.contains("ifd-ccid"));
        assert_eq!(findings[0].level, Level::Ok);
    }

    #[test]
    fn a_usb_reader_that_is_not_listed_has_a_reason() {
        let mut facts = Facts {
            usb: vec![omnikey()],
            ..healthy()
        };
        check(
            &readers(&facts, &[]),
            "usb-reader",
            Level::Problem,
            "scdaemon",
        );
        facts.usb[0].product = 1;
        check(&readers(&facts, &[]), "usb-reader", Level::Problem, "newer");
        facts.drivers.clear();
        check(
            &readers(&facts, &[]),
            "usb-reader",
            Level::Problem,
            "libccid",
        );
    }

    #[test]
    fn no_reader_is_a_problem() {
        check(
            &readers(&healthy(), &[]),
            "reader",
            Level::Problem,
            "Plug in",
        );
    }

    #[test]
    fn a_holder_is_named() {
        let holder = Holder {
            pid: 42,
            name: "scdaemon".to_owned(),
        };
        let held = [("R".to_owned(), Probe::Held(vec![holder.clone()]))];
        let findings = tokens(&held, &[]);
        check(&findings, "token", Level::Problem, "Close");
        assert!(findings[0].message.contains("scdaemon (process 42)"));
        check(&tokens(&[], &[]), "token", Level::Warning, "Insert");
        check(
            &tokens(&[], &[holder]),
            "clients",
            Level::Warning,
            "pcsc-shared",
        );
    }

    #[test]
    fn every_kind_of_card_has_a_finding() {
        for (probe, level) in [
            (Probe::PivToken(None), Level::Ok),
            (
                Probe::PivToken(Some("HID Crescendo 2300".to_owned())),
                Level::Ok,
            ),
            (Probe::OtherCard(None), Level::Warning),
            (Probe::Busy, Level::Problem),
            (Probe::Mute, Level::Problem),
            (Probe::Held(vec![]), Level::Problem),
            (Probe::Failed("x".to_owned()), Level::Problem),
        ] {
            let findings = tokens(&[("Reader 1".to_owned(), probe)], &[]);
            assert_eq!(findings[0].level, level);
            assert!(findings[0].message.contains("Reader 1"));
        }
    }
}
