"""A second `quintes verify`: audits fetched folders with nothing of ours, from the founding root to the last released byte.

    bundle.py DIR… [--network ID] [--json]

Written from protocol/WIRE.md on cbor2 (CBOR) and pynacl (Ed25519). It asks nobody and reads no clock: every statement is judged as of its own issue,
every quorum as of its release. Exit code 0: every folder holds; 1: one does not.
"""

import argparse
import json
import pathlib
import sys

import cbor2

import tables
from decide import decide
from trust import Roster, believe, founding_networks
from wire import PHASES, REFUSALS, Refused, Statement, digest, encode, name, need, raw, sequence, sha256

STATEMENTS, SUMMARY, DELIVERY = "statements.quintes", "task.json", "delivery.cbor"
LARGEST_FILE, LARGEST_TABLE = 64 * 1024 * 1024, 1024 * 1024 * 1024
HOLDS, NOTE, FAILS = "holds", "note", "fails"
ABOUT_TASKS = ("cancellation", "phase", "run", "attestation", "release", "comment")


class Bundle:
    """One folder under audit: its steps, and what became of the task at every TRE (`fates`)."""

    def __init__(self, folder):
        self.folder, self.steps, self.fates = pathlib.Path(folder), [], {}
        self.network = self.submission = None

    def step(self, verdict, what, detail, tre=None):
        self.steps.append({"tre": tre, "what": what, "verdict": verdict, "detail": detail})

    @property
    def ok(self):
        return all(step["verdict"] != FAILS for step in self.steps)

    def audit(self, pinned=None):
        try:
            self._audit(pinned)
        except Refused as refused:
            self.step(FAILS, "folder", str(refused))
        except OSError as error:
            self.step(FAILS, "folder", f"cannot be read: {error.strerror}")
        return self

    def _audit(self, pinned):
        data = read(self.folder / STATEMENTS, LARGEST_FILE)
        need(data, "the file of statements is empty")
        statements = [Statement(item) for item in sequence(data)]
        self.deliveries = {
            path.name: read(path / DELIVERY, LARGEST_TABLE)
            for path in sorted(self.folder.iterdir())
            if is_name(path.name) and (path / DELIVERY).exists()
        }
        self._federation(founding_networks(statements), pinned)
        self.roster, self.believed, refused = believe(statements, self.network)
        for one, why in refused:
            self.step(FAILS, "statement", f"the {one.kind} {one.short} is not believed: {why}")
        need(self.roster.root, "the founding root does not have the signatures that it asks for")
        root = self.roster.root
        self.step(HOLDS, "root", f"`{root['network']}`, version {root['version']}; {root['threshold']} root persons had to sign")
        self._task()
        for tre in self.submission.fields["audience"]:
            self.fates[tre] = Chain(self, tre).follow()
        for tre in self.deliveries:
            if tre not in self.fates:
                self.step(FAILS, "delivery", f"{tre} was never asked, and yet a delivery lies under its name", tre)
        for tre, fate in self.fates.items():
            if fate["state"] == "released":
                self._files(tre, fate["delivery"])
        self._summary()

    def of(self, kind):
        return [one for one in self.believed if one.kind == kind]

    def named(self, kind, id, what):
        found = next((one for one in self.of(kind) if one.id == id), None)
        need(found, f"{what} {id.hex()[:12]} that the release names is not here")
        return found

    def _federation(self, found, pinned):
        need(found, "there is no founding root among the statements")
        if pinned:
            need(pinned in found, "the founding root is that of another federation than you asked for")
            self.network = pinned
            self.step(HOLDS, "federation", f"the founding root is that of the federation {pinned.hex()}, as you asked")
        else:
            need(len(found) == 1, "there are founding roots of several federations")
            self.network = min(found)
            self.step(NOTE, "federation", f"compare the federation's id with the one you were given: {self.network.hex()}")

    def _task(self):
        submissions = self.of("submission")
        need(len(submissions) == 1, "there is not exactly one submission among the statements")
        one = self.submission = submissions[0]
        good = self.roster.is_key_good(one.kid, one.iat)
        detail = f"{one.signer.name}, with a key that was good" if good else "the key was not enrolled, or was revoked before"
        self.step(HOLDS if good else FAILS, "who asked", detail)
        said = one.fields
        asked = ", ".join(said["audience"])
        self.step(HOLDS, "task", f"{one.id.hex()}: `{said['title']}` in the project {said['project']}, asked of {asked}")
        for other in self.believed:
            if other.kind in ABOUT_TASKS and other.fields["task"] != one.id:
                self.step(FAILS, "statement", f"the {other.kind} {other.short} is about another task")

    def _files(self, tre, delivery):
        """The tables on disk are those of the delivery, all of them and no others."""
        names = {DELIVERY}
        for output in delivery["outputs"]:
            path = self.folder / tre / f"{output['name']}.csv"
            names.add(path.name)
            try:
                same = read(path, LARGEST_TABLE) == output["bytes"]
                detail = "is byte for byte what was released" if same else "is not what was released"
            except (OSError, Refused):
                same, detail = False, "cannot be read"
            self.step(HOLDS if same else FAILS, "file", f"`{path}` {detail}", tre)
            try:
                tables.read(output["bytes"], output["schema"])
            except Refused as refused:
                self.step(FAILS, "tables", f"the output `{output['name']}` is not a table: {refused}", tre)
        for path in (self.folder / tre).iterdir():
            if path.name not in names:
                self.step(FAILS, "file", f"`{path}` is no part of what was released", tre)

    def summary(self):
        """The bytes of the summary that follows from the audit."""
        said = self.submission.fields
        task = {
            "id": self.submission.id.hex(),
            "title": said["title"],
            "project": said["project"],
            "submitter": self.submission.signer.name,
            "component": said["component"].hex(),
            "parameters": dict(sorted(said["parameters"].items())),
            "datasets": said["datasets"],
            "signed": self.submission.iat,
        }
        tres = {tre: told(fate) for tre, fate in sorted(self.fates.items())}
        text = json.dumps({"network": self.network.hex(), "task": task, "tres": tres}, indent=2, ensure_ascii=False)
        return f"{text}\n".encode()

    def _summary(self):
        path = self.folder / SUMMARY
        same = path.is_file() and read(path, LARGEST_TABLE) == self.summary()
        self.step(HOLDS if same else FAILS, SUMMARY, "it says what the statements say" if same else "it says something else")


class Chain:
    """What became of the task at one TRE."""

    def __init__(self, bundle, tre):
        self.bundle, self.tre = bundle, tre
        self.roster, self.submission = bundle.roster, bundle.submission

    def own(self, kind):
        return [one for one in self.bundle.of(kind) if one.fields["tre"] == self.tre]

    def step(self, verdict, what, detail):
        self.bundle.step(verdict, what, detail, self.tre)

    def follow(self):
        releases, data = self.own("release"), self.bundle.deliveries.get(self.tre)
        broken = missing("what is here does not hold")
        if not releases and data is None:
            return self._without_release()
        if not releases:
            self.step(FAILS, "release", "there are outputs here, and no release of them")
            return broken
        if len(releases) > 1:
            self.step(FAILS, "release", "the TRE signed several releases of one task")
            return broken
        if data is None:
            self.step(NOTE, "release", f"released as {releases[0].fields['ciphertext_bytes']} bytes of ciphertext; not in this folder")
            return missing("released, and not fetched into this folder")
        try:
            return {"state": "released", "delivery": self._released(releases[0], data)}
        except Refused as refused:
            self.step(FAILS, "release", str(refused))
            return broken

    def _without_release(self):
        """The TRE's last word."""
        phases = self.own("phase")
        if not phases:
            self.step(NOTE, "phase", "the TRE has not said anything")
            return missing("no word from it yet")
        said = max(phases, key=lambda one: (PHASES[one.fields["phase"]], *one.place)).fields
        reasons = {
            "refused": lambda: REFUSALS[said["refusal"]],
            "failed": lambda: f"its run failed ({said['failure']})",
            "cancelled": lambda: "called back",
            "withheld": self._withheld,
        }
        word = said["phase"]
        self.step(NOTE, "phase", f"the TRE's last word is `{word}`")
        if word in reasons:
            return {"state": "declined", "reason": reasons[word]()}
        return missing(f"its last word is `{word}`")

    def _withheld(self):
        reasons = {
            f"{one.signer.name} on `{output}`: {decision['reason']}"
            for one in self.own("attestation")
            for output, decision in one.fields["decisions"].items()
            if not decision["approve"]
        }
        listed = f" ({', '.join(sorted(reasons))})" if reasons else ""
        return f"the data owners let nothing out{listed}"

    def _good(self, one, at, what):
        need(self.roster.is_key_good(one.kid, at), f"the key under the {what} was revoked before")

    def _released(self, release, data):
        """Every step from a release to its bytes. Each rests on the ones before."""
        said, task = release.fields, self.submission.fields
        need(said["task"] == self.submission.id, "the release is of another task")
        self._good(release, release.iat, "release")
        self.step(HOLDS, "release", f"signed by {release.signer.name}")

        run = self.bundle.named("run", said["run"], "the run")
        ran = run.fields
        same = (ran["task"], ran["tre"], ran["commitment"]) == (said["task"], self.tre, said["commitment"])
        need(same, "the run is another one than the release says")
        need(ran["component"] == task["component"], "another component ran than was submitted")
        self._good(run, run.iat, "run")
        self.step(HOLDS, "run", f"the component {ran['component'].hex()} ran over {', '.join(sorted(ran['snapshots'])) or 'none'}")

        project = self.bundle.named("project", said["project"], "the project").fields
        need(project["name"] == task["project"], "the release is under another project than the task")
        need(self.tre in project["tres"], "the project does not include the TRE")
        need(set(task["datasets"]) <= set(project["datasets"]), "the task asks for a dataset that is not part of the project")
        allowed = {component["digest"] for component in project["components"]}
        need(not allowed or task["component"] in allowed, "the project does not allow the component")
        self.step(HOLDS, "project", f"`{project['name']}`, version {project['version']}: {project['egress']['approvals']} persons must approve")

        person, datasets = self.submission.signer.name, task["datasets"]
        asked = lambda at: self.roster.authority(person, "researcher", self.tre, at, project, datasets)
        links = asked(self.submission.iat) or asked(run.iat)
        need(links, f"{person} had no grant as a researcher of the project at this TRE")
        by = ", by leave of ".join(f"{link.signer.name} ({link.short})" for link in links)
        self.step(HOLDS, "grant", f"{person} is a researcher of the project here, granted by {by}")

        delivery = open_delivery(data)
        need((delivery["task"], delivery["tre"]) == (said["task"], self.tre), "the delivery is of another task or TRE")
        names = sorted(output["name"] for output in delivery["outputs"])
        need(names == said["outputs"] and not set(names) & set(delivery["withheld"]), "the delivery holds other outputs than the release names")
        need(commitment(delivery) == said["commitment"], "the delivery does not match the commitment that was signed")
        self._quorum(release, run, set(names) | set(delivery["withheld"]))
        self._log(release)
        self.step(HOLDS, "delivery", f"{', '.join(names)}: every byte is the one that was attested ({said['commitment'].hex()})")
        return delivery

    def _roster_at(self, release):
        """What was known when the release was signed: of statuses the one that it names, of the project the version that it names, from the
        signature that it names on, and the versions before; of revocations those that the status names and those that are older than
        clocks may differ."""
        roster, said, skew = Roster(self.bundle.network), release.fields, self.roster.skew
        listed = self.bundle.named("status", said["status"], "the status").fields["revocations"]
        project = self.bundle.named("project", said["project"], "the project")
        version = lambda one: one.fields["version"]
        for one in self.bundle.believed:
            known = True
            if one.kind == "status":
                known = one.id == said["status"]
            elif one.kind == "project":
                same = version(one) == version(project) and (one.iat, one.id) >= (project.iat, project.id)
                known = one.fields["name"] == project.fields["name"] and (version(one) < version(project) or same)
            elif one.kind == "revocation":
                known = one.id in listed or one.iat + skew < release.iat
            if known and one.iat <= release.iat + skew:
                roster.take(one)
        return roster

    def _quorum(self, release, run, outputs):
        """Counts again who let it out."""
        said = release.fields
        attestations = [self.bundle.named("attestation", id, "the attestation") for id in said["attestations"]]
        need(all(one.fields["tre"] == self.tre for one in attestations), "an attestation is about another TRE")
        standing = [self.bundle.named("standing-approval", id, "the standing approval") for id in said["standing"]]
        decided = decide(self.submission, run, outputs, attestations, standing, said["checks"], self._roster_at(release), release.iat)
        need(all(said[field] == value for field, value in decided.items()), "the attestations let out something else than was released")
        for one in attestations:
            words = [f"{'approved' if decision['approve'] else 'rejected'} `{output}`" for output, decision in one.fields["decisions"].items()]
            self.step(HOLDS, "attestation", f"{one.signer.name} {', '.join(words)}")
        if standing:
            by = ", ".join(sorted({one.signer.name for one in standing}))
            self.step(HOLDS, "standing approval", f"no person looked at it: the standing approval `{standing[0].fields['name']}` of {by} covers it")

    def _log(self, release):
        """Where the run and what let it out stand in the TRE's log, and who has seen it there."""
        said = release.fields
        checkpoint = self.bundle.named("checkpoint", said["log"]["checkpoint"], "the checkpoint")
        need(checkpoint.fields["tre"] == self.tre, "the checkpoint is of another TRE's log")
        grounds = [(said["run"], "run")]
        grounds += [(id, "attestation") for id in said["attestations"]] + [(id, "standing-approval") for id in said["standing"]]
        for id, kind in grounds:
            proofs = [proof for proof in said["log"]["inclusions"] if proof["statement"] == id]
            need(any(included(proof, kind, checkpoint.fields) for proof in proofs), f"the {kind} {id.hex()[:12]} is not proved to stand in the log")
        by = set()
        for id in said["log"]["cosignatures"]:
            one = self.bundle.named("cosignature", id, "the cosignature")
            about_this = one.fields["checkpoint"] == checkpoint.id and one.signer.name != self.tre
            need(about_this, "a cosignature is under another checkpoint than the release names")
            self._good(one, one.iat, "cosignature")
            by.add(one.signer.name)
        verdict = HOLDS if by else NOTE
        seen = f"cosigned by {', '.join(sorted(by))}" if by else "no other node has cosigned that"
        self.step(verdict, "log", f"the first {checkpoint.fields['size']} entries of the TRE's log hold the run and what let it out; {seen}")


def read(path, limit):
    need(path.is_file(), f"`{path}` is not there")
    need(path.stat().st_size <= limit, f"`{path}` is too large")
    return path.read_bytes()


def is_name(text):
    try:
        name(text)
    except Refused:
        return False
    return True


def missing(reason):
    return {"state": "missing", "reason": reason}


def told(fate):
    if fate["state"] != "released":
        return fate
    outputs = [
        {"name": output["name"], "bytes": len(output["bytes"]), "columns": output["schema"]} for output in fate["delivery"]["outputs"]
    ]
    return {"state": "released", "outputs": outputs, "withheld": list(fate["delivery"]["withheld"])}


def open_delivery(data):
    """A delivery in the one form that is written (WIRE.md, "Delivery"): fields in that order, names of what stayed ascending."""
    try:
        value = cbor2.loads(data)
    except Exception as error:
        raise Refused("the delivery is not CBOR") from error
    fields = lambda value, *names: need(type(value) is dict and list(value) == list(names), "the delivery has other fields than it should")
    fields(value, "task", "tre", "outputs", "withheld")
    digest(value["task"])
    need(type(value["tre"]) is str and type(value["outputs"]) is list and type(value["withheld"]) is dict, "not a delivery")
    for output in value["outputs"]:
        fields(output, "name", "schema", "bytes", "salt")
        need(type(output["name"]) is str and type(output["schema"]) is list and type(output["bytes"]) is bytes, "not a delivery")
        raw(32)(output["salt"])
        for column in output["schema"]:
            fields(column, "name", "type", "role")
            tables.check_column(column)
    stayed = list(value["withheld"])
    need(all(type(name) is str for name in stayed) and stayed == sorted(stayed), "what stayed is not in order")
    for leaf in value["withheld"].values():
        digest(leaf)
    need(cbor2.dumps(value) == data, "the delivery is not in the one encoding that is written")
    return value


def sized(data):
    return len(data).to_bytes(8, "big") + data


def commitment(delivery):
    leaves = dict(delivery["withheld"])
    for output in delivery["outputs"]:
        schema = sha256(encode(output["schema"]))
        length = len(output["bytes"]).to_bytes(8, "big")
        leaves[output["name"]] = sha256(b"\0", output["salt"], sized(output["name"].encode()), schema, length, sha256(output["bytes"]))
    return sha256(b"\1", *(sized(name.encode()) + leaves[name] for name in sorted(leaves)))


def included(proof, kind, checkpoint):
    """Whether a statement stands in the log that a checkpoint describes (RFC 6962 section 2.1.1; verified as RFC 9162 section 2.1.3.2 says)."""
    place, last = proof["index"], checkpoint["size"] - 1
    if place > last or proof["at"] >= 2**64:
        return False
    found = sha256(b"\0", proof["statement"], proof["at"].to_bytes(8, "big"), kind.encode())
    for other in proof["path"]:
        if last == 0:
            return False
        if place & 1 or place == last:
            found = sha256(b"\1", other, found)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            found = sha256(b"\1", found, other)
        place, last = place >> 1, last >> 1
    return last == 0 and found == checkpoint["root"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dirs", nargs="+", metavar="DIR")
    parser.add_argument("--network", type=bytes.fromhex, help="the federation's id")
    parser.add_argument("--json", action="store_true", help="one JSON object for each folder")
    args = parser.parse_args()
    bundles = [Bundle(folder).audit(args.network) for folder in args.dirs]
    for bundle in bundles:
        if args.json:
            print(json.dumps({"dir": str(bundle.folder), "ok": bundle.ok, "steps": bundle.steps}))
            continue
        for step in bundle.steps:
            print(f"{step['verdict']:5} {step['tre'] or '':8} {step['what']:18} {step['detail']}")
        print(f"{bundle.folder}: {'everything holds' if bundle.ok else 'does not hold'}")
    return 0 if all(bundle.ok for bundle in bundles) else 1


if __name__ == "__main__":
    sys.exit(main())
