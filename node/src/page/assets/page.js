// The only script of the review page. It does what needs a key (make one, show that it is here, sign), the keyboard, and drafts.
// What is signed is built here: from the bytes that the page serves, which are hashed here, and from the words that stand on the screen.
"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const text = new TextEncoder();
  const hex = (bytes) => Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
  const unhex = (digits) => Uint8Array.from(digits.match(/../g) || [], (pair) => parseInt(pair, 16));
  const join = (...parts) => {
    const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
    parts.reduce((at, part) => (all.set(part, at), at + part.length), 0);
    return all;
  };
  const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const network = document.body.dataset.network;

  // Deterministic CBOR (RFC 8949 section 4.2.1), for what statements are made of.
  const head = (major, number) => {
    if (!Number.isSafeInteger(number) || number < 0) throw new Error("a number cannot be encoded");
    const top = major << 5;
    if (number < 24) return Uint8Array.of(top | number);
    if (number < 0x100) return Uint8Array.of(top | 24, number);
    const view = new DataView(new ArrayBuffer(9));
    if (number < 0x10000) { view.setUint8(0, top | 25); view.setUint16(1, number); return new Uint8Array(view.buffer, 0, 3); }
    if (number < 0x100000000) { view.setUint8(0, top | 26); view.setUint32(1, number); return new Uint8Array(view.buffer, 0, 5); }
    view.setUint8(0, top | 27); view.setBigUint64(1, BigInt(number)); return new Uint8Array(view.buffer);
  };
  const cbor = (value) => {
    if (value === null) return Uint8Array.of(0xf6);
    if (typeof value === "boolean") return Uint8Array.of(value ? 0xf5 : 0xf4);
    if (typeof value === "number") return value < 0 ? head(1, -1 - value) : head(0, value);
    if (typeof value === "string") { const bytes = text.encode(value); return join(head(3, bytes.length), bytes); }
    if (value instanceof Uint8Array) return join(head(2, value.length), value);
    if (Array.isArray(value)) return join(head(4, value.length), ...value.map(cbor));
    // A Map has integer keys in ascending order; an object has text keys, the shorter first, then by their bytes.
    if (value instanceof Map) return join(head(5, value.size), ...[...value].flatMap(([key, inner]) => [cbor(key), cbor(inner)]));
    const entries = Object.entries(value).map(([key, inner]) => [cbor(key), cbor(inner)]);
    const before = ([a], [b]) => { for (let at = 0; at < Math.min(a.length, b.length); at += 1) if (a[at] !== b[at]) return a[at] - b[at]; return a.length - b.length; };
    return join(head(5, entries.length), ...entries.sort(before).flat());
  };

  // COSE_Sign1 (RFC 9052) in the profile of the wire: Ed25519, content type, key id and CWT claims in the protected header.
  const statement = async (kind, payload, claims, keys) => {
    const key = new Uint8Array(await crypto.subtle.exportKey("raw", keys.publicKey));
    const nonce = crypto.getRandomValues(new Uint8Array(16));
    const header = cbor(new Map([
      [1, -19], [3, `application/vnd.quintes.${kind}.v1+cbor`], [4, (await sha256(key)).slice(0, 16)],
      [15, new Map([[1, claims.issuer], [2, claims.subject], [4, claims.issued + claims.lifetime], [5, claims.issued], [6, claims.issued], [7, nonce]])],
    ]));
    const body = cbor(payload);
    const signed = cbor(["Signature1", header, text.encode(`quintes/v1/${network}/${kind}`), body]);
    const signature = new Uint8Array(await crypto.subtle.sign("Ed25519", keys.privateKey, signed));
    return join(Uint8Array.of(0xd2), head(4, 4), cbor(header), Uint8Array.of(0xa0), cbor(body), cbor(signature));
  };

  // The key lies in this browser's own store for this address; it cannot be read from there, only used.
  const store = (mode, work) => new Promise((done, failed) => {
    const open = indexedDB.open("quintes", 1);
    open.onupgradeneeded = () => open.result.createObjectStore("keys");
    open.onerror = () => failed(open.error);
    open.onsuccess = () => {
      const request = work(open.result.transaction("keys", mode).objectStore("keys"));
      request.onsuccess = () => { open.result.close(); done(request.result); };
      request.onerror = () => { open.result.close(); failed(request.error); };
    };
  });
  const held = () => store("readonly", (keys) => keys.get(network));
  const can = () => window.isSecureContext && Boolean(window.crypto && crypto.subtle && window.indexedDB);
  const fingerprint = async (keys) => {
    const key = new Uint8Array(await crypto.subtle.exportKey("raw", keys.publicKey));
    const field = (bytes) => join(Uint8Array.of(0, 0, 0, bytes.length), bytes);
    const digest = await sha256(join(field(text.encode("ssh-ed25519")), field(key)));
    return `SHA256:${btoa(String.fromCharCode(...digest)).replace(/=+$/, "")}`;
  };

  // Shows once a session that the key is here, so that the page knows who is before it.
  const identify = async () => {
    const challenge = document.body.dataset.challenge;
    const keys = challenge && can() ? await held() : null;
    if (!keys) return;
    const key = await crypto.subtle.exportKey("raw", keys.publicKey);
    const message = text.encode(`quintes/v1/review-page\n${network}\n${challenge}`);
    const signature = await crypto.subtle.sign("Ed25519", keys.privateKey, message);
    const answer = await fetch("/me", { method: "POST", body: JSON.stringify({ key: hex(key), signature: hex(signature) }) });
    // A summary that was asked for by a form cannot be loaded again; the next page will know.
    if (answer.ok && !$("plan")) location.reload();
  };

  const say = (element, words, good) => {
    element.textContent = words;
    element.className = good ? "good-said" : "bad-said";
  };

  const keyPage = async () => {
    const form = $("key-form");
    if (!form) return;
    $("key").hidden = false;
    if (!can()) { $("key-cannot").hidden = false; form.hidden = true; return; }
    const show = async (keys) => {
      $("key-none").hidden = true;
      $("key-some").hidden = false;
      $("key-fingerprint").textContent = await fingerprint(keys);
      $("key-make").textContent = "Make the request again";
    };
    const first = await held();
    if (first) await show(first);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      $("key-make").disabled = true;
      try {
        let keys = await held();
        if (!keys) {
          keys = await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]);
          await store("readwrite", (all) => all.put(keys, network));
          if (navigator.storage && navigator.storage.persist) await navigator.storage.persist();
        }
        const of = (name) => form.elements.namedItem(name).value.trim();
        const key = new Uint8Array(await crypto.subtle.exportKey("raw", keys.publicKey));
        const record = { kind: "person", name: of("name"), organisation: of("organisation"), device: of("device"), key, recipient: null, peer: null };
        const claims = { issuer: record.name, subject: record.name, issued: Number(form.dataset.now), lifetime: Number(form.dataset.lifetime) };
        const bytes = await statement("key-record", record, claims, keys);
        const link = $("key-file");
        link.href = URL.createObjectURL(new Blob([bytes], { type: "application/octet-stream" }));
        link.download = `${record.name}-review.request`;
        $("key-download").hidden = false;
        await show(keys);
        say($("key-said"), "The request is made and signed. Save it, and give it to a root person.", true);
        link.focus();
      } catch (error) {
        say($("key-said"), `No request was made: ${error.message}`, false);
      }
      $("key-make").disabled = false;
    });
  };

  // The commitment to all outputs (WIRE.md, "Commitment"), from the bytes as they are served.
  const commitment = async (task, outputs) => {
    const length = (number) => { const view = new DataView(new ArrayBuffer(8)); view.setBigUint64(0, BigInt(number)); return new Uint8Array(view.buffer); };
    const parts = [];
    const byName = outputs.map((output) => ({ ...output, bytesOfName: text.encode(output.name) })).sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const output of byName) {
      const answer = await fetch(`/task/${task}/output/${output.name}`);
      if (!answer.ok) throw new Error(`the output ${output.name} cannot be read`);
      const bytes = new Uint8Array(await answer.arrayBuffer());
      const name = join(length(output.bytesOfName.length), output.bytesOfName);
      const leaf = await sha256(join(Uint8Array.of(0), unhex(output.salt), name, await sha256(unhex(output.schema)), length(bytes.length), await sha256(bytes)));
      parts.push(name, leaf);
    }
    return sha256(join(Uint8Array.of(1), ...parts));
  };

  // The first 88 bits as eight words of the list.
  const inWords = async (bytes) => {
    const list = (await (await fetch("/static/words.txt")).text()).trim().split("\n");
    const bits = Array.from(bytes.slice(0, 11), (byte) => byte.toString(2).padStart(8, "0")).join("");
    return bits.match(/.{11}/g).map((word) => list[parseInt(word, 2)]).join(" ");
  };

  const signPage = async () => {
    const plan = $("plan");
    if (!plan) return;
    const button = $("sign");
    const said = $("sign-said");
    const keys = can() ? await held() : null;
    if (!keys) { say(said, "There is no key in this browser at this address; make one under “Your key”.", false); return; }
    const shown = plan.dataset;
    const told = async () => {
      const answer = await fetch(`/task/${shown.task}/signing`);
      if (!answer.ok) throw new Error("the node does not say what there is to sign; load the page again");
      const now = await answer.json();
      const own = hex(await crypto.subtle.exportKey("raw", keys.publicKey));
      if (now.key !== own) throw new Error("the page takes this browser for somebody else; leave, and enter again");
      const same = now.task === shown.task && now.run === shown.run && now.commitment === shown.commitment && now.project === shown.project
        && now.report.findings === shown.findings && (now.supersedes || "") === shown.supersedes && now.others.join(" ") === shown.others;
      if (!same) throw new Error("something has changed since this page was made, perhaps in another window; go back and look again");
      return now;
    };
    // Reviewed bytes are hashed before the button can be pressed, so that the words can be compared first.
    const checked = async (now) => {
      const own = await commitment(shown.task, now.outputs);
      if (hex(own) !== shown.commitment) throw new Error("the outputs are not those that the run commits to; do not sign, and tell the node's operator");
      const words = await inWords(own);
      if ($("check-words") && words !== $("check-words").textContent) throw new Error("the check words are not those of the outputs; do not sign, and tell the node's operator");
      return own;
    };
    try {
      await checked(await told());
      if ($("own-words")) $("own-words").textContent = "✓ computed again by this browser from the bytes";
    } catch (error) {
      say(said, `This cannot be signed: ${error.message}.`, false);
      return;
    }
    button.hidden = false;
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        const now = await told();
        const own = await checked(now);
        const bytes = (digits) => unhex(digits);
        const claims = (lifetime) => ({ issuer: now.issuer, subject: now.task, issued: now.now, lifetime });
        const report = { rules: now.report.rules, checker: bytes(now.report.checker), findings: bytes(now.report.findings), failed: now.report.failed, review: now.report.review };
        const attestation = (decisions, supersedes) => ({
          task: bytes(now.task), tre: now.tre, run: bytes(now.run), commitment: own, project: bytes(now.project), decisions, report, supersedes: supersedes ? bytes(supersedes) : null,
        });
        const payloads = [];
        if (shown.kind === "comment") {
          const words = $("said");
          payloads.push(["comment", {
            task: bytes(now.task), tre: now.tre, output: words.dataset.output || null, text: words.textContent, to: words.dataset.readers,
            question: words.dataset.question === "true", answers: null,
          }]);
        } else {
          const decisions = {};
          for (const item of plan.querySelectorAll("li[data-output]")) {
            decisions[item.dataset.output] = { approve: item.dataset.approve === "true", reason: item.querySelector(".reason").textContent };
          }
          if (shown.kind === "decide") payloads.push(["attestation", attestation(decisions, now.supersedes)]);
          else if (now.supersedes) payloads.push(["attestation", attestation({}, now.supersedes)]);
          for (const other of now.others) payloads.push(["attestation", attestation({}, other)]);
        }
        let first = "";
        for (const [kind, payload] of payloads) {
          const signed = await statement(kind, payload, claims(now.lifetime[kind]), keys);
          const answer = await fetch(`/task/${shown.task}/offer`, { method: "POST", body: signed });
          const result = await answer.json().catch(() => ({ error: "the node does not answer" }));
          if (!answer.ok) throw new Error(result.error);
          first = first || result.taken;
        }
        sessionStorage.removeItem(`draft-${shown.task}-${shown.commitment}`);
        location.assign(`/task/${shown.task}?signed=${first}`);
      } catch (error) {
        say(said, `Nothing was signed: ${error.message}.`, false);
        button.disabled = false;
      }
    });
  };

  // What was chosen and written stays while one turns pages and sorts; it is forgotten with the window.
  const drafts = () => {
    const form = $("decide");
    if (!form) return;
    const place = `draft-${form.dataset.draft}`;
    const fields = () => [...form.elements].filter((field) => field.name);
    try {
      const draft = JSON.parse(sessionStorage.getItem(place) || "{}");
      for (const field of fields()) {
        if (!(field.name in draft)) continue;
        if (field.type === "radio") field.checked = field.value === draft[field.name];
        else field.value = draft[field.name];
      }
    } catch { sessionStorage.removeItem(place); }
    const keep = () => {
      const draft = {};
      for (const field of fields()) if (field.type !== "radio" || field.checked) draft[field.name] = field.value;
      sessionStorage.setItem(place, JSON.stringify(draft));
    };
    form.addEventListener("input", keep);
    for (const button of form.querySelectorAll("[data-all]")) {
      button.closest("p").hidden = false;
      button.addEventListener("click", () => {
        for (const radio of form.querySelectorAll(`input[value="${button.dataset.all}"]`)) radio.checked = true;
        keep();
      });
    }
  };

  // Keys, for those who want them: they can be switched off (WCAG 2.1.4), and never act while somebody writes.
  const keyboard = () => {
    const list = $("shortcuts");
    if (!list) return;
    const toggle = $("shortcuts-switch");
    const on = () => localStorage.getItem("shortcuts") !== "off";
    const name = () => { toggle.textContent = on() ? "Switch shortcuts off" : "Switch shortcuts on"; };
    name();
    toggle.addEventListener("click", () => { localStorage.setItem("shortcuts", on() ? "off" : "on"); name(); });
    $("shortcuts-close").addEventListener("click", () => { list.hidden = true; });
    const rows = [...document.querySelectorAll("tr[data-open]")];
    let at = -1;
    const move = (by) => {
      if (rows.length) {
        at = Math.max(0, Math.min(rows.length - 1, at + by));
        rows.forEach((row, place) => row.classList.toggle("at", place === at));
        rows[at].querySelector("a").focus();
        return;
      }
      const tabs = [...document.querySelectorAll(".tabs a")];
      const now = tabs.findIndex((tab) => tab.hasAttribute("aria-current"));
      const next = tabs[now + by];
      if (next) next.click();
    };
    const acts = {
      j: () => move(1), k: () => move(-1), q: () => location.assign("/"), "?": () => { list.hidden = !list.hidden; },
      "/": () => ($("find-rows") || $("find") || document.body).focus(),
      d: () => { const decision = $("decision"); if (decision) { decision.scrollIntoView(); decision.focus(); } },
    };
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape") { list.hidden = true; return; }
      const writes = event.target.closest("input:not([type=radio]), textarea, select");
      if (event.ctrlKey || event.metaKey || event.altKey || writes || !Object.hasOwn(acts, event.key) || (!on() && event.key !== "?")) return;
      event.preventDefault();
      acts[event.key]();
    });
  };

  // What is said to browsers without scripts stands there until this runs.
  for (const words of document.querySelectorAll(".unscripted")) words.hidden = true;
  keyboard();
  drafts();
  const failed = () => { /* without a key the page can still be read */ };
  identify().catch(failed);
  keyPage().catch(failed);
  signPage().catch(failed);
})();
