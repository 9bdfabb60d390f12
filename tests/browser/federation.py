"""A federation of one TRE on this machine, made with the program's own verbs: people, data, a running node, held tasks."""

import csv
import json
import os
import pathlib
import queue
import random
import shutil
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TRE = "st-marys"
NODE = f"nodes/{TRE}"

# What row contents may hold and a component may repeat: markup, script, links, entities, template and CSS syntax.
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(2)>",
    "<svg onload=alert(3)>",
    "\"><iframe src='javascript:alert(4)'></iframe>",
    "'><a href='javascript:alert(5)'>x</a>",
    "<form action='/task/x/withdraw' method=post><button>Sign</button></form>",
    "<base href='http://127.0.0.1:1/'>",
    "<meta http-equiv=refresh content='0;url=http://127.0.0.1:1/'>",
    "{{ frame.network }} {% include 'x' %}",
    "&lt;script&gt;alert(6)&lt;/script&gt;",
    "</td></tr></table><h1>Approved</h1>",
    "<style>*{display:none}</style>",
]


def program():
    """The `quintes` to test: named by QUINTES, or the newest that cargo has built."""
    if os.environ.get("QUINTES"):
        return pathlib.Path(os.environ["QUINTES"]).resolve()
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    built = [path for path in (target / "debug" / "quintes", target / "debug" / "quintes-under-test") if path.exists()]
    if not built:
        raise SystemExit("build the program first: cargo build -p node")
    return max(built, key=lambda path: path.stat().st_mtime).resolve()


class Federation:
    """Founds it and starts its node; `close` ends everything that was started, and takes its folder away."""

    def __init__(self):
        self.program = program()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="quintes-browser-"))
        self.running = []
        self._data()
        self._people()
        self._node()

    # people and data

    def _data(self):
        dice = random.Random(7)
        data = self.folder / "data"
        data.mkdir()
        people = 1_200

        def write(name, header, rows):
            with open(data / f"{name}.csv", "w", newline="") as file:
                csv.writer(file).writerows([header, *rows])

        sexes = ["female", "male"]
        write("person", ["person_id", "sex", "region"], [
            [person, sexes[person % 2], "north" if person % 400 else "islands"] for person in range(people)
        ])
        write("measurement", ["person_id", "bin", "value"], [
            [person, person % 130, round(dice.gauss(6, 1.1), 2)] for person in range(people) for _ in range(4)
        ])
        write("note", ["person_id", "label"], [
            [person, HOSTILE[person % len(HOSTILE)]] for person in range(people)
        ])

    def _people(self):
        self.run("key", "new", "carol", "--organisation", "Federation Office", "--out", "people", "--no-passphrase")
        self.run("network", "init", "heart", "--person", "carol", "--organisation", "Federation Office", "--key", "people/carol", "--yes")
        for name, organisation in [("erin", "University D"), ("grace", "St Mary's Hospital")]:
            self.run("key", "new", name, "--organisation", organisation, "--out", "people", "--no-passphrase")
        owners = [word for owner in ("grace", "bob", "dave") for word in ("--data-owner", owner)]
        self.run("node", "init", NODE, "--name", TRE, "--kind", "tre", "--organisation", "St Mary's Hospital",
                 "--data", "data", "--dataset", "omop", *owners)
        self.run("network", "enrol", "people/erin.request", "people/grace.request", f"{NODE}/{TRE}.request", "--key", "people/carol", "--yes")
        self.run("network", "grant", "grace", "--role", "data-owner", "--tre", TRE, "--key", "people/carol", "--yes")
        components = ROOT / "sandbox" / "components" / "prebuilt"
        for project, title, approvals in [
            ("glycaemia", "Glycaemia and blood pressure after discharge", "1"),
            ("careful", "Rare conditions, where two reviewers have to agree", "2"),
        ]:
            self.run("project", "new", project, "--title", title, "--tre", TRE, "--dataset", "omop", "--admin", "grace", "--approvals", approvals,
                     "--component", f"statistics={components / 'statistics.wasm'}", "--component", f"sql={components / 'sql.wasm'}",
                     "--key", "people/grace", "--yes")
            self.run("network", "grant", "erin", "--role", "researcher", "--project", project, "--key", "people/grace", "--yes")
        self.run("network", "status", "--key", "people/carol", "--yes")

    def _node(self):
        self.start("node", "run", "--config", f"{NODE}/node.toml", log="node.log")
        self.until("the node answers", lambda: self.run("node", "health", "--node", NODE, check=False).returncode == 0)

    # verbs

    def command(self, *args):
        clean = {name: value for name, value in os.environ.items() if not name.startswith("QUINTES_")}
        return dict(args=[str(self.program), *args], cwd=self.folder, env=clean, stdin=subprocess.DEVNULL)

    def run(self, *args, check=True):
        """Runs a verb to its end; with what it said when it fails."""
        done = subprocess.run(**self.command(*args), capture_output=True, text=True, timeout=120)
        if check and done.returncode:
            raise AssertionError(f"quintes {' '.join(args)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def ask(self, *args):
        """Runs a verb and reads its JSON."""
        return json.loads(self.run(*args, "--json").stdout.strip().splitlines()[-1])

    def start(self, *args, log):
        process = subprocess.Popen(**self.command(*args), stdout=subprocess.PIPE, stderr=open(self.folder / log, "ab"), text=True)
        self.running.append(process)
        return process

    def close(self):
        for process in reversed(self.running):
            process.terminate()
            process.wait(timeout=30)
        shutil.rmtree(self.folder, ignore_errors=True)

    def until(self, what, holds, seconds=60):
        end = time.monotonic() + seconds
        while True:
            found = holds()
            if found:
                return found
            if time.monotonic() > end:
                raise AssertionError(f"never happened: {what}")
            time.sleep(0.2)

    # what reviewers and researchers do

    def enrol(self, name, request, owner=True):
        """A root person enrols a request that a browser has made, and the node hears of it."""
        self.run("network", "enrol", str(request), "--key", "people/carol", "--yes")
        if owner:
            self.run("network", "grant", name, "--role", "data-owner", "--tre", TRE, "--key", "people/carol", "--yes")
        self.run("network", "import", *map(str, (self.folder / "federation").glob("*.quintes")), "--node", NODE)

    def submit(self, title, project="glycaemia", component="statistics", **parameters):
        """Submits a task and waits until its outputs are held."""
        words = [word for name, text in parameters.items() for word in ("--param", f"{name}={text}")]
        if component == "sql":
            words += ["--output", "result"]
        task = self.run("submit", "--component", component, "--project", project, "--all-tres", "--title", title, *words,
                        "--key", "people/erin", "--node", NODE, "--yes").stdout.strip().splitlines()[-1]
        self.until(f"{title}: held", lambda: self.phase(task) == "held")
        return task

    def sql(self, title, query, project="glycaemia"):
        return self.submit(title, project, "sql", query=query)

    def waiting(self, task):
        reviews = self.ask("review", "list", "--all", "--node", NODE)["reviews"]
        return next((one for one in reviews if one["task"] == task), None)

    def phase(self, task):
        found = self.waiting(task)
        if found and found["phase"] == "failed":
            raise AssertionError(self.run("review", "show", task, "--node", NODE, check=False).stdout)
        return found and found["phase"]


class Page:
    """`quintes review serve`, and the addresses that it prints, one for each browser."""

    def __init__(self, federation):
        self.addresses = queue.Queue()
        self.process = federation.start("review", "serve", "--node", NODE, "--listen", "127.0.0.1:0", log="page.log")
        threading.Thread(target=self._read, daemon=True).start()
        first = self.address()
        self.base = first.split("/enter?")[0]
        self.port = int(self.base.rsplit(":", 1)[1])
        self.addresses.put(first)

    def _read(self):
        for line in self.process.stdout:
            self.addresses.put(line.strip())

    def address(self):
        return self.addresses.get(timeout=60)
