"""The review page in headless Chromium, end to end against a real node.

    review.py [--shots DIR] [unittest arguments]

Prints `page_p50` (ms): from asking for a review of 5,000 rows until its last byte, the median.
"""

import http.client
import http.server
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import threading
import time
import unittest
import urllib.parse

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from federation import HOSTILE, NODE, TRE, Federation, Page

SHOTS = None

# Counts what a hostile page would have to call: how often the key has signed.
COUNT_SIGNATURES = """
  window.signatures = 0;
  const sign = crypto.subtle.sign.bind(crypto.subtle);
  Object.defineProperty(crypto.subtle, "sign", { value: (...of) => { window.signatures += 1; return sign(...of); } });
"""


def setUpModule():
    global federation, site, playwright, browser, tasks, bob, dave
    federation = Federation()
    site = Page(federation)
    playwright = sync_playwright().start()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"] if os.geteuid() == 0 else [])
    tasks = {
        "pooled": federation.submit("How HbA1c is distributed", analysis="count,histogram", table="measurement", column="value", bins="1"),
        "regions": federation.submit("Where patients live", analysis="count,contingency", table="person", rows="region", columns="sex"),
        "bins": federation.sql("Measurements by bin", "SELECT bin, count(*) AS n, avg(value) AS mean FROM measurement GROUP BY bin"),
        "hostile": federation.sql(f"{HOSTILE[0]} {HOSTILE[1]}", f"SELECT label, count(*) AS n FROM note WHERE label <> '{HOSTILE[2]}' GROUP BY label"),
        "rare": federation.submit("A rare condition", "careful", analysis="count,mean", table="measurement", column="value"),
        "careful": federation.submit("Fewer than most", "careful", analysis="count", table="person"),
        "rows": federation.sql("Every measurement", "SELECT person_id, bin, value FROM measurement WHERE person_id < 1200"),
    }
    bob, dave = Reviewer("bob"), Reviewer("dave")
    bob.enrol()
    dave.enrol()


def tearDownModule():
    browser.close()
    playwright.stop()
    federation.close()


class Reviewer:
    """A person with a browser of their own."""

    def __init__(self, name, **options):
        self.name = name
        self.context = browser.new_context(viewport={"width": 1360, "height": 900}, **options)
        self.context.add_init_script(COUNT_SIGNATURES)
        self.dialogs, self.errors, self.policy = [], [], []
        self.page = self.window()
        self.page.goto(site.address())

    def window(self):
        page = self.context.new_page()
        page.on("dialog", lambda dialog: (self.dialogs.append(dialog.message), dialog.dismiss()))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda line: self.policy.append(line.text) if "Content Security Policy" in line.text or "Trusted" in line.text else None)
        return page

    def enrol(self, owner=True):
        page = self.page
        page.goto(f"{site.base}/keys")
        page.get_by_label("Your name in the federation").fill(self.name)
        page.get_by_label("Your organisation").fill("St Mary's Hospital")
        page.get_by_role("button", name="Make the key and the request").click()
        with page.expect_download() as download:
            page.get_by_role("link", name="Save the request").click()
        request = federation.folder / "people" / download.value.suggested_filename
        download.value.save_as(request)
        self.fingerprint = page.locator("#key-fingerprint").inner_text()
        federation.enrol(self.name, request, owner)
        page.goto(f"{site.base}/keys")
        page.get_by_text(f"This browser's key belongs to {self.name}" if owner else self.name).first.wait_for()

    def review(self, task, query=""):
        self.page.goto(f"{site.base}/task/{tasks.get(task, task)}{query}")
        return self.page

    def decide(self, task, page=None, **decisions):
        """Chooses and goes to the summary; each decision is (`may leave` | `stays here` | `leave open`, reason)."""
        page = page or self.review(task)
        for output, (choice, reason) in decisions.items():
            asked = page.locator("fieldset.ask").filter(has=page.locator(f'textarea[name="reason:{output}"]'))
            asked.get_by_label(choice).check()
            asked.locator("textarea").fill(reason)
        page.locator("#decide").get_by_role("button", name="Look at it once more").click()
        return page

    def sign(self, page=None):
        page = page or self.page
        page.locator("#sign").click()
        page.get_by_text("Signed, and the node has it.").wait_for()
        return page


def shot(page, name, **options):
    if SHOTS:
        page.screenshot(path=str(SHOTS / f"{name}.png"), **options)


def outputs_released(task):
    out = federation.folder / "results" / task[:12]
    out.parent.mkdir(exist_ok=True)
    federation.run("fetch", task[:12], "--key", "people/erin", "--node", NODE, "--out", str(out))
    federation.run("verify", str(out))
    return sorted(path.stem for path in out.rglob("*.csv"))


class Keys(unittest.TestCase):
    def test_the_key_cannot_be_taken_out_of_the_browser(self):
        refused = bob.page.evaluate("""async () => {
          const open = await new Promise((done) => { const request = indexedDB.open("quintes"); request.onsuccess = () => done(request.result); });
          const keys = await new Promise((done) => { const all = open.transaction("keys").objectStore("keys").getAll(); all.onsuccess = () => done(all.result); });
          const tried = [];
          for (const form of ["pkcs8", "jwk", "raw"]) tried.push(await crypto.subtle.exportKey(form, keys[0].privateKey).then(() => "exported", (error) => error.name));
          return [keys.length, keys[0].privateKey.extractable, ...tried];
        }""")
        self.assertEqual(refused[:2], [1, False])
        self.assertNotIn("exported", refused)

    def test_the_root_person_sees_the_fingerprint_that_the_page_shows(self):
        self.assertIn(bob.fingerprint, federation.run("network", "show").stdout)

    def test_somebody_without_a_role_is_told_what_to_do(self):
        heidi = Reviewer("heidi")
        heidi.enrol(owner=False)
        page = heidi.review("careful")
        self.assertIn("You are no data owner", page.locator(".decision").inner_text())
        self.assertEqual(page.locator("#decide").count(), 0)
        heidi.context.close()


class Reading(unittest.TestCase):
    def test_the_queue_is_filtered_searched_and_walked_with_the_keyboard(self):
        page = bob.page
        page.goto(site.base)
        shot(page, "queue")
        self.assertGreaterEqual(page.locator("tr[data-open]").count(), 4)
        page.get_by_label("Search").fill("fewer")
        page.get_by_role("button", name="Show").click()
        self.assertEqual(page.locator("tr[data-open]").count(), 1)
        page.goto(f"{site.base}/?project=careful")
        self.assertEqual(page.locator("tr[data-open]").count(), 1)
        page.goto(f"{site.base}/?verdict=fail")
        for row in page.locator("tr[data-open]").all():
            self.assertIn("fail", row.inner_text())
        page.goto(site.base)
        second = page.locator("tr[data-open]").nth(1).get_attribute("data-open")
        page.keyboard.press("j")
        page.keyboard.press("j")
        page.keyboard.press("k")
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        page.wait_for_url(f"**{second}")
        page.keyboard.press("?")
        self.assertTrue(page.locator("#shortcuts").is_visible())
        page.get_by_role("button", name="Switch shortcuts off").click()
        page.keyboard.press("Escape")
        page.keyboard.press("q")
        self.assertIn("/task/", page.url, "switched off")
        page.keyboard.press("?")
        page.get_by_role("button", name="Switch shortcuts on").click()
        page.keyboard.press("Escape")
        page.keyboard.press("q")
        page.wait_for_url(f"{site.base}/")

    def test_a_table_is_paged_sorted_searched_and_its_columns_hidden(self):
        page = bob.review("bins")
        rows = page.locator("table.data tbody tr")
        self.assertEqual(rows.count(), 50)
        page.get_by_role("link", name="Next rows").click()
        page.get_by_role("link", name="Next rows").click()
        self.assertEqual(rows.count(), 30)
        page.locator("table.data").get_by_role("link", name="mean", exact=False).first.click()
        heading = page.locator("table.data th[aria-sort=ascending]")
        self.assertIn("mean", heading.inner_text())
        values = [float(row.locator("td").nth(2).inner_text().split()[0]) for row in rows.all()]
        self.assertEqual(values, sorted(values))
        page.get_by_label("Search the rows").fill("129")
        page.get_by_role("button", name="Search").click()
        self.assertTrue(all("129" in row.inner_text() for row in rows.all()))
        page.goto(page.url.split("?")[0])
        page.get_by_role("link", name="Hide mean").click()
        self.assertEqual(page.locator("table.data thead th").count(), 3)
        page.get_by_role("link", name="Show mean again").click()
        self.assertEqual(page.locator("table.data thead th").count(), 4)

    def test_a_risky_cell_says_so_in_words_and_leads_to_its_reason(self):
        page = bob.review("regions", "?output=contingency")
        shot(page, "review", full_page=True)
        marked = page.locator("table.data td.fail")
        self.assertGreater(marked.count(), 0)
        self.assertIn("fails", marked.first.inner_text())
        self.assertTrue(marked.first.locator(".flag").get_attribute("title"))
        link = page.locator(".rule a").first
        place = link.get_attribute("href").split("#")[1]
        link.click()
        self.assertTrue(page.locator(f"#{place}").is_visible())
        self.assertIn("Computed by this TRE", page.locator(".tier").inner_text())
        self.assertGreater(page.locator(".chart rect").count(), 1)
        opaque = bob.review("bins")
        self.assertIn("Computed by the component", opaque.locator(".tier").inner_text())
        self.assertIn("SELECT bin", opaque.locator("#asked ~ details").first.inner_text())

    def test_the_check_words_are_those_of_the_command_line(self):
        words = bob.review("bins").locator(".decision .words").inner_text()
        self.assertEqual(len(words.split()), 8)
        self.assertIn(words, federation.run("review", "show", tasks["bins"], "--node", NODE).stdout)

    def test_everything_can_be_read_without_scripts(self):
        plain = Reviewer("nobody", java_script_enabled=False)
        page = plain.page
        self.assertGreaterEqual(page.locator("tr[data-open]").count(), 4)
        page.goto(f"{site.base}/task/{tasks['bins']}")
        page.get_by_role("link", name="Next rows").click()
        self.assertEqual(page.locator("table.data tbody tr").count(), 50)
        page.goto(f"{site.base}/keys")
        self.assertTrue(page.get_by_text("Making a key and signing need scripts").is_visible())
        page.goto(f"{site.base}/help")
        self.assertTrue(page.get_by_role("heading", name="How a decision is made").is_visible())
        plain.context.close()


class Deciding(unittest.TestCase):
    def test_one_output_leaves_and_another_stays(self):
        task = federation.submit("Patients by region", analysis="count,contingency", table="person", rows="region", columns="sex")
        page = bob.decide(task, count=("may leave", "one large total"), contingency=("stays here", "three people on the islands"))
        shot(page, "sign", full_page=True)
        summary = page.locator("#plan").inner_text()
        for words in ("count may leave", "contingency stays here", "three people on the islands"):
            self.assertIn(words, summary)
        page.get_by_text("computed again by this browser").wait_for()
        bob.sign()
        federation.until("released", lambda: federation.phase(task) == "released")
        self.assertEqual(outputs_released(task), ["count"])
        page = bob.review(task)
        self.assertIn("released", page.locator(".stand").inner_text())
        self.assertIn("You decided", page.locator(".decision").inner_text())
        # And the next task of the same shape says what left before.
        again = federation.submit("Patients by region, again", analysis="count", table="person", where="person_id > 0")
        page = bob.review(again)
        self.assertIn("Patients by region", page.locator(".releases").inner_text())
        self.assertIn("1 of 1 figures changed", page.locator("#before ~ p").first.inner_text())
        self.assertIn("was 1200", page.locator("table.data").inner_text())
        shot(page, "compare", full_page=True)

    def test_an_output_that_fails_needs_a_reason_and_what_was_written_stays(self):
        page = bob.decide("regions", contingency=("may leave", ""), count=("may leave", "a total"))
        self.assertIn("breaks a rule", page.locator("main").inner_text())
        page = bob.review("regions")
        self.assertEqual(page.locator('textarea[name="reason:count"]').input_value(), "a total")
        page.locator("table.data thead a").first.click()
        self.assertEqual(page.locator("table.data th[aria-sort=ascending]").count(), 1)
        self.assertTrue(page.locator('input[name="decision:count"][value="approve"]').is_checked())

    def test_a_decision_is_withdrawn_and_made_anew(self):
        task = federation.submit("Withdrawn", analysis="count,mean", table="measurement", column="value")
        bob.decide(task, count=("may leave", "fine"))
        bob.sign()
        self.assertEqual(federation.waiting(task)["attested_by"], ["bob"])
        page = bob.review(task)
        page.get_by_role("button", name="Withdraw this decision").click()
        bob.sign()
        self.assertEqual(federation.waiting(task)["attested_by"], [])
        self.assertNotIn("You decided", page.locator(".decision").inner_text())
        self.assertEqual(federation.phase(task), "held")

    def test_comments_say_who_reads_them_and_a_question_returns_the_task(self):
        task = federation.submit("Asked back", analysis="count", table="person")
        page = bob.review(task)
        page.get_by_label("Say something").fill("Dave, do you know this cohort?")
        page.locator(".say").get_by_role("button").click()
        self.assertIn("Only reviewers", page.locator("#plan").inner_text())
        bob.sign()
        page.get_by_label("Say something").fill("Why without children?")
        page.get_by_label("Return with this question.").check()
        page.locator(".say").get_by_role("button").click()
        self.assertIn("Every member of the federation can read this", page.locator("#plan").inner_text())
        shot(page, "question", full_page=True)
        bob.sign()
        said = page.locator(".comments").inner_text()
        self.assertIn("reviewers here only", said)
        self.assertIn("question, open", said)
        self.assertEqual(federation.waiting(task)["returned"], [""])
        page.goto(f"{site.base}/?part=returned")
        self.assertIn("Asked back", page.locator("table.queue").inner_text())
        told = federation.run("status", task[:12], "--key", "people/erin", "--node", NODE, check=False)
        self.assertNotIn("do you know this cohort", told.stdout + told.stderr, "what reviewers say to each other stays")

    def test_two_reviewers_decide_each_alone_and_a_conflict_is_explained(self):
        bob.decide("rare", count=("may leave", "large enough"), mean=("may leave", "large enough"))
        bob.sign()
        page = dave.review("rare")
        before = page.locator(".decision").inner_text()
        self.assertIn("Others have decided", before)
        self.assertNotIn("large enough", before)
        shot(page, "blinded", full_page=True)
        dave.decide("rare", page, count=("may leave", "agreed"), mean=("stays here", "two people make up most of it"))
        dave.sign()
        after = page.locator("main").inner_text()
        self.assertIn("Conflict", after)
        self.assertIn("large enough", after, "now both see both")
        shot(page, "conflict", full_page=True)
        self.assertIn("two people make up most of it", bob.review("rare").locator(".decision").inner_text())
        self.assertEqual(federation.phase(tasks["rare"]), "held")
        dave.decide("rare", mean=("may leave", "discussed"))
        dave.sign()
        federation.until("released", lambda: federation.phase(tasks["rare"]) == "released")

    def test_threat_71_two_windows_and_a_double_click_end_in_one_state(self):
        task = federation.submit("Two windows", analysis="count", table="person")
        first, second = bob.page, bob.window()
        second.goto(f"{site.base}/task/{task}")
        bob.decide(task, count=("may leave", "fine"))
        bob.decide(task, second, count=("stays here", "not fine"))
        first.get_by_text("computed again by this browser").wait_for()
        second.get_by_text("computed again by this browser").wait_for()
        second.locator("#sign").dblclick()
        second.get_by_text("Signed, and the node has it.").wait_for()
        first.locator("#sign").click()
        first.get_by_text("something has changed since this page was made").wait_for()
        federation.until("withheld", lambda: federation.phase(task) == "withheld")
        second.close()


class Attacks(unittest.TestCase):
    def test_threat_60_63_hostile_contents_open_nothing_and_sign_nothing(self):
        seen = Reviewer("seen")
        seen.enrol(owner=False)
        page = seen.review("hostile")
        shot(page, "hostile", full_page=True)
        text = page.locator("table.data").inner_text()
        for one in HOSTILE:
            self.assertEqual(one in text, one != HOSTILE[2], one)
        self.assertEqual(page.locator("table.data img, table.data script, table.data svg, table.data iframe, table.data form, h1 img, h1 script").count(), 0)
        self.assertIn(HOSTILE[1], page.locator("h1").inner_text())
        page.goto(f"{site.base}/?find={urllib.parse.quote(HOSTILE[1])}")
        page.goto(f"{site.base}/task/{tasks['hostile']}?find={urllib.parse.quote(HOSTILE[0])}&output=result&sort={urllib.parse.quote(HOSTILE[3])}&hide={urllib.parse.quote(HOSTILE[1])}")
        page.wait_for_timeout(300)
        self.assertEqual(page.evaluate("window.signatures"), 0)
        page = bob.review("hostile")
        page.get_by_label("Say something").fill(HOSTILE[1] + "\n" + HOSTILE[4])
        page.locator(".say").get_by_role("button").click()
        bob.sign()
        self.assertIn(HOSTILE[1], page.locator(".comments").inner_text())
        for person in (seen, bob, dave):
            self.assertEqual((person.dialogs, person.errors, person.policy), ([], [], []))
        page.goto(f"{site.base}/csp")
        self.assertEqual(page.inner_text("body"), "0")
        # And both counters count.
        page = seen.review("hostile")
        page.evaluate("""async () => {
          const keys = await crypto.subtle.generateKey("Ed25519", false, ["sign"]);
          await crypto.subtle.sign("Ed25519", keys.privateKey, new Uint8Array(1));
          document.body.append(Object.assign(document.createElement("img"), { src: "http://127.0.0.1:1/x" }));
        }""")
        self.assertEqual(page.evaluate("window.signatures"), 1)

        def counted():
            page.goto(f"{site.base}/csp")
            return page.inner_text("body") != "0"

        federation.until("a blocked picture is counted", counted)
        seen.context.close()

    def test_threat_65_bytes_that_are_not_those_of_the_run_are_not_signed(self):
        task = federation.submit("Changed under way", analysis="count", table="person")
        page = bob.decide(task, count=("may leave", "fine"))
        page.get_by_text("computed again by this browser").wait_for()
        page.route("**/output/count", lambda route: route.fulfill(body=b"n\n1201\n"))
        page.locator("#sign").click()
        page.get_by_text("the outputs are not those that the run commits to").wait_for()
        page.unroute("**/output/count")
        page.reload()
        page.get_by_text("computed again by this browser").wait_for()

        def other(route):
            told = route.fetch().json()
            told["report"]["findings"] = "00" * 32
            route.fulfill(json=told)

        page.route("**/signing", other)
        page.locator("#sign").click()
        page.get_by_text("something has changed").wait_for()
        page.unroute("**/signing")
        self.assertEqual(federation.waiting(task)["attested_by"], [])

    def test_threat_69_another_site_gets_nothing(self):
        task = tasks["bins"]
        attack = f"""<!doctype html><title>attack</title><iframe id=frame src="{site.base}/"></iframe>
          <form id=form method=post action="{site.base}/leave" target=_self><button>go</button></form>
          <script>
            window.got = [];
            const tries = [["GET", "/task/{task}"], ["POST", "/leave"], ["POST", "/task/{task}/withdraw"], ["POST", "/me"]];
            Promise.all(tries.flatMap(([method, path]) => ["no-cors", "cors"].map((mode) =>
              fetch("{site.base}" + path, {{ method, mode, credentials: "include" }}).then((answer) => answer.text(), () => "").then((text) => window.got.push(text))
            ))).then(() => {{ window.done = true; }});
          </script>"""

        class Evil(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("content-type", "text/html")
                self.end_headers()
                self.wfile.write(attack.encode())

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Evil)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for host in ("127.0.0.1", "localhost"):
            page = bob.window()
            page.goto(f"http://{host}:{server.server_port}/")
            page.wait_for_function("window.done")
            self.assertEqual(set(page.evaluate("window.got")), {""})
            self.assertEqual([frame for frame in page.frames[1:] if "Outputs for review" in frame.content()], [])
            page.locator("#form button").click()
            page.get_by_text("This request was refused").wait_for()
            page.close()
        server.shutdown()
        bob.page.goto(site.base)
        self.assertTrue(bob.page.get_by_role("heading", name="Outputs for review").is_visible(), "the session lives")

        cookies = "; ".join(f"{one['name']}={one['value']}" for one in bob.context.cookies())
        for host, status in [(f"127.0.0.1:{site.port}", 200), (f"evil.example:{site.port}", 403), ("127.0.0.1", 403), ("", 403)]:
            link = http.client.HTTPConnection("127.0.0.1", site.port)
            link.request("GET", "/", headers={"Host": host, "Cookie": cookies})
            answer = link.getresponse()
            body = answer.read().decode()
            self.assertEqual((answer.status, "How HbA1c" in body), (status, status == 200), host)
            for name, value in [("x-content-type-options", "nosniff"), ("cache-control", "no-store"), ("cross-origin-opener-policy", "same-origin")]:
                self.assertEqual(answer.getheader(name), value)
            self.assertIn("frame-ancestors 'none'", answer.getheader("content-security-policy"))
        link = http.client.HTTPConnection("127.0.0.1", site.port)
        link.request("POST", "/leave", headers={"Host": f"127.0.0.1:{site.port}", "Cookie": cookies})
        self.assertEqual(link.getresponse().status, 403, "a request that does not say where it comes from")

    def test_threat_70_a_token_works_once_and_other_accounts_are_not_heard(self):
        address = site.address()
        fresh = browser.new_context()
        page = fresh.new_page()
        page.goto(address)
        cookie = fresh.cookies()[0]
        self.assertTrue(cookie["httpOnly"] and cookie["sameSite"] == "Strict" and len(cookie["value"]) >= 32)
        other = browser.new_context().new_page()
        other.goto(address)
        self.assertIn("used already", other.inner_text("main"))
        other.goto(site.base)
        self.assertIn("Nobody is signed in", other.inner_text("main"))
        other.context.close()
        if os.geteuid() == 0 and shutil.which("setpriv"):
            asked = f"import urllib.request as r; print(r.urlopen(r.Request('{site.base}/', headers={{'Cookie': '{cookie['name']}={cookie['value']}'}})).status)"
            own = subprocess.run(["python3", "-c", asked], capture_output=True, text=True)
            theirs = subprocess.run(["setpriv", "--reuid", "65534", "--clear-groups", "python3", "-c", asked], capture_output=True, text=True)
            self.assertEqual(own.stdout.strip(), "200", own.stderr)
            self.assertNotEqual(theirs.returncode, 0, "another account was heard")
        page.get_by_role("button", name="Leave").click()
        self.assertIn("You have left", page.inner_text("main"))
        fresh.add_cookies([cookie])
        page.goto(site.base)
        self.assertIn("Nobody is signed in", page.inner_text("main"), "a cookie that was left is worth nothing")
        fresh.close()


class Accessible(unittest.TestCase):
    def test_nothing_serious_on_any_page_light_or_dark_wide_or_narrow(self):
        pages = ["/", "/?part=decided", "/keys", "/help", f"/task/{tasks['regions']}?output=contingency", f"/task/{tasks['bins']}", f"/task/{tasks['hostile']}"]
        for scheme, width in [("light", 1360), ("dark", 1360), ("light", 640), ("dark", 340)]:
            bob.page.emulate_media(color_scheme=scheme)
            bob.page.set_viewport_size({"width": width, "height": 900})
            for path in pages:
                bob.page.goto(f"{site.base}{path}")
                self.check(f"{path} {scheme} {width}")
                overflow = bob.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                self.assertLessEqual(overflow, 0, f"{path} at {width} scrolls sideways")
            bob.decide("bins", result=("stays here", "only for the picture"))
            bob.page.locator("#sign").wait_for()
            self.check(f"summary {scheme} {width}")
            if (scheme, width) == ("dark", 1360):
                bob.review("regions", "?output=contingency")
                shot(bob.page, "review-dark", full_page=True)
            if width == 340:
                shot(bob.page, "narrow", full_page=True)
        bob.page.emulate_media(color_scheme="light")
        bob.page.set_viewport_size({"width": 1360, "height": 900})
        stranger = browser.new_context().new_page()
        stranger.goto(site.base)
        self.assertEqual(Axe().run(stranger).response["violations"], [])
        stranger.context.close()

    def check(self, where):
        found = Axe().run(bob.page).response["violations"]
        serious = [(one["id"], one["help"], [node["html"][:200] for node in one["nodes"][:3]]) for one in found if one["impact"] in ("serious", "critical")]
        self.assertEqual(serious, [], where)

    def test_a_review_prints_without_what_is_for_the_screen(self):
        page = bob.review("regions", "?output=contingency")
        page.emulate_media(media="print")
        self.assertFalse(page.locator(".bar nav").is_visible())
        self.assertFalse(page.locator("#decide").is_visible())
        self.assertTrue(page.locator("table.data").is_visible() and page.locator(".decision .words").is_visible())
        if SHOTS:
            page.pdf(path=str(SHOTS / "review.pdf"), format="A4")
            shot(page, "print", full_page=True)
        page.emulate_media(media="screen")


class Figures(unittest.TestCase):
    def test_page_p50(self):
        cookies = {one["name"]: one["value"] for one in bob.context.cookies()}
        link = http.client.HTTPConnection("127.0.0.1", site.port)
        took = []
        for _ in range(21):
            began = time.perf_counter()
            link.request("GET", f"/task/{tasks['rows']}", headers={"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())})
            answer = link.getresponse()
            body = answer.read()
            took.append((time.perf_counter() - began) * 1e3)
            self.assertEqual(answer.status, 200)
        self.assertIn("4\u202f800 rows", body.decode())
        print(json.dumps({"page_p50": round(statistics.median(took), 1)}), flush=True)


if __name__ == "__main__":
    if "--shots" in sys.argv:
        at = sys.argv.index("--shots")
        SHOTS = pathlib.Path(sys.argv[at + 1])
        SHOTS.mkdir(parents=True, exist_ok=True)
        del sys.argv[at : at + 2]
    unittest.main(verbosity=2)
