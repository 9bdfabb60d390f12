"""Who may speak as whom, and who may do what when: roots, keys, grants, revocations, projects and statuses (protocol/WIRE.md).

A roster only grows. Every question takes a time in seconds since 1970, so that the same statements give the same answer on every day.
"""

import nacl.exceptions
import nacl.signing

from wire import KINDS, Refused, need, sha256

DEFAULT_SKEW = 120
DEEPEST_GRANT = 3


class Holder:
    """A key and whose it is."""

    def __init__(self, kind, name, key, recipient=None):
        self.kind, self.name, self.key, self.recipient = kind, name, key, recipient


def key_id(key):
    return sha256(key)[:16]


def of_root(entry):
    return Holder("person", entry["person"], entry["key"])


class Roster:
    def __init__(self, network):
        self.network = network
        self.roots = []  # accepted payloads, oldest first, with their digests
        self.proposed = {}  # digest of a root's payload -> (body, key ids that signed it)
        self.records = {}  # digest of a key record's payload -> (body, signatures by key id)
        self.grants = {}
        self.projects = {}
        self.revocations = {}  # target -> revocations of it
        self.revocation_ids = set()
        self.statuses = []

    def take(self, one):
        """Takes a believed statement about trust; others are no concern of it."""
        if one.kind == "root":
            self.proposed.setdefault(sha256(one.payload), (one.fields, set()))[1].add(one.kid)
            while self._advance():
                pass
        elif one.kind == "key-record":
            self.records.setdefault(sha256(one.payload), (one.fields, {}))[1].setdefault(one.kid, one)
        elif one.kind == "grant":
            self.grants[one.id] = one
        elif one.kind == "project":
            self.projects.setdefault(sha256(one.payload), {}).setdefault(one.kid, one)
        elif one.kind == "revocation":
            if one.id not in self.revocation_ids:
                self.revocation_ids.add(one.id)
                self.revocations.setdefault(one.fields["target"], []).append(one)
        elif one.kind == "status":
            self.statuses.append(one)

    # the root

    def _advance(self):
        """Accepts the next root, when it has the quorum of the current one and its own."""
        for digest, (body, signed) in sorted(self.proposed.items(), key=lambda item: item[0]):
            if not self._enough(body, signed):
                continue
            if not self.roots:
                next_one = body["version"] == 1 and digest == self.network
            else:
                current, old = self.roots[-1]
                follows = body["version"] == old["version"] + 1 and body["previous"] == current
                next_one = follows and self._enough(old, signed)
            if next_one:
                self.roots.append((digest, body))
                return True
        return False

    @staticmethod
    def _enough(root, signed):
        """Whether as many persons of a root as it asks for are among the signers."""
        return len({entry["person"] for entry in root["keys"] if key_id(entry["key"]) in signed}) >= root["threshold"]

    @property
    def root(self):
        return self.roots[-1][1] if self.roots else None

    @property
    def skew(self):
        return self.root["clock_skew_seconds"] if self.roots else DEFAULT_SKEW

    def is_root_person(self, person):
        return self.roots != [] and any(entry["person"] == person for entry in self.root["keys"])

    def was_root_person(self, person):
        return any(entry["person"] == person for _, root in self.roots for entry in root["keys"])

    def root_holder(self, kid):
        """Whose key it is in the current root."""
        return next((of_root(entry) for entry in self.root["keys"] if key_id(entry["key"]) == kid), None) if self.roots else None

    def past_root_holder(self, kid):
        """Whose key it is in any accepted root, the newest first."""
        entries = (entry for _, root in reversed(self.roots) for entry in root["keys"])
        return next((of_root(entry) for entry in entries if key_id(entry["key"]) == kid), None)

    # keys

    def holder(self, kid):
        """Whose key it is: by the newest key record that the key itself and a key of the current root have signed, or by the root."""
        enrolled = []
        for body, signatures in self.records.values():
            own = signatures.get(kid) if key_id(body["key"]) == kid else None
            if own and any(self.root_holder(signer) for signer in signatures):
                enrolled.append((own.iat, own.id, body))
        record = max(enrolled, key=lambda item: item[:2], default=(0, b"", None))[2]
        record = record and Holder(record["kind"], record["name"], record["key"], record["recipient"])
        root = self.root_holder(kid)
        if root and not (record and (record.name, record.kind) == (root.name, root.kind)):
            return root
        return record

    def is_key_revoked(self, kid, at):
        """Whether one of the statements that name the key was revoked by then."""
        named = (one for body, signatures in self.records.values() if key_id(body["key"]) == kid for one in signatures.values())
        return any(self.is_revoked(one, at) for one in named)

    def is_key_good(self, kid, at):
        return self.holder(kid) is not None and not self.is_key_revoked(kid, at)

    def is_revoked(self, one, at, parent=None):
        """Whether a statement was revoked by then: by its signer, the signer of a grant above it, or a root person of any root."""
        may, above = {one.signer.name}, self.grants.get(parent)
        for _ in range(DEEPEST_GRANT + 1):
            if above is None:
                break
            may.add(above.signer.name)
            above = self.grants.get(above.fields["parent"])
        return any(
            revocation.iat <= at and (revocation.signer.name in may or self.was_root_person(revocation.signer.name))
            for revocation in self.revocations.get(one.id, [])
        )

    # what people may do

    def _counts(self, one, at, parent=None):
        in_force = one.nbf <= at < one.exp
        return in_force and self.is_key_good(one.kid, at) and not self.is_revoked(one, at, parent)

    def authority(self, person, role, tre, at, project=None, datasets=()):
        """The chain of grants, child first, by which a person has a role; None when there is none. `project` is a project's fields."""
        for grant in self.grants.values():
            said = grant.fields
            covers = (
                said["person"] == person
                and said["role"] == role
                and (said["project"] is None or (project is not None and said["project"] == project["name"]))
                and said["tre"] in (None, tre)
                and (said["datasets"] is None or set(datasets) <= set(said["datasets"]))
            )
            chain = self._chain(grant, role, tre, at, project) if covers else None
            if chain:
                return chain
        return None

    def _chain(self, link, role, tre, at, project):
        chain = []
        while True:
            said = link.fields
            if len(chain) >= DEEPEST_GRANT or not self._counts(link, at, said["parent"]):
                return None
            chain.append(link)
            if said["parent"] is None:
                return chain if self._may_grant(link.signer.name, said, role, tre, at, project) else None
            above = self.grants.get(said["parent"])
            if above is None or above.fields["person"] != link.signer.name or not narrows(said, above.fields):
                return None
            link = above

    def _may_grant(self, grantor, grant, role, tre, at, project):
        """Root persons make data owners, operators and checkers, a data owner checkers and researchers at the own TRE, a project's admins its
        researchers."""
        owner = lambda: grant["tre"] == tre and self.is_data_owner(grantor, tre, at)
        if role in ("data-owner", "operator"):
            return self.is_root_person(grantor)
        if role == "output-checker":
            return self.is_root_person(grantor) or owner()
        return (project is not None and grantor in project["admins"]) or owner()

    def is_data_owner(self, person, tre, at):
        return self.authority(person, "data-owner", tre, at) is not None

    def project_at(self, name, tre, at):
        """The version of a project that counts at a TRE, as its fields and the statement that names it: the first version needs one of the
        TRE's data owners, each later one as many persons as the one before asks for approvals."""
        versions = [list(signatures.values()) for _, signatures in sorted(self.projects.items())]
        versions = sorted((one for one in versions if one[0].fields["name"] == name), key=lambda one: one[0].fields["version"])
        chosen = None
        for signatures in versions:
            counted = [one for one in signatures if self._counts(one, at) and self.is_data_owner(one.signer.name, tre, at)]
            needed = chosen[0]["egress"]["approvals"] if chosen else 1
            if counted and len({one.signer.name for one in counted}) >= needed:
                oldest = min(counted, key=lambda one: (one.iat, one.id))
                chosen = oldest.fields, oldest
        return chosen

    def fresh_status(self, now):
        """The newest status by a root person for the current root, if it is in force and all that it names is known."""
        need(self.roots, "no status of the federation is known")
        good = [
            one
            for one in self.statuses
            if one.fields["root_version"] == self.root["version"] and self.is_root_person(one.signer.name) and self.is_key_good(one.kid, now)
        ]
        need(good, "no status of the federation is known")
        newest = max(good, key=lambda one: (one.fields["epoch"], one.id))
        need(now < newest.exp, "the federation's status had expired")
        need(set(newest.fields["revocations"]) <= self.revocation_ids, "revocations that the status names are missing")
        return newest


def narrows(child, parent):
    """Whether a delegated grant is allowed by the one it was made from."""
    datasets = parent["datasets"] is None or (child["datasets"] is not None and set(child["datasets"]) <= set(parent["datasets"]))
    scopes = all(parent[scope] is None or child[scope] == parent[scope] for scope in ("project", "tre"))
    return parent["may_delegate"] and child["role"] == parent["role"] and scopes and datasets


def receive(one, roster, now):
    """Believes a statement, or raises Refused: times, key, signature, claims and fields. Sets `fields` and `signer`."""
    need(max(one.iat, one.nbf) <= now + roster.skew, "dated in the future")
    need(now < one.exp + roster.skew, "expired")
    kind = KINDS[one.kind]
    body = one.body()
    signer = None
    if one.kind == "root":
        signer = next((of_root(entry) for entry in body["keys"] if key_id(entry["key"]) == one.kid), None)
    elif one.kind == "key-record" and key_id(body["key"]) == one.kid:
        signer = Holder(body["kind"], body["name"], body["key"])
    elif one.kind != "key-record":
        signer = roster.holder(one.kid)
    signer = signer or roster.past_root_holder(one.kid)
    need(signer, "its key is not enrolled")
    if kind.signer != "anyone":
        need(not roster.is_key_revoked(one.kid, one.iat), "its key was revoked before")
        need((signer.kind == "person") == (kind.signer == "person"), "such a holder does not sign this kind")
    try:
        nacl.signing.VerifyKey(signer.key).verify(one.signed(roster.network), one.signature)
    except (nacl.exceptions.BadSignatureError, ValueError) as error:
        raise Refused("the signature does not verify") from error
    need(key_id(signer.key) == one.kid, "the key id is another key's")
    need(one.iss == signer.name, "the issuer is not the holder of the key")
    need(one.sub == kind.subject(body), "the subject is not what the payload is about")
    need(0 < one.exp - one.iat <= kind.longest, "the expiry is too far from the issue, or before it")
    if kind.signer == "tre":
        need(signer.kind == "tre" and body["tre"] == signer.name, "a TRE speaks for itself alone")
    if kind.signer == "another node":
        need(body["tre"] != signer.name, "a TRE does not witness its own log")
    one.fields, one.signer = body, signer


def believe(statements, network):
    """Verifies every statement as of its own issue, in whatever order they need. Gives the roster, what is believed, and what is not."""
    roster, believed = Roster(network), []
    waiting = sorted({one.id: one for one in statements}.values(), key=lambda one: one.place)
    while True:
        left = []
        for one in waiting:
            try:
                receive(one, roster, one.iat)
                roster.take(one)
                believed.append(one)
            except Refused as refused:
                left.append((one, refused))
        if not left or len(left) == len(waiting):
            return roster, sorted(believed, key=lambda one: one.place), left
        waiting = [one for one, _ in left]


def founding_networks(statements):
    """The networks of the version 1 roots among these statements, before anything is believed."""
    found = set()
    for one in statements:
        try:
            if one.kind == "root" and one.body()["version"] == 1:
                found.add(sha256(one.payload))
        except Refused:
            continue
    return found


