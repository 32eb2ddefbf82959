//! A window, its tokens, and hands.

use std::sync::Arc;
use std::time::{Duration, Instant};

use devices_view::{Config, DevicesView, Lending};
use eframe::egui::{Event, Key, ThemePreference, Vec2, accesskit::Role};
use egui_kittest::Harness;
use egui_kittest::kittest::{AccessKitNode, NodeT as _, Queryable as _};
use pcsc_transport::Backend;
use token_desktop::PairingCodes;
use token_manager::{Manager, MemoryPairingCodes, MemorySecretStore, PairingCodeStore};
use virtual_token::{Content, CreateOptions, MemoryBackend, Profile, SharedToken, VirtualToken};

use crate::clipboard::FakeClipboard;

/// A time that no test waits for.
pub(crate) const FIVE_MINUTES: Duration = Duration::from_mins(5);

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A window on readers that a test fills.
pub(crate) struct Desk {
    pub(crate) readers: MemoryBackend,
    /// What the window copies secrets to.
    pub(crate) clipboard: FakeClipboard,
    /// The pairing codes that are kept beyond the window.
    pub(crate) kept_codes: Arc<MemoryPairingCodes>,
    pub(crate) window: Harness<'static, DevicesView>,
}

impl Desk {
    /// No reader yet.
    pub(crate) fn new() -> Self {
        Self::with(|manager| manager, FIVE_MINUTES)
    }

    /// The same, with this manager, and locked after so long.
    pub(crate) fn with(set: impl FnOnce(Manager) -> Manager, lock_after: Duration) -> Self {
        Self::open(MemoryBackend::new(), set, lock_after)
    }

    /// A window on readers that are there already.
    pub(crate) fn around(readers: MemoryBackend) -> Self {
        Self::open(readers, |manager| manager, FIVE_MINUTES)
    }

    fn open(
        readers: MemoryBackend,
        set: impl FnOnce(Manager) -> Manager,
        lock_after: Duration,
    ) -> Self {
        let clipboard = FakeClipboard::default();
        let lending = clipboard.lending(FIVE_MINUTES);
        Self::lending(readers, set, lock_after, (clipboard, lending))
    }

    /// The same, with what secrets are copied to.
    pub(crate) fn lending(
        readers: MemoryBackend,
        set: impl FnOnce(Manager) -> Manager,
        lock_after: Duration,
        (clipboard, lending): (FakeClipboard, Lending),
    ) -> Self {
        let mut desk = Self::configured(readers, |config| {
            config.manager = set(config.manager.clone());
            config.lock_after = lock_after;
            config.lending = lending;
        });
        desk.clipboard = clipboard;
        desk
    }

    /// A window that sees readers through this, and opens tokens through it.
    pub(crate) fn through(backend: Arc<dyn Backend>, readers: MemoryBackend) -> Self {
        Self::configured(readers, |config| {
            config.manager = Manager::new(Arc::clone(&backend));
            config.backend = backend;
            config.is_virtual = false;
        })
    }

    /// A window that is opened with what this makes of the usual.
    pub(crate) fn configured(readers: MemoryBackend, change: impl FnOnce(&mut Config)) -> Self {
        let backend: Arc<dyn Backend> = Arc::new(readers.clone());
        let secrets = Arc::new(MemorySecretStore::new());
        let kept_codes = Arc::new(MemoryPairingCodes::new());
        let kept: Arc<dyn PairingCodeStore> = Arc::<MemoryPairingCodes>::clone(&kept_codes);
        let pairing_codes = Arc::new(PairingCodes::with_kept(Some(kept)));
        let codes: Arc<dyn PairingCodeStore> = Arc::<PairingCodes>::clone(&pairing_codes);
        let clipboard = FakeClipboard::default();
        let mut config = Config {
            manager: Manager::new(Arc::clone(&backend))
                .with_secrets(secrets)
                .with_pairing_codes(codes),
            backend,
            is_virtual: true,
            pairing_codes,
            lending: clipboard.lending(FIVE_MINUTES),
            lock_after: FIVE_MINUTES,
            theme: ThemePreference::Light,
            close_at_first_tile: false,
        };
        change(&mut config);
        let mut theme = None;
        let window = Harness::builder()
            .with_size(Vec2::new(900.0, 900.0))
            .build_eframe(|creation| {
                let view = DevicesView::new(&creation.egui_ctx, config);
                theme = Some(creation.egui_ctx.options(|it| it.theme_preference));
                view
            });
        // What the window has set, in the place of what the harness sets after it.
        window.ctx.set_theme(theme.unwrap());
        Self {
            readers,
            clipboard,
            kept_codes,
            window,
        }
    }

    /// The same, with a token of this kind in the reader "Desk".
    pub(crate) fn holding(profile: Profile) -> (Self, SharedToken) {
        Self::locking_after(profile, FIVE_MINUTES)
    }

    /// The same for a window that locks after so long.
    pub(crate) fn locking_after(profile: Profile, time: Duration) -> (Self, SharedToken) {
        let mut desk = Self::with(|manager| manager, time);
        let token = token(profile, &CreateOptions::default());
        desk.readers.insert("Desk", &token).unwrap();
        desk.sees("ID ");
        (desk, token)
    }

    /// Fills in the dialog that changes the PIN, with "583914" as the new one, and presses its
    /// button.
    pub(crate) fn change_pin(&mut self, present: &str) {
        self.type_secret("Present PIN", present);
        self.type_secret("New PIN", "583914");
        self.type_secret("New PIN again", "583914");
        self.press("Change PIN");
    }

    /// Waits until a token is read: an empty plain PIV card has no ID.
    pub(crate) fn is_read(&mut self) {
        self.until("a token", |desk| {
            desk.shows("ID ") || desk.shows("It has no ID")
        });
    }

    /// Draws until this holds.
    pub(crate) fn until(&mut self, what: &str, mut holds: impl FnMut(&mut Self) -> bool) {
        let began = Instant::now();
        loop {
            self.window.step();
            if holds(self) {
                return;
            }
            assert!(
                began.elapsed() < PATIENCE,
                "{what} has not come; there is:\n{}",
                self.words().join("\n")
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for a text that begins so.
    pub(crate) fn sees(&mut self, text: &str) {
        self.until(text, |desk| desk.shows(text));
    }

    /// Whether a text that begins so is on the screen.
    pub(crate) fn shows(&self, text: &str) -> bool {
        self.words().iter().any(|word| word.starts_with(text))
    }

    /// The first text that begins so.
    pub(crate) fn word(&mut self, text: &str) -> String {
        self.sees(text);
        let mut words = self.words().into_iter();
        words.find(|word| word.starts_with(text)).unwrap()
    }

    /// All texts on the screen, and the names of all that can be used.
    pub(crate) fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        for node in self.window.query_all_by(|_| true) {
            let node = node.accesskit_node();
            words.extend(node.label());
            words.extend(node.value());
        }
        words
    }

    /// Clicks on what has this name, once it can be.
    pub(crate) fn press(&mut self, name: &str) {
        self.until(name, |desk| desk.can(name));
        // As assistive technology does: a pointer would miss what moves meanwhile.
        let button = self.window.get_by_role_and_label(Role::Button, name);
        button.click_accesskit();
        self.window.step();
        self.window.step();
    }

    /// Whether there is a button of this name that can be pressed.
    pub(crate) fn can(&self, name: &str) -> bool {
        let button = self.window.query_by_role_and_label(Role::Button, name);
        button.is_some_and(|button| !button.accesskit_node().is_disabled())
    }

    /// Chooses this in the menu of the only token.
    pub(crate) fn pick(&mut self, item: &str) {
        let menu = self.word("Menu of");
        self.press(&menu);
        self.press(item);
    }

    /// Why this can't be chosen in the menu of the only token.
    pub(crate) fn why_not(&mut self, item: &str) -> String {
        let menu = self.word("Menu of");
        self.press(&menu);
        assert!(!self.can(item), "{item} can be chosen");
        let item = self.window.get_by_role_and_label(Role::Button, item);
        let why = item.accesskit_node().description().unwrap();
        self.key(Key::Escape);
        why
    }

    /// Ticks the box of this name, or takes the tick away.
    pub(crate) fn tick(&mut self, name: &str) {
        self.sees(name);
        self.window
            .get_by_role_and_label(Role::CheckBox, name)
            .click_accesskit();
        self.window.step();
    }

    /// What the menu of the only token offers to do in a dialog.
    pub(crate) fn possible(&mut self) -> Vec<String> {
        let menu = self.word("Menu of");
        self.press(&menu);
        let items: Vec<_> = self
            .words()
            .into_iter()
            .filter(|word| word.ends_with('…'))
            .collect();
        let possible = items.into_iter().filter(|item| self.can(item)).collect();
        self.key(Key::Escape);
        possible
    }

    /// Clicks on the checkbox or the choice of this name, once it can be.
    pub(crate) fn set(&mut self, name: &str) {
        self.until(name, |desk| desk.can_set(name));
        self.window
            .get_by(|node| is_choice(node, name))
            .click_accesskit();
        self.window.step();
        self.window.step();
    }

    /// Whether there is a checkbox or a choice of this name that can be used.
    pub(crate) fn can_set(&self, name: &str) -> bool {
        let choice = self.window.query_by(|node| is_choice(node, name));
        choice.is_some_and(|choice| !choice.accesskit_node().is_disabled())
    }

    /// Types a secret into the field of this name.
    pub(crate) fn type_secret(&mut self, field: &str, text: &str) {
        self.until(field, |desk| {
            let field = desk
                .window
                .query_by_role_and_label(Role::PasswordInput, field);
            field.is_some_and(|field| !field.accesskit_node().is_disabled())
        });
        let role = Role::PasswordInput;
        self.window.get_by_role_and_label(role, field).focus();
        self.window.step();
        for character in text.chars() {
            self.window.event(Event::Text(character.to_string()));
            self.window.step();
        }
    }

    /// Puts this text in the place of what is in the field of this name.
    pub(crate) fn replace(&mut self, field: &str, text: &str) {
        let role = Role::TextInput;
        self.window.get_by_role_and_label(role, field).focus();
        self.window.step();
        let modifiers = eframe::egui::Modifiers::COMMAND;
        self.window.key_press_modifiers(modifiers, Key::A);
        self.window.event(Event::Text(text.to_owned()));
        self.window.step();
        self.window.step();
    }

    /// Uses up all tries of the PIN of the token in this reader.
    pub(crate) fn block(&self, reader: &str) {
        let backend: Arc<dyn Backend> = Arc::new(self.readers.clone());
        let mut session = Manager::new(backend).open(reader).unwrap();
        let wrong = piv_apdu::secret::Pin::new(b"918273").unwrap();
        let entry = token_manager::PinEntry::Typed(&wrong);
        while !matches!(
            session
                .authenticate(entry, token_manager::LastTry::Use)
                .err(),
            Some(token_manager::ActionError::NotSent(_)) | None
        ) {}
    }

    /// The certificate on the token in this reader, in DER.
    pub(crate) fn certificate(&self, reader: &str, slot: piv_apdu::key::KeyReference) -> Vec<u8> {
        let options = token_manager::LoadOptions::new();
        let token = token_manager::load_reader(&self.readers, reader, &options).unwrap();
        token.certificate(slot).unwrap().der().unwrap().to_vec()
    }

    /// Empties the field of this name.
    pub(crate) fn wipe_secret(&mut self, field: &str) {
        self.type_secret(field, "");
        let modifiers = eframe::egui::Modifiers::COMMAND;
        self.window.key_press_modifiers(modifiers, Key::Backspace);
        self.window.step();
    }

    /// What is said about the text that begins so, besides the text.
    pub(crate) fn told(&self, text: &str) -> Option<String> {
        let begins = |word: Option<String>| word.is_some_and(|word| word.starts_with(text));
        let mut nodes = self
            .window
            .query_all_by(|_| true)
            .map(|node| node.accesskit_node());
        let node = nodes.find(|node| begins(node.label()) || begins(node.value()))?;
        node.description()
    }

    /// Presses a key.
    pub(crate) fn key(&mut self, key: Key) {
        self.window.key_press(key);
        self.window.step();
    }
}

fn is_choice(node: &AccessKitNode<'_>, name: &str) -> bool {
    matches!(node.role(), Role::CheckBox | Role::RadioButton)
        && node.label().as_deref() == Some(name)
}

/// A token of this kind.
pub(crate) fn token(profile: Profile, options: &CreateOptions) -> SharedToken {
    SharedToken::new(VirtualToken::create(profile, options).unwrap())
}

/// Options for a token with nothing on it.
pub(crate) fn empty() -> CreateOptions {
    CreateOptions::default().content(Content::Empty)
}

/// What each test runs on: a token of each family.
pub(crate) const FAMILIES: [Profile; 3] =
    [Profile::Crescendo4000, Profile::Crescendo2300, Profile::Piv];

/// The PIN that a software token of this kind has at first.
pub(crate) fn pin(profile: Profile) -> String {
    String::from_utf8(profile.factory_pin().to_vec()).unwrap()
}

/// Whether this is the token's PIN, asked behind the window's back.
pub(crate) fn takes(desk: &Desk, reader: &str, pin: &str) -> bool {
    let backend: Arc<dyn Backend> = Arc::new(desk.readers.clone());
    let mut session = Manager::new(backend).open(reader).unwrap();
    let pin = piv_apdu::secret::Pin::new(pin.as_bytes()).unwrap();
    let entry = token_manager::PinEntry::Typed(&pin);
    session
        .authenticate(entry, token_manager::LastTry::Spare)
        .is_ok()
}

/// Sets the policy of a token that is as delivered, behind the window's back.
pub(crate) fn set_policy(
    card: &SharedToken,
    change: impl FnOnce(&mut token_manager::token_profile::Policy),
) {
    let readers = MemoryBackend::new();
    readers.insert("Aside", card).unwrap();
    let backend: Arc<dyn Backend> = Arc::new(readers.clone());
    let mut session = Manager::new(backend).open("Aside").unwrap();
    let mut policy = session.managed_policy();
    change(&mut policy);
    let now = piv_apdu::secret::Pin::new(Profile::Crescendo4000.factory_pin()).unwrap();
    let entry = token_manager::PinEntry::Typed(&now);
    session
        .set_policy(entry, token_manager::LastTry::Spare, &policy)
        .unwrap();
    drop(session);
    readers.eject("Aside");
}
