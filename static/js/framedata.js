// The frames of the job on this page: one letter each, their names, and what the live connection changes of them.
(() => {
  "use strict";
  const farm = window.farm;
  const pane = document.querySelector("[data-grid]");
  const head = document.querySelector("[data-job]");
  const words = { C: "complete", R: "running", F: "failed", K: "killed", S: "suspended", B: "blocked", W: "waiting", P: "pending" };
  let letters = [], names = [], mark = "", asked = 0;

  // [first, step, count] runs and single names, back to one name per frame.
  function unpack(packed) {
    const found = [];
    for (const entry of packed) {
      if (typeof entry === "string") { found.push(entry); continue; }
      const [first, step, count] = entry;
      for (let at = 0; at < count; at += 1) found.push(String(first + step * at));
    }
    return found;
  }

  async function load() {
    const mine = asked += 1;
    const answer = await fetch(pane.dataset.states, { headers: { Accept: "application/json" } });
    if (mine !== asked || !answer.ok) return;
    const told = await answer.json();
    letters = told.states.split("");
    names = unpack(told.names);
    mark = told.v;
    farm.grid.draw();
    farm.live.watch();
  }

  function apply(patch) {
    if (String(patch.id) !== head.dataset.job) return;
    mark = patch.v;
    if (patch.all !== undefined) {
      if (patch.all.length !== letters.length) { load(); return; }
      write([[0, patch.all]]);
    } else write(patch.frames);
  }

  function write(runs) {
    const changed = [];
    for (const [start, text] of runs) {
      for (let at = 0; at < text.length; at += 1) {
        if (letters[start + at] !== text[at]) { letters[start + at] = text[at]; changed.push(start + at); }
      }
    }
    farm.grid.changed(changed);
    document.dispatchEvent(new CustomEvent("farm:frames", { detail: changed }));
  }

  if (!pane) return;
  farm.frames = {
    job: Number(head.dataset.job),
    letters: () => letters,
    name: (pos) => names[pos] ?? String(pos),
    names: () => names,
    word: (pos) => words[letters[pos]],
    words,
    load,
    apply,
    watch: () => (letters.length ? { id: Number(head.dataset.job), v: mark } : null),
  };
  document.addEventListener("DOMContentLoaded", load);
})();
