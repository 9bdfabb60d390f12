"""What attestations and standing approvals amount to (the quorum): counted by person, under the project's policy, as of a time."""

from wire import Refused, need, sha256


def decide(submission, run, outputs, attestations, standing, checks, roster, now):
    """What a release of this run has to say; raises Refused when nothing may be released."""
    status = roster.fresh_status(now)
    task, tre = submission.fields, run.fields["tre"]
    chosen = roster.project_at(task["project"], tre, now)
    need(chosen, "no data owner of this TRE has a signature under the project that still counts")
    project, statement = chosen
    submitter = roster.holder(submission.kid)
    good = roster.is_key_good(submission.kid, now) and submitter.recipient == task["reply_to"]
    need(good, "the submitter's key no longer counts, or has another recipient")
    person = submission.signer.name
    need(roster.authority(person, "researcher", tre, now, project, task["datasets"]), "the submitter is no researcher of the project")

    def may_speak(name):
        return name != person and name not in project["egress"]["excluded"]

    def may_review(name):
        checkers = project["egress"]["checkers_count"]
        checker = checkers and roster.authority(name, "output-checker", tre, now, project, task["datasets"])
        return may_speak(name) and (roster.is_data_owner(name, tre, now) or checker)

    def in_force(one):
        return one.nbf <= now + roster.skew and now < one.exp and roster.is_key_good(one.kid, now)

    about_this = {"task": submission.id, "tre": tre, "run": run.id, "commitment": run.fields["commitment"]}
    counted = [
        one
        for one in attestations
        if all(one.fields[field] == value for field, value in about_this.items())
        and run.fields["task"] == submission.id
        and set(one.fields["decisions"]) <= outputs
        and in_force(one)
        and may_review(one.signer.name)
    ]
    superseded = {(one.fields["supersedes"], one.signer.name) for one in counted}
    counted = [one for one in counted if (one.id, one.signer.name) not in superseded]

    approvals, approved, undecided = project["egress"]["approvals"], set(), False
    for output in outputs:
        votes = {}
        for one in counted:
            decision = one.fields["decisions"].get(output)
            # A no stands under any version of the project; a yes is worth what the policy and the findings that it names ask.
            current = one.fields["project"] == statement.id and one.fields["report"] == checks
            if decision and (current or not decision["approve"]):
                votes.setdefault(one.signer.name, []).append(decision["approve"])
        persons = [all(said) for said in votes.values()]
        if not all(persons):
            undecided |= any(persons)
        elif len(persons) >= approvals:
            approved.add(output)
        else:
            undecided = True

    decided = {
        "task": submission.id,
        "tre": tre,
        "run": run.id,
        "project": statement.id,
        "status": status.id,
        "commitment": run.fields["commitment"],
        "recipient": task["reply_to"],
    }
    if not undecided:
        need(approved, "every output was rejected")
        return decided | {"attestations": sorted(one.id for one in counted), "standing": [], "outputs": sorted(approved)}
    need(not any(one.fields["decisions"] for one in counted), "an output waits for more persons")
    passes = checks["failed"] == checks["review"] == 0
    need(passes, "an output waits for persons, because a rule has not passed")
    covers = {
        "tre": tre,
        "project": project["name"],
        "policy": sha256(statement.payload),
        "component": run.fields["component"],
        "rules": checks["rules"],
        "checker": checks["checker"],
    }
    signed, withdrawn = {}, set()
    for one in standing:
        if any(one.fields[field] != value for field, value in covers.items()):
            continue
        name, owned = one.signer.name, lambda at: roster.is_data_owner(one.signer.name, tre, at)
        if roster.is_revoked(one, now):
            if owned(now) or owned(one.iat):
                withdrawn.add(one.payload)
        elif in_force(one) and may_speak(name) and owned(now):
            signed.setdefault(one.payload, {}).setdefault(name, one.id)
    stands = sorted((sha256(payload), persons) for payload, persons in signed.items() if payload not in withdrawn)
    enough = [persons for _, persons in stands if len(persons) >= approvals]
    if not enough:
        raise Refused("no standing approval covers it")
    return decided | {"attestations": [], "standing": sorted(enough[0].values()), "outputs": sorted(outputs)}
