"""A bundle that can be changed and signed again: every statement of a folder as fields, with the secret keys of those who signed it.

What is changed gets a new id, and whoever named the old one names the new one and signs again. So a forgery is wrong in nothing but what was changed.
"""

import base64
import copy
import pathlib

import cbor2
import nacl.signing

from bundle import DELIVERY, STATEMENTS, SUMMARY, Bundle, commitment
from trust import key_id
from wire import KINDS, ORDER, PLACE, Statement, encode, sequence, sha256

OPENSSH = b"-----BEGIN OPENSSH PRIVATE KEY-----"


def open_key(text):
    """The signing key in an OpenSSH file without a passphrase; None when it has one."""
    data = base64.b64decode(b"".join(text.strip().splitlines()[1:-1]))
    at, found = len(b"openssh-key-v1\0"), []

    def part(at):
        size = int.from_bytes(data[at : at + 4], "big")
        return data[at + 4 : at + 4 + size], at + 4 + size

    for _ in range(3):
        field, at = part(at)
        found.append(field)
    if found[0] != b"none":
        return None
    _, at = part(at + 4)
    inside, _ = part(at)
    seed = inside.index(b"\0\0\0\x40") + 4
    return nacl.signing.SigningKey(inside[seed : seed + 32])


def open_keys(folder):
    """Every key under a folder, by its id."""
    keys = {}
    for path in sorted(pathlib.Path(folder).rglob("*")):
        if path.is_file() and path.stat().st_size < 4096 and path.read_bytes().startswith(OPENSSH):
            key = open_key(path.read_bytes())
            if key:
                keys[key_id(bytes(key.verify_key))] = key
    return keys


class Draft:
    """A statement to be: its kind, its fields and claims, and the key that signs it."""

    def __init__(self, kind, body, kid, claims, was=None, data=None, payload=None):
        self.kind, self.body, self.kid, self.claims = kind, body, kid, claims
        self.was, self.data, self.payload = was, data, payload
        self.signed_as = kind
        self.log = None  # for a release whose log is to be made anew


class Forge:
    """The statements of one folder as drafts."""

    def __init__(self, folder, keys):
        self.folder, self.keys = pathlib.Path(folder), dict(keys)
        self.drafts = []
        for data in sequence((self.folder / STATEMENTS).read_bytes()):
            one = Statement(data)
            claims = {1: one.iss, 2: None, 4: one.exp, 5: one.nbf, 6: one.iat, 7: one.cti}
            claims |= {} if one.chained is None else {PLACE: one.chained}
            self.drafts.append(Draft(one.kind, one.body(), one.kid, claims, one.id, data, one.payload))
        self.deliveries = {path.parent.name: cbor2.loads(path.read_bytes()) for path in self.folder.glob(f"*/{DELIVERY}")}
        self.network = min(sha256(one.payload) for one in self.drafts if one.kind == "root" and one.body["version"] == 1)
        self.renamed = {}  # 32 bytes that stand for others from now on
        self.count = 0
        self.signed_for = None  # another federation, for which everything is signed

    def copy(self):
        return copy.deepcopy(self)

    def of(self, kind, /, **fields):
        return [one for one in self.drafts if one.kind == kind and all(one.body.get(field) == value for field, value in fields.items())]

    def key_of(self, name):
        """The key id under which a person or node signs."""
        records = self.of("key-record", name=name)
        if records:
            return key_id(records[0].body["key"])
        entries = [entry for root in self.of("root") for entry in root.body["keys"] if entry["person"] == name]
        return key_id(entries[0]["key"])

    def nonce(self):
        self.count += 1
        return sha256(b"nonce", self.count.to_bytes(8, "big"))[:16]

    def add(self, kind, body, by, at, lifetime=None, kid=None):
        """A new statement, signed by the holder of that name."""
        claims = {1: by, 2: None, 4: at + min(lifetime or KINDS[kind].longest, KINDS[kind].longest), 5: at, 6: at, 7: self.nonce()}
        draft = Draft(kind, body, kid or self.key_of(by), claims)
        draft.was = sha256(b"draft", draft.claims[7])
        self.drafts.append(draft)
        return draft

    def new_key(self, label):
        key = nacl.signing.SigningKey(sha256(label.encode()))
        kid = key_id(bytes(key.verify_key))
        self.keys[kid] = key
        return kid, bytes(key.verify_key)

    def enrol(self, name, kind, by, at, label=None):
        """A new key of a person or node, enrolled by a root person; its key id."""
        kid, key = self.new_key(label or name)
        peer = None if kind == "person" else self.new_key(f"{label or name}/peer")[1]
        recipient = "age1new" if kind == "person" else None
        body = dict(kind=kind, name=name, organisation="New", device="", key=key, recipient=recipient, peer=peer)
        self.add("key-record", body, name, at, kid=kid)
        self.add("key-record", dict(body), by, at)
        return kid

    # writing it

    def settle(self):
        """Signs everything again that has changed, in the order in which one names the other."""
        by_was = {one.was: one for one in self.drafts}
        payloads = {sha256(one.payload): one for one in self.drafts if one.payload is not None and one.kind in ("root", "project")}
        done, under_way = {}, set()

        def new(value):
            if value in self.renamed:
                return self.renamed[value]
            if value in by_was and value not in under_way:
                return finish(by_was[value])
            if value in payloads and payloads[value].was not in under_way:
                finish(payloads[value])
                return sha256(payloads[value].written)
            return value

        def mapped(value):
            if isinstance(value, dict):
                return {key: mapped(item) for key, item in value.items()}
            if isinstance(value, list):
                items = [mapped(item) for item in value]
                was_ascending = len(value) > 1 and all(type(item) is bytes for item in value) and value == sorted(value)
                return sorted(items) if was_ascending and all(type(item) is bytes for item in items) else items
            return new(value) if type(value) is bytes and len(value) == 32 else value

        def finish(one):
            if one.was in done:
                return done[one.was]
            under_way.add(one.was)
            body = mapped(one.body)
            payload = encode(body)
            subject = one.claims[2]
            if subject is None:
                try:
                    subject = KINDS[one.kind].subject(body)
                except (KeyError, AttributeError, TypeError):
                    subject = "x"
            one.written = payload
            one.final = self.sign(one, payload, subject)
            under_way.discard(one.was)
            done[one.was] = sha256(one.final)
            return done[one.was]

        # The network's id is the digest of the first root, whose own fields name nobody.
        first = [one for one in self.drafts if one.kind == "root" and one.body.get("version") == 1]
        if first:
            self.network = sha256(encode(first[0].body))
        for one in sorted(self.drafts, key=lambda one: ORDER[one.kind]):
            finish(one)
        return [one.final for one in self.drafts], new

    def sign(self, one, payload, subject):
        claims = dict(one.claims) | {2: subject}
        header = cbor2.dumps({1: -19, 3: f"application/vnd.quintes.{one.kind}.v1+cbor", 4: one.kid, 15: claims})
        aad = f"quintes/v1/{(self.signed_for or self.network).hex()}/{one.signed_as}".encode()
        signed = cbor2.dumps(["Signature1", header, aad, payload])
        signature = self.keys[one.kid].sign(signed).signature
        return cbor2.dumps(cbor2.CBORTag(18, [header, {}, payload, signature]))

    def relog(self, tre, padding=0, place=0):
        """A log of the TRE's own making, in which its run and all that let it out stand; the release gives the proofs."""
        self.of("release", tre=tre)[0].log = padding, place, self.of("checkpoint", tre=tre)[0]

    def write(self, into):
        """The folder; its summary is what follows from its statements."""
        self._write_logs()
        statements, new = self.settle()
        into = pathlib.Path(into)
        into.mkdir(parents=True)
        (into / STATEMENTS).write_bytes(b"".join(statements))
        for tre, delivery in self.deliveries.items():
            delivery = dict(delivery) | {"task": new(delivery["task"])}
            (into / tre).mkdir()
            (into / tre / DELIVERY).write_bytes(cbor2.dumps(delivery))
            for output in delivery["outputs"]:
                (into / tre / f"{output['name']}.csv").write_bytes(output["bytes"])
        bundle = Bundle(into)
        (into / SUMMARY).write_bytes(b"{}\n")
        bundle.audit(self.network)
        (into / SUMMARY).write_bytes(bundle.summary() if bundle.submission and bundle.submission.fields else b"{}\n")
        return into

    def _write_logs(self):
        """Where a release's grounds have changed, its leaves have too: such a log is made anew."""
        remade = [one for one in self.of("release") if one.log is not None]
        # What ids will be is told from a copy that is thrown away.
        new = self.copy().settle()[1] if remade else None
        for release in remade:
            padding, place, checkpoint = release.log
            said, at = release.body, release.claims[6]
            grounds = [(said["run"], "run")] + [(id, "attestation") for id in said["attestations"]]
            grounds += [(id, "standing-approval") for id in said["standing"]]
            leaves = [(sha256(b"filler", bytes([n])), "phase") for n in range(padding)]
            leaves[place:place] = grounds
            raw = [new(id) + at.to_bytes(8, "big") + kind.encode() for id, kind in leaves]
            said["log"]["inclusions"] = [
                {"statement": id, "at": at, "index": n, "path": path(raw, n)} for n, (id, kind) in enumerate(leaves) if (id, kind) in grounds
            ]
            checkpoint.body.update(size=len(raw), root=tree(raw), previous=None, previous_size=0, proof=[])


def tree(leaves):
    """The root hash of RFC 6962 section 2.1."""
    if len(leaves) == 1:
        return sha256(b"\0", leaves[0])
    half = 1 << ((len(leaves) - 1).bit_length() - 1)
    return sha256(b"\1", tree(leaves[:half]), tree(leaves[half:]))


def path(leaves, place):
    """The inclusion proof of RFC 6962 section 2.1.1."""
    if len(leaves) == 1:
        return []
    half = 1 << ((len(leaves) - 1).bit_length() - 1)
    if place < half:
        return path(leaves[:half], place) + [tree(leaves[half:])]
    return path(leaves[half:], place - half) + [tree(leaves[:half])]


def recommit(forge, tre):
    """The TRE's commitment follows its delivery again, in every statement that names it."""
    delivery = forge.deliveries[tre]
    old = forge.of("run", tre=tre)[0].body["commitment"]
    forge.renamed[old] = commitment(delivery)


