//! What a person has filled in, as the action takes it.

use piv_apdu::secret::{Pin, Puk};
use token_manager::token_profile::Policy;
use token_manager::{Authority, PersonalizeOptions, PresentSecrets, RecoveryPlace};

use super::super::authority::Given;
use super::Personalize;
use crate::widgets::SecretField;
use crate::work::Snapshot;

/// All of it.
pub(super) struct Order {
    policy: Policy,
    confirmation: Option<String>,
    /// `None`: those that the token is delivered with.
    present: Option<(Box<Pin>, Option<Box<Puk>>)>,
    place: RecoveryPlace,
    interrupted_puk: Option<Box<Puk>>,
    given: Option<Given>,
    /// The PIN that the token is to have.
    pub(super) new_pin: Box<Pin>,
}

impl Order {
    /// As it is filled in.
    ///
    /// # Errors
    /// What can't be right, as a sentence.
    pub(super) fn of(form: &Personalize, snapshot: &Snapshot) -> Result<Self, String> {
        let puk = |field: &SecretField| field.read("the PUK", |text| Puk::new(text.as_bytes()));
        let needs = form.needs(snapshot);
        let present = if needs.present_pin {
            let present_puk = needs.present_puk.then(|| puk(&form.present_puk));
            let pin = form
                .present_pin
                .read("the present PIN", |text| Pin::new(text.as_bytes()))?;
            Some((pin, present_puk.transpose()?))
        } else {
            None
        };
        let interrupted_puk = match &form.handed_puk {
            _ if !form.interrupted_puk.is_empty() => Some(puk(&form.interrupted_puk)?),
            Some(handed) => handed.puk().map(Box::new),
            None => None,
        };
        let place = form.place(snapshot);
        let given = if needs.authority {
            Some(form.authority.given()?)
        } else if needs.management_key {
            let key = form.management.key().map_err(|error| error.to_string())?;
            Some(Given::ManagementKey(key))
        } else {
            None
        };
        Ok(Self {
            policy: form.policy(snapshot),
            confirmation: form.erases.then(|| form.confirmation.typed().to_owned()),
            present,
            place,
            interrupted_puk,
            given,
            new_pin: form.new_pin.pin()?,
        })
    }

    /// The options.
    pub(super) fn options(&self) -> PersonalizeOptions<'_> {
        let present = match &self.present {
            Some((pin, puk)) => PresentSecrets::Typed {
                pin,
                puk: puk.as_deref(),
            },
            None => PresentSecrets::Delivery,
        };
        let mut options = PersonalizeOptions::new(present);
        options.policy = self.policy.clone();
        options.recycle_first = self.confirmation.as_deref();
        options.recovery = self.place;
        options.interrupted_puk = self.interrupted_puk.as_deref();
        options
    }

    /// What allows it.
    pub(super) fn authority(&self) -> Option<Authority<'_>> {
        self.given.as_ref().map(Given::authority)
    }
}
