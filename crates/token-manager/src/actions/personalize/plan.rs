//! What personalizing a token would do.

use crescendo_ext::Evidence;
use token_profile::ChallengeType;

use super::{
    CHANGE_PIN, CHANGE_PUK, HAND_OVER, KEEP_RECOVERY, PUT_KEY, PersonalizeOptions, READ_BACK,
    WRITE_CHALLENGE, WRITE_POLICY,
};
use crate::actions::recycle::{forget_step, read_again_step, verify_step};
use crate::capability::Action;
use crate::failure::ActionError;
use crate::fido::{FidoPinState, FidoState};
use crate::plan::{Plan, Step};
use crate::record::RecoveryPlace;
use crate::session::Session;

impl Session {
    /// What [`personalize`](Self::personalize) would do. Sends nothing.
    ///
    /// # Errors
    /// As `personalize`, for what can be told without a PIN.
    pub fn plan_personalize(&self, options: &PersonalizeOptions<'_>) -> Result<Plan, ActionError> {
        self.check_personalize(options)?;
        let crescendo = self.family().is_some();
        let profile = self.keeps_profile_on_token();
        let mut plan = Plan::new(Action::Personalize).step(read_again_step());
        if options.recycle_first.is_some() {
            plan = plan
                .step(self.reset_step())
                .step(verify_step())
                .step(forget_step());
            plan.fates = self.fates();
        }
        if profile && options.policy.challenge == ChallengeType::Static {
            plan = plan.step(
                Step::new(WRITE_CHALLENGE, "have the token draw its static challenge")
                    .sends(&["PUT DATA", "GET CHALLENGE"])
                    .evidence(Some(Evidence::ProjectProfile)),
            );
        }
        let text = match (crescendo, self.token.has_puk()) {
            (true, true) => "hand the new admin key and the new PUK over",
            (true, false) => "hand the new admin key over",
            _ => "hand the new PUK over",
        };
        plan = plan.step(Step::new(HAND_OVER, text));
        if crescendo {
            let put = "put the new admin key (recovery), and see that the token has it";
            plan = plan.step(self.vendor_step(PUT_KEY, put, &["PUT XAUTH KEY"]));
        }
        if self.token.has_puk() {
            plan = plan.step(
                Step::new(CHANGE_PUK, "change the PUK to the new one")
                    .sends(&["CHANGE REFERENCE DATA"])
                    .evidence(crescendo.then_some(Evidence::ProjectProfile)),
            );
        }
        let change = "change the PIN to the person's, and verify it";
        plan = plan.step(if crescendo {
            self.vendor_step(CHANGE_PIN, change, &["CHANGE PIN", "VERIFY PIN"])
        } else {
            Step::new(CHANGE_PIN, change).sends(&["CHANGE REFERENCE DATA", "VERIFY"])
        });
        let keep = match options.recovery {
            RecoveryPlace::Token => Some("keep the recovery secret on the token, behind the PIN"),
            RecoveryPlace::Host => Some("keep the recovery secret in this computer's secret store"),
            RecoveryPlace::Nowhere => None,
        };
        if let Some(text) = keep {
            plan = plan.step(Step::new(KEEP_RECOVERY, text));
        }
        let policy = match self.fate_of_fido_pin(options) {
            Some(fate) => Step::new(WRITE_POLICY, format!("keep the policy: {fate}")),
            None => Step::new(WRITE_POLICY, "keep the policy"),
        };
        plan = plan.step(if profile {
            policy
                .sends(&["PUT DATA"])
                .evidence(Some(Evidence::ProjectProfile))
        } else {
            policy
        });
        Ok(plan.step(Step::new(READ_BACK, "read the token again")))
    }

    /// What becomes of the FIDO PIN with the policy, where that concerns it. The credentials
    /// are FIDO's Reset's to erase, or RESET CARD's (project profile).
    fn fate_of_fido_pin(&self, options: &PersonalizeOptions<'_>) -> Option<&'static str> {
        let erase = options.recycle_first.is_some();
        let shared = self.token.shares_fido_pin() && !erase;
        let has_pin = match &self.token.fido {
            _ if erase => Some(false),
            FidoState::Absent | FidoState::NotLookedFor => return None,
            FidoState::Unreadable(_) => None,
            FidoState::Present(application) => match &application.pin {
                FidoPinState::NotSupported => return None,
                FidoPinState::NotSet => Some(false),
                FidoPinState::Unknown(_) => None,
                _ => Some(true),
            },
        };
        Some(match (options.policy.fido_shared_pin, shared, has_pin) {
            (false, false, _) => return None,
            (false, true, _) => {
                "the FIDO PIN, which was PIV's, is taken away, and FIDO has none until one is set; \
                 its credentials stay"
            }
            (true, true, _) => {
                "the new PIN is the FIDO PIN too, as the present one is; FIDO's \
                                credentials stay"
            }
            (true, false, _) if erase => "the new PIN becomes the FIDO PIN too",
            (true, false, Some(false)) => {
                "the new PIN becomes the FIDO PIN too, which there is none of yet; FIDO's \
                 credentials stay"
            }
            (true, false, Some(true)) => {
                "the FIDO PIN that there is now is replaced by the new PIN; FIDO's credentials stay"
            }
            (true, false, None) => {
                "if there is a FIDO PIN, it is replaced by the new PIN, which becomes it in any \
                 case; FIDO's credentials stay"
            }
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

    use std::sync::Arc;

    use virtual_token::{
        Content, CreateOptions, MemoryBackend, Profile, SharedToken, VirtualToken,
    };

    use crate::{ActionError, Manager, PersonalizeOptions, PresentSecrets, Reason};

    /// A 4000 as a vendor's would be: without the project's profile.
    #[test]
    fn a_real_c4000_is_neither_erased_nor_set_up_unasked() {
        let options = CreateOptions::default().content(Content::Empty);
        let card = VirtualToken::create(Profile::Crescendo4000, &options).unwrap();
        let card = SharedToken::new(card);
        let readers = MemoryBackend::new();
        readers.insert("Desk", &card).unwrap();
        let mut session = Manager::new(Arc::new(readers)).open("Desk").unwrap();
        card.clear_log();
        let options = PersonalizeOptions::new(PresentSecrets::Delivery);
        assert!(session.plan_personalize(&options).is_ok());
        session.token.facts.project_profile = false;
        session.refresh();
        for plan in [session.plan_personalize(&options), session.plan_recycle()] {
            assert!(
                matches!(
                    plan,
                    Err(ActionError::Unavailable {
                        reason: Reason::Unverified,
                        ..
                    })
                ),
                "{plan:?}"
            );
        }
        assert!(card.log().is_empty());
    }
}
