//! Where tokens come from: PC/SC or the software tokens, narrowed to the
//! reader that was named, and recorded if asked for; and which token is meant.

use std::sync::Arc;

use pcsc_transport::{
    Backend, Card, CardLink, LinkError, ReaderState, SendError, Sharing, TransportError, Watcher,
};
use piv_apdu::status::StatusWord;
use token_desktop::{Desktop, Place};
use token_manager::token_cache::Cache;
use token_manager::{Freshness, LoadError, LoadOptions, Loaded, NotSent, Token, VciState};
use virtual_token::EmbeddedBackend;
use virtual_token::store::{StoreError, TokenStore};

use crate::cli::GlobalArgs;
use crate::contactless::Contactless;
use crate::error::{Kind, Report, Result};
use crate::json;
use crate::manage;
use crate::output::Output;
use crate::trace::TraceFile;

/// Where tokens come from.
pub(crate) struct Source {
    backend: Arc<Narrowed>,
    token: Option<String>,
    any_pin: bool,
    desktop: Desktop,
    contactless: Contactless,
}

impl Source {
    /// The source that the global options name, recorded in `trace`. Opens
    /// nothing yet.
    pub(crate) fn open(global: &GlobalArgs, trace: Option<TraceFile>) -> Result<Self> {
        let inner = if global.r#virtual {
            software_tokens()?
        } else {
            readers()?
        };
        let (contactless, trust) = Contactless::new(&global.contactless)?;
        let desktop = Desktop::new()
            .with_cache(token_desktop::cache(global.no_cache))
            .with_trust(trust);
        Ok(Source {
            backend: Arc::new(Narrowed {
                inner,
                reader: global.reader.clone(),
                trace,
            }),
            token: global.token.clone(),
            any_pin: global.allow_any_pin,
            contactless: contactless.with_codes(desktop.pairing_codes()),
            desktop,
        })
    }

    /// The same, with this token named instead.
    pub(crate) fn naming(mut self, token: Option<String>) -> Self {
        self.token = token.or(self.token);
        self
    }

    /// Whether any PIN is taken for one that a card may have which tells no rule.
    pub(crate) fn allows_any_pin(&self) -> bool {
        self.any_pin
    }

    /// What is remembered of tokens.
    pub(crate) fn cache(&self) -> &Cache {
        self.desktop.cache()
    }

    /// What this computer keeps about tokens, remembers of them, and whom it believes.
    pub(crate) fn desktop(&self) -> &Desktop {
        &self.desktop
    }

    /// What is known for tokens on contactless readers.
    pub(crate) fn contactless(&self) -> &Contactless {
        &self.contactless
    }

    /// These options, with what this computer remembers and whom it believes.
    pub(crate) fn options(&self, options: LoadOptions) -> LoadOptions {
        self.desktop.options(options)
    }

    /// The backend: its readers are those that match `--reader`.
    pub(crate) fn backend(&self) -> Arc<dyn Backend> {
        self.backend.clone()
    }

    /// Whether `--reader` lets this reader through; the name of none does.
    pub(crate) fn matches(&self, reader: &str) -> bool {
        reader.is_empty() || self.backend.matches(reader)
    }

    /// Whether `--token`, if there, names this token.
    pub(crate) fn means(&self, token: &Token) -> bool {
        self.token
            .as_ref()
            .is_none_or(|wanted| is_named(token, wanted))
    }

    /// That no token is the one that `--token` names.
    pub(crate) fn no_such_token(&self) -> Report {
        let wanted = self.token.as_deref().unwrap_or_default();
        Report::new(Kind::NoToken, format!("there is no token \"{wanted}\""))
    }

    /// Refuses `--token` where it cannot be told which token is meant.
    pub(crate) fn refuse_token(&self, command: &str) -> Result {
        if self.token.is_none() {
            return Ok(());
        }
        let message = format!("{command} reads no token, and so cannot tell one by its id");
        Err(Report::new(Kind::Usage, message)
            .next("Name the reader with --reader")
            .into())
    }

    /// All tokens, by reader, and what is wrong with those that could not be
    /// read. Those on contactless readers as they show themselves to everybody, and as
    /// they are remembered: no secure session is opened, and no pairing code sent.
    pub(crate) fn look(&self, options: &LoadOptions) -> Result<Vec<Loaded>> {
        self.load_with(&options.clone().with_cache(self.cache().clone()))
    }

    /// The readers are listed once, and again only to say what is missing where there
    /// is no token.
    fn load_with(&self, options: &LoadOptions) -> Result<Vec<Loaded>> {
        let all = token_manager::load_all(&self.backend(), options)
            .map_err(|error| link_failed(&error, None))?;
        if all.pending() == 0 {
            self.occupied()?;
        }
        Ok(all.ordered())
    }

    /// The one token that is meant, with its content. Where there is a choice, it is made by
    /// a look: no secure session is opened with any other token.
    pub(crate) fn load_one(&self, options: &LoadOptions, output: &Output) -> Result<Token> {
        let occupied = self.occupied()?;
        let is_a_choice = occupied.len() > 1 || self.token.is_some();
        let mut loaded = if is_a_choice {
            self.look(options)?
        } else {
            self.load_with(&self.options(options.clone()))?
        };
        let mut token = if loaded.len() == 1 && self.token.is_none() {
            loaded
                .remove(0)
                .result
                .map_err(|error| load_failed(&error))?
        } else {
            self.choose(loaded, output)?
        };
        if is_a_choice && matches!(token.vci, VciState::Closed(_)) {
            token = self.load_same(&token, options)?;
        }
        let again = |token: &Token| self.load_same(token, options);
        self.contactless.complete(token, again, output)
    }

    /// The token that was read, once more, with what the secure session gives. Another one
    /// that lies there now is refused.
    fn load_same(&self, before: &Token, options: &LoadOptions) -> Result<Token> {
        let mut options = options.clone();
        if options.freshness == Freshness::Quick {
            // A quick look at a token that is known now would open none.
            options.freshness = Freshness::Checked;
        }
        let token = self.load(&before.reader, options)?;
        if token.identity.is(&before.identity) && self.means(&token) {
            return Ok(token);
        }
        Err(manage::action_failed(&NotSent::OtherToken.into(), &token.reader).into())
    }

    /// The token in this reader, past everything that is remembered of it.
    pub(crate) fn load_again(&self, reader: &str) -> Result<Token> {
        self.load(reader, LoadOptions::new())
    }

    fn load(&self, reader: &str, options: LoadOptions) -> Result<Token> {
        token_manager::load_reader(&*self.backend(), reader, &self.options(options))
            .map_err(|error| load_failed(&error).into())
    }

    /// A connection to the one token that is meant. Reads tokens only if that
    /// is needed to tell which.
    pub(crate) fn connect_one(&self, output: &Output) -> Result<Card> {
        let occupied = self.occupied()?;
        if let ([reader], None) = (occupied.as_slice(), &self.token) {
            return self.connect(reader);
        }
        // Only to tell which one is meant.
        let quick = LoadOptions::new().with_freshness(Freshness::Quick);
        let token = self.choose(self.look(&quick)?, output)?;
        self.connect(&token.reader)
    }

    fn connect(&self, reader: &str) -> Result<Card> {
        let link = self
            .backend
            .connect(reader, Sharing::Shared)
            .map_err(|error| link_failed(&error, Some(reader)))?;
        Ok(Card::new(link))
    }

    /// Picks the token that was named, or the only one.
    fn choose(&self, loaded: Vec<Loaded>, output: &Output) -> Result<Token> {
        let mut tokens = Vec::new();
        let mut failures = Vec::new();
        for loaded in loaded {
            match loaded.result {
                Ok(token) => tokens.push(token),
                // Somebody's bank card does not make the choice ambiguous.
                Err(LoadError::NotAPivCard { .. }) => {}
                Err(error) => failures.push(load_failed(&error)),
            }
        }
        let Some(wanted) = &self.token else {
            return only(tokens, failures, output);
        };
        let mut matching: Vec<usize> = Vec::new();
        for (index, token) in tokens.iter().enumerate() {
            if is_named(token, wanted) {
                matching.push(index);
            }
        }
        match matching.as_slice() {
            [index] => Ok(tokens.swap_remove(*index)),
            [] => {
                for failure in &failures {
                    output.warning(&failure.message);
                }
                let mut report = self.no_such_token();
                report.tokens = tokens.iter().map(token_name).collect();
                Err(if report.tokens.is_empty() {
                    report
                } else {
                    report.next("Name one of the tokens above")
                }
                .into())
            }
            _ => {
                let mut report = Report::new(
                    Kind::SeveralTokens,
                    format!("\"{wanted}\" is the beginning of more than one token's name"),
                );
                report.tokens = matching.iter().map(|&i| token_name(&tokens[i])).collect();
                Err(report.next("Give more of it").into())
            }
        }
    }

    /// The readers with a card in them; none is a failure that says what is
    /// missing.
    fn occupied(&self) -> Result<Vec<String>> {
        let states = self
            .backend
            .readers()
            .map_err(|error| link_failed(&error, None))?;
        let occupied: Vec<String> = states
            .iter()
            .filter(|state| state.card.is_present())
            .map(|state| state.name.clone())
            .collect();
        if occupied.is_empty() {
            return Err(self.nothing(&states).into());
        }
        Ok(occupied)
    }

    /// What is missing.
    fn nothing(&self, readers: &[ReaderState]) -> Report {
        let is_virtual = !self.backend.is_pcsc();
        match (readers, &self.backend.reader) {
            ([], Some(name)) => {
                let others = self.backend.inner.readers().unwrap_or_default();
                let report = Report::new(
                    Kind::NoReader,
                    format!("there is no reader whose name contains \"{name}\""),
                );
                if others.is_empty() {
                    report.next("`tokenctl doctor` says what may be missing")
                } else {
                    let names: Vec<_> = others.iter().map(|o| format!("\"{}\"", o.name)).collect();
                    report.next(format!("These are there: {}", names.join(", ")))
                }
            }
            ([], None) if is_virtual => Report::new(Kind::NoToken, "there is no software token")
                .next("Make one: `tokenctl virtual create --profile crescendo-2300 NAME`"),
            ([], None) => Report::new(Kind::NoReader, "there is no reader").next(
                "Plug in a reader or a USB token; `tokenctl doctor` says why one may not be seen, \
                 and --virtual needs none",
            ),
            ([one], _) => Report::new(
                Kind::NoToken,
                format!("there is no token in the reader \"{}\"", one.name),
            )
            .next("Insert one, chip first, or lay it on the reader"),
            (several, _) => Report::new(
                Kind::NoToken,
                format!("there is no token in any of the {} readers", several.len()),
            )
            .next("Insert one, chip first, or lay it on a reader"),
        }
    }
}

/// The only token, or a failure that names them all.
fn only(mut tokens: Vec<Token>, mut failures: Vec<Report>, output: &Output) -> Result<Token> {
    match (tokens.len(), failures.len()) {
        (1, 0) => Ok(tokens.remove(0)),
        (0, 0) => Err(Report::new(
            Kind::NoToken,
            "there are cards, but none of them is a PIV token",
        )
        .next("To talk to another kind of card, name its reader: `tokenctl apdu --reader NAME`")
        .into()),
        (0, 1) => Err(failures.remove(0).into()),
        _ => {
            for failure in &failures {
                output.warning(&failure.message);
            }
            let mut report = Report::new(
                Kind::SeveralTokens,
                "several tokens are present, and none was named",
            );
            report.tokens = tokens.iter().map(token_name).collect();
            Err(report
                .next("Name one with --token ID or --reader NAME")
                .into())
        }
    }
}

/// Whether `wanted` is the beginning of the token's id, serial number or GUID.
fn is_named(token: &Token, wanted: &str) -> bool {
    let identity = &token.identity;
    let names = [
        identity.id(),
        identity.serial.clone(),
        identity.guid.as_ref().map(ToString::to_string),
    ];
    begins_one_of(wanted, names.iter().flatten())
}

/// Whether `wanted` is the beginning of one of these names, whatever its case and
/// its dashes.
pub(crate) fn begins_one_of<'a>(wanted: &str, names: impl IntoIterator<Item = &'a String>) -> bool {
    let simple = |text: &str| text.replace('-', "").to_ascii_lowercase();
    let wanted = simple(wanted);
    !wanted.is_empty()
        && names
            .into_iter()
            .any(|name| simple(name).starts_with(&wanted))
}

/// How a token can be named.
pub(crate) fn token_name(token: &Token) -> json::TokenName {
    json::TokenName {
        id: token.identity.id(),
        name: token.identity.name.clone(),
        reader: token.reader.clone(),
    }
}

/// A backend as the options narrow it: only the reader that `--reader` names, or
/// those whose name contains it, and every exchange written to `--trace`.
struct Narrowed {
    inner: Box<dyn Backend>,
    reader: Option<String>,
    trace: Option<TraceFile>,
}

impl Narrowed {
    fn is_pcsc(&self) -> bool {
        self.inner.name() == "PC/SC"
    }

    fn matches(&self, reader: &str) -> bool {
        self.reader
            .as_ref()
            .is_none_or(|wanted| reader.to_lowercase().contains(&wanted.to_lowercase()))
    }

    /// Whether `--reader` is this reader's whole name, or that of the software
    /// token in it; such a one is meant even where others contain the name too.
    fn names(&self, reader: &str) -> bool {
        let token = reader.strip_prefix("Virtual ");
        self.reader.as_ref().is_some_and(|wanted| {
            reader.eq_ignore_ascii_case(wanted)
                || token.is_some_and(|token| token.eq_ignore_ascii_case(wanted))
        })
    }
}

impl Backend for Narrowed {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn readers(&self) -> std::result::Result<Vec<ReaderState>, LinkError> {
        let mut readers = self.inner.readers()?;
        if readers.iter().any(|reader| self.names(&reader.name)) {
            readers.retain(|reader| self.names(&reader.name));
        } else {
            readers.retain(|reader| self.matches(&reader.name));
        }
        Ok(readers)
    }

    fn connect(
        &self,
        reader: &str,
        sharing: Sharing,
    ) -> std::result::Result<Box<dyn CardLink>, LinkError> {
        let link = self.inner.connect(reader, sharing)?;
        match &self.trace {
            Some(trace) => trace.record(link),
            None => Ok(link),
        }
    }

    fn watch(&self) -> std::result::Result<Watcher, LinkError> {
        self.inner.watch()
    }
}

/// The readers of the system.
#[cfg(feature = "pcsc")]
#[allow(
    clippy::unnecessary_wraps,
    reason = "fails where the feature is left out"
)]
fn readers() -> Result<Box<dyn Backend>> {
    Ok(Box::new(pcsc_transport::pcsc::PcscBackend::new()))
}

/// The readers of the system, which this build does not know.
#[cfg(not(feature = "pcsc"))]
fn readers() -> Result<Box<dyn Backend>> {
    Err(Report::new(
        Kind::ServiceUnavailable,
        "this tokenctl was built without PC/SC and knows software tokens only",
    )
    .next("Use --virtual, or build tokenctl with its default features")
    .into())
}

fn software_tokens() -> Result<Box<dyn Backend>> {
    Ok(Box::new(EmbeddedBackend::new(store()?)))
}

/// The directory of software tokens, which is made if it is not there.
pub(crate) fn store() -> Result<TokenStore> {
    let directory = Place::SoftwareTokens
        .directory()
        .map_err(|error| Report::of(Kind::Other, &error))?;
    TokenStore::open(directory).map_err(|error| store_failed(&error).into())
}

/// What a failure of the store means here.
pub(crate) fn store_failed(error: &StoreError) -> Report {
    match error {
        StoreError::Name(_) => Report::new(Kind::Usage, error.to_string()),
        StoreError::NotFound { .. } => Report::new(Kind::NoToken, error.to_string())
            .next("`tokenctl virtual list` shows the ones that are there"),
        StoreError::Busy { .. } => Report::new(Kind::AccessDenied, error.to_string()),
        _ => Report::new(Kind::Other, error.to_string()),
    }
}

/// What a failure of the link means here.
pub(crate) fn link_failed(error: &LinkError, reader: Option<&str>) -> Report {
    let in_reader = reader.map_or_else(String::new, |reader| format!(" in \"{reader}\""));
    let report = match error {
        LinkError::ServiceUnavailable => Report::new(
            Kind::ServiceUnavailable,
            "the PC/SC service cannot be reached",
        )
        .next(format!(
            "{}. `tokenctl doctor` looks closer; --virtual needs no PC/SC",
            pcsc_transport::service_hint()
        )),
        LinkError::ServiceStopped => Report::new(
            Kind::ServiceUnavailable,
            "the PC/SC service has stopped; the state of the card is unknown",
        )
        .next(format!("{}.", pcsc_transport::service_hint())),
        LinkError::NoSuchReader { reader } => Report::new(
            Kind::NoReader,
            format!("there is no reader \"{reader}\" any more"),
        )
        .next("Plug it in again and start over"),
        LinkError::NoCard { reader } => Report::new(
            Kind::NoToken,
            format!("there is no token in the reader \"{reader}\" any more"),
        )
        .next("Insert it again and start over"),
        LinkError::Removed => Report::new(
            Kind::TokenGone,
            format!("the token{in_reader} was removed while it was used"),
        )
        .next("Insert it again and start over"),
        LinkError::Reset => Report::new(
            Kind::TokenGone,
            format!(
                "the token{in_reader} was reset by another program, or lost power, while it was used"
            ),
        )
        .next("Nothing was sent again; start over"),
        LinkError::Unresponsive => Report::new(
            Kind::Other,
            format!("the card{in_reader} does not respond"),
        )
        .next("It may be upside down, dirty or no smart card: take it out and insert it again"),
        LinkError::SharingViolation { reader, holders } => {
            let who = match holders.as_slice() {
                [] => "another program".to_owned(),
                [one] => one.to_string(),
                several => {
                    let names: Vec<_> = several.iter().map(ToString::to_string).collect();
                    format!("another program, maybe one of {}", names.join(", "))
                }
            };
            Report::new(
                Kind::AccessDenied,
                format!("the reader \"{reader}\" is held by {who}"),
            )
            .next("Close that program and try again; nothing was sent to the card")
        }
        LinkError::AccessDenied => Report::new(
            Kind::AccessDenied,
            format!("the system does not let this user at the card{in_reader}"),
        )
        .next("`tokenctl doctor` says which right is missing"),
        other => Report::new(Kind::Other, other.to_string()),
    };
    match reader {
        Some(reader) => report.in_reader(reader),
        None => report,
    }
}

/// What a failed exchange means here.
pub(crate) fn transport_failed(error: &TransportError, reader: &str) -> Report {
    match error {
        TransportError::Link(error) => link_failed(error, Some(reader)),
        TransportError::InTheClear => Report::of(Kind::NotSent, error).in_reader(reader),
        other => Report::new(Kind::Other, other.to_string()).in_reader(reader),
    }
}

/// What a status word that means no means here; `what` is what was tried.
pub(crate) fn refused(what: &str, status: StatusWord, reader: &str) -> Report {
    let mut report = Report::new(Kind::CardRefused, format!("{what}: {status}")).in_reader(reader);
    report.status_word = Some(status.get());
    report
}

/// What a failed typed command means here; `what` is what was tried.
pub(crate) fn send_failed(error: &SendError, what: &str, reader: &str) -> Report {
    match (error, status_of(error)) {
        (SendError::Transport(error), _) => transport_failed(error, reader),
        (_, Some(status)) => refused(what, status, reader),
        (other, None) => Report::new(Kind::Other, format!("{what}: {other}")).in_reader(reader),
    }
}

/// The status word with which the card refused, if it did.
pub(crate) fn status_of(error: &SendError) -> Option<StatusWord> {
    match error {
        SendError::Answer(error) => error.status(),
        _ => None,
    }
}

/// What a failed load means here.
pub(crate) fn load_failed(error: &LoadError) -> Report {
    let reader = error.reader().to_owned();
    match error {
        LoadError::NotAPivCard { status, .. } => {
            let mut report = Report::new(
                Kind::CardRefused,
                format!(
                    "the card in \"{reader}\" is not a PIV token: it refused to select the PIV \
                     application ({status})"
                ),
            )
            .next("Use another token; nothing was changed on this card");
            report.status_word = Some(status.get());
            report.in_reader(reader)
        }
        LoadError::Link { source, .. } => link_failed(source, Some(&reader)),
        LoadError::ResetAgain { .. } => Report::new(
            Kind::TokenGone,
            format!("the token in \"{reader}\" was reset twice while it was read, most likely by another program"),
        )
        .next("Close the other program, or try again; nothing was changed on the token")
        .in_reader(reader),
        LoadError::Timeout { after, .. } => Report::new(
            Kind::Other,
            format!(
                "the token in \"{reader}\" was not read within {} s",
                after.as_secs()
            ),
        )
        .next("Another program may be keeping it to itself; `tokenctl doctor` says more")
        .in_reader(reader),
        other => Report::new(Kind::Other, other.to_string()).in_reader(reader),
    }
}

#[cfg(test)]
mod tests {
    use pcsc_transport::Holder;

    use super::*;

    #[test]
    fn failures_of_the_link_have_their_exit_codes() {
        let reader = || "R".to_owned();
        let held = LinkError::SharingViolation {
            reader: reader(),
            holders: Vec::new(),
        };
        for (error, kind) in [
            (LinkError::ServiceUnavailable, Kind::ServiceUnavailable),
            (LinkError::ServiceStopped, Kind::ServiceUnavailable),
            (LinkError::NoSuchReader { reader: reader() }, Kind::NoReader),
            (LinkError::NoCard { reader: reader() }, Kind::NoToken),
            (LinkError::Removed, Kind::TokenGone),
            (LinkError::Reset, Kind::TokenGone),
            (held, Kind::AccessDenied),
            (LinkError::AccessDenied, Kind::AccessDenied),
            (LinkError::Unresponsive, Kind::Other),
            (LinkError::NotTransacted, Kind::Other),
        ] {
            let report = link_failed(&error, Some("R"));
            assert_eq!(report.kind, kind, "{error}");
            assert_eq!(report.reader.as_deref(), Some("R"));
            assert!(!report.message.ends_with('.'), "{}", report.message);
            assert!(report.next.is_some() || kind == Kind::Other, "{error}");
        }
    }

    #[test]
    fn a_holder_is_named_and_several_are_only_suspected() {
        let holder = |pid, name: &str| Holder {
            pid,
            name: name.to_owned(),
        };
        let report = |holders| {
            let reader = "R".to_owned();
            link_failed(&LinkError::SharingViolation { reader, holders }, None).message
        };
        let one = report(vec![holder(1, "scdaemon")]);
        assert!(one.ends_with("is held by scdaemon (process 1)"), "{one}");
        let two = report(vec![holder(1, "a"), holder(2, "b")]);
        assert!(
            two.contains("maybe one of a (process 1), b (process 2)"),
            "{two}"
        );
    }

    #[test]
    fn the_status_word_is_kept() {
        let report = refused("no", StatusWord::SECURITY_STATUS_NOT_SATISFIED, "R");
        assert_eq!(report.status_word, Some(0x6982));
        assert_eq!(report.kind, Kind::CardRefused);
    }
}
