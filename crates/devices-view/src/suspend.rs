//! The computer goes to sleep, or its screen is locked: what is open is locked, too.

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
    //! logind, over D-Bus: `PrepareForSleep` of its manager, and of a session `Lock` and a
    //! `LockedHint` that becomes true: desktops that lock their screen themselves only set
    //! the latter. While the connection holds a delay, the computer waits with its sleep for
    //! up to the five seconds that logind gives.

    use std::collections::HashMap;
    use std::sync::mpsc::Sender;
    use std::thread;

    use eframe::egui;
    use zbus::blocking::{Connection, MessageIterator};
    use zbus::message::Type;
    use zbus::zvariant::{OwnedFd, OwnedObjectPath, Value};
    use zbus::{MatchRule, Message};

    use super::Told;

    const SERVICE: &str = "org.freedesktop.login1";
    const MANAGER: &str = "org.freedesktop.login1.Manager";
    const SESSION: &str = "org.freedesktop.login1.Session";
    const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
    const PATH: &str = "/org/freedesktop/login1";

    /// While it is there, the computer does not go to sleep (for a few seconds).
    pub(super) type Delay = Option<OwnedFd>;

    /// What logind tells.
    #[derive(Debug, PartialEq, Eq)]
    enum Event {
        Sleeps,
        Wakes,
        Locked,
    }

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
        let messages = MessageIterator::for_match_rule(rule, &bus, None)?;
        let mut delay = delay(&bus);
        let own = own_session(&bus);
        for message in messages {
            let told = match event(&message?, own.as_ref()) {
                Some(Event::Sleeps) => Told {
                    _delay: delay.take(),
                },
                Some(Event::Wakes) => {
                    delay = self::delay(&bus);
                    continue;
                }
                Some(Event::Locked) => Told { _delay: None },
                None => continue,
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

    /// The session that this program is used in: that of its environment, or else what
    /// logind holds for it, which for a program that the user's service manager has started
    /// is the one with the screen.
    fn own_session(bus: &Connection) -> Option<OwnedObjectPath> {
        let session = |id: &str| {
            let reply = bus.call_method(Some(SERVICE), PATH, Some(MANAGER), "GetSession", &id);
            reply.ok()?.body().deserialize().ok()
        };
        let named = std::env::var("XDG_SESSION_ID").ok();
        named
            .and_then(|id| session(&id))
            .or_else(|| session("auto"))
    }

    /// What `message` tells. Any session counts where it is not known which is our `own`.
    fn event(message: &Message, own: Option<&OwnedObjectPath>) -> Option<Event> {
        let header = message.header();
        let is_own = own.is_none_or(|own| header.path().is_some_and(|path| path == &**own));
        match (header.interface()?.as_str(), header.member()?.as_str()) {
            (MANAGER, "PrepareForSleep") => {
                let begins: bool = message.body().deserialize().ok()?;
                Some(if begins { Event::Sleeps } else { Event::Wakes })
            }
            (SESSION, "Lock") if is_own => Some(Event::Locked),
            (PROPERTIES, "PropertiesChanged") if is_own => {
                locked_hint(message)?.then_some(Event::Locked)
            }
            _ => None,
        }
    }

    /// What a session's `LockedHint` has become, if it is that which has changed.
    fn locked_hint(message: &Message) -> Option<bool> {
        let body = message.body();
        let (interface, changed, _): (&str, HashMap<&str, Value<'_>>, Vec<&str>) =
            body.deserialize().ok()?;
        let hint = changed.get("LockedHint").filter(|_| interface == SESSION)?;
        hint.downcast_ref().ok()
    }

    #[cfg(test)]
    mod tests {
        #![allow(clippy::unwrap_used)] // a test that panics has failed, as it should

        use super::*;

        const OURS: &str = "/org/freedesktop/login1/session/_32";
        const ANOTHER: &str = "/org/freedesktop/login1/session/c1";

        fn signal<T>(path: &str, interface: &str, member: &str, body: &T) -> Message
        where
            T: zbus::export::serde::Serialize + zbus::zvariant::DynamicType,
        {
            let signal = Message::signal(path, interface, member).unwrap();
            signal.build(body).unwrap()
        }

        fn changed(path: &str, interface: &str, property: &str, value: bool) -> Message {
            let properties = HashMap::from([(property, Value::from(value))]);
            let body = (interface, properties, Vec::<&str>::new());
            signal(path, PROPERTIES, "PropertiesChanged", &body)
        }

        fn told(message: &Message) -> Option<Event> {
            let ours = OwnedObjectPath::try_from(OURS).unwrap();
            event(message, Some(&ours))
        }

        #[test]
        fn a_screen_that_the_desktop_locks_is_told_and_one_that_it_unlocks_is_not() {
            let locked = changed(OURS, SESSION, "LockedHint", true);
            assert_eq!(told(&locked), Some(Event::Locked));
            let unlocked = changed(OURS, SESSION, "LockedHint", false);
            assert_eq!(told(&unlocked), None);
        }

        #[test]
        fn what_else_changes_in_a_session_locks_nothing() {
            assert_eq!(told(&changed(OURS, SESSION, "IdleHint", true)), None);
            let of_another_interface = changed(OURS, MANAGER, "LockedHint", true);
            assert_eq!(told(&of_another_interface), None);
            let damaged = signal(OURS, PROPERTIES, "PropertiesChanged", &"LockedHint");
            assert_eq!(told(&damaged), None);
        }

        #[test]
        fn the_session_of_another_counts_only_where_ours_is_not_known() {
            for message in [
                changed(ANOTHER, SESSION, "LockedHint", true),
                signal(ANOTHER, SESSION, "Lock", &()),
            ] {
                assert_eq!(told(&message), None);
                assert_eq!(event(&message, None), Some(Event::Locked));
            }
            assert_eq!(
                told(&signal(OURS, SESSION, "Lock", &())),
                Some(Event::Locked)
            );
        }

        #[test]
        fn sleep_is_told_whatever_the_session() {
            let sleeps = signal(PATH, MANAGER, "PrepareForSleep", &true);
            assert_eq!(told(&sleeps), Some(Event::Sleeps));
            let wakes = signal(PATH, MANAGER, "PrepareForSleep", &false);
            assert_eq!(told(&wakes), Some(Event::Wakes));
        }
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
