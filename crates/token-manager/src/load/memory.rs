//! What is remembered of the token that is being read, and what is learnt of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use crescendo_ext::aca::{GetPinProperties, SelectAca};
use crescendo_ext::cplc::{GetCplc, SelectIsd};
use crescendo_ext::oath::SelectOathSlot;
use ctap_apdu::{CtapCommand as _, GetInfo};
use pcsc_transport::Insertion;
use piv_apdu::apdu::Response;
use piv_apdu::command::{GetData, TypedCommand};
use piv_apdu::object::{Chuid, DataObject as _, Guid, ObjectTag};
use piv_apdu::status::StatusWord;
use token_cache::{Cache, Counts, Entry, Generation, Identity, Item, Name, Snapshot};

use crate::options::{Freshness, LoadOptions};
use crate::token::Remembered;

/// What memory has to say to a question.
pub(super) enum Recalled {
    /// The answer.
    Answer(Response),
    /// The answer, if the token's own still begins like it.
    IfItBeginsAs(Response),
    /// Nothing: the token has to be asked.
    Nothing,
}

/// How much of an answer the token has given itself in this load.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    /// All of it.
    Whole,
    /// Its first block: that the rest is as it is remembered is taken for granted.
    Beginning,
}

impl Came {
    /// How much came with this first block.
    pub(super) fn with(first: &Response) -> Self {
        match first.status().more_data() {
            Some(_) => Self::Beginning,
            None => Self::Whole,
        }
    }
}

/// What the token shows through the reader that it is in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum View {
    /// What it shows on contact.
    All,
    /// On a contactless reader, what it shows to everybody.
    Limited,
    /// The secure session broke: nobody knows.
    Broken,
}

/// Which token it is, and which generation was the present one by then.
struct Present {
    name: Name,
    generation: Generation,
    /// How many answers had come by then.
    answers: u64,
}

/// The memory of one load.
pub(super) struct Memory {
    cache: Cache,
    freshness: Freshness,
    /// Whether a quick load asks for the tries left.
    asks_tries: bool,
    /// Whether a quick load asks for the list of keys.
    asks_keys: bool,
    /// The stay in the reader, if that is certain.
    insertion: Option<Insertion>,
    /// What is remembered of a token that was read during this stay: it is this one.
    of_this_stay: Vec<Name>,
    /// What is remembered of this token, once it is known which it is.
    known: Option<Arc<Snapshot>>,
    /// Answers to what was asked to find out which token it is.
    given: BTreeMap<Item, (Response, Came)>,
    now: BTreeMap<Item, Entry>,
    /// What was asked for in this load, whoever answered.
    asked: BTreeSet<Item>,
    counts: Counts,
    /// How many answers the token gave itself.
    answers: u64,
    serial: Option<String>,
    present: Option<Present>,
    /// Whether somebody's PIN holds the token open, so that it shows more than is
    /// public. `None` as long as it was not asked.
    is_open: Option<bool>,
    view: View,
}

impl Memory {
    pub(super) fn new(options: &LoadOptions, is_crescendo: bool) -> Self {
        Self {
            cache: options.cache.clone(),
            freshness: options.freshness,
            asks_tries: !is_crescendo,
            asks_keys: false,
            insertion: None,
            of_this_stay: Vec::new(),
            known: None,
            given: BTreeMap::new(),
            now: BTreeMap::new(),
            asked: BTreeSet::new(),
            counts: Counts::default(),
            answers: 0,
            serial: None,
            present: None,
            view: View::All,
            is_open: None,
        }
    }

    /// The token in the reader is the one that this is remembered of.
    pub(super) fn is_of(&mut self, known: Arc<Snapshot>) {
        self.known = Some(known);
    }

    /// Which stay in the reader it is that the token is read in, and what is remembered
    /// of tokens that were read during it.
    pub(super) fn is_in(&mut self, insertion: Option<Insertion>, read_then: &[&Arc<Snapshot>]) {
        self.insertion = insertion;
        let names = read_then.iter().map(|it| it.identity().name().clone());
        self.of_this_stay = names.collect();
        if let Some(known) = read_then.first().filter(|_| self.is_asked()) {
            self.asks_keys = true;
            self.is_of(Arc::clone(known));
        }
    }

    /// An answer that came while it was found out which token it is.
    pub(super) fn was_given(&mut self, item: Item, response: Response, came: Came) {
        self.given.insert(item, (response, came));
    }

    /// An answer that came already and was not asked for since.
    pub(super) fn given(&self, item: Item) -> Option<Response> {
        self.given.get(&item).map(|(response, _)| response.clone())
    }

    /// Whether the token shows here what it shows on contact.
    pub(super) fn sees_all(&mut self, sees_all: bool) {
        self.view = if sees_all { View::All } else { View::Limited };
    }

    /// Drops an answer that came while it was found out which token it is.
    pub(super) fn forget_given(&mut self, object: ObjectTag) {
        if let Some(item) = Item::object(object) {
            self.given.remove(&item);
        }
    }

    /// The secure session broke while the token was read: nothing of this is kept.
    pub(super) fn is_spoiled(&mut self) {
        self.view = View::Broken;
    }

    /// Whether nothing is asked that can be remembered.
    pub(super) fn is_quick(&self) -> bool {
        self.freshness == Freshness::Quick && self.is_known()
    }

    /// Whether only what documented commands change is asked for, and the rest remembered.
    pub(super) fn is_known_enough(&self) -> bool {
        self.freshness != Freshness::Fresh && self.is_known()
    }

    pub(super) fn recall(&mut self, item: Item) -> Recalled {
        self.asked.insert(item);
        if let Some((response, came)) = self.given.remove(&item) {
            self.learn(item, &response, came);
            return Recalled::Answer(response);
        }
        let known = self.known.as_ref();
        let Some(entry) = known.and_then(|known| known.entries().get(&item)) else {
            return Recalled::Nothing;
        };
        let checked = self.freshness == Freshness::Checked;
        match item {
            Item::Object(_) if checked => Recalled::IfItBeginsAs(entry.response.clone()),
            Item::Tries(_) if checked || self.asks_tries => Recalled::Nothing,
            Item::PivProperties if checked || self.asks_keys => Recalled::Nothing,
            _ => {
                let entry = entry.clone();
                let response = entry.response.clone();
                self.counts.hits += 1;
                self.now.insert(item, entry);
                Recalled::Answer(response)
            }
        }
    }

    /// Notes what the token has answered.
    pub(super) fn learn(&mut self, item: Item, response: &Response, came: Came) {
        if matches!(item, Item::Tries(_)) {
            let by_this = response.status().is_success();
            self.is_open = Some(by_this || self.is_open == Some(true));
        }
        self.answers += 1;
        self.recognise(item, response);
        let known = self.known.as_ref();
        let known = known.and_then(|known| known.entries().get(&item));
        let known = known.filter(|entry| entry.response == *response);
        if known.is_some() {
            self.counts.hits += 1;
        } else {
            self.counts.misses += 1;
            if item == Item::PivProperties && self.freshness == Freshness::Quick {
                // Keys came or went: so may have everything else.
                self.freshness = Freshness::Checked;
            }
        }
        // The rest of it is as old as it was.
        if let Some(entry) = known.filter(|_| came == Came::Beginning) {
            self.now.insert(item, entry.clone());
        } else if is_memorable(item, response) {
            let entry = Entry {
                response: response.clone(),
                read_at: SystemTime::now(),
            };
            self.now.insert(item, entry);
        }
    }

    /// Asks for the generation as soon as it is known which token it is: the answers
    /// that come after show that the transaction was not over by then, with another
    /// program's change in between.
    fn recognise(&mut self, item: Item, response: &Response) {
        if !self.cache.is_used() || self.known.is_some() {
            return;
        }
        if item == Item::ProductionData {
            let data = GetCplc::decode_answer(response);
            self.serial = data.ok().map(|data| data.serial());
        }
        if Item::object(ObjectTag::CHUID) != Some(item) {
            return;
        }
        let content = GetData::decode_answer(response).ok();
        let chuid = content.and_then(|content| Chuid::decode(&content).ok());
        let name = match chuid.filter(|chuid| chuid.guid.0 != [0; 16]) {
            Some(chuid) => Some(Name::of_guid(&chuid.guid)),
            None => self.serial.as_deref().and_then(Name::of_serial),
        };
        self.present = name.map(|name| Present {
            generation: self.cache.generation(&name),
            name,
            answers: self.answers,
        });
    }

    /// A token that was set up or erased by others since has another name now: what
    /// is remembered under the one before would be shown again.
    fn forget_other_names(&self, identity: Option<&Identity>) {
        let known = self
            .known
            .as_ref()
            .map(|known| known.identity().name().clone());
        let serial = identity.and_then(Identity::serial);
        let by_serial = serial.and_then(Name::of_serial);
        let by_serial = by_serial.filter(|name| self.cache.read(name).is_some());
        let of_this_stay = self.of_this_stay.iter().cloned();
        for name in known.into_iter().chain(by_serial).chain(of_this_stay) {
            if Some(&name) != identity.map(Identity::name) {
                self.cache.clear(&name);
            }
        }
    }

    /// The generation that what was read belongs to.
    fn generation_of(&self, identity: &Identity) -> Option<Generation> {
        if let Some(known) = &self.known {
            let same = known.identity().name() == identity.name();
            return same.then(|| known.generation());
        }
        let present = self.present.as_ref()?;
        let is_it = present.name == *identity.name() && present.answers < self.answers;
        is_it.then_some(present.generation)
    }

    /// Whether the token gives this answer to everybody. An object of which nobody
    /// knows whether the PIN opens it is public if no PIN held the token open, or if
    /// it is as it was then. What a contactless reader does not get, another one may.
    fn is_public(&self, item: Item, response: &Response) -> bool {
        let Item::Object(object) = item else {
            return true;
        };
        let is_refused = response.status() == StatusWord::SECURITY_STATUS_NOT_SATISFIED;
        if is_refused && self.view == View::Limited {
            return false;
        }
        let known = self.known.as_ref().and_then(|known| known.answer(item));
        ObjectTag::ALL.contains(&object.tag())
            || self.is_open == Some(false)
            || known == Some(response)
    }

    /// What is remembered of an object that this reader is not shown, for one that is.
    fn kept_from_here(&self, item: Item, response: &Response) -> Option<&Entry> {
        let is_refused = response.status() == StatusWord::SECURITY_STATUS_NOT_SATISFIED;
        let known = self
            .known
            .as_ref()
            .filter(|_| is_refused && self.view == View::Limited)?;
        known.entries().get(&item)
    }

    /// Remembers all of it. Gives what the token is shown from, if that is not the token itself.
    pub(super) fn close(self, identity: Option<Identity>) -> Option<Remembered> {
        let remembered = self.known.as_ref().map(|known| Remembered {
            since: known.checked_at(),
            freshness: self.freshness,
        });
        if self.view == View::Broken {
            return remembered;
        }
        let Some(identity) = identity.filter(|_| self.cache.is_used()) else {
            self.forget_other_names(None);
            return None;
        };
        self.cache.count(identity.name(), self.counts);
        let quick = self.freshness == Freshness::Quick;
        let read_in = self.known.as_ref().and_then(|known| known.insertion());
        let insertion = self.insertion.map(Insertion::to_bytes);
        let insertion = insertion.or(read_in.copied());
        let is_new_stay = insertion.as_ref() != read_in;
        if quick && self.counts.misses == 0 && remembered.is_some() && !is_new_stay {
            return remembered;
        }
        self.forget_other_names(Some(&identity));
        let Some(generation) = self.generation_of(&identity) else {
            return remembered;
        };
        let mut snapshot = Snapshot::new(identity, generation);
        snapshot.set_insertion(insertion);
        if let Some(remembered) = remembered.filter(|_| quick) {
            snapshot.set_checked_at(remembered.since);
        }
        for (item, entry) in &self.now {
            if self.is_public(*item, &entry.response) {
                snapshot.keep(*item, entry.clone());
            } else if let Some(known) = self.kept_from_here(*item, &entry.response) {
                snapshot.keep(*item, known.clone());
            }
        }
        // A quick look does not say when it was all checked. After another one, what
        // was not asked for would pass for checked.
        for (item, entry) in self
            .known
            .iter()
            .filter(|_| quick)
            .flat_map(|it| it.entries())
        {
            if !self.asked.contains(item) {
                snapshot.keep(*item, entry.clone());
            }
        }
        self.cache.store(snapshot);
        remembered
    }

    pub(super) fn cache(&self) -> &Cache {
        &self.cache
    }

    pub(super) fn is_known(&self) -> bool {
        self.known.is_some()
    }

    pub(super) fn is_asked(&self) -> bool {
        self.freshness != Freshness::Fresh && self.cache.is_used()
    }
}

/// Whether the answer will be the same next time. From a vendor's applet only one that
/// is understood: no checked look asks again for what is damaged or refused.
fn is_memorable(item: Item, response: &Response) -> bool {
    let status = response.status();
    match item {
        Item::Tries(_) => !status.is_success(),
        Item::IssuerSecurityDomain => is_understood::<SelectIsd>(response),
        Item::ProductionData => is_understood::<GetCplc>(response),
        Item::AccessControlApplet => is_understood::<SelectAca>(response),
        Item::PinProperties => is_understood::<GetPinProperties>(response),
        Item::OathSlot(_) => is_understood::<SelectOathSlot>(response),
        Item::FidoInfo => is_info(response),
        _ => {
            status.is_success()
                || is_nothing_to_read(status)
                || matches!(
                    status,
                    StatusWord::INS_NOT_SUPPORTED | StatusWord::FUNCTION_NOT_SUPPORTED
                )
        }
    }
}

/// Whether the FIDO application has said what it is.
fn is_info(response: &Response) -> bool {
    response.status().is_success() && GetInfo.read_answer(response.data()).is_ok()
}

fn is_understood<C: TypedCommand>(response: &Response) -> bool {
    C::decode_answer(response).is_ok()
}

/// Whether a first block is all that the card has to say: it did not fill a short
/// answer, or there is nothing to read.
pub(super) fn is_whole(first: &Response) -> bool {
    let is_short = first.status().is_success() && first.data().len() < 256;
    is_short || is_nothing_to_read(first.status())
}

/// Whether a card says that there is nothing, or nothing for everybody.
fn is_nothing_to_read(status: StatusWord) -> bool {
    matches!(
        status,
        StatusWord::FILE_NOT_FOUND
            | StatusWord::REFERENCED_DATA_NOT_FOUND
            | StatusWord::SECURITY_STATUS_NOT_SATISFIED
    )
}

/// The least that a first block has to hold to say anything: a card's is 256 bytes, or
/// what its buffer takes.
const LEAST_BLOCK: usize = 64;

/// Whether a card's first block of an answer is how the remembered one begins.
pub(super) fn begins_alike(first: &Response, known: &Response) -> bool {
    if first.status().more_data().is_some() {
        known.status().is_success()
            && first.data().len() >= LEAST_BLOCK
            && known.data().len() > first.data().len()
            && known.data().starts_with(first.data())
    } else {
        first == known
    }
}

/// Whether the first block of a CHUID is how this token's begins, with its GUID
/// in it.
pub(super) fn is_chuid_of(first: &Response, known: &Snapshot) -> bool {
    let (Some(guid), Some(chuid)) = (known.identity().guid(), Item::object(ObjectTag::CHUID))
    else {
        return false;
    };
    let shows = |Guid(guid): &Guid| first.data().windows(guid.len()).any(|it| it == guid);
    known
        .answer(chuid)
        .is_some_and(|known| begins_alike(first, known))
        && shows(guid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_says_that_nothing_has_changed_only_if_there_is_enough_of_it() {
        let known = Response::new(&[7; 300], StatusWord::SUCCESS);
        let more = |data: &[u8]| Response::new(data, StatusWord::new(0x6100));
        assert!(begins_alike(&more(&[7; 256]), &known));
        for first in [
            more(&[]),
            more(&[7; 8]),
            more(&[7; 300]),
            more(&[8; 256]),
            Response::new(&[7; 256], StatusWord::SUCCESS),
            Response::from_status(StatusWord::FILE_NOT_FOUND),
        ] {
            assert!(!begins_alike(&first, &known), "{first:?}");
        }
        assert!(begins_alike(&known, &known));
        let absent = Response::from_status(StatusWord::FILE_NOT_FOUND);
        assert!(begins_alike(&absent, &absent) && !begins_alike(&known, &absent));
    }
}
