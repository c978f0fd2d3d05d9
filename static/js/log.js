// The log pane: one attempt of the chosen frame, or a subjob's whole log. Text is only ever inserted as text.
(() => {
  "use strict";
  const farm = window.farm;
  const pane = document.querySelector("[data-log]");
  if (!pane) return;
  const lines = pane.querySelector(".loglines"), most = 4000, tail = 256 * 1024;
  const tabs = pane.querySelector(".attempts"), first = pane.querySelector("[data-do=first-error]");
  const names = { both: "stdout and stderr", out: "stdout", err: "stderr" };
  let shown = null; // { attempt | subjob, stream, to, size, error, running, number }
  let frame = null, follow = true, timer = 0, asked = 0;

  const title = (text) => { pane.querySelector("[data-log-title]").textContent = text; };
  const facts = (text) => { pane.querySelector("[data-log-facts]").textContent = text; };
  const say = (text) => { pane.querySelector("[data-log-size]").textContent = text; };

  async function get(address, values) {
    const answer = await fetch(`${address}?${new URLSearchParams(values)}`, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(answer.status === 404 ? "This log is not there any more." : "The log could not be read.");
    return answer.json();
  }

  // What to read: a piece of this attempt or subjob.
  const source = () => (shown.attempt ? { attempt: shown.attempt } : { subjob: shown.subjob });

  async function open(what) {
    const mine = asked += 1;
    clearTimeout(timer);
    shown = { stream: "both", to: 0, from: 0, size: 0, number: 0, ...what };
    lines.replaceChildren();
    first.hidden = true;
    const error = pane.querySelector(".errorline");
    error.hidden = !shown.error;
    error.textContent = shown.error ?? "";
    await read(mine, -tail);
    if (mine !== asked) return;
    if (!shown.running) toError();
  }

  async function other(mine, stream) {
    Object.assign(shown, { stream, to: 0, from: 0, size: 0, number: 0 });
    lines.replaceChildren();
    await read(mine, -tail);
  }

  async function read(mine, offset) {
    let piece;
    try { piece = await get(pane.dataset.log, { ...source(), stream: shown.stream, offset }); }
    catch (wrong) { if (mine === asked) say(wrong.message); return; }
    if (mine !== asked) return;
    if (offset < 0) { shown.from = piece.from; shown.number = piece.from === 0 ? 0 : NaN; }
    shown.to = piece.to;
    shown.size = piece.size;
    append(piece.lines);
    pressed("[data-stream]", (button) => button.dataset.stream === shown.stream);
    tell();
    if (piece.to < piece.size && piece.lines.length) { await read(mine, piece.to); return; }
    if (follow && shown.running) lines.scrollTop = lines.scrollHeight;
    if (shown.running || piece.more) timer = setTimeout(() => { if (document.hidden) tick(); else read(mine, shown.to); }, 1000);
  }

  function tick() { timer = setTimeout(() => { if (document.hidden) tick(); else read(asked, shown.to); }, 1000); }

  function append(told) {
    const part = document.createDocumentFragment();
    for (const [mark, text, stream, at] of told) {
      shown.number += 1;
      const line = document.createElement("div"), number = document.createElement("span"), words = document.createElement("span");
      const failed = shown.error && text.trim() && shown.error.includes(text.trim());
      line.className = `logline${mark === "e" || failed ? " error" : mark === "w" ? " warning" : ""}`;
      if (failed) line.dataset.cause = "";
      number.className = "no";
      number.textContent = Number.isNaN(shown.number) ? "" : String(shown.number);
      words.textContent = text;
      line.append(number);
      if (stream) line.append(when(stream, at));
      line.append(words);
      part.append(line);
    }
    lines.append(part);
    while (lines.childElementCount > most) lines.firstElementChild.remove();
    first.hidden = !lines.querySelector(".error");
  }

  // How long after its attempt's start a line was written; a line of standard error says so.
  function when(stream, at) {
    const time = document.createElement("span");
    time.className = `at ${stream}`;
    time.textContent = at === null ? "" : at < 60 ? `${at.toFixed(1)} s` : `${Math.floor(at / 60)}:${String(Math.floor(at % 60)).padStart(2, "0")}`;
    time.title = names[stream];
    return time;
  }

  function tell() {
    const size = shown.size < 1024 ? `${shown.size} B` : `${(shown.size / 1024).toFixed(1)} KB`;
    const cut = shown.from > 0 ? ` · the last ${Math.round((shown.to - shown.from) / 1024)} KB` : "";
    const empty = shown.size ? "" : " · nothing was written";
    say(`${names[shown.stream]} · ${size}${cut}${empty}${shown.running ? " · running" : ""}`);
  }

  function toError() {
    const line = lines.querySelector("[data-cause]") ?? lines.querySelector(".error");
    lines.querySelector(".current")?.classList.remove("current");
    if (!line) { lines.scrollTop = lines.scrollHeight; return; }
    line.classList.add("current");
    line.scrollIntoView({ block: "center" });
  }

  function pressed(which, on) {
    pane.querySelectorAll(which).forEach((button) => button.setAttribute("aria-pressed", String(on(button))));
  }

  async function openFrame(pos, number) {
    const told = await get(frameAddress(pos), {}).catch(() => null);
    if (!told) { say("This frame could not be read."); return; }
    const at = number ?? told.attempts.length - 1, one = told.attempts[at];
    frame = { pos, at, count: told.attempts.length, running: one?.running };
    title(`${farm.frames.job} · frame ${told.name}`);
    document.dispatchEvent(new CustomEvent("farm:told", { detail: told }));
    facts(one ? attemptText(one, at, told.attempts.length) : "");
    showAttempts(told.attempts, at);
    if (one) open({ attempt: one.id, error: one.error || (one.ending === "failed" ? one.message : ""), running: one.running });
    else { shown = null; asked += 1; lines.replaceChildren(); first.hidden = true; pane.querySelector(".errorline").hidden = true; say(`Frame ${told.name} is ${told.status}: it was not tried yet.`); }
  }

  // A picture of the shown frame may have come: its files are read again, its log stays.
  async function refresh() {
    const pos = frame?.pos;
    const told = frame && await get(frameAddress(pos), {}).catch(() => null);
    if (told && frame?.pos === pos) document.dispatchEvent(new CustomEvent("farm:told", { detail: told }));
  }

  const frameAddress = (pos) => document.querySelector("[data-grid]").dataset.frame.replace(/0$/, String(pos));

  function attemptText(one, at, count) {
    const end = one.running ? "running" : one.signal ? `signal ${one.signal}` : one.exit === null ? one.ending : `exit ${one.exit}`;
    return [one.host, count > 1 ? `attempt ${at + 1} of ${count}` : "", end].filter(Boolean).join(" · ");
  }

  function showAttempts(attempts, at) {
    tabs.hidden = attempts.length < 2;
    tabs.replaceChildren(...attempts.map((one, index) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = String(index + 1);
      button.title = `Attempt ${index + 1}: ${one.ending || "running"} on ${one.host}`;
      button.setAttribute("aria-pressed", String(index === at));
      button.addEventListener("click", () => openFrame(frame.pos, index));
      return button;
    }));
  }

  function step(by) {
    if (!frame || frame.at + by < 0 || frame.at + by >= frame.count) return false;
    openFrame(frame.pos, frame.at + by);
    return true;
  }

  document.addEventListener("farm:frame", (event) => openFrame(event.detail));
  document.addEventListener("farm:frames", (event) => { if (frame && event.detail.includes(frame.pos)) openFrame(frame.pos); });
  document.addEventListener("farm:pictures", refresh);
  document.getElementById("subjobs")?.addEventListener("click", (event) => {
    const row = event.target.closest("tr[data-row]");
    if (!row || event.target.closest("a")) return;
    const [job, subjob] = row.dataset.row.split(":")[1].split(".");
    frame = null;
    tabs.hidden = true;
    document.dispatchEvent(new CustomEvent("farm:told", { detail: null }));
    title(`${job}.${subjob} · whole log`);
    facts("");
    open({ subjob, running: row.querySelector("[data-status]")?.dataset.status === "running" });
  });

  farm.duty("stream", (button) => { if (shown) { const mine = asked += 1; clearTimeout(timer); other(mine, button.dataset.stream); } });
  farm.duty("follow", (button) => { follow = !follow; button.setAttribute("aria-pressed", String(follow)); if (follow) lines.scrollTop = lines.scrollHeight; });
  farm.duty("first-error", toError);
  farm.keys.on("f", () => farm.duties.follow(pane.querySelector("[data-do=follow]")));
  farm.keys.on("e", toError);
  farm.keys.on("[", () => step(-1));
  farm.keys.on("]", () => step(1));
})();
