// The live connection: tells the hub what is on screen, writes what it sends into the cells, says how old the data is.
(() => {
  "use strict";
  const farm = window.farm;
  const pauses = [1000, 2000, 4000, 8000, 15000];
  const signedOut = 4401;
  let socket = null, tries = 0, seq = 0, heard = 0, dataAt = 0, timer = 0, retryAt = 0;
  let leaving = false; // on the way to another page: whatever closes now is nobody's news
  let rows = new Map(); // "kind:id" -> elements that show it

  const lamp = () => document.querySelector(".lamp");

  function connect() {
    clearTimeout(timer);
    if (socket && socket.readyState <= WebSocket.OPEN) return;
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    socket = new WebSocket(`${scheme}://${location.host}${document.body.dataset.socket}`);
    socket.onopen = () => { seq = 0; watch(); };
    socket.onmessage = (event) => receive(JSON.parse(event.data));
    socket.onclose = (event) => {
      if (leaving) return;
      if (event.code === signedOut) { location.assign(`${document.body.dataset.signIn}?next=${encodeURIComponent(location.pathname + location.search)}`); return; }
      const pause = pauses[Math.min(tries++, pauses.length - 1)];
      retryAt = performance.now() + pause;
      timer = setTimeout(connect, pause);
    };
  }

  // Says what is on screen, with the version of each row, so that only what differs is sent.
  function watch() {
    rows = new Map();
    const told = {};
    for (const element of document.querySelectorAll("[data-row]")) {
      const name = element.dataset.row, [kind, id] = name.split(":");
      if (rows.has(name)) rows.get(name).push(element); else rows.set(name, [element]);
      if (farm.watched.has(kind)) (told[kind] ??= {})[id] = element.dataset.v ?? "";
    }
    const work = farm.frames?.watch();
    if (work) told.work = work;
    for (const list of document.querySelectorAll("[data-newest]")) {
      const [kind, newest] = list.dataset.newest.split(":");
      (told.newest ??= {})[kind] = Number(newest);
    }
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ watch: told }));
  }

  let soon = 0;
  const watchSoon = () => { clearTimeout(soon); soon = setTimeout(watch, 60); };

  function receive(message) {
    heard = performance.now();
    dataAt = message.at * 1000;
    tries = 0;
    if (message.refetch || (seq && message.seq !== seq + 1)) { seq = message.seq; refetch(); return; }
    seq = message.seq;
    for (const patch of message.patches) apply(patch);
    if (message.new) farm.news(message.new);
    show();
  }

  function refetch() {
    farm.frames?.load();
    if (!farm.table.reload()) location.reload();
  }

  function apply(patch) {
    if (patch.kind === "work") { farm.frames?.apply(patch); return; }
    for (const element of rows.get(`${patch.kind}:${patch.id}`) ?? []) {
      if (patch.gone) { element.classList.add("gone"); farm.selection.drop(String(patch.id)); continue; }
      const before = element.querySelector("[data-status]")?.dataset.status;
      for (const [name, html] of Object.entries(patch.cells)) {
        const cell = element.querySelector(`[data-cell="${name}"]`);
        if (cell) cell.innerHTML = html;
      }
      element.dataset.v = patch.v;
      const after = element.querySelector("[data-status]")?.dataset.status;
      if (before !== after && element.tagName === "TR") flash(element);
    }
    document.dispatchEvent(new CustomEvent("farm:patched", { detail: patch }));
  }

  function flash(row) {
    row.classList.remove("fresh");
    requestAnimationFrame(() => row.classList.add("fresh"));
  }

  // How old the newest data is: "slow" from 10 s, "lost" from 20 s. Old data stays on screen with its time.
  function show() {
    const age = heard ? (performance.now() - heard) / 1000 : 0;
    const state = !heard ? "connecting" : age >= 20 ? "lost" : age >= 10 ? "slow" : "live";
    const text = state === "connecting" ? "Connecting" : `Live · ${lamp().dataset.farm} · ${age < 10 ? age.toFixed(1) : Math.round(age)} s`;
    if (lamp().dataset.state !== state) lamp().dataset.state = state;
    lamp().textContent = text;
    const lost = state === "lost", bar = document.querySelector(".lost-bar");
    document.body.classList.toggle("lost", lost);
    bar.hidden = !lost;
    if (!lost) return;
    const left = Math.max(0, Math.ceil((retryAt - performance.now()) / 1000));
    bar.querySelector("span").textContent = `No answer from ${lamp().dataset.farm} for ${Math.round(age)} s. Shown as of ${new Date(dataAt).toTimeString().slice(0, 8)}. Actions come back with the connection.`;
    bar.querySelector("button").textContent = left ? `Try now (${left} s)` : "Try now";
  }

  farm.watched = new Set(["job", "head", "frame", "subjob", "host", "run", "runhead", "toast", "target", "farm", "outputs"]);
  farm.live = { watch: watchSoon, connect };
  addEventListener("beforeunload", () => { leaving = true; });
  addEventListener("pageshow", () => { leaving = false; });
  farm.duty("connect", () => { socket?.close(); tries = 0; connect(); });
  document.addEventListener("htmx:afterSettle", watchSoon);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) connect(); });
  document.addEventListener("DOMContentLoaded", () => { if (lamp()) { connect(); setInterval(show, 500); } });
})();
