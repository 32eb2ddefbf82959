//! Which of the remembered tokens is in the reader.

use std::sync::Arc;

use crescendo_ext::cplc::{Cplc, GetCplc, SelectIsd};
use pcsc_transport::{Insertion, Interface};
use piv_apdu::command::{GetData, Select, TypedCommand};
use piv_apdu::object::ObjectTag;
use token_cache::{Item, Snapshot};

use super::asking::{Asking, Stop};
use super::memory::{Came, is_chuid_of, is_whole};

/// Asks the token who it is, if it may be one that is remembered: two commands,
/// whose answers are not asked for again.
///
/// SELECT of the PIV application and the first block of the CHUID; or, if no
/// remembered token of this kind has a GUID, SELECT of the issuer security
/// domain and GET CPLC. Nothing, if no token of this kind is remembered, or if a
/// Crescendo is remembered that certainly was never out of the reader since: then
/// it is asked for its list of keys instead.
pub(super) fn recognise(asking: &mut Asking<'_>, is_crescendo: bool) -> Result<(), Stop> {
    let info = asking.transaction.info();
    let (atr, interface) = (info.atr, info.interface);
    // Through the air the list of keys is not to be had without more.
    let has_stay = is_crescendo && interface == Interface::Contact;
    let cache = asking.memory.cache();
    if !cache.is_used() || !has_stay && !asking.memory.is_asked() {
        return Ok(());
    }
    let candidates = cache.with_atr(&atr);
    if has_stay {
        note_stay(asking, &candidates);
    }
    if asking.memory.is_known() || !asking.memory.is_asked() {
        return Ok(());
    }
    let known = if candidates.iter().any(|it| it.identity().guid().is_some()) {
        by_guid(asking, &candidates)?
    } else if candidates.is_empty() {
        None
    } else {
        by_serial(asking, &candidates)?
    };
    if let Some(known) = known {
        asking.memory.is_of(known);
    }
    Ok(())
}

fn note_stay(asking: &mut Asking<'_>, candidates: &[Arc<Snapshot>]) {
    let insertion = asking.transaction.insertion();
    let bytes = insertion.map(Insertion::to_bytes);
    let read_then = candidates
        .iter()
        .filter(|it| bytes.is_some() && it.insertion() == bytes.as_ref());
    let read_then: Vec<_> = read_then.collect();
    asking.memory.is_in(insertion, &read_then);
}

fn by_guid(
    asking: &mut Asking<'_>,
    candidates: &[Arc<Snapshot>],
) -> Result<Option<Arc<Snapshot>>, Stop> {
    let Some(chuid) = Item::object(ObjectTag::CHUID) else {
        return Ok(None);
    };
    if asking.give(Item::PivApplication, &Select::piv())?.is_none() {
        return Ok(None);
    }
    let command = GetData::new(ObjectTag::CHUID).to_command();
    let Ok(first) = asking.first_block(&command)? else {
        return Ok(None);
    };
    let came = Came::with(&first);
    let known = candidates.iter().find(|it| is_chuid_of(&first, it));
    let whole = match known.and_then(|known| known.answer(chuid)) {
        Some(remembered) => Some(remembered.clone()),
        None => Some(first).filter(is_whole),
    };
    if let Some(whole) = whole {
        asking.memory.was_given(chuid, whole, came);
    }
    Ok(known.cloned())
}

fn by_serial(
    asking: &mut Asking<'_>,
    candidates: &[Arc<Snapshot>],
) -> Result<Option<Arc<Snapshot>>, Stop> {
    if asking
        .give(Item::IssuerSecurityDomain, &SelectIsd)?
        .is_none()
    {
        return Ok(None);
    }
    let production_data = asking.give(Item::ProductionData, &GetCplc)?;
    let serial = production_data.map(|data: Cplc| data.serial());
    let known = candidates
        .iter()
        .find(|it| serial.is_some() && it.identity().serial() == serial.as_deref());
    Ok(known.cloned())
}
