//! `piv-authenticator` behind raw APDUs: its crypto service with all the
//! backends it wants, and the ISO 7816-4 layer that the applet leaves to its
//! host (command chaining, GET RESPONSE, Le).

use std::path::Path;

use heapless::Vec as HeaplessVec;
use iso7816::{Command, Status, command::class::Chain};
use piv_authenticator::{Authenticator, Options};
use trussed::{
    backend::BackendId,
    virt::{self, StorageConfig, StoreConfig},
};
use trussed_auth::AuthExtension;
use trussed_auth_backend::{AuthBackend, FilesystemLayout};
use trussed_chunked::ChunkedExtension;
use trussed_core::types::Location;
use trussed_derive::{ExtensionDispatch, ExtensionId};
use trussed_hpke::HpkeExtension;
use trussed_rsa_alloc::SoftwareRsa;
use trussed_staging::StagingBackend;
use trussed_wrap_key_to_file::WrapKeyToFileExtension;

/// Room for a chained command, and for a whole answer before GET RESPONSE.
const BUFFER: usize = 7609;

const INS_GET_RESPONSE: u8 = 0xC0;

enum Backend {
    Rsa,
    Staging,
    Auth,
}

#[derive(ExtensionId)]
enum Extension {
    Auth = 0,
    Chunked = 1,
    Hpke = 2,
    WrapKeyToFile = 3,
}

#[derive(ExtensionDispatch)]
#[dispatch(backend_id = "Backend", extension_id = "Extension")]
#[extensions(
    Auth = "AuthExtension",
    Chunked = "ChunkedExtension",
    Hpke = "HpkeExtension",
    WrapKeyToFile = "WrapKeyToFileExtension"
)]
struct Dispatch {
    rsa: SoftwareRsa,
    #[extensions("Chunked", "Hpke", "WrapKeyToFile")]
    staging: StagingBackend,
    #[extensions("Auth")]
    auth: AuthBackend,
}

const BACKENDS: &[BackendId<Backend>] = &[
    BackendId::Custom(Backend::Rsa),
    BackendId::Custom(Backend::Staging),
    BackendId::Custom(Backend::Auth),
    BackendId::Core,
];

/// Runs `session` on the card whose flash lies in `flash`, from power-on to
/// power-off: what is volatile is gone afterwards, what is stored stays.
pub fn powered<R>(flash: &Path, session: impl FnOnce(&mut dyn FnMut(&[u8]) -> Vec<u8>) -> R) -> R {
    let store = StoreConfig {
        internal: StorageConfig::filesystem(flash.join("internal")),
        external: StorageConfig::filesystem(flash.join("external")),
        volatile: StorageConfig::ram(),
    };
    virt::with_platform(store, |platform| {
        let dispatch = Dispatch {
            rsa: SoftwareRsa,
            staging: StagingBackend::new(),
            auth: AuthBackend::new(Location::Internal, FilesystemLayout::V1),
        };
        platform.run_client_with_backends("piv", dispatch, BACKENDS, |client| {
            let mut card = Iso7816 {
                piv: Authenticator::new(client, Options::new()),
                chained: None,
                unsent: Vec::new(),
            };
            session(&mut |command| card.process(command))
        })
    })
}

struct Iso7816<C> {
    piv: Authenticator<C>,
    /// What has come of a chained command so far.
    chained: Option<Command<BUFFER>>,
    /// What GET RESPONSE has still to fetch.
    unsent: Vec<u8>,
}

impl<C: piv_authenticator::Client> Iso7816<C> {
    fn process(&mut self, bytes: &[u8]) -> Vec<u8> {
        let Ok(command) = Command::<BUFFER>::try_from(bytes) else {
            return sw(Status::WrongLength);
        };
        // iso7816 reads an absent Le as 0: nothing is wanted, and then what
        // there is waits for GET RESPONSE.
        let wanted = command.expected();
        if u8::from(command.instruction()) == INS_GET_RESPONSE {
            return self.part(wanted);
        }
        self.unsent.clear();

        let not_last = command.class().chain() == Chain::NotTheLast;
        let whole = match self.chained.take() {
            None => command,
            Some(mut so_far) => {
                if so_far.extend_from_command(&command).is_err() {
                    return sw(Status::NotEnoughMemory);
                }
                so_far
            }
        };
        if not_last {
            self.chained = Some(whole);
            return sw(Status::Success);
        }

        let mut reply = HeaplessVec::<u8, BUFFER>::new();
        match self.piv.respond(whole.as_view(), &mut reply) {
            Ok(()) => {
                self.unsent = reply.to_vec();
                self.part(wanted)
            }
            Err(status) => sw(status),
        }
    }

    /// At most `wanted` bytes of the answer, and 61xx while there is more.
    fn part(&mut self, wanted: usize) -> Vec<u8> {
        let rest = self.unsent.split_off(wanted.min(self.unsent.len()));
        let mut part = std::mem::replace(&mut self.unsent, rest);
        let left = u8::try_from(self.unsent.len()).unwrap_or(0);
        part.extend(match self.unsent.len() {
            0 => sw(Status::Success),
            _ => sw(Status::MoreAvailable(left)),
        });
        part
    }
}

fn sw(status: Status) -> Vec<u8> {
    u16::from(status).to_be_bytes().to_vec()
}
