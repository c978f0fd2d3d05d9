// Ticked rows. The set outlives swaps of the table: what is out of view stays selected and counted.
(() => {
  "use strict";
  const farm = window.farm;
  const chosen = new Map(); // id -> what its row said when it was last seen
  let last = null;

  const boxes = () => [...document.querySelectorAll("#rows [data-select]")];
  const rowOf = (id) => document.querySelector(`#rows [data-select="${CSS.escape(id)}"]`)?.closest("tr");

  function facts(row) {
    const bar = row.querySelector("[data-total]");
    return {
      status: row.querySelector("[data-status]")?.dataset.status ?? "",
      failed: Number(bar?.dataset.failed ?? 0),
      complete: Number(bar?.dataset.complete ?? 0),
      total: Number(bar?.dataset.total ?? 0),
    };
  }

  function set(id, on) {
    const row = rowOf(id);
    if (on && row) chosen.set(id, facts(row));
    else if (!on) chosen.delete(id);
  }

  function show() {
    for (const box of boxes()) {
      const on = chosen.has(box.dataset.select), row = box.closest("tr");
      box.checked = on;
      if (on) { row.setAttribute("aria-selected", "true"); chosen.set(box.dataset.select, facts(row)); }
      else row.removeAttribute("aria-selected");
    }
    const all = document.querySelector('[data-select="all"]');
    const ticked = boxes().filter((box) => box.checked).length;
    if (all) { all.checked = ticked > 0 && ticked === boxes().length; all.indeterminate = ticked > 0 && !all.checked; }
    showBar(ticked);
  }

  function showBar(inView) {
    const bar = document.querySelector("[data-bulkbar]");
    if (!bar) return;
    bar.hidden = chosen.size === 0;
    bar.querySelector("[data-selected]").textContent = farm.plural(chosen.size, bar.dataset.unit || "job");
    const frames = [...chosen.values()].reduce((sum, one) => sum + one.total, 0);
    const out = inView < chosen.size ? ` · ${farm.count(inView)} in view` : "";
    bar.querySelector("[data-extent]").textContent = frames ? `${farm.plural(frames, "frame")}${out}` : out;
    farm.selection.grey([...chosen.values()]);
  }

  // Buttons that none of the rows can take are dashed and say why.
  function grey(rows) {
    for (const button of document.querySelectorAll('[data-act][data-scope="job"], [data-act][data-scope="host"]')) {
      const takes = button.dataset.takes.split(" ");
      const fits = rows.length === 0 || rows.some((row) => takes.includes(row.status)
        || (takes.includes("failed") && row.failed > 0) || (takes.includes("complete") && row.complete > 0));
      button.setAttribute("aria-disabled", String(!fits));
      button.title = fits ? button.dataset.hint ?? "" : `Needs a ${button.dataset.scope} that is ${takes.slice(0, 3).join(", ")}`;
    }
  }

  function toggle(id) { set(id, !chosen.has(id)); last = id; show(); }

  function upTo(id) {
    const ids = boxes().map((box) => box.dataset.select);
    const [from, to] = [ids.indexOf(last ?? id), ids.indexOf(id)].sort((a, b) => a - b);
    ids.slice(Math.max(0, from), to + 1).forEach((one) => set(one, true));
    last = id;
    show();
  }

  // On the page of one job its header says what the buttons can do.
  function showJob() {
    const job = document.querySelector("[data-job]");
    if (!job) return;
    const number = (name) => Number((job.querySelector(`[data-cell="${name}"]`)?.textContent ?? "").replaceAll(",", ""));
    grey([{ status: job.querySelector("[data-status]")?.dataset.status ?? "", failed: number("failed"), complete: number("complete") }]);
  }

  document.addEventListener("DOMContentLoaded", showJob);
  document.addEventListener("farm:patched", (event) => { if (event.detail.kind === "head") showJob(); });

  document.addEventListener("click", (event) => {
    const box = event.target.closest("input[data-select]");
    if (!box) return;
    if (box.dataset.select === "all") { boxes().forEach((one) => set(one.dataset.select, box.checked)); show(); }
    else if (event.shiftKey) upTo(box.dataset.select);
    else { set(box.dataset.select, box.checked); last = box.dataset.select; show(); }
  });

  farm.selection = {
    ids: () => [...chosen.keys()],
    toggle,
    upTo,
    grey,
    show,
    clear() { const had = chosen.size > 0; chosen.clear(); show(); return had; },
    drop(id) { if (chosen.delete(id)) show(); },
  };
  farm.duty("clear", () => farm.selection.clear());
  farm.keys.on("Ctrl a", () => {
    if (boxes().length === 0) return false;
    boxes().forEach((box) => set(box.dataset.select, true));
    show();
  });
})();
