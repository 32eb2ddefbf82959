"""A FIDO client and a relying party, by python-fido2 over PC/SC.

    fido_client.py READER ACTION

PINs are lines of standard input. What came of it is a JSON object on standard output; a
refusal of the card is {"refused": NAME} with exit code 1.

Actions, each with the PINs that it reads:

    info            what the authenticator says of itself, and the tries of its PIN
    set-pin         new
    change-pin      old, new
    pin             the PIN: whether it is right
    register        the PIN, or nothing: registers at a relying party and authenticates
                    there, once with a credential that the card finds by itself and once
                    with one that it is told
"""

import json
import sys

from fido2.attestation import PackedAttestation
from fido2.client import ClientError, Fido2Client
from fido2.ctap import CtapError
from fido2.ctap2 import Ctap2, ClientPin
from fido2.pcsc import CtapPcscDevice
from fido2.server import Fido2Server

ORIGIN = "https://example.com"
RELYING_PARTY = {"id": "example.com", "name": "Example"}
# COSE: ECDSA on P-256 with SHA-256.
ES256 = -7


def info(device):
    ctap = Ctap2(device)
    retries, wants_power_cycle = ClientPin(ctap).get_pin_retries()
    told = ctap.info
    return {
        "versions": told.versions,
        "options": told.options,
        "minimum": told.min_pin_length,
        "force_change": told.force_pin_change,
        "retries": retries,
        "wants_power_cycle": wants_power_cycle,
    }


def set_pin(device, new):
    ClientPin(Ctap2(device)).set_pin(new)
    return {}


def change_pin(device, old, new):
    ClientPin(Ctap2(device)).change_pin(old, new)
    return {}


def pin(device, value):
    permission = ClientPin.PERMISSION.GET_ASSERTION
    ClientPin(Ctap2(device)).get_pin_token(value, permission, RELYING_PARTY["id"])
    return {}


def register(device, value=None):
    return {
        "resident": ceremony(device, value, resident=True),
        "by_identifier": ceremony(device, value, resident=False),
    }


def ceremony(device, value, resident):
    """One registration and one authentication, of which both signatures are verified."""
    client = Fido2Client(device, ORIGIN)
    server = Fido2Server(RELYING_PARTY)
    verification = "required" if value else "discouraged"
    user = {"id": b"ada", "name": "ada", "displayName": "Ada"}

    options, state = server.register_begin(
        user, resident_key=resident, user_verification=verification
    )
    made = client.make_credential(options["publicKey"], pin=value)
    attestation = made.attestation_object
    data = server.register_complete(state, made.client_data, attestation)
    credential = data.credential_data
    PackedAttestation().verify(
        attestation.att_statement, attestation.auth_data, made.client_data.hash
    )
    assert credential.public_key[3] == ES256, credential.public_key

    named = None if resident else [credential]
    options, state = server.authenticate_begin(named, user_verification=verification)
    answer = client.get_assertion(options["publicKey"], pin=value).get_response(0)
    server.authenticate_complete(
        state,
        [credential],
        answer.credential_id,
        answer.client_data,
        answer.authenticator_data,
        answer.signature,
    )
    return {
        "user": answer.user_handle.decode() if answer.user_handle else None,
        "verified": answer.authenticator_data.is_user_verified(),
    }


def run(reader, action):
    actions = {
        "info": info,
        "set-pin": set_pin,
        "change-pin": change_pin,
        "pin": pin,
        "register": register,
    }
    device = next(CtapPcscDevice.list_devices(reader))
    pins = sys.stdin.read().splitlines()
    try:
        return actions[action](device, *pins), 0
    except ClientError as error:
        return {"refused": getattr(error.cause, "code", error.code).name}, 1
    except CtapError as error:
        return {"refused": error.code.name}, 1
    finally:
        device.close()


result, code = run(*sys.argv[1:])
print(json.dumps(result))
sys.exit(code)
