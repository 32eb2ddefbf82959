#!/usr/bin/env python3
"""Makes vectors.json: what an independent FIDO client says to an authenticator.

The client is the Python package fido2, by others. Its authenticator here answers from
fixed keys; what is random follows from labels, so each run gives the same bytes.

    pip install 'fido2==2.2.1'
    python3 make.py            # writes vectors.json
    python3 make.py --check    # fails unless vectors.json is what would be written

None of the keys and PINs protects anything.
"""

import hashlib
import json
import sys
from pathlib import Path

import fido2.ctap2.pin as pin_module
from cryptography.hazmat.primitives.asymmetric import ec
from fido2 import cbor
from fido2.ctap2 import Ctap2
from fido2.ctap2.pin import ClientPin, PinProtocolV1, PinProtocolV2
from fido2.hid import CAPABILITY

OUTPUT = Path(__file__).with_name("vectors.json")
PRESENT_PIN = "2468 geheim"
NEW_PIN = "Zürich 🔑 2026"
RP_ID = "example.org"

INFO = {
    1: ["U2F_V2", "FIDO_2_0", "FIDO_2_1"],
    2: ["credProtect", "hmac-secret"],
    3: bytes.fromhex("00112233445566778899AABBCCDDEEFF"),
    4: {"rk": True, "up": True, "clientPin": True, "pinUvAuthToken": True},
    5: 2048,
    6: [2, 1],
    7: 8,
    8: 128,
    9: ["nfc", "smart-card"],
    10: [{"alg": -7, "type": "public-key"}, {"alg": -257, "type": "public-key"}],
    11: 1024,
    12: True,
    13: 6,
    14: 0x00040001,
    15: 32,
    16: 2,
    17: 3,
    18: 0x200,
    19: {"FIPS-CMVP-2": 1, "FIDO": 2},
    20: 25,
    21: [0xC0FFEE],
}


def derived(label, length=32):
    """Bytes that follow from a label."""
    return hashlib.sha256(label.encode()).digest()[:length]


def private_key(secret):
    return ec.derive_private_key(int.from_bytes(secret, "big"), ec.SECP256R1())


def point(key):
    numbers = key.public_key().public_numbers()
    return b"\x04" + numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")


class Random:
    """Stands in for all that the client takes at random, and notes what it gave."""

    def __init__(self, label):
        self.label = label
        self.given = []

    def bytes(self, length):
        given = derived(f"{self.label} {len(self.given)}", length)
        self.given.append(given)
        return given

    def install(self):
        pin_module.os.urandom = self.bytes
        pin_module.ec = EllipticCurve(self)

    def hex(self):
        return b"".join(self.given).hex().upper()


class EllipticCurve:
    """`cryptography`'s module with keys from `Random`."""

    def __init__(self, random):
        self.random = random

    def __getattr__(self, name):
        return getattr(ec, name)

    def generate_private_key(self, curve, backend=None):
        return private_key(self.random.bytes(32))


class Authenticator:
    """Answers the client, and notes the conversation."""

    capabilities = CAPABILITY.CBOR

    def __init__(self, protocol):
        self.protocol = protocol
        self.secret = derived(f"authenticator {protocol.VERSION}")
        self.token = derived(f"token {protocol.VERSION}")
        self.said = []

    def cose_key(self):
        public = point(private_key(self.secret))
        return {1: 2, 3: -25, -1: 1, -2: public[1:33], -3: public[33:]}

    def shared_secret(self, key):
        x, y = (int.from_bytes(key[at], "big") for at in (-2, -3))
        public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
        return self.protocol.kdf(private_key(self.secret).exchange(ec.ECDH(), public))

    def call(self, cmd, data=b"", event=None, on_keepalive=None):
        answer = b"\0" + self.answer(data)
        self.said.append((data, answer))
        return answer

    def answer(self, data):
        if data[0] == 4:
            return cbor.encode(INFO)
        request = cbor.decode(data[1:])
        if request[2] == ClientPin.CMD.GET_PIN_RETRIES:
            return cbor.encode({3: 7, 4: False})
        if request[2] == ClientPin.CMD.GET_KEY_AGREEMENT:
            return cbor.encode({1: self.cose_key()})
        shared = self.shared_secret(request[3])
        self.shared = shared
        if request[2] in (ClientPin.CMD.SET_PIN, ClientPin.CMD.CHANGE_PIN):
            authenticated = request[5] + request.get(6, b"")
            assert request[4] == self.protocol.authenticate(shared, authenticated)
            assert self.protocol.decrypt(shared, request[5]).rstrip(b"\0") == NEW_PIN.encode()
            return b""
        hash = self.protocol.decrypt(shared, request[6])
        assert hash == hashlib.sha256(PRESENT_PIN.encode()).digest()[:16]
        self.random.install()
        return cbor.encode({2: self.protocol.encrypt(shared, self.token)})


def conversation(protocol, name, act):
    """One action of the client: what was random in it, said in it, and came of it."""
    authenticator = Authenticator(protocol)
    ctap = Ctap2(authenticator)
    client = ClientPin(ctap, protocol)
    authenticator.said.clear()
    authenticator.random = Random(f"authenticator {name} {protocol.VERSION}")
    random = Random(f"{name} {protocol.VERSION}")
    random.install()
    result = act(client)
    if isinstance(result, bytes):
        assert result == authenticator.token
    said = [
        {"message": message.hex().upper(), "answer": answer.hex().upper()}
        for message, answer in authenticator.said
    ]
    shared = getattr(authenticator, "shared", b"").hex().upper()
    return {"random": random.hex(), "shared_secret": shared, "said": said}


def of_protocol(protocol):
    everything = ClientPin.PERMISSION(0x3F)
    authenticator = Authenticator(protocol)
    actions = {
        "retries": lambda client: client.get_pin_retries(),
        "set": lambda client: client.set_pin(NEW_PIN),
        "change": lambda client: client.change_pin(PRESENT_PIN, NEW_PIN),
        "token": lambda client: client.get_pin_token(PRESENT_PIN),
        "token_with_permissions": lambda client: client.get_pin_token(
            PRESENT_PIN, everything, RP_ID
        ),
    }
    return {
        "authenticator_point": point(private_key(authenticator.secret)).hex().upper(),
        "pin_token": authenticator.token.hex().upper(),
        **{name: conversation(protocol, name, act) for name, act in actions.items()},
    }


def vectors():
    authenticator = Authenticator(PinProtocolV2())
    info = Ctap2(authenticator).info
    # As the package has read it, not as it was put in.
    read = {
        "versions": info.versions,
        "extensions": info.extensions,
        "aaguid": str(info.aaguid),
        "options": dict(info.options),
        "max_message_size": info.max_msg_size,
        "pin_uv_auth_protocols": info.pin_uv_protocols,
        "max_credential_count_in_list": info.max_creds_in_list,
        "max_credential_id_length": info.max_cred_id_length,
        "transports": info.transports,
        "algorithms": [algorithm["alg"] for algorithm in info.algorithms],
        "max_serialized_large_blob_array": info.max_large_blob,
        "force_pin_change": info.force_pin_change,
        "min_pin_length": info.min_pin_length,
        "firmware_version": info.firmware_version,
        "max_cred_blob_length": info.max_cred_blob_length,
        "max_rp_ids_for_set_min_pin_length": info.max_rpids_for_min_pin,
        "preferred_platform_uv_attempts": info.preferred_platform_uv_attempts,
        "uv_modality": info.uv_modality,
        "certifications": dict(info.certifications),
        "remaining_discoverable_credentials": info.remaining_disc_creds,
        "vendor_prototype_config_commands": info.vendor_prototype_config_commands,
    }
    [(message, answer)] = authenticator.said
    return {
        "present_pin": PRESENT_PIN,
        "new_pin": NEW_PIN,
        "rp_id": RP_ID,
        "info": {
            "message": message.hex().upper(),
            "answer": answer.hex().upper(),
            "read": read,
        },
        "protocols": {
            "1": of_protocol(PinProtocolV1()),
            "2": of_protocol(PinProtocolV2()),
        },
    }


def main():
    made = json.dumps(vectors(), indent=1, ensure_ascii=False) + "\n"
    if sys.argv[1:] == ["--check"]:
        if OUTPUT.read_text() != made:
            sys.exit("vectors.json is not what make.py writes")
    else:
        OUTPUT.write_text(made)


if __name__ == "__main__":
    main()
