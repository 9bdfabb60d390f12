"""What people with keys could have signed instead: each scene changes a bundle's statements, and everyone concerned signs again.

A scene takes a forge and a generator, and says whether the result holds where that is certain, otherwise nothing.
"""

import copy

from edits import attestations, names, relog, root_person, some_release, submitter, tre_of, when
from edits import edit_claims, other_times, wrong_key, wrong_kind, wrong_network
from forge import recommit
from wire import DAY, sha256


# revocations


def around_skew(forge):
    """Ages at a release between which a revocation begins to count."""
    skew = max(one.body["clock_skew_seconds"] for one in forge.of("root"))
    return [skew, skew + 1]


def revoked_key(forge, rng):
    record = rng.choice(forge.of("key-record"))
    by = rng.choice([root_person(forge), record.claims[1], rng.choice(names(forge))])
    if not any(one.body["kind"] == "person" for one in forge.of("key-record", name=by)) and by != root_person(forge):
        by = root_person(forge)
    forge.add("revocation", {"target": record.was, "reason": "lost"}, by, when(forge, rng))
    relog(forge, rng)


def revoked_statement(forge, rng):
    kinds = rng.choice([("grant",), ("grant",), ("project",), ("standing-approval", "attestation"), ("status", "submission", "run")])
    targets = [one for one in forge.drafts if one.kind in kinds]
    if not targets:
        return
    one = rng.choice(targets)
    by = rng.choice([root_person(forge), one.claims[1], submitter(forge)])
    if forge.of("key-record", name=by, kind="tre"):
        by = root_person(forge)
    revocation = forge.add("revocation", {"target": one.was, "reason": "no more"}, by, when(forge, rng))
    if rng.random() < 0.5:
        for status in forge.of("status"):
            status.body["revocations"] = sorted([*status.body["revocations"], revocation.was])
        if rng.random() < 0.5:
            forge.drafts.remove(revocation)
    relog(forge, rng)


# who let it out


def second_owner(forge, rng, role="data-owner"):
    """Another person who may decide at a TRE: what they say, and whether the release names it."""
    release = some_release(forge, rng)
    tre, early = release.body["tre"], forge.of("grant")[0].claims[6]
    forge.enrol("second", "person", root_person(forge), early)
    grant = dict(person="second", role=role, project=None, tre=tre, datasets=None, may_delegate=False, parent=None)
    forge.add("grant", grant, root_person(forge), early)
    return release, tre


def more_approvals(forge, rng):
    """The project asks for two; there are one, two, or one person with two keys."""
    for project in forge.of("project"):
        project.body["egress"] = dict(project.body["egress"], approvals=2)
    release, tre = second_owner(forge, rng)
    mostly = rng.choice(["second", "second", "same person", "nobody"])
    for other in forge.of("release"):
        for one in attestations(forge, other):
            how = mostly if rng.random() < 0.9 else "nobody"
            if how == "nobody" or not forge.of("key-record", name=one.claims[1]):
                continue
            by, kid = "second", None
            if how == "same person":
                by = one.claims[1]
                kid = forge.enrol(by, "person", root_person(forge), forge.of("grant")[0].claims[6], "another device")
            if how == "second" and other.body["tre"] != tre:
                grant = dict(person="second", role="data-owner", project=None, tre=other.body["tre"], datasets=None, may_delegate=False, parent=None)
                forge.add("grant", grant, root_person(forge), forge.of("grant")[0].claims[6])
            more = forge.add("attestation", copy.deepcopy(one.body), by, one.claims[6], kid=kid)
            other.body["attestations"] = sorted([*other.body["attestations"], more.was])
    relog(forge, rng)


def another_says(forge, rng):
    """A second owner or checker decides as well, or in the place of the first."""
    role = rng.choice(["data-owner", "output-checker"])
    release, tre = second_owner(forge, rng, role)
    found = attestations(forge, release)
    if not found:
        return
    for project in forge.of("project"):
        checkers_count, excluded = rng.random() < 0.5, ["second"] if rng.random() < 0.2 else []
        project.body["egress"] = dict(project.body["egress"], checkers_count=checkers_count, excluded=excluded)
    one = found[0]
    body = copy.deepcopy(one.body)
    for output, decision in body["decisions"].items():
        body["decisions"][output] = dict(decision, approve=rng.choice([True, True, False]))
    more = forge.add("attestation", body, "second", one.claims[6] + rng.choice([0, 1, 1_000_000]))
    place = rng.choice(["beside", "instead", "unnamed"])
    if place == "beside":
        release.body["attestations"] = sorted([*release.body["attestations"], more.was])
    elif place == "instead":
        release.body["attestations"] = [more.was]
    relog(forge, rng)


def own_approval(forge, rng):
    """The submitter lets it out."""
    release = some_release(forge, rng)
    who, tre = submitter(forge), release.body["tre"]
    grant = dict(person=who, role="data-owner", project=None, tre=tre, datasets=None, may_delegate=False, parent=None)
    forge.add("grant", grant, root_person(forge), forge.of("grant")[0].claims[6])
    found = attestations(forge, release)
    if not found:
        return
    found[0].claims[1], found[0].kid = who, forge.key_of(who)
    relog(forge, rng)
    return False


def changed_mind(forge, rng):
    """An earlier decision and the one that takes its place, or takes it back."""
    release = some_release(forge, rng)
    found = attestations(forge, release)
    if not found:
        return
    one = found[0]
    body = copy.deepcopy(one.body)
    how = rng.choice(["superseded", "withdrawn", "unsuperseded", "of another"])
    if how == "withdrawn":
        body |= {"decisions": {}, "supersedes": one.was}
        release_names = rng.choice([True, False])
        later = forge.add("attestation", body, one.claims[1], one.claims[6] + 1)
        if release_names:
            release.body["attestations"] = sorted([*release.body["attestations"], later.was])
    else:
        for output, decision in body["decisions"].items():
            body["decisions"][output] = dict(decision, approve=False)
        by = one.claims[1]
        if how == "of another":
            second_owner_of(forge, release)
            by = "second"
        earlier = forge.add("attestation", body, by, one.claims[6] - 1)
        if how != "unsuperseded":
            one.body["supersedes"] = earlier.was
        if rng.random() < 0.5:
            release.body["attestations"] = sorted([*release.body["attestations"], earlier.was])
    relog(forge, rng)


def second_owner_of(forge, release):
    early = forge.of("grant")[0].claims[6]
    forge.enrol("second", "person", root_person(forge), early)
    grant = dict(person="second", role="data-owner", project=None, tre=release.body["tre"], datasets=None, may_delegate=False, parent=None)
    forge.add("grant", grant, root_person(forge), early)


def swapped_attestations(forge, rng):
    """The attestations of one TRE under the release of another, or as if they were about it."""
    if len(forge.of("release")) < 2:
        return
    one, two = rng.sample(forge.of("release"), 2)
    if rng.random() < 0.5:
        one.body["attestations"], two.body["attestations"] = two.body["attestations"], one.body["attestations"]
        one.body["standing"], two.body["standing"] = two.body["standing"], one.body["standing"]
    else:
        for attestation in attestations(forge, one):
            attestation.body["tre"] = two.body["tre"]
    relog(forge, rng)


def by_standing_approval(forge, rng):
    """No person looks: a standing approval, right or wrong in one way, lets everything out."""
    release = some_release(forge, rng)
    tre = release.body["tre"]
    owner = next((one.body["person"] for one in forge.of("grant", role="data-owner", tre=tre)), None)
    if owner is None:
        return
    run, project = forge.of("run", tre=tre)[0], forge.of("project")[0]
    checks = dict(release.body["checks"], failed=0, review=0)
    body = dict(name="counts", tre=tre, project=project.body["name"], policy=sha256(project.payload), component=run.body["component"])
    body |= dict(rules=checks["rules"], checker=checks["checker"], per_day=rng.choice([1, 5, 1_000]))
    early = max(project.claims[6], forge.of("grant")[-1].claims[6])
    signature = forge.add("standing-approval", body, owner, early, lifetime=90 * DAY)
    release.body |= {"attestations": [], "standing": [signature.was], "checks": checks}
    delivery = forge.deliveries.get(tre)
    wrong = rng.choice(["nothing", "nothing", "nothing", "field", "checks", "person", "twice", "revoked", "expired", "some outputs", "alone"])
    if delivery and delivery["withheld"] and wrong != "some outputs":
        # A standing approval lets out everything: what stayed has to be gone from the run as well.
        delivery["withheld"] = {}
        recommit(forge, tre)
    if wrong == "field":
        field = rng.choice(["tre", "project", "policy", "component", "rules", "checker"])
        body[field] = "other" if isinstance(body[field], str) else bytes(32)
    elif wrong == "checks":
        release.body["checks"] = dict(checks, **{rng.choice(["failed", "review"]): 1})
    elif wrong == "person":
        signature.claims[1], signature.kid = submitter(forge), forge.key_of(submitter(forge))
    elif wrong == "twice":
        release.body["standing"] = sorted([signature.was, forge.add("standing-approval", dict(body), owner, early + 1).was])
    elif wrong == "revoked":
        by = rng.choice([owner, root_person(forge), submitter(forge)])
        forge.add("revocation", {"target": signature.was, "reason": "no"}, by, release.claims[6] - rng.choice([-1, 0, 1, *around_skew(forge)]))
    elif wrong == "expired":
        signature.claims[4] = release.claims[6] + rng.choice([0, 1])
    elif wrong == "alone":
        for one in forge.of("project"):
            one.body["egress"] = dict(one.body["egress"], approvals=2)
    for one in [one for one in forge.of("attestation", tre=tre)] if rng.random() < 0.5 else []:
        forge.drafts.remove(one)
    relog(forge, rng)


# grants, projects, roots, statuses


def delegated_grant(forge, rng):
    """The researcher's grant comes down a chain of people, each of whom may give a part of it on."""
    grants = forge.of("grant", role="researcher", person=submitter(forge))
    if not grants:
        return
    grant, at = grants[0], grants[0].claims[6]
    for other in grants[1:]:
        forge.drafts.remove(other)
    parent, by, depth = None, grant.claims[1], rng.choice([1, 2, 2, 3])
    wrong = rng.choice(["nothing", "nothing", "scope", "may not", "person", "revoked", "expired"])
    for step in range(depth):
        person = f"delegate-{step}"
        forge.enrol(person, "person", root_person(forge), at)
        body = dict(grant.body, person=person, may_delegate=wrong != "may not", parent=parent)
        link = forge.add("grant", body, by, at)
        parent, by = link.was, person
    if wrong == "scope":
        link.body["datasets"] = [rng.choice(["other", *forge.of("submission")[0].body["datasets"]])]
    elif wrong == "revoked":
        forge.add("revocation", {"target": parent, "reason": "no"}, rng.choice([root_person(forge), by]), when(forge, rng))
    elif wrong == "expired":
        link.claims[4] = forge.of("submission")[0].claims[6] + rng.choice([0, 1, 1_000_000])
    grant.body["parent"] = parent
    grant.claims[1], grant.kid = (by, forge.key_of(by)) if wrong != "person" else (grant.claims[1], grant.kid)
    relog(forge, rng)


def other_project(forge, rng):
    """The project is another version, another's, without the TRE, the dataset or the component, or its second version is signed as well."""
    how = rng.choice(["version", "tre", "dataset", "component", "second", "signer", "admin"])
    for project in forge.of("project"):
        if how == "version":
            project.body["version"] = 2
        elif how == "tre":
            project.body["tres"] = ["other", *project.body["tres"][1:]]
        elif how == "dataset":
            project.body["datasets"] = ["other"]
        elif how == "component":
            digest = forge.of("submission")[0].body["component"] if rng.random() < 0.5 else bytes(32)
            project.body["components"] = [{"name": "only", "digest": digest}]
        elif how == "admin":
            project.body["admins"] = []
        elif how == "signer" and rng.random() < 0.5:
            project.claims[1], project.kid = root_person(forge), forge.key_of(root_person(forge))
    if how == "second":
        project = rng.choice(forge.of("project"))
        body = dict(copy.deepcopy(project.body), version=2)
        body["egress"]["approvals"] = rng.choice([1, 2])
        second = forge.add("project", body, project.claims[1], project.claims[6])
        if rng.random() < 0.5:
            release = some_release(forge, rng)
            release.body["project"] = second.was
            for one in attestations(forge, release):
                one.body["project"] = second.was
    relog(forge, rng)


def next_root(forge, rng):
    """A second root: signed by the old quorum, by the new one, or by both; with other persons or keys."""
    first = max(forge.of("root"), key=lambda one: one.body["version"])
    at = first.claims[6] + 1
    new_person = rng.choice(["root-new", root_person(forge)])
    kid, key = forge.new_key("next root")
    keys = [{"person": new_person, "organisation": "New", "key": key}]
    if rng.random() < 0.5:
        keys += first.body["keys"]
    body = dict(first.body, version=first.body["version"] + rng.choice([1, 1, 1, 2]), previous=sha256(first.payload), threshold=1, keys=keys)
    body["clock_skew_seconds"] = rng.choice([0, 60, 3_600])
    if rng.random() < 0.8:
        for old in [one for one in forge.of("root") if one.payload == first.payload]:
            forge.add("root", copy.deepcopy(body), old.claims[1], at, kid=old.kid)
    if rng.random() < 0.8:
        forge.add("root", copy.deepcopy(body), new_person, at, kid=kid)
    if rng.random() < 0.7:
        for status in forge.of("status"):
            status.body["root_version"] = body["version"]
    if rng.random() < 0.5:
        for record in [one for one in forge.of("key-record") if one.claims[1] != one.body["name"]]:
            forge.add("key-record", copy.deepcopy(record.body), new_person, at, kid=kid)
    relog(forge, rng)


def other_status(forge, rng):
    release = some_release(forge, rng)
    one = next((one for one in forge.of("status") if one.was == release.body["status"]), None)
    if one is None:
        return
    how = rng.choice(["expired", "signer", "names nothing", "second", "root"])
    if how == "expired":
        one.claims[4] = release.claims[6] + rng.choice([-1, 0, 1])
    elif how == "signer":
        who = rng.choice([submitter(forge), forge.of("grant", role="data-owner")[0].body["person"]])
        one.claims[1], one.kid = who, forge.key_of(who)
    elif how == "names nothing":
        one.body["revocations"] = [bytes(32)]
    elif how == "root":
        one.body["root_version"] += 1
    else:
        newer = forge.add("status", dict(one.body, epoch=one.body["epoch"] + 1), one.claims[1], one.claims[6] + 1, kid=one.kid)
        if rng.random() < 0.5:
            release.body["status"] = newer.was
    relog(forge, rng)


# keys of the submitter, phases, further statements


def other_recipient(forge, rng):
    """The submitter has another key record, with another recipient or another name."""
    who, task = submitter(forge), forge.of("submission")[0]
    records = [one for one in forge.of("key-record") if one.body["key"] == forge.of("key-record", name=who)[0].body["key"]]
    at = rng.choice([records[0].claims[6] - 1, records[0].claims[6] + 1, task.claims[6] + 5, forge.of("release")[0].claims[6] + 10_000])
    body = dict(records[0].body, recipient=rng.choice(["age1other", None]), device="another")
    forge.add("key-record", body, who, at, kid=task.kid)
    if rng.random() < 0.8:
        forge.add("key-record", dict(body), root_person(forge), at)
    relog(forge, rng)


def instead_of_a_release(forge, rng):
    """A TRE that let nothing out, and its last word."""
    release = some_release(forge, rng)
    tre = release.body["tre"]
    forge.drafts.remove(release)
    if rng.random() < 0.9:
        forge.deliveries.pop(tre, None)
    for one in [one for one in forge.of("phase", tre=tre)]:
        forge.drafts.remove(one)
    for _ in range(rng.choice([0, 1, 1, 2])):
        word = rng.choice(["received", "refused", "admitted", "running", "failed", "held", "withheld", "released", "cancelled"])
        refusal = rng.choice(["busy", "reply-to", "not-on-project", "expired"]) if word == "refused" else None
        body = dict(task=release.body["task"], tre=tre, phase=word, refusal=refusal, failure="out-of-fuel" if word == "failed" else None)
        forge.add("phase", body, tre, release.claims[6] + rng.randrange(3))
    relog(forge, rng)
    return tre not in forge.deliveries


def not_fetched(forge, rng):
    forge.deliveries.pop(tre_of(forge, rng), None)
    return True


def one_more(forge, rng):
    """One more statement, signed by whoever may or may not."""
    release = some_release(forge, rng)
    task, tre, at = release.body["task"], release.body["tre"], release.claims[6]
    comment = dict(task=task, tre=tre, output=None, text="Why?", to="members", question=True, answers=None)
    lost = dict(tre=tre, epoch=1, lost=release.body["log"]["checkpoint"], size=0, root=bytes(32), reason="a backup")
    add = {
        "release": lambda: forge.add("release", dict(copy.deepcopy(release.body), ciphertext=bytes(32)), tre, at + 1),
        "submission": lambda: forge.add("submission", copy.deepcopy(forge.of("submission")[0].body), submitter(forge), at),
        "comment": lambda: forge.add("comment", comment, rng.choice([submitter(forge), tre]), at),
        "cancellation": lambda: forge.add("cancellation", {"task": rng.choice([task, bytes(32)]), "reason": "no"}, submitter(forge), at),
        "run": lambda: forge.add("run", copy.deepcopy(forge.of("run", tre=tre)[0].body), rng.choice([tre, tre, submitter(forge)]), at),
        "recovery": lambda: forge.add("recovery", lost, rng.choice([submitter(forge), tre]), at),
        "person": lambda: forge.enrol("somebody", rng.choice(["person", "hub"]), rng.choice([root_person(forge), submitter(forge)]), at),
    }
    add[rng.choice(list(add))]()
    relog(forge, rng)


# the log


def other_log(forge, rng):
    """The proofs, the checkpoint or those who cosigned it are others."""
    release = some_release(forge, rng)
    said = release.body["log"]
    checkpoint = next(one for one in forge.of("checkpoint") if one.was == said["checkpoint"])
    proof = rng.choice(said["inclusions"])
    how = rng.choice(["path", "longer", "shorter", "at", "index", "root", "size", "gone", "other", "statement", "twice"])
    if how == "path" and proof["path"]:
        proof["path"][rng.randrange(len(proof["path"]))] = bytes(32)
    elif how == "longer":
        proof["path"].append(bytes(32))
    elif how == "shorter":
        proof["path"] = proof["path"][:-1]
    elif how in ("at", "index"):
        proof[how] = rng.choice([proof[how] + 1, max(0, proof[how] - 1), 2**63, 2**64 - 1])
    elif how == "root":
        checkpoint.body["root"] = bytes(32)
    elif how == "size":
        checkpoint.body["size"] += rng.choice([1, 1, 2, 2**40])
    elif how == "gone":
        said["inclusions"].remove(proof)
    elif how == "other" and len(forge.of("checkpoint")) > 1:
        said["checkpoint"] = rng.choice([one for one in forge.of("checkpoint") if one is not checkpoint]).was
    elif how == "statement":
        proof["statement"] = release.body["status"]
    elif how == "twice":
        said["inclusions"].insert(0, copy.deepcopy(proof) | {"index": proof["index"] + 1})


def other_witness(forge, rng):
    """Nobody has cosigned, or another node, the TRE itself, a person, a key that was revoked."""
    release = some_release(forge, rng)
    tre, said = release.body["tre"], release.body["log"]
    how = rng.choice(["nobody", "hub", "itself", "person", "revoked", "elsewhere", "fewer"])
    at = release.claims[6]
    if how == "nobody":
        said["cosignatures"] = []
        return True
    if how == "fewer":
        said["cosignatures"] = said["cosignatures"][1:]
        return True
    if how == "elsewhere":
        for one in forge.of("cosignature"):
            one.body["checkpoint"] = rng.choice(forge.of("checkpoint")).was
        return
    by = {"itself": tre, "person": submitter(forge)}.get(how, "witness")
    if by == "witness":
        forge.enrol("witness", rng.choice(["hub", "tre"]), root_person(forge), at - 100)
    one = forge.add("cosignature", {"tre": tre, "checkpoint": said["checkpoint"]}, by, at)
    said["cosignatures"] = sorted([*said["cosignatures"], one.was])
    if how == "revoked":
        record = forge.of("key-record", name="witness")[0]
        forge.add("revocation", {"target": record.was, "reason": "lost"}, root_person(forge), at + rng.choice([-1, 0, 1]))
        return
    return how == "hub"


# the bytes


def other_bytes(forge, rng):
    """The TRE lets out other bytes, columns, salts or names than were attested; everyone signs the new ones, or nobody does."""
    tre = rng.choice(sorted(forge.deliveries))
    delivery = forge.deliveries[tre]
    output = rng.choice(delivery["outputs"])
    how = rng.choice(["row", "ragged", "type", "header", "utf-8", "salt", "role", "column", "name", "withheld"])
    lines = output["bytes"].split(b"\n")
    if how == "row":
        output["bytes"] += lines[-2] + b"\n"
    elif how == "ragged":
        output["bytes"] += lines[-2] + b",7\n"
    elif how == "type":
        output["bytes"] += b",".join([b"word"] * len(output["schema"])) + b"\n"
    elif how == "header":
        output["bytes"] = b"x" + output["bytes"]
    elif how == "utf-8":
        output["bytes"] += b"\xff\n"
    elif how == "salt":
        output["salt"] = bytes(32)
    elif how == "role":
        output["schema"][0]["role"] = rng.choice(["key", "sum(x)", "total(x)", "sum(X)", "covariance(a,b)"])
    elif how == "column":
        output["schema"][0] = dict(reversed(output["schema"][0].items()))
    elif how == "name":
        output["name"] += "x"
    elif how == "withheld":
        delivery["withheld"]["more"] = bytes(32)
    if rng.random() < 0.7:
        recommit(forge, tre)
        relog(forge, rng)


SCENES = [
    *(edit_claims, edit_claims, other_times, other_times, wrong_key, wrong_key, wrong_kind, wrong_network, revoked_key, revoked_key),
    *(revoked_statement, revoked_statement, more_approvals, more_approvals, another_says, another_says, own_approval, changed_mind, changed_mind),
    *(swapped_attestations, by_standing_approval, by_standing_approval, by_standing_approval, delegated_grant, delegated_grant, other_project),
    *(other_project, next_root, next_root, other_status, other_status, other_recipient, instead_of_a_release, not_fetched, one_more, one_more),
    *(other_log, other_log, other_witness, other_witness, other_bytes, other_bytes),
]
