"""Verifies statements with implementations that share no code with ours: cwt (COSE), cbor2 (CBOR) and pynacl (Ed25519).

    verify.py                 the committed vectors in protocol/vectors
    verify.py FILE.quintes…   statement files, the federation's root among them

A valid statement must verify in cwt, verify by hand, and keep the profile of protocol/WIRE.md, which `wire.py` and `trust.py` write a second time. An
invalid vector must fail in one of them. Exit code 1 and a sentence for each disagreement.
"""

import hashlib
import json
import pathlib
import sys

import cwt
import nacl.exceptions
import nacl.signing

from trust import believe, founding_networks, key_id, receive
from wire import Refused, Statement, need, sequence

VECTORS = pathlib.Path(__file__).parent.parent.parent / "protocol" / "vectors"


def check(data, key, network):
    """Verifies one statement by hand and with cwt; raises Refused when either says no."""
    one = Statement(data)
    need(key_id(key) == one.kid, "kid is another key's")
    network = bytes.fromhex(network)
    try:
        nacl.signing.VerifyKey(key).verify(one.signed(network), one.signature)
    except (nacl.exceptions.BadSignatureError, ValueError) as error:
        raise Refused("signature") from error
    cose_key = cwt.COSEKey.new({1: 1, 2: one.kid, 3: -19, -1: 6, -2: key})
    try:
        opened = cwt.COSE.new().decode(data, cose_key, external_aad=one.aad(network))
    except Exception as error:
        raise Refused(f"cwt refuses it: {error}") from error
    need(opened == one.payload, "cwt reads another payload")
    return one.kind, one.body()


def keys_in(statements):
    """Every key that a root or a key record names, by its id."""
    keys = {}
    for data in statements:
        one = Statement(data)
        entries = {"root": lambda: one.body()["keys"], "key-record": lambda: [one.body()]}.get(one.kind, list)()
        keys |= {key_id(entry["key"]): entry["key"] for entry in entries}
    return keys


def founding_network(statements):
    found = founding_networks([Statement(data) for data in statements])
    return min(found).hex() if found else sys.exit("no version 1 root among the statements; name its file too")


def files(paths):
    statements = [data for path in paths for data in sequence(pathlib.Path(path).read_bytes())]
    network, keys = founding_network(statements), keys_in(statements)
    faults, seen = [], {}
    for data in statements:
        try:
            kid = Statement(data).kid
            need(kid in keys, "its key is in none of the files")
            kind, _ = check(data, keys[kid], network)
            seen[kind] = seen.get(kind, 0) + 1
        except Refused as refused:
            faults.append(f"{hashlib.sha256(data).hexdigest()[:12]}: {refused}")
    return faults, seen


def vectors(folder=VECTORS):
    """The committed vectors: every valid one verifies, and every invalid one is refused by those who believe what comes before it."""
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
    network = bytes.fromhex(invalid["network"])
    roster, _, left = believe([Statement(bytes.fromhex(statement)) for statement in invalid["roster"]], network)
    faults += [f"roster: {refused}" for _, refused in left]
    for vector in invalid["vectors"]:
        try:
            receive(Statement(bytes.fromhex(vector["statement"])), roster, int(vector["now"]))
            faults.append(f"invalid ({vector['fault']}): accepted")
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
