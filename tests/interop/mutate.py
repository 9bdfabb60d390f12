"""Makes bundles that are wrong in one way, or in none, out of real ones: for two verifiers to judge alike.

    mutate.py OUT BUNDLE… --keys FOLDER [--count N] [--seed N]

Writes OUT/0000, OUT/0001, … and tells of each, in one JSON object a line, its kind and, where that follows from the kind alone, whether it holds.
The keys are those of the test federation's people and nodes; with them most mutations are signed anew by everyone whom they concern.
"""

import argparse
import json
import pathlib
import random
import shutil
import sys

import cbor2

import edits
import scenes
from bundle import DELIVERY, STATEMENTS, SUMMARY
from forge import Forge, open_keys
from wire import sequence

L = 2**252 + 27742317777372353535851937790883648493  # the order of the group: S + L is the same signature to a lax verifier


def statements(folder):
    return list(sequence((folder / STATEMENTS).read_bytes()))


def replace(folder, items):
    (folder / STATEMENTS).write_bytes(b"".join(items))


def flip(path, rng):
    data = bytearray(path.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


# on the bytes of a folder: each takes the folder, the generator and the other folders, and says whether the result holds, where that is certain


def flip_statement(folder, rng, others):
    flip(folder / STATEMENTS, rng)
    return False


def flip_delivery(folder, rng, others):
    flip(rng.choice(sorted(folder.glob(f"*/{DELIVERY}"))), rng)
    return False


def flip_table(folder, rng, others):
    flip(rng.choice(sorted(folder.glob("*/*.csv"))), rng)
    return False


def flip_summary(folder, rng, others):
    flip(folder / SUMMARY, rng)
    return False


def any_file(folder, rng):
    return rng.choice(sorted(path for path in folder.rglob("*") if path.is_file()))


def truncate(folder, rng, others):
    path = any_file(folder, rng)
    data = path.read_bytes()
    path.write_bytes(data[: rng.randrange(len(data))])
    return False if path.name != STATEMENTS else None


def append(folder, rng, others):
    path = any_file(folder, rng)
    path.write_bytes(path.read_bytes() + rng.choice([b"\0", b"\n", b"\xf6", rng.randbytes(5)]))
    return False


def remove(folder, rng, others):
    any_file(folder, rng).unlink()
    return False


def add_file(folder, rng, others):
    """A file beside the tables is no part of what was released; beside the folders of the TREs anything may lie."""
    tre = rng.choice(sorted(path.parent for path in folder.glob(f"*/{DELIVERY}")))
    inside = rng.random() < 0.5
    ((tre if inside else folder) / rng.choice(["notes.txt", "x.csv", ".hidden", "Results"])).write_bytes(b"1\n")
    return not inside


def foreign_delivery(folder, rng, others):
    source = rng.choice(sorted(folder.glob(f"*/{DELIVERY}"))).parent
    shutil.copytree(source, folder / rng.choice(["tre-z", "elsewhere"]))
    return False


def swap_folders(folder, rng, others):
    one, two = rng.sample(sorted(path.parent for path in folder.glob(f"*/{DELIVERY}")), 2)
    part = rng.choice(["folder", "tables", "deliveries"])
    if part == "folder":
        one.rename(folder / "passing")
        two.rename(one)
        (folder / "passing").rename(two)
        return False
    names = [DELIVERY] if part == "deliveries" else sorted({path.name for path in one.glob("*.csv")} & {path.name for path in two.glob("*.csv")})
    differs = False
    for name in names:
        first, second = (one / name).read_bytes(), (two / name).read_bytes()
        (one / name).write_bytes(second)
        (two / name).write_bytes(first)
        differs |= first != second
    return not differs


def drop(folder, rng, others):
    items = statements(folder)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        items.pop(rng.randrange(len(items)))
    replace(folder, items)


def repeat(folder, rng, others):
    items = statements(folder)
    items.insert(rng.randrange(len(items)), rng.choice(items))
    replace(folder, items)
    return True


def shuffle(folder, rng, others):
    items = statements(folder)
    rng.shuffle(items)
    replace(folder, items)
    return True


def foreign_statements(folder, rng, others):
    """Statements about another task, or trust that somebody added since."""
    items = statements(folder)
    more = [item for item in statements(rng.choice(others)) if item not in items]
    if not more:
        return True
    replace(folder, items + rng.sample(more, min(len(more), rng.choice([1, 1, 3]))))


def edit_cose(folder, rng, change):
    items = statements(folder)
    place = rng.randrange(len(items))
    items[place] = change(cbor2.loads(items[place]).value, items[place])
    replace(folder, items)
    return False


def cose(parts):
    return cbor2.dumps(cbor2.CBORTag(18, parts))


def swap_signatures(folder, rng, others):
    items = statements(folder)
    one, two = rng.sample(range(len(items)), 2)
    first, second = (list(cbor2.loads(items[place]).value) for place in (one, two))
    first[3], second[3] = second[3], first[3]
    items[one], items[two] = cose(first), cose(second)
    replace(folder, items)
    return False


def malleate(folder, rng, others):
    def change(parts, _):
        s = int.from_bytes(parts[3][32:], "little") + L
        return cose([*parts[:3], parts[3][:32] + s.to_bytes(32, "little")])

    return edit_cose(folder, rng, change)


def other_encoding(folder, rng, others):
    """The same statement, written in another way than the one that is allowed."""

    def change(parts, data):
        protected, _, payload, signature = parts
        header = cbor2.loads(protected)
        indefinite = lambda map: b"\xbf" + b"".join(cbor2.dumps(k) + cbor2.dumps(v) for k, v in map.items()) + b"\xff"
        body = cbor2.loads(payload)
        backwards = dict(reversed(body.items()))
        return rng.choice(
            [
                lambda: data[1:],
                lambda: b"\xd8\x12" + data[1:],
                lambda: b"\xd1" + data[1:],
                lambda: b"\xd2\x9f" + data[2:] + b"\xff",
                lambda: cose([protected, {4: header[4]}, payload, signature]),
                lambda: cose([cbor2.dumps(dict(reversed(header.items()))), {}, payload, signature]),
                lambda: cose([indefinite(header), {}, payload, signature]),
                lambda: cose([cbor2.dumps(header | {1: -8}), {}, payload, signature]),
                lambda: cose([cbor2.dumps(header | {2: [15]}), {}, payload, signature]),
                lambda: cose([protected, {}, indefinite(body), signature]),
                lambda: cose([protected, {}, cbor2.dumps(backwards), signature]),
                lambda: cose([protected, {}, payload + b"\xf6", signature]),
                lambda: cose([protected, {}, None, signature]),
                lambda: cose([protected, {}, payload, signature[:63]]),
                lambda: cose([protected, {}, payload, signature + b"\0"]),
                lambda: cose([protected, {}, payload, bytes(64)]),
                lambda: cose([protected, {}, payload, signature, None]),
                lambda: cose([protected, {}, payload]),
                lambda: b"\xd9\xd9\xf7" + data,
            ]
        )()

    return edit_cose(folder, rng, change)


ON_BYTES = [
    *(flip_statement, flip_statement, flip_statement, flip_delivery, flip_table, flip_summary, truncate, append, remove, add_file),
    *(foreign_delivery, swap_folders, drop, drop, drop, repeat, shuffle, foreign_statements),
    *(swap_signatures, malleate, other_encoding, other_encoding),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=pathlib.Path, metavar="OUT")
    parser.add_argument("bundles", nargs="+", type=pathlib.Path, metavar="BUNDLE")
    parser.add_argument("--keys", required=True, metavar="FOLDER")
    parser.add_argument("--count", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    rng, keys = random.Random(args.seed), open_keys(args.keys)
    forges = {bundle: Forge(bundle, keys) for bundle in args.bundles}
    plan = []
    while len(plan) < args.count:
        plan += [*ON_BYTES, *scenes.SCENES, *[edits.edit_fields] * 14]
    for number, mutation in enumerate(plan[: args.count]):
        bundle = rng.choice(args.bundles)
        out = args.out / f"{number:04}"
        if mutation in ON_BYTES:
            shutil.copytree(bundle, out)
            others = [other for other in args.bundles if other != bundle] or [bundle]
            holds = mutation(out, rng, others)
        else:
            forge = forges[bundle].copy()
            holds = mutation(forge, rng)
            forge.write(out)
        print(json.dumps({"dir": str(out), "kind": mutation.__name__, "holds": holds}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
