"""Reads statements as protocol/WIRE.md describes them: deterministic CBOR, the COSE profile, the fields of every kind. Nothing is believed here."""

import hashlib
import re
import unicodedata

import cbor2

LARGEST = 65_536
DEEPEST = 16
DAY = 86_400
DECADE = 3_653 * DAY
PLACE = -65_537
CHAINED = ("submission", "cancellation")


class Refused(Exception):
    """What was read breaks a rule; the text says which."""


def need(holds, rule):
    if not holds:
        raise Refused(rule)


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


# CBOR


def end_of(data, start=0, depth=0):
    """Where the CBOR item that begins at `start` ends."""
    need(depth <= DEEPEST, "nested too deep")
    need(start < len(data), "cut short")
    major, info = data[start] >> 5, data[start] & 31
    at = start + 1
    if info == 31:
        need(major in (2, 3, 4, 5), "a break without a beginning")
        while True:
            need(at < len(data), "cut short")
            if data[at] == 0xFF:
                return at + 1
            at = end_of(data, at, depth + 1)
    need(info <= 27, "a reserved length")
    if info >= 24:
        width = 1 << (info - 24)
        need(at + width <= len(data), "cut short")
        info, at = int.from_bytes(data[at : at + width], "big"), at + width
    if major in (2, 3):
        need(info <= len(data) - at, "cut short")
        return at + info
    items = {4: info, 5: 2 * info, 6: 1}.get(major, 0)
    need(items <= len(data), "cut short")
    for _ in range(items):
        at = end_of(data, at, depth + 1)
    return at


def only(data):
    """The one CBOR item in `data`."""
    need(end_of(data) == len(data), "trailing bytes")
    try:
        return cbor2.loads(data)
    except Exception as error:
        raise Refused("not CBOR") from error


def plain(value, depth=1):
    """Text keys, no floats, no tags, at most 16 deep."""
    need(depth <= DEEPEST, "too deep")
    if isinstance(value, dict):
        need(all(isinstance(key, str) for key in value), "a key is not text")
        for item in value.values():
            plain(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            plain(item, depth + 1)
    else:
        need(value is None or type(value) in (bool, int, str, bytes), "a type that payloads do not have")


def encode(value):
    """Deterministic CBOR (RFC 8949 section 4.2.1). For text keys the order of RFC 7049 is the same."""
    return cbor2.dumps(value, canonical=True)


def sequence(data):
    """The items of a CBOR sequence (RFC 8742), each as its bytes."""
    start = 0
    while start < len(data):
        end = end_of(data, start)
        yield data[start:end]
        start = end


# the fields of a payload: each checker takes a value and raises Refused


def uint(low=0, high=2**64 - 1):
    def check(value):
        need(type(value) is int and low <= value <= high, f"not an integer of {low} to {high}")

    return check


def text(limit=None, controls=False):
    def check(value):
        need(type(value) is str, "not text")
        need(limit is None or len(value.encode()) <= limit, "too long a text")
        need(controls or all(c == "\n" or unicodedata.category(c) != "Cc" for c in value), "a control character")

    return check


def identifier(value):
    text(63)(value)
    need(value != "" and "\n" not in value, "a name of a relation or column that is empty or has several lines")


def some_text(limit):
    def check(value):
        text(limit)(value)
        need(value.strip(), "a text that says nothing")

    return check


def name(value):
    need(type(value) is str and re.fullmatch(r"[a-z0-9][a-z0-9._@-]{0,63}", value) and ".." not in value, "not a name")


def recipient(value):
    need(type(value) is str and value.startswith("age1") and len(value.encode()) <= 4096, "not an age recipient")


def raw(size):
    def check(value):
        need(type(value) is bytes and len(value) == size, f"not {size} bytes")

    return check


def boolean(value):
    need(type(value) is bool, "neither true nor false")


def word(*words):
    def check(value):
        need(type(value) is str and value in words, "none of " + ", ".join(words))

    return check


def maybe(inner):
    return lambda value: value is None or inner(value)


def array(inner, low=0, high=2**32):
    def check(value):
        need(type(value) is list and low <= len(value) <= high, f"not an array of {low} to {high}")
        for item in value:
            inner(item)

    return check


def ascending(inner, low=0, high=2**32):
    def check(value):
        array(inner, low, high)(value)
        keys = [item.encode() if isinstance(item, str) else item for item in value]
        need(all(a < b for a, b in zip(keys, keys[1:])), "not ascending, or one stands twice")

    return check


def table(inner, high=2**32, low=0):
    def check(value):
        need(type(value) is dict and low <= len(value) <= high, f"not a map of {low} to {high}")
        for key, item in value.items():
            name(key)
            inner(item)

    return check


def record(**fields):
    def check(value):
        need(type(value) is dict and set(value) == set(fields), "other fields than the kind has")
        for field, inner in fields.items():
            try:
                inner(value[field])
            except Refused as refused:
                raise Refused(f"{field}: {refused}") from refused

    return check


P = 2**255 - 19
D = -121665 * pow(121666, P - 2, P) % P
EIGHTH = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7  # y of the points of order 8, up to the sign
SMALL = {0, 1, P - 1, EIGHTH, P - EIGHTH}


def key(value):
    """An Ed25519 key: a point of the curve in its one encoding (RFC 8032 section 5.1.3), not of small order."""
    raw(32)(value)
    y = int.from_bytes(value, "little") % 2**255
    need(y < P and y not in SMALL, "a key that is not canonical, or of small order")
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    need(pow(square, (P - 1) // 2, P) == 1, "a key that is no point of the curve")


digest = raw(32)
count = uint()
checks = record(rules=text(100), checker=digest, findings=digest, failed=count, review=count)
policy = record(
    **{
        "threshold": uint(1),
        "p-ratio-percent": uint(1, 100),
        "nk-share-percent": uint(1, 100),
        "minimum-degrees-of-freedom": uint(1, 2**63 - 1),
        "maximum-bytes": uint(1, 16 * 1024 * 1024),
        "maximum-rows": uint(1, 1_000_000),
        "maximum-columns": uint(1, 1_000),
        "maximum-outputs": uint(1, 1_000),
        "significant-digits": uint(1, 15),
        "zeros-are-disclosive": boolean,
        "suppress": boolean,
        "rounding-base": uint(1, 1_000),
        "rounding-midpoint": boolean,
        "minimum-interval": uint(1, 1_000),
    }
)
inclusion = record(statement=digest, at=count, index=count, path=array(digest, 0, 64))
REFUSALS = {
    "not-configured": "this TRE is not configured to run tasks",
    "expired": "the submission has expired; submit it again",
    "replayed": "the submission repeats another one, or contradicts one that was signed with the same key; submit it again",
    "stale-status": "the TRE has no fresh status of the federation; its operator or a root person must act",
    "key-not-good": "the submitter's key is not enrolled or was revoked",
    "reply-to": "results would go to a recipient that is not in the submitter's key record",
    "project-not-signed": "no data owner of this TRE has signed the project",
    "project-not-here": "the project does not include this TRE",
    "not-on-project": "the submitter has no grant as a researcher of the project at this TRE",
    "dataset-not-granted": "a dataset is not part of the project or does not exist at this TRE",
    "component-not-allowed": "the project does not allow the component",
    "component-unavailable": "the component could not be obtained by its digest",
    "component-unusable": "the component asks for more than the analysis world offers, or is not a component",
    "busy": "too many tasks wait at this TRE; try again later",
}
COLUMN_TYPES = ("boolean", "int64", "float64", "decimal", "text", "bytes", "date", "timestamp")
PHASES = {"received": 0, "admitted": 1, "running": 2, "held": 3, "refused": 4, "failed": 4, "withheld": 4, "released": 4, "cancelled": 4}


def root_rules(body):
    need((body["version"] == 1) == (body["previous"] is None), "only version 1 has no previous root")
    need(len({entry["key"] for entry in body["keys"]}) == len(body["keys"]), "a root key stands twice")
    need(body["threshold"] <= len({entry["person"] for entry in body["keys"]}), "a threshold beyond the persons")


def key_record_rules(body):
    need(body["peer"] != body["key"], "the network identity is the signing key")
    need(body["kind"] == "person" or body["peer"] is not None, "a node without a network identity")


def grant_rules(body):
    scope = "project" if body["role"] == "researcher" else "tre"
    need(body[scope] is not None, f"the grant of this role names no {scope}")


def project_rules(body):
    rules = body["disclosure"]
    need(not rules["rounding-midpoint"] or rules["rounding-base"] >= 2, "the middle of a bin of one")


def submission_rules(body):
    need(len({output["name"] for output in body["outputs"]}) == len(body["outputs"]), "an output stands twice")
    need(len(set(body["audience"])) == len(body["audience"]), "a TRE is asked twice")


def phase_rules(body):
    need((body["refusal"] is not None) == (body["phase"] == "refused"), "a refusal and its reason go together")
    need((body["failure"] is not None) == (body["phase"] == "failed"), "a failure and its code go together")


def attestation_rules(body):
    need(body["decisions"] or body["supersedes"] is not None, "it decides nothing and withdraws nothing")


def release_rules(body):
    need(bool(body["attestations"]) != bool(body["standing"]), "by persons or by a standing approval, not both and not neither")


def comment_rules(body):
    need(not body["question"] or body["to"] == "members", "a question that the submitter may not read")
    need(not (body["question"] and body["answers"] is not None), "an answer that is a question")


def dataset_rules(body):
    relations = body["schema"]["relations"] if body["schema"] else []
    names = [relation["name"].encode() for relation in relations]
    need(all(a < b for a, b in zip(names, names[1:])), "relations out of order, or one twice")
    for relation in relations:
        columns = {column["name"] for column in relation["columns"]}
        need(len(columns) == len(relation["columns"]), "a column stands twice")
        need(relation["subject"] is None or relation["subject"] in columns, "a subject that is no column")


def checkpoint_rules(body):
    first, begins = body["previous"] is None, body["previous_size"] == 0
    need(body["size"] > body["previous_size"], "a log that did not grow")
    need(first or not begins, "it follows a checkpoint and no leaves")
    need(not first or begins or body["epoch"] > 0, "it follows leaves and no checkpoint")
    need(not begins or not body["proof"], "it follows nothing and proves something")


class Kind:
    """What a kind of statement has: its fields, what it is about (`sub`), how long it may be valid, who signs it, and rules across fields."""

    def __init__(self, fields, subject, longest, signer, rules=lambda body: None):
        self.fields, self.subject, self.longest, self.signer, self.rules = fields, subject, longest, signer, rules


def about_task(body):
    return body["task"].hex()


# In the order in which each needs only earlier ones to be understood.
KINDS = {
    "root": Kind(
        record(
            network=name,
            version=uint(1),
            previous=maybe(digest),
            threshold=uint(1),
            keys=array(record(person=name, organisation=text(200), key=key), 1, 64),
            clock_skew_seconds=uint(0, 3_600),
        ),
        lambda body: body["network"],
        DECADE,
        "anyone",
        root_rules,
    ),
    "key-record": Kind(
        record(
            kind=word("person", "tre", "hub"),
            name=name,
            organisation=text(200),
            device=text(200),
            key=key,
            recipient=maybe(recipient),
            peer=maybe(key),
        ),
        lambda body: body["name"],
        DECADE,
        "anyone",
        key_record_rules,
    ),
    "grant": Kind(
        record(
            person=name,
            role=word("researcher", "data-owner", "output-checker", "operator"),
            project=maybe(name),
            tre=maybe(name),
            datasets=maybe(array(name, 0, 256)),
            may_delegate=boolean,
            parent=maybe(digest),
        ),
        lambda body: body["person"],
        90 * DAY,
        "person",
        grant_rules,
    ),
    "revocation": Kind(record(target=digest, reason=text(1_000)), lambda body: body["target"].hex(), 2 * DECADE, "person"),
    "status": Kind(
        record(epoch=count, root_version=count, revocations=ascending(digest, 0, 1_500)),
        lambda body: f"epoch {body['epoch']}",
        31 * DAY,
        "person",
    ),
    "project": Kind(
        record(
            name=name,
            version=uint(1),
            title=text(500),
            tres=array(name, 1, 256),
            datasets=array(name, 1, 256),
            admins=array(name, 0, 64),
            components=array(record(name=name, digest=digest), 0, 256),
            disclosure=policy,
            egress=record(approvals=uint(1, 32), checkers_count=boolean, excluded=array(name, 0, 64)),
        ),
        lambda body: body["name"],
        DECADE,
        "person",
        project_rules,
    ),
    "standing-approval": Kind(
        record(
            name=name,
            tre=name,
            project=name,
            policy=digest,
            component=digest,
            rules=text(100),
            checker=digest,
            per_day=uint(1, 1_000),
        ),
        lambda body: body["project"],
        90 * DAY,
        "person",
    ),
    "recovery": Kind(
        record(tre=name, epoch=uint(1), lost=digest, size=count, root=digest, reason=some_text(1_000)),
        lambda body: body["tre"],
        DECADE,
        "person",
    ),
    "dataset": Kind(
        record(
            tre=name,
            name=name,
            version=uint(1),
            schema=maybe(
                record(
                    dialect=name,
                    relations=array(
                        record(
                            name=identifier,
                            subject=maybe(text()),
                            columns=array(record(name=identifier, type=word(*COLUMN_TYPES), nullable=boolean), 1, 1_000),
                        ),
                        0,
                        1_000,
                    ),
                    left_out=count,
                )
            ),
        ),
        lambda body: body["name"],
        DECADE,
        "tre",
        dataset_rules,
    ),
    "submission": Kind(
        record(
            project=name,
            title=text(200),
            component=digest,
            component_bytes=count,
            parameters=table(text(32 * 1024), 64),
            datasets=array(name, 0, 64),
            outputs=array(record(name=name, media_type=word("text/csv"), columns=maybe(array(text(63), 0, 200))), 1, 50),
            audience=array(name, 1, 256),
            reply_to=recipient,
        ),
        lambda body: body["project"],
        7 * DAY,
        "person",
        submission_rules,
    ),
    "cancellation": Kind(record(task=digest, reason=text(1_000)), about_task, 30 * DAY, "person"),
    "comment": Kind(
        record(
            task=digest,
            tre=name,
            output=maybe(name),
            text=some_text(2_000),
            to=word("reviewers", "members"),
            question=boolean,
            answers=maybe(digest),
        ),
        about_task,
        DECADE,
        "person",
        comment_rules,
    ),
    "phase": Kind(
        record(task=digest, tre=name, phase=word(*PHASES), refusal=maybe(word(*REFUSALS)), failure=maybe(name)),
        about_task,
        DECADE,
        "tre",
        phase_rules,
    ),
    "run": Kind(
        record(task=digest, tre=name, component=digest, snapshots=table(digest, 64), finished=count, commitment=digest),
        about_task,
        DECADE,
        "tre",
    ),
    "attestation": Kind(
        record(
            task=digest,
            tre=name,
            run=digest,
            commitment=digest,
            project=digest,
            decisions=table(record(approve=boolean, reason=text(1_000)), 50),
            report=checks,
            supersedes=maybe(digest),
        ),
        about_task,
        31 * DAY,
        "person",
        attestation_rules,
    ),
    "release": Kind(
        record(
            task=digest,
            tre=name,
            run=digest,
            attestations=ascending(digest, 0, 32),
            standing=ascending(digest, 0, 32),
            checks=checks,
            log=record(checkpoint=digest, cosignatures=ascending(digest, 0, 32), inclusions=array(inclusion, 0, 33)),
            project=digest,
            status=digest,
            commitment=digest,
            outputs=ascending(name, 1, 50),
            ciphertext=digest,
            ciphertext_bytes=count,
            ciphertext_root=digest,
            recipient=text(controls=True),
        ),
        about_task,
        DECADE,
        "tre",
        release_rules,
    ),
    "checkpoint": Kind(
        record(
            tre=name,
            epoch=count,
            size=uint(0, 2**48),
            root=digest,
            previous=maybe(digest),
            previous_size=count,
            proof=array(digest, 0, 128),
        ),
        lambda body: body["tre"],
        DECADE,
        "tre",
        checkpoint_rules,
    ),
    "cosignature": Kind(record(tre=name, checkpoint=digest), lambda body: body["checkpoint"].hex(), DECADE, "another node"),
}
ORDER = {kind: place for place, kind in enumerate(KINDS)}
CONTENT_TYPES = {f"application/vnd.quintes.{kind}.v1+cbor": kind for kind in KINDS}


class Statement:
    """One COSE_Sign1 in the profile (WIRE.md, "Statements"). Its signature has not been checked; `signer` is set once it has."""

    def __init__(self, data):
        need(len(data) <= LARGEST, "more than 65,536 bytes")
        tagged = only(data)
        need(isinstance(tagged, cbor2.CBORTag) and tagged.tag == 18, "not a tagged COSE_Sign1")
        need(isinstance(tagged.value, (list, tuple)) and len(tagged.value) == 4, "not a COSE_Sign1")
        self.protected, _, self.payload, self.signature = tagged.value
        need(type(self.protected) is bytes and type(self.payload) is bytes, "header or payload")
        raw(64)(self.signature)
        header = only(self.protected)
        need(isinstance(header, dict) and set(header) == {1, 3, 4, 15}, "protected header")
        claims = header[15]
        need(isinstance(claims, dict) and set(claims) - {PLACE} == {1, 2, 4, 5, 6, 7}, "claims")
        self.iss, self.sub, self.exp, self.nbf, self.iat, self.cti = (claims[label] for label in (1, 2, 4, 5, 6, 7))
        for value, check in ((self.iss, text(controls=True)), (self.sub, text(controls=True)), (self.cti, raw(16))):
            check(value)
        for value in (self.exp, self.nbf, self.iat):
            count(value)
        self.kid = header[4]
        raw(16)(self.kid)
        content_type = header[3]
        need(type(content_type) is str and content_type in CONTENT_TYPES, "content type")
        self.kind = CONTENT_TYPES[content_type]
        self.chained = claims.get(PLACE)
        if PLACE in claims:
            need(self.kind in CHAINED, "a place in a chain for a kind that stands in none")
            array(lambda value: None, 2, 2)(self.chained)
            number, previous = self.chained
            uint(1)(number)
            maybe(digest)(previous)
            need((number == 1) == (previous is None), "a place that does not follow, or follows nothing")
        # One encoding only: what the profile would have written must be what came.
        claims = {1: self.iss, 2: self.sub, 4: self.exp, 5: self.nbf, 6: self.iat, 7: self.cti}
        claims |= {} if self.chained is None else {PLACE: self.chained}
        header = cbor2.dumps({1: -19, 3: content_type, 4: self.kid, 15: claims})
        need(cbor2.dumps(cbor2.CBORTag(18, [header, {}, self.payload, self.signature])) == data, "not the one encoding")
        self.data, self.id, self.signer = data, sha256(data), None

    @property
    def place(self):
        return ORDER[self.kind], self.iat, self.id

    @property
    def short(self):
        return self.id.hex()[:12]

    def body(self):
        """The payload's fields, by the rules of the kind."""
        value = only(self.payload)
        plain(value)
        need(encode(value) == self.payload, "the payload is not deterministic CBOR")
        kind = KINDS[self.kind]
        kind.fields(value)
        kind.rules(value)
        return value

    def aad(self, network):
        return f"quintes/v1/{network.hex()}/{self.kind}".encode()

    def signed(self, network):
        """What the signature is over: Sig_structure (RFC 9052 section 4.4)."""
        return cbor2.dumps(["Signature1", self.protected, self.aad(network), self.payload])
