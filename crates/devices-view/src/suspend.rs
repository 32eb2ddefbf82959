//! The computer goes to sleep, or its screen is locked: what is open is locked before.

use std::sync::mpsc::{self, Receiver};

use eframe::egui;

use self::system::Delay;

/// Told when the computer is about to sleep, or its session was locked. Where the system
/// does not tell, nothing comes; the lock after idle time is there all the same.
pub(crate) struct Suspend {
    told: Receiver<Told>,
}

/// That everything has to be locked now. Dropping it lets the computer go to sleep.
pub(crate) struct Told {
    /// Kept for its drop.
    _delay: Delay,
}

impl Suspend {
    /// Begins to listen.
    pub(crate) fn listen(context: &egui::Context) -> Self {
        let (sender, told) = mpsc::channel();
        system::listen(context.clone(), sender);
        Self { told }
    }

    /// Whether it was told since the last frame.
    pub(crate) fn next(&self) -> Option<Told> {
        self.told.try_recv().ok()
    }
}

#[cfg(target_os = "linux")]
mod system {
    //! logind, over D-Bus: `PrepareForSleep` of its manager and `Lock` of a session. While
    //! the connection holds a delay, the computer waits with its sleep for up to the five
    //! seconds that logind gives.

    use std::sync::mpsc::Sender;
    use std::thread;

    use eframe::egui;
    use zbus::MatchRule;
    use zbus::blocking::{Connection, MessageIterator};
    use zbus::message::Type;
    use zbus::zvariant::OwnedFd;

    use super::Told;

    const SERVICE: &str = "org.freedesktop.login1";
    const MANAGER: &str = "org.freedesktop.login1.Manager";
    const SESSION: &str = "org.freedesktop.login1.Session";
    const PATH: &str = "/org/freedesktop/login1";

    /// While it is there, the computer does not go to sleep (for a few seconds).
    pub(super) type Delay = Option<OwnedFd>;

    pub(super) fn listen(context: egui::Context, sender: Sender<Told>) {
        let wait = move || {
            if let Err(error) = tell(&context, &sender) {
                tracing::info!(%error, "the system does not tell of its sleep");
            }
        };
        if let Err(error) = thread::Builder::new().name("sleep".into()).spawn(wait) {
            tracing::warn!(%error, "no thread that waits for the system's sleep");
        }
    }

    fn tell(context: &egui::Context, sender: &Sender<Told>) -> zbus::Result<()> {
        let bus = Connection::system()?;
        let rule = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender(SERVICE)?
            .build();
        let mut delay = delay(&bus);
        for message in MessageIterator::for_match_rule(rule, &bus, None)? {
            let message = message?;
            let header = message.header();
            let is = |interface: &str, member: &str| {
                header
                    .interface()
                    .is_some_and(|it| it.as_str() == interface)
                    && header.member().is_some_and(|it| it.as_str() == member)
            };
            let told = if is(MANAGER, "PrepareForSleep") {
                if message.body().deserialize::<bool>()? {
                    Told {
                        _delay: delay.take(),
                    }
                } else {
                    delay = self::delay(&bus);
                    continue;
                }
            } else if is(SESSION, "Lock") {
                Told { _delay: None }
            } else {
                continue;
            };
            if sender.send(told).is_err() {
                break;
            }
            context.request_repaint();
        }
        Ok(())
    }

    /// Asks for the delay. Without it, the computer may be asleep before all is locked.
    fn delay(bus: &Connection) -> Delay {
        let what = ("sleep", "Devices", "to lock security tokens", "delay");
        let reply = bus.call_method(Some(SERVICE), PATH, Some(MANAGER), "Inhibit", &what);
        reply.ok()?.body().deserialize().ok()
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    //! A system that is not asked.

    use std::sync::mpsc::Sender;

    use eframe::egui;

    use super::Told;

    /// Nothing is delayed.
    pub(super) type Delay = ();

    pub(super) fn listen(_: egui::Context, _: Sender<Told>) {}
}
