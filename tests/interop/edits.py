"""What a key can do alone: any field or claim of any statement changed, or signed by another, for another kind or another federation.

Each takes a forge and a generator, and says whether the result holds where that is certain, otherwise nothing. Everyone concerned signs again.
"""

import copy

from wire import DAY, sha256


def some_release(forge, rng):
    return rng.choice(forge.of("release"))


def tre_of(forge, rng):
    return some_release(forge, rng).body["tre"]


def attestations(forge, release):
    return [one for one in forge.of("attestation") if one.was in release.body["attestations"]]


def relog(forge, rng):
    """Wherever grounds may have changed."""
    for release in forge.of("release"):
        forge.relog(release.body["tre"], rng.randrange(6), rng.randrange(3))


def root_person(forge):
    roots = sorted(forge.of("root"), key=lambda one: one.body["version"])
    return next(entry["person"] for entry in roots[-1].body["keys"])


def submitter(forge):
    return forge.of("submission")[0].claims[1]


def when(forge, rng):
    """Before all, between, or after all."""
    times = sorted(one.claims[6] for one in forge.drafts)
    return rng.choice([times[0], forge.of("submission")[0].claims[6], some_release(forge, rng).claims[6], times[-1] + 1])


def names(forge):
    return sorted({one.claims[1] for one in forge.drafts})


# any field of any statement


def places(value, here=()):
    yield here
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*here, key))


def other_value(value, forge, rng):
    ids = [one.was for one in forge.drafts]
    if isinstance(value, bool):
        return rng.choice([not value, not value, int(value), None])
    if isinstance(value, int):
        return rng.choice([value + 1, value - 1, 0, 1, 2, value * 2, -1, 2**63, float(value), str(value), [value]])
    if isinstance(value, str):
        named = [rng.choice(names(forge)) for _ in range(2)]
        return rng.choice([*named, value + "x", "", "a/b", value + "\0", value.upper(), value.encode(), None])
    if isinstance(value, bytes):
        flipped = bytes([value[0] ^ 1]) + value[1:] if value else b"\0"
        return rng.choice([flipped, rng.choice(ids), rng.choice(ids), value[:-1], value + b"\0", list(value), value.hex(), None])
    if isinstance(value, list):
        longer = value + [copy.deepcopy(rng.choice(value))] if value else [rng.choice(ids)]
        return rng.choice([value[1:], value[:-1], [], list(reversed(value)), longer, None, {str(n): item for n, item in enumerate(value)}])
    if isinstance(value, dict):
        less = dict(list(value.items())[1:])
        fewer = {key: item for key, item in value.items() if item is not None}
        return rng.choice([less, fewer, value | {"more": 1}, list(value.values()), {}, None])
    return rng.choice([rng.choice(ids), rng.choice(names(forge)), 0, False, [], {}])


def edit_fields(forge, rng):
    """One value of one statement is another; whoever signed it signs again."""
    one = rng.choice(forge.drafts if rng.random() < 0.4 else [one for one in forge.drafts if one.kind not in ("key-record", "grant")])
    place = rng.choice(list(places(one.body)))
    if not place:
        fewer = [field for field, value in one.body.items() if value is None]
        one.body.pop(rng.choice(fewer or list(one.body)))
    else:
        inside = one.body
        for key in place[:-1]:
            inside = inside[key]
        inside[place[-1]] = other_value(inside[place[-1]], forge, rng)
    if one.kind in ("release", "checkpoint", "cosignature"):
        return
    same = [other for other in forge.of(one.kind) if other is not one and other.payload == one.payload]
    if rng.random() < 0.8:
        for other in same:
            other.body = copy.deepcopy(one.body)
    relog(forge, rng)


def edit_claims(forge, rng):
    one = rng.choice(forge.drafts)
    label = rng.choice([1, 2, 4, 5, 6, 7])
    times = [one.claims[6] + step for step in (-1, 0, 1, -DAY, DAY, 59, 61, 3_653 * DAY, 90 * DAY, 32 * DAY)] + [0, 2**64 - 1, -1]
    values = {1: names(forge), 2: ["x", forge.of("submission")[0].was.hex()], 7: [bytes(16), bytes(15)]}.get(label, times)
    one.claims[label] = rng.choice(values)
    relog(forge, rng)


def other_times(forge, rng):
    """Expired, or from the future, and signed by the right key."""
    one = rng.choice(forge.drafts)
    step = rng.choice([-400 * DAY, -40 * DAY, -8 * DAY, -100, -1, 1, 30, 100, 8 * DAY, 40 * DAY])
    for label in rng.choice([(4, 5, 6), (5, 6), (5,), (6,), (4,)]):
        one.claims[label] = max(0, one.claims[label] + step)
    relog(forge, rng)


def wrong_key(forge, rng):
    """Signed with another's key: in the own name, or in the name of whom it should be."""
    one, other = rng.choice(forge.drafts), rng.choice(forge.drafts)
    kid = rng.choice([other.kid, other.kid, forge.new_key("nobody")[0]])
    one.kid = kid
    if rng.random() < 0.5:
        one.claims[1] = other.claims[1]
    relog(forge, rng)


def wrong_kind(forge, rng):
    one = rng.choice(forge.drafts)
    one.signed_as = rng.choice(["run", "attestation", "grant", "release"])
    relog(forge, rng)
    return None if one.signed_as == one.kind else False


def wrong_network(forge, rng):
    """The whole bundle, signed for another federation than its root makes."""
    forge.signed_for = sha256(b"another")
    relog(forge, rng)
    return False
