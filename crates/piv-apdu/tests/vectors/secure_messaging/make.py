#!/usr/bin/env python3
"""Makes vectors.json: PIV secure messaging, worked out a second time.

Written from the standard's description alone, in another language, so that
one misreading is not shared by the host's and the card's code. README.md says
what the description left open and what is assumed here.

    pip install 'cryptography>=43'
    python3 make.py            # writes vectors.json
    python3 make.py --check    # fails unless vectors.json is what would be written

Every key, nonce and signature is fixed or follows from a label, so each run
gives the same bytes. None of the keys protects anything.
"""

import datetime
import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash
from cryptography.x509.oid import NameOID, ObjectIdentifier

OUTPUT = Path(__file__).with_name("vectors.json")


# ---------------------------------------------------------------- the suites


@dataclass(frozen=True)
class Suite:
    """One cipher suite: its numbers and its algorithms."""

    name: str
    algorithm: int  # P1 of GENERAL AUTHENTICATE, and 80 in SELECT's AC
    key_id: int  # the four leading algorithm bytes of OtherInfo
    key_size: int  # bytes of each session key
    nonce_size: int
    curve: ec.EllipticCurve
    order: int
    hash: hashes.HashAlgorithm
    curve_oid: bytes  # content of the OBJECT IDENTIFIER
    signature_algorithm: bytes  # AlgorithmIdentifier, DER

    @property
    def coordinate_size(self):
        return (self.curve.key_size + 7) // 8


CS2 = Suite(
    name="CS2",
    algorithm=0x27,
    key_id=0x09,
    key_size=16,
    nonce_size=16,
    curve=ec.SECP256R1(),
    order=0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    hash=hashes.SHA256(),
    curve_oid=bytes.fromhex("2A8648CE3D030107"),
    signature_algorithm=bytes.fromhex("300A06082A8648CE3D040302"),
)
CS7 = Suite(
    name="CS7",
    algorithm=0x2E,
    key_id=0x0D,
    key_size=32,
    nonce_size=24,
    curve=ec.SECP384R1(),
    order=0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
    hash=hashes.SHA384(),
    curve_oid=bytes.fromhex("2B81040022"),
    signature_algorithm=bytes.fromhex("300A06082A8648CE3D040303"),
)
SHA256_WITH_RSA = bytes.fromhex("300D06092A864886F70D01010B0500")


# -------------------------------------------------- fixed bytes, fixed keys


def expand(label, size):
    """`size` bytes that follow from the label."""
    out = b""
    while len(out) < size:
        out += hashlib.sha512(f"{label}/{len(out)}".encode()).digest()
    return out[:size]


def ec_key(suite, label):
    scalar = int.from_bytes(expand(f"{suite.name} {label}", 64), "big") % (suite.order - 1) + 1
    return ec.derive_private_key(scalar, suite.curve)


def ec_scalar(suite, key):
    return key.private_numbers().private_value.to_bytes(suite.coordinate_size, "big")


def point(key):
    """04 X Y of a private key's public point."""
    return key.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )


SMALL_PRIMES = [n for n in range(3, 2000, 2) if all(n % d for d in range(3, int(n**0.5) + 1, 2))]


def is_probable_prime(n):
    if any(n % p == 0 for p in SMALL_PRIMES):
        return False
    odd, twos = n - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in SMALL_PRIMES[:40]:
        x = pow(base, odd, n)
        if x in (1, n - 1):
            continue
        for _ in range(twos - 1):
            x = x * x % n
            if x == n - 1:
                break
        else:
            return False
    return True


def prime(label, bits, exponent):
    n = int.from_bytes(expand(label, bits // 8), "big") | 3 << (bits - 2) | 1
    while (n - 1) % exponent == 0 or not is_probable_prime(n):
        n += 2
    return n


def rsa_key(label, bits=2048, e=65537):
    p = prime(f"{label} p", bits // 2, e)
    q = prime(f"{label} q", bits // 2, e)
    d = pow(e, -1, (p - 1) * (q - 1))
    numbers = rsa.RSAPrivateNumbers(
        p=p, q=q, d=d, dmp1=d % (p - 1), dmq1=d % (q - 1), iqmp=pow(q, -1, p),
        public_numbers=rsa.RSAPublicNumbers(e, p * q),
    )
    return numbers.private_key()


# -------------------------------------------------------------------- BER-TLV


def tlv(tag, value):
    """A data object; the tag in hexadecimal, the length as short as it can be."""
    size = len(value)
    if size < 0x80:
        length = bytes([size])
    elif size < 0x100:
        length = bytes([0x81, size])
    else:
        length = b"\x82" + size.to_bytes(2, "big")
    return bytes.fromhex(tag) + length + value


class Refused(Exception):
    """The receiver refuses what it was given; the text is the reason."""


def read_tlvs(data):
    """The data objects one after the other, as (tag, value, whole object)."""
    out, at = [], 0
    while at < len(data):
        start = at
        at += 1
        if data[start] & 0x1F == 0x1F:
            at += 1
        tag = data[start:at].hex().upper()
        if at >= len(data):
            raise Refused("malformed")
        size = data[at]
        at += 1
        if size > 0x80:
            count = size & 0x7F
            size = int.from_bytes(data[at:at + count], "big")
            at += count
        if at + size > len(data):
            raise Refused("malformed")
        out.append((tag, data[at:at + size], data[start:at + size]))
        at += size
    return out


def only(data, tag):
    objects = read_tlvs(data)
    if [o[0] for o in objects] != [tag]:
        raise Refused("malformed")
    return objects[0][1]


# ----------------------------------------------------------------- primitives


def cmac(key, message):
    mac = CMAC(algorithms.AES(key))
    mac.update(message)
    return mac.finalize()


def aes_block(key, block):
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    return encryptor.update(block) + encryptor.finalize()


def pad(data):
    return data + b"\x80" + bytes(-(len(data) + 1) % 16)


def unpad(data):
    stripped = data.rstrip(b"\0")
    if not stripped.endswith(b"\x80") or len(data) - len(stripped) > 15:
        raise Refused("padding")
    return stripped[:-1]


def encrypt(key, iv, data):
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    return encryptor.update(pad(data)) + encryptor.finalize()


def decrypt(key, iv, data):
    if not data or len(data) % 16:
        raise Refused("padding")
    decryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    return unpad(decryptor.update(data) + decryptor.finalize())


def sp800_38b():
    """The examples of SP 800-38B appendix D, worked out and compared with what it prints."""
    message = bytes.fromhex(
        "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
        "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
    )
    printed = {
        "2b7e151628aed2a6abf7158809cf4f3c": {
            0: "bb1d6929e95937287fa37d129b756746",
            16: "070a16b46b4d4144f79bdd9dd04a287c",
            40: "dfa66747de9ae63030ca32611497c827",
            64: "51f0bebf7e3b9d92fc49741779363cfe",
        },
        "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4": {
            0: "028962f61b7bf89efc6b551f4667d983",
            16: "28a7023f452e8f82bd4bf28d8c37c35c",
            40: "aaf3d8f1de5640c232f5b169b9c911e6",
            64: "e1992190549f6ed5696a2c056c315410",
        },
    }
    out = []
    for key, macs in printed.items():
        for size, expected in macs.items():
            mac = cmac(bytes.fromhex(key), message[:size])
            assert mac.hex() == expected
            out.append({"key": bytes.fromhex(key), "message": message[:size], "mac": mac})
    return out


# ------------------------------------------------ certificates and CVCs

NOT_BEFORE = datetime.datetime(2020, 1, 1)
NOT_AFTER = datetime.datetime(2049, 12, 31, 23, 59, 59)
PIV_CONTENT_SIGNING = ObjectIdentifier("2.16.840.1.101.3.6.7")


def der(certificate):
    return certificate.public_bytes(serialization.Encoding.DER)


def subject_key_id(public_key):
    return x509.SubjectKeyIdentifier.from_public_key(public_key).digest


def certificate(suite, subject, public_key, issuer, issuer_key, serial, is_ca):
    def name(text):
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(public_key)
        .serial_number(serial)
        .not_valid_before(NOT_BEFORE)
        .not_valid_after(NOT_AFTER)
        .add_extension(x509.BasicConstraints(is_ca, 0 if is_ca else None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=not is_ca, key_cert_sign=is_ca, crl_sign=is_ca,
                content_commitment=False, key_encipherment=False, data_encipherment=False,
                key_agreement=False, encipher_only=False, decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
        )
    )
    if not is_ca:
        usage = x509.ExtendedKeyUsage([PIV_CONTENT_SIGNING])
        builder = builder.add_extension(usage, critical=False)
    return builder.sign(issuer_key, suite.hash, ecdsa_deterministic=True)


def ecdsa_sign(suite, key):
    return lambda data: (
        suite.signature_algorithm,
        key.sign(data, ec.ECDSA(suite.hash, deterministic_signing=True)),
    )


def rsa_sign(key):
    return lambda data: (SHA256_WITH_RSA, key.sign(data, padding.PKCS1v15(), hashes.SHA256()))


@dataclass(frozen=True)
class Cvc:
    signed: bytes
    signature: bytes
    whole: bytes


def cvc(suite, issuer_id, subject_id, public_point, role, sign):
    """7F21; `sign` gives the AlgorithmIdentifier and the signature's value."""
    signed = (
        tlv("5F29", b"\x80")
        + tlv("42", issuer_id)
        + tlv("5F20", subject_id)
        + tlv("7F49", tlv("06", suite.curve_oid) + tlv("86", public_point))
        + tlv("5F4C", bytes([role]))
    )
    algorithm, signature = sign(signed)
    digital_signature = tlv("30", algorithm + tlv("03", b"\0" + signature))
    return Cvc(signed, signature, tlv("7F21", signed + tlv("5F37", digital_signature)))


def flipped(data, at):
    out = bytearray(data)
    out[at] ^= 0x01
    return bytes(out)


def with_broken_signature(good):
    """The signature's last byte is the end of the whole CVC."""
    return Cvc(good.signed, flipped(good.signature, -1), flipped(good.whole, -1))


def signer_object(signer, intermediate):
    """The content of 5FC122, within 53."""
    value = tlv("70", der(signer)) + tlv("71", b"\0")
    if intermediate:
        value += intermediate.whole
    return value + tlv("FE", b"")


@dataclass(frozen=True)
class Chain:
    """What vouches for a card: root, object 5FC122, the card's CVC."""

    root: x509.Certificate
    signer: x509.Certificate
    intermediate: Cvc | None
    cvc: Cvc

    @property
    def object(self):
        return signer_object(self.signer, self.intermediate)


class Issuer:
    """The keys of one suite's issuer and all that it signs."""

    def __init__(self, suite, signer_rsa):
        self.suite = suite
        self.card_key = ec_key(suite, "card static key")
        self.guid = expand(f"{suite.name} guid", 16)
        self.root_key = ec_key(suite, "root")
        self.signer_key = ec_key(suite, "signer")
        self.signer_rsa = signer_rsa
        self.intermediate_key = ec_key(suite, "intermediate")
        self.root_name = f"Test root {suite.name}"
        self.root = certificate(
            suite, self.root_name, self.root_key.public_key(), self.root_name, self.root_key, 1, True
        )
        self.signer = self.signer_certificate("Test signer", self.signer_key, self.root_key, 2)
        self.rsa_signer = self.signer_certificate("Test RSA signer", signer_rsa, self.root_key, 3)

    def signer_certificate(self, name, key, root_key, serial):
        subject = f"{name} {self.suite.name}"
        return certificate(
            self.suite, subject, key.public_key(), self.root_name, root_key, serial, False
        )

    def card_cvc(self, issuer_id, key, public_point=None):
        public_point = public_point or point(self.card_key)
        return cvc(self.suite, issuer_id, self.guid, public_point, 0x00, ecdsa_sign(self.suite, key))

    def intermediate_cvc(self, role=0x12):
        subject_id = hashlib.sha1(point(self.intermediate_key)).digest()[:8]
        issuer_id = subject_key_id(self.signer_rsa.public_key())[:8]
        return cvc(
            self.suite, issuer_id, subject_id, point(self.intermediate_key), role,
            rsa_sign(self.signer_rsa),
        )

    def direct(self):
        issuer_id = subject_key_id(self.signer_key.public_key())[:8]
        return Chain(self.root, self.signer, None, self.card_cvc(issuer_id, self.signer_key))

    def through_intermediate(self):
        issuer_id = hashlib.sha1(point(self.intermediate_key)).digest()[:8]
        card = self.card_cvc(issuer_id, self.intermediate_key)
        return Chain(self.root, self.rsa_signer, self.intermediate_cvc(), card)


# ------------------------------------------------------- key establishment


def derive(suite, z, other_info):
    """The one-step KDF, written out; `cryptography` has one too and must agree."""
    size = 4 * suite.key_size
    out, counter = b"", 1
    while len(out) < size:
        digest = hashes.Hash(suite.hash)
        digest.update(counter.to_bytes(4, "big") + z + other_info)
        out += digest.finalize()
        counter += 1
    out = out[:size]
    assert out == ConcatKDFHash(suite.hash, size, other_info).derive(z)
    return [out[i:i + suite.key_size] for i in range(0, size, suite.key_size)]


def ids_icc_of(cvc_bytes):
    return hashlib.sha256(cvc_bytes).digest()[:8]


def other_info_of(suite, ids_h, cbh, host_point, ids_icc, nonce, cbicc):
    def counted(value):
        return bytes([len(value)]) + value

    info = (
        counted(bytes([suite.key_id] * 4))
        + counted(ids_h)
        + counted(bytes([cbh]))
        + counted(host_point[1:17])
        + counted(ids_icc)
        + counted(nonce)
        + counted(bytes([cbicc]))
    )
    assert len(info) == {"CS2": 61, "CS7": 69}[suite.name]
    return info


def confirmation(sk_cfrm, ids_icc, ids_h, host_point):
    return cmac(sk_cfrm, b"KC_1_V" + ids_icc + ids_h + host_point[1:])


@dataclass
class Host:
    suite: Suite
    ids_h: bytes
    key: ec.EllipticCurvePrivateKey

    @property
    def request(self):
        control_and_key = b"\0" + self.ids_h + point(self.key)
        template = tlv("7C", tlv("81", control_and_key) + tlv("82", b""))
        header = bytes([0x00, 0x87, self.suite.algorithm, 0x04, len(template)])
        return header + template + b"\0"


@dataclass
class Establishment:
    """Both sides' values of one key establishment, by the card's calculation."""

    answer: bytes
    ids_icc: bytes
    z: bytes
    other_info: bytes
    keys: list
    cryptogram: bytes


def establish(suite, host, card_key, nonce, card_cvc, *, cbicc=0, ids_h=None, ids_icc=None, flip=None):
    """The card's side. The named arguments make it go wrong in one point."""
    host_point = point(host.key)
    ids_h = ids_h or host.ids_h
    ids_icc = ids_icc or ids_icc_of(card_cvc)
    z = card_key.exchange(ec.ECDH(), host.key.public_key())
    info = other_info_of(suite, ids_h, 0, host_point, ids_icc, nonce, cbicc)
    keys = derive(suite, z, info)
    cryptogram = confirmation(keys[0], ids_icc, ids_h, host_point)
    if flip is not None:
        cryptogram = flipped(cryptogram, flip)
    answer = tlv("7C", tlv("82", bytes([cbicc]) + nonce + cryptogram + card_cvc)) + b"\x90\x00"
    return Establishment(answer, ids_icc, z, info, keys, cryptogram)


def take_cvc(suite, data):
    objects = read_tlvs(only(data, "7F21"))
    if [o[0] for o in objects] != ["5F29", "42", "5F20", "7F49", "5F4C", "5F37"]:
        raise Refused("malformed")
    values = {tag: value for tag, value, _ in objects}
    key_objects = read_tlvs(values["7F49"])
    if [o[0] for o in key_objects] != ["06", "86"] or key_objects[0][1] != suite.curve_oid:
        raise Refused("cvc key")
    algorithm, bits = read_tlvs(only(values["5F37"], "30"))
    try:
        public_key = ec.EllipticCurvePublicKey.from_encoded_point(suite.curve, key_objects[1][1])
    except ValueError:
        raise Refused("cvc key") from None
    signed = b"".join(whole for _, _, whole in objects[:-1])
    return values, public_key, signed, algorithm[2], bits[1][1:]


def check_signature(suite, public_key, signed, algorithm, signature):
    try:
        if algorithm == SHA256_WITH_RSA:
            public_key.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
        elif algorithm == suite.signature_algorithm:
            public_key.verify(signature, signed, ec.ECDSA(suite.hash))
        else:
            raise Refused("cvc signature algorithm")
    except InvalidSignature:
        raise Refused("cvc signature") from None


def check_chain(suite, root, object_value, card_cvc):
    """The card's key, if root, signer, intermediate and CVC vouch for it."""
    parts = {tag: (value, whole) for tag, value, whole in read_tlvs(object_value)}
    signer = x509.load_der_x509_certificate(parts["70"][0])
    try:
        signer.verify_directly_issued_by(root)
    except InvalidSignature:
        raise Refused("signer certificate") from None
    issuer_key, issuer_id = signer.public_key(), subject_key_id(signer.public_key())[:8]
    if "7F21" in parts:
        values, key, signed, algorithm, signature = take_cvc(suite, parts["7F21"][1])
        check_signature_by(suite, issuer_key, issuer_id, values, signed, algorithm, signature)
        encoded = read_tlvs(values["7F49"])[1][1]
        subject_is_key = values["5F20"] == hashlib.sha1(encoded).digest()[:8]
        if values["5F4C"] != b"\x12" or not subject_is_key:
            raise Refused("intermediate cvc")
        issuer_key, issuer_id = key, values["5F20"]
    values, key, signed, algorithm, signature = take_cvc(suite, card_cvc)
    check_signature_by(suite, issuer_key, issuer_id, values, signed, algorithm, signature)
    if values["5F4C"] != b"\0":
        raise Refused("cvc role")
    return key


def check_signature_by(suite, issuer_key, issuer_id, values, signed, algorithm, signature):
    if values["42"] != issuer_id:
        raise Refused("cvc issuer")
    check_signature(suite, issuer_key, signed, algorithm, signature)


def host_accepts(suite, host, root, object_value, answer):
    """The host's side: the session keys, or Refused."""
    if answer[-2:] != b"\x90\x00":
        raise Refused("status")
    content = only(only(answer[:-2], "7C"), "82")
    nonce_end = 1 + suite.nonce_size
    if len(content) <= nonce_end + 16:
        raise Refused("malformed")
    if content[0] != 0:
        raise Refused("cbicc")
    nonce, cryptogram = content[1:nonce_end], content[nonce_end:nonce_end + 16]
    card_cvc = content[nonce_end + 16:]
    card_key = check_chain(suite, root, object_value, card_cvc)
    ids_icc = ids_icc_of(card_cvc)
    z = host.key.exchange(ec.ECDH(), card_key)
    host_point = point(host.key)
    keys = derive(suite, z, other_info_of(suite, host.ids_h, 0, host_point, ids_icc, nonce, 0))
    if confirmation(keys[0], ids_icc, host.ids_h, host_point) != cryptogram:
        raise Refused("cryptogram")
    return keys


# ---------------------------------------------------------------- wrapping


@dataclass(frozen=True)
class Command:
    """A logical command: data of any size, Le or none."""

    header: bytes
    data: bytes = b""
    le: bool = False

    def apdus(self, chained_cla=0x10):
        """Short APDUs; more than 255 bytes of data are chained."""
        blocks = [self.data[i:i + 255] for i in range(0, len(self.data), 255)] or [b""]
        out = []
        for index, block in enumerate(blocks):
            last = index == len(blocks) - 1
            header = self.header if last else bytes([chained_cla]) + self.header[1:]
            body = bytes([len(block)]) + block if block else b""
            out.append(header + body + (b"\0" if last and self.le else b""))
        return out


def command_mac(key, mcv, header, objects):
    return cmac(key, mcv + header + b"\x80" + bytes(11) + objects)


class Channel:
    """One end's state. Both ends count and chain alike, so one class does for both."""

    def __init__(self, keys):
        _, self.sk_mac, self.sk_enc, self.sk_rmac = keys
        self.counter = 0  # of the last command
        self.c_mcv = bytes(16)
        self.r_mcv = bytes(16)

    def command_iv(self):
        return aes_block(self.sk_enc, self.counter.to_bytes(16, "big"))

    def response_iv(self):
        return aes_block(self.sk_enc, b"\x80" + self.counter.to_bytes(15, "big"))

    def wrap_command(self, plain):
        self.counter += 1
        header = b"\x0c" + plain.header[1:]
        objects = b""
        if plain.data:
            objects += tlv("87", b"\x01" + encrypt(self.sk_enc, self.command_iv(), plain.data))
        if plain.le:
            objects += tlv("97", b"\0")
        self.c_mcv = command_mac(self.sk_mac, self.c_mcv, header, objects)
        return Command(header, objects + tlv("8E", self.c_mcv[:8]), le=True)

    def unwrap_command(self, wrapped):
        self.counter += 1
        body = read_tlvs(wrapped.data)
        tags = [o[0] for o in body]
        if not tags or tags[-1] != "8E":
            raise Refused("no mac")
        objects = b"".join(o[2] for o in body[:-1])
        mac = command_mac(self.sk_mac, self.c_mcv, wrapped.header, objects)
        if mac[:8] != body[-1][1]:
            raise Refused("mac")
        self.c_mcv = mac
        return Command(b"\0" + wrapped.header[1:], self.open(body, self.command_iv()), "97" in tags)

    def wrap_response(self, data, status, *, padded=True):
        """`padded=False` leaves the padding out (a wrong one, for a negative case)."""
        objects = b""
        if data:
            sealed = encrypt(self.sk_enc, self.response_iv(), data)
            if not padded:
                sealed = encrypt(self.sk_enc, self.response_iv(), data)[:len(data)]
            objects += tlv("87", b"\x01" + sealed)
        objects += tlv("99", status)
        self.r_mcv = cmac(self.sk_rmac, self.r_mcv + objects)
        return objects + tlv("8E", self.r_mcv[:8]) + status

    def unwrap_response(self, wrapped):
        if len(wrapped) == 2:
            raise Refused("not protected")
        body = read_tlvs(wrapped[:-2])
        tags = [o[0] for o in body]
        if tags not in (["87", "99", "8E"], ["99", "8E"]):
            raise Refused("missing object")
        mac = cmac(self.sk_rmac, self.r_mcv + b"".join(o[2] for o in body[:-1]))
        if mac[:8] != body[-1][1]:
            raise Refused("mac")
        self.r_mcv = mac
        return self.open(body, self.response_iv()) + body[-2][1]

    def open(self, body, iv):
        if body[0][0] != "87":
            return b""
        if body[0][1][:1] != b"\x01":
            raise Refused("padding indicator")
        return decrypt(self.sk_enc, iv, body[0][1][1:])


def on_the_wire(apdus, response):
    """Each APDU with its answer: 9000 for a chained one, 61xx and GET RESPONSE for a long answer."""
    out = [{"command": apdu, "response": b"\x90\x00"} for apdu in apdus[:-1]]
    command, data, status = apdus[-1], response[:-2], response[-2:]
    while len(data) > 256:
        rest = min(len(data) - 256, 256) % 256
        out.append({"command": command, "response": data[:256] + bytes([0x61, rest])})
        command, data = bytes([0x00, 0xC0, 0x00, 0x00, rest]), data[256:]
    out.append({"command": command, "response": data + status})
    return out


# ------------------------------------------------------------- the session

OK, NOT_FOUND, WRONG_DATA = b"\x90\x00", b"\x6a\x82", b"\x6a\x80"


def get_data(tag):
    return Command(bytes.fromhex("00CB3FFF"), tlv("5C", bytes.fromhex(tag)), le=True)


def verify(reference, data=b"", p1=0x00):
    return Command(bytes([0x00, 0x20, p1, reference]), data)


def chuid(guid):
    return tlv("53", (
        tlv("30", bytes.fromhex("D4E739DA739CED39CE739D836858210842108421C84210C3EB"))
        + tlv("34", guid)
        + tlv("35", b"20491231")
        + tlv("3E", expand("chuid signature", 600))
        + tlv("FE", b"")
    ))


def printed_information(size):
    """An object of `size` bytes in all, 53 and its length (two bytes) with it."""
    value = tlv("01", b"NAME, TEST")
    fill = size - 2 - len(value) - 2 - 2
    return tlv("53", value + tlv("02", b"x" * fill) + tlv("FE", b""))


def challenge(block):
    return tlv("7C", tlv("82", b"") + tlv("81", block))


def script(guid, key_9a):
    """Each step: what it shows, the command, the response's data and status."""
    pin, wrong = b"123456\xff\xff", b"654321\xff\xff"
    digest_info = bytes.fromhex("3031300d060960864801650304020105000420")
    block = b"\x00\x01" + b"\xff" * 202 + b"\x00" + digest_info + hashlib.sha256(b"signed").digest()
    signature = key_9a.sign(b"signed", padding.PKCS1v15(), hashes.SHA256())
    sign = Command(bytes.fromhex("0087079A"), challenge(block), le=True)
    short = Command(bytes.fromhex("0087079A"), challenge(expand("short block", 224)), le=True)
    change = Command(bytes.fromhex("00240080"), pin + b"11223344")
    return [
        ("GET DATA of the CHUID: the response's 87 is longer than one short APDU", get_data("5FC102"), chuid(guid), OK),
        ("VERIFY with an empty body: no 87, no 97; three tries left", verify(0x80), b"", b"\x63\xc3"),
        ("VERIFY refused: two tries left", verify(0x80, wrong), b"", b"\x63\xc2"),
        ("VERIFY with the PIN: no response data", verify(0x80, pin), b"", OK),
        ("VERIFY with an empty body: already verified", verify(0x80), b"", OK),
        ("GENERAL AUTHENTICATE with an RSA 2048 key: chained, and a long answer", sign, tlv("7C", tlv("82", signature)), OK),
        ("GENERAL AUTHENTICATE whose plain data fit one short APDU and whose wrapped data do not", short, b"", WRONG_DATA),
        ("GET DATA of an absent object", get_data("5FC10D"), b"", NOT_FOUND),
        ("VERIFY with the pairing code", verify(0x98, b"12345678"), b"", OK),
        ("CHANGE REFERENCE DATA: data of exactly one block get a whole block of padding", change, b"", OK),
        ("GET DATA, 111 bytes: the response's 87 is the longest with a length of one byte", get_data("5FC109"), printed_information(111), OK),
        ("GET DATA, 112 bytes: the response's 87 is the shortest with a length of two bytes", get_data("5FC109"), printed_information(112), OK),
        ("VERIFY with P1 FF: logged out", verify(0x80, p1=0xFF), b"", OK),
    ]


def run_session(keys, steps):
    host, card = Channel(keys), Channel(keys)
    out = []
    for number, (title, plain, data, status) in enumerate(steps, 1):
        wrapped = host.wrap_command(plain)
        assert card.unwrap_command(wrapped) == plain
        response = card.wrap_response(data, status)
        assert host.unwrap_response(response) == data + status
        assert vars(host) == vars(card)
        apdus = wrapped.apdus(chained_cla=0x1C)
        out.append({
            "step": number,
            "title": title,
            "plain_command": {"header": plain.header, "data": plain.data, "le": plain.le, "apdus": plain.apdus()},
            "wrapped_command": {"data": wrapped.data, "apdus": apdus},
            "plain_response": data + status,
            "wrapped_response": response,
            "on_the_wire": on_the_wire(apdus, response),
            "counter": host.counter,
            "command_iv": host.command_iv() if plain.data else None,
            "response_iv": host.response_iv() if data else None,
            "command_mcv_after": host.c_mcv,
            "response_mcv_after": host.r_mcv,
        })
    return out


def state_before(keys, session, step):
    """An end's state when steps before `step` went well."""
    channel = Channel(keys)
    for done in session[:step - 1]:
        channel.counter = done["counter"]
        channel.c_mcv, channel.r_mcv = done["command_mcv_after"], done["response_mcv_after"]
    return channel


def host_state_at_response(keys, session, step):
    channel = state_before(keys, session, step)
    channel.counter, channel.c_mcv = session[step - 1]["counter"], session[step - 1]["command_mcv_after"]
    return channel


def reason_of(action):
    try:
        action()
    except Refused as refused:
        return str(refused)
    raise AssertionError("a negative case was accepted")


def response_negatives(keys, session):
    """Wrapped responses that a host has to refuse at a step; the steps before went well."""
    whole, bare = session[0]["wrapped_response"], session[3]["wrapped_response"]
    refused = session[2]["wrapped_response"]
    objects = read_tlvs(whole[:-2])
    wrong_padding = host_state_at_response(keys, session, 1).wrap_response(
        b"Sixteen bytes...", OK, padded=False
    )
    lone_host = host_state_at_response(keys, session, 1)
    no_status = objects[0][2] + tlv("8E", cmac(keys[3], bytes(16) + objects[0][2])[:8]) + OK
    own_command_iv = tlv("87", b"\x01" + encrypt(keys[2], lone_host.command_iv(), b"data")) + tlv("99", OK)
    wrong_iv = own_command_iv + tlv("8E", cmac(keys[3], bytes(16) + own_command_iv)[:8]) + OK
    wrong_key = tlv("99", OK)
    wrong_key += tlv("8E", cmac(keys[1], session[2]["response_mcv_after"] + wrong_key)[:8]) + OK
    cases = [
        (1, "a byte of the ciphertext flipped", flipped(whole, 100)),
        (1, "the last byte of the MAC flipped", flipped(whole, -3)),
        (1, "87 taken away", objects[1][2] + objects[2][2] + OK),
        (1, "99 left out, with a right MAC over the rest", no_status),
        (1, "8E taken away", objects[0][2] + objects[1][2] + OK),
        (1, "a right MAC over data without padding", wrong_padding),
        (1, "a right MAC over data encrypted under the command's IV", wrong_iv),
        (3, "63C2 made 9000 in 99 and outside", refused.replace(b"\x99\x02\x63\xc2", b"\x99\x02\x90\x00")[:-2] + OK),
        (4, "the MAC made with SKMAC", wrong_key),
        (4, "the response to the step before, once more", refused),
        (5, "the response to the step before, once more (same content, older MCV)", bare),
        (4, "9000 without any protection", OK),
        (4, "6882: the session is over", b"\x68\x82"),
        (4, "6982: the session is over", b"\x69\x82"),
        (4, "6987: the session is over", b"\x69\x87"),
        (4, "6988: the session is over", b"\x69\x88"),
    ]
    out = []
    for step, title, response in cases:
        host = host_state_at_response(keys, session, step)
        reason = reason_of(lambda: host.unwrap_response(response))
        out.append({"step": step, "title": title, "wrapped_response": response, "reason": reason})
    return out


def command_negatives(keys, session):
    """Wrapped commands that a card has to refuse at a step; the steps before went well."""
    def wrapped(step):
        command = session[step - 1]["plain_command"]
        header = b"\x0c" + command["header"][1:]
        return header, session[step - 1]["wrapped_command"]["data"]

    header, data = wrapped(4)
    objects = read_tlvs(data)
    cases = [
        (4, "a byte of the ciphertext flipped", header, flipped(data, 5), "6988"),
        (4, "the last byte of the MAC flipped", header, flipped(data, -1), "6988"),
        (4, "P2 changed from the PIV PIN to the global PIN", header[:3] + b"\0", data, "6988"),
        (4, "87 taken away: an empty body instead of the PIN", header, objects[1][2], "6988"),
        (4, "8E taken away", header, objects[0][2], "6987"),
        (4, "the command of the step before, once more", *wrapped(3), "6988"),
        (5, "a step left out: the command of step 6", *wrapped(6), "6988"),
        (6, "97 taken away", wrapped(6)[0], wrapped(6)[1].replace(b"\x97\x01\x00\x8e", b"\x8e"), "6988"),
    ]
    out = []
    for step, title, head, body, status in cases:
        command = Command(head, body, le=True)
        card = state_before(keys, session, step)
        reason = reason_of(lambda: card.unwrap_command(command))
        apdus = command.apdus(chained_cla=0x1C)
        out.append({"step": step, "title": title, "apdus": apdus, "reason": reason, "likely_status": status})
    return out


# ------------------------------------------------------------ putting together


def establishment_vector(issuer, host, nonce, chain):
    suite = issuer.suite
    made = establish(suite, host, issuer.card_key, nonce, chain.cvc.whole)
    assert host_accepts(suite, host, chain.root, chain.object, made.answer) == made.keys
    names = ["sk_cfrm", "sk_mac", "sk_enc", "sk_rmac"]
    vector = {
        "signer_certificate": der(chain.signer),
        "signer_subject_key_id": subject_key_id(chain.signer.public_key()),
        "object_5fc122": chain.object,
        "object_5fc122_in_53": tlv("53", chain.object),
        "cvc": chain.cvc.whole,
        "cvc_signed_bytes": chain.cvc.signed,
        "cvc_signature_value": chain.cvc.signature,
        "ids_icc": made.ids_icc,
        "z": made.z,
        "other_info": made.other_info,
        **dict(zip(names, made.keys)),
        "cryptogram": made.cryptogram,
        "answer": made.answer,
    }
    if chain.intermediate:
        vector["intermediate_private_key"] = ec_scalar(suite, issuer.intermediate_key)
        vector["intermediate_public_key"] = point(issuer.intermediate_key)
        vector["intermediate_cvc"] = chain.intermediate.whole
        vector["intermediate_cvc_signed_bytes"] = chain.intermediate.signed
        vector["intermediate_cvc_signature_value"] = chain.intermediate.signature
    return vector, made


def establishment_negatives(issuer, host, nonce):
    """Answers that a host has to refuse. But for the one fault, all of each is consistent."""
    suite, direct, long = issuer.suite, issuer.direct(), issuer.through_intermediate()
    issuer_id = subject_key_id(issuer.signer_key.public_key())[:8]
    other = ec_key(suite, "someone else")
    cases = []

    def case(title, chain, card_key=issuer.card_key, answer=None, **faults):
        answer = answer or establish(suite, host, card_key, nonce, chain.cvc.whole, **faults).answer
        reason = reason_of(lambda: host_accepts(suite, host, chain.root, chain.object, answer))
        cases.append({"title": title, "answer": answer, "object_5fc122": chain.object, "reason": reason})

    def with_cvc(card_cvc):
        return Chain(direct.root, direct.signer, None, card_cvc)

    def with_intermediate(intermediate):
        return Chain(long.root, long.signer, intermediate, long.cvc)

    good = establish(suite, host, issuer.card_key, nonce, direct.cvc.whole).answer
    control_byte = good.index(nonce) - 1
    case("the cryptogram's first byte flipped", direct, flip=0)
    case("the cryptogram's last byte flipped", direct, flip=-1)
    case("CBICC 01, cryptogram for 00", direct, answer=flipped(good, control_byte))
    case("CBICC 01, cryptogram for 01", direct, cbicc=1)
    case("the nonce's first byte flipped", direct, answer=flipped(good, control_byte + 1))
    case("the card took another IDsH", direct, ids_h=expand("another host", 8))
    case("the card took another IDsICC: SHA-256 of the CVC's content without 7F21", direct,
         ids_icc=ids_icc_of(only(direct.cvc.whole, "7F21")))
    case("a copied CVC: the card has not its private key", direct, card_key=other)
    case("the CVC's signature broken", with_cvc(with_broken_signature(direct.cvc)))
    case("the CVC signed by another key under the signer's id", with_cvc(issuer.card_cvc(issuer_id, other)))
    case("the CVC's issuer id is not the signer's", with_cvc(issuer.card_cvc(expand("id", 8), issuer.signer_key)))
    case("the CVC's point is not on the curve",
         with_cvc(issuer.card_cvc(issuer_id, issuer.signer_key, flipped(point(issuer.card_key), -1))))
    case("the signer's certificate is from another root under the root's name",
         Chain(direct.root, issuer.signer_certificate("Test signer", issuer.signer_key, other, 2), None, direct.cvc))
    case("the intermediate CVC's signature broken", with_intermediate(with_broken_signature(long.intermediate)))
    case("the intermediate CVC has a card's role (5F4C 00)", with_intermediate(issuer.intermediate_cvc(role=0x00)))
    case("the intermediate CVC is missing", with_intermediate(None))
    case("the CVC of the chain through the intermediate broken",
         Chain(long.root, long.signer, long.intermediate, with_broken_signature(long.cvc)))
    head = good[good.index(nonce) - 1:good.index(direct.cvc.whole)]
    case("no CVC in the answer", direct, answer=tlv("7C", tlv("82", head)) + OK)
    case("the answer ends within the cryptogram", direct, answer=tlv("7C", tlv("82", head[:-8])) + OK)
    return cases


def request_negatives(host):
    """Requests that a card has to refuse."""
    suite, request = host.suite, host.request
    start = request.index(host.ids_h) - 1
    off_curve = flipped(request, -4)
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(suite.curve, off_curve[start + 9:-3])
        raise AssertionError("the point is on the curve")
    except ValueError:
        pass
    return [
        {"title": "the host's point is not on the curve", "request": off_curve},
        {"title": "CBH 01 instead of 00", "request": flipped(request, start)},
        {"title": "the host's point begins with 05, not 04", "request": flipped(request, start + 9)},
        {"title": "the other suite's algorithm", "request": request[:2] + bytes([0x27 + 0x2E - suite.algorithm]) + request[3:]},
    ]


def suite_vectors(suite, signer_rsa, key_9a):
    issuer = Issuer(suite, signer_rsa)
    host = Host(suite, expand(f"{suite.name} host id", 8), ec_key(suite, "host ephemeral key"))
    nonce = expand(f"{suite.name} nonce", suite.nonce_size)
    direct, made = establishment_vector(issuer, host, nonce, issuer.direct())
    through_intermediate, _ = establishment_vector(issuer, host, nonce, issuer.through_intermediate())
    session = run_session(made.keys, script(issuer.guid, key_9a))
    return {
        "algorithm": bytes([suite.algorithm]),
        "card": {
            "private_key": ec_scalar(suite, issuer.card_key),
            "public_key": point(issuer.card_key),
            "guid": issuer.guid,
            "nonce": nonce,
            "cbicc": b"\0",
        },
        "host": {
            "ids_h": host.ids_h,
            "private_key": ec_scalar(suite, host.key),
            "public_key": point(host.key),
            "cbh": b"\0",
            "request": host.request,
        },
        "root_certificate": der(issuer.root),
        "direct": direct,
        "through_intermediate": through_intermediate,
        "session_of_direct": session,
        "negative": {
            "requests": request_negatives(host),
            "establishment": establishment_negatives(issuer, host, nonce),
            "responses": response_negatives(made.keys, session),
            "commands": command_negatives(made.keys, session),
        },
    }


def as_json(value):
    """Bytes become upper-case hexadecimal."""
    if isinstance(value, bytes):
        return value.hex().upper()
    if isinstance(value, dict):
        return {key: as_json(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [as_json(inner) for inner in value]
    return value


def main():
    signer_rsa, key_9a = rsa_key("RSA signer"), rsa_key("key 9A")
    vectors = {
        "cmac": sp800_38b(),
        "suites": {s.name: suite_vectors(s, signer_rsa, key_9a) for s in (CS2, CS7)},
    }
    text = json.dumps(as_json(vectors), indent=1) + "\n"
    if "--check" in sys.argv[1:]:
        if OUTPUT.read_text() != text:
            sys.exit("vectors.json is not what make.py writes: run make.py and look at the difference")
        return
    OUTPUT.write_text(text)


if __name__ == "__main__":
    main()
