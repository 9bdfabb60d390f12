"""Verifies statements with implementations that share no code with ours: cwt (COSE), cbor2 (CBOR) and pynacl (Ed25519).

    verify.py                 the committed vectors in protocol/vectors
    verify.py FILE.quintes…   statement files, the federation's root among them

A valid statement must verify in cwt, verify by hand, and keep the profile of protocol/WIRE.md, which is written here a second time. An invalid vector must
fail one of them. Exit code 1 and a sentence for each disagreement.
"""

import hashlib
import io
import json
import pathlib
import sys

import cbor2
import cwt
import nacl.exceptions
import nacl.signing

VECTORS = pathlib.Path(__file__).parent.parent.parent / "protocol" / "vectors"
KINDS = ("root key-record grant revocation status project submission cancellation phase run attestation release").split()
LARGEST = 65_536
DEEPEST = 16


class Refused(Exception):
    """The bytes are not a valid statement; the text says which rule they break."""


def need(holds, rule):
    if not holds:
        raise Refused(rule)


def plain(value, depth=1):
    """Text keys, no floats, no tags, at most 16 deep (WIRE.md, "Statements")."""
    need(depth <= DEEPEST, "too deep")
    if isinstance(value, dict):
        need(all(isinstance(key, str) for key in value), "a key is not text")
        for item in value.values():
            plain(item, depth + 1)
    elif isinstance(value, (list, tuple)):
        for item in value:
            plain(item, depth + 1)
    else:
        need(value is None or isinstance(value, (bool, int, str, bytes)), "a type that payloads do not have")


def only(data):
    """The one CBOR item in `data`."""
    stream = io.BytesIO(data)
    try:
        value = cbor2.CBORDecoder(stream).decode()
    except Exception as error:
        raise Refused("not CBOR") from error
    need(stream.tell() == len(data), "trailing bytes")
    return value


def open_profile(data):
    """The parts of a statement that keeps the profile; raises Refused."""
    need(len(data) <= LARGEST, "too large")
    tagged = only(data)
    need(isinstance(tagged, cbor2.CBORTag) and tagged.tag == 18, "not a tagged COSE_Sign1")
    need(isinstance(tagged.value, (list, tuple)) and len(tagged.value) == 4, "not a COSE_Sign1")
    protected, unprotected, payload, signature = tagged.value
    need(isinstance(protected, bytes) and unprotected == {}, "headers")
    need(isinstance(payload, bytes) and isinstance(signature, bytes) and len(signature) == 64, "payload or signature")
    header = only(protected)
    need(isinstance(header, dict) and list(header) == [1, 3, 4, 15], "protected header")
    need(header[1] == -19, "algorithm")
    prefix, suffix = "application/vnd.quintes.", ".v1+cbor"
    kind = header[3]
    need(isinstance(kind, str) and kind.startswith(prefix) and kind.endswith(suffix), "content type")
    kind = kind[len(prefix) : -len(suffix)]
    need(kind in KINDS, "kind")
    need(isinstance(header[4], bytes) and len(header[4]) == 16, "kid")
    claims = header[15]
    need(isinstance(claims, dict) and list(claims) == [1, 2, 4, 5, 6, 7], "claims")
    need(isinstance(claims[1], str) and isinstance(claims[2], str), "iss or sub")
    need(all(type(claims[label]) is int and claims[label] >= 0 for label in (4, 5, 6)), "times")
    need(isinstance(claims[7], bytes) and len(claims[7]) == 16, "cti")
    body = only(payload)
    need(isinstance(body, dict), "payload is no map")
    plain(body)
    encode = lambda value: cbor2.dumps(value, canonical=True)
    need(encode(body) == payload, "payload is not deterministic")
    again = cbor2.dumps(cbor2.CBORTag(18, [encode(header), {}, payload, signature]))
    need(again == data, "not the one encoding")
    return kind, header, protected, body, payload, signature


def check(data, key, network):
    """Verifies one statement by hand and with cwt; raises Refused when either says no."""
    kind, header, protected, body, payload, signature = open_profile(data)
    need(hashlib.sha256(key).digest()[:16] == header[4], "kid is another key's")
    aad = f"quintes/v1/{network}/{kind}".encode()
    signed = cbor2.dumps(["Signature1", protected, aad, payload])
    try:
        nacl.signing.VerifyKey(key).verify(signed, signature)
    except (nacl.exceptions.BadSignatureError, ValueError) as error:
        raise Refused("signature") from error
    cose_key = cwt.COSEKey.new({1: 1, 2: header[4], 3: -19, -1: 6, -2: key})
    try:
        opened = cwt.COSE.new().decode(data, cose_key, external_aad=aad)
    except Exception as error:
        raise Refused(f"cwt refuses it: {error}") from error
    need(opened == payload, "cwt reads another payload")
    return kind, body


def keys_in(statements):
    """Every key that a root or a key record names, by its id."""
    keys = {}
    for data in statements:
        kind, _, _, body, _, _ = open_profile(data)
        for entry in body["keys"] if kind == "root" else [body] if kind == "key-record" else []:
            keys[hashlib.sha256(entry["key"]).digest()[:16]] = entry["key"]
    return keys


def founding_network(statements):
    for data in statements:
        kind, _, _, body, payload, _ = open_profile(data)
        if kind == "root" and body["version"] == 1:
            return hashlib.sha256(payload).hexdigest()
    sys.exit("no version 1 root among the statements; name its file too")


def sequence(path):
    """The statements of a file: a CBOR sequence (RFC 8742), cut where each item ends."""
    data, start, found = path.read_bytes(), 0, []
    stream = io.BytesIO(data)
    while start < len(data):
        cbor2.CBORDecoder(stream).decode()
        found.append(data[start : stream.tell()])
        start = stream.tell()
    return found


def files(paths):
    statements = [data for path in paths for data in sequence(pathlib.Path(path))]
    network, keys = founding_network(statements), keys_in(statements)
    faults, seen = [], {}
    for data in statements:
        try:
            kid = open_profile(data)[1][4]
            need(kid in keys, "its key is in none of the files")
            kind, _ = check(data, keys[kid], network)
            seen[kind] = seen.get(kind, 0) + 1
        except Refused as refused:
            faults.append(f"{hashlib.sha256(data).hexdigest()[:12]}: {refused}")
    return faults, seen


def vectors(folder=VECTORS):
    """The committed vectors: every valid one verifies, and every one that is wrong in its bytes or its signature is refused."""
    faults, seen = [], {}
    valid = json.loads((folder / "valid.json").read_text())
    for vector in valid["vectors"]:
        data = bytes.fromhex(vector["statement"])
        try:
            need(hashlib.sha256(data).hexdigest() == vector["id"], "another id")
            kind, _ = check(data, bytes.fromhex(vector["key"]), valid["network"])
            need(kind == vector["kind"], "another kind")
            seen[kind] = seen.get(kind, 0) + 1
        except Refused as refused:
            faults.append(f"valid {vector['kind']}: {refused}")
    invalid = json.loads((folder / "invalid.json").read_text())
    keys = keys_in([bytes.fromhex(statement) for statement in invalid["roster"]])
    for vector in invalid["vectors"]:
        # What a schema, a roster or a clock has to tell is ours to judge; bytes and signatures are everyone's.
        expected = vector["expected"].split("/")
        everyones = expected[1] in ("malformed", "bad-signature") or (expected[1] == "codec" and expected[2] != "fields")
        if not everyones:
            continue
        data = bytes.fromhex(vector["statement"])
        try:
            kid = open_profile(data)[1][4]
            need(kid in keys, "nobody's key")
            check(data, keys[kid], invalid["network"])
            faults.append(f"invalid ({vector['fault']}): accepted by cwt, by hand and by the profile")
        except Refused:
            seen["refused"] = seen.get("refused", 0) + 1
    return faults, seen


def main():
    faults, seen = files(sys.argv[1:]) if sys.argv[1:] else vectors()
    for fault in faults:
        print(fault)
    print(f"{sum(seen.values())} passed, {len(faults)} failed", json.dumps(seen), file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
