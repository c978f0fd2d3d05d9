// The bar under the grid: what is selected, by status, and what can be done with it. And the grid's twin, a table.
(() => {
  "use strict";
  const farm = window.farm, grid = farm.grid;
  if (!grid) return;
  const pane = document.querySelector("[data-grid]");
  const bar = pane.querySelector(".selbar"), twin = pane.querySelector(".twin");

  // Positions as ranges: "0-99,105".
  function ranges(positions) {
    const ordered = [...positions].sort((a, b) => a - b), found = [];
    for (const pos of ordered) {
      const last = found[found.length - 1];
      if (last && pos === last[1] + 1) last[1] = pos; else found.push([pos, pos]);
    }
    return found;
  }

  function show() {
    const chosen = grid.chosen();
    bar.hidden = chosen.size === 0;
    if (bar.hidden) return;
    const parts = ranges(chosen);
    const named = parts.slice(0, 3).map(([first, last]) => (first === last ? farm.frames.name(first) : `${farm.frames.name(first)}–${farm.frames.name(last)}`));
    bar.querySelector("[data-range]").textContent = `${named.join(", ")}${parts.length > 3 ? " …" : ""} selected`;
    const counts = new Map();
    for (const pos of chosen) counts.set(farm.frames.word(pos), (counts.get(farm.frames.word(pos)) ?? 0) + 1);
    const told = [...counts].map(([word, number]) => `${farm.count(number)} ${word}`).join(", ");
    bar.querySelector("[data-counts]").textContent = `${farm.plural(chosen.size, "frame")}: ${told}`;
    for (const button of bar.querySelectorAll("[data-act]")) {
      const fits = button.dataset.takes.split(" ").some((word) => counts.has(word));
      button.setAttribute("aria-disabled", String(!fits));
      button.title = fits ? button.dataset.hint ?? "" : `None of these frames is ${button.dataset.takes.split(" ").join(" or ")}`;
    }
  }

  grid.asked = () => ({
    jobs: String(farm.frames.job),
    positions: ranges(grid.chosen()).map(([first, last]) => (first === last ? first : `${first}-${last}`)).join(","),
    source: `job ${farm.frames.job}, frames`,
  });

  function view(name) {
    pane.querySelectorAll("button[data-view]").forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.view === name)));
    pane.querySelector(".canvasbox").hidden = name !== "grid";
    twin.hidden = name !== "table";
    if (name === "table") htmx.ajax("GET", pane.dataset.work, { target: twin, swap: "innerHTML" });
    else { twin.replaceChildren(); farm.live.watch(); }
  }

  farm.duty("view", (button) => view(button.dataset.view));
  farm.keys.on("v", () => view(twin.hidden ? "table" : "grid"));
  twin.addEventListener("click", (event) => {
    const row = event.target.closest("tr[data-row]");
    if (!row) return;
    const pos = Number(row.dataset.row.split(".")[1]);
    grid.focusOn(pos);
    document.dispatchEvent(new CustomEvent("farm:frame", { detail: pos }));
  });
  document.addEventListener("farm:chosen", show);
  document.addEventListener("farm:frames", () => { if (!bar.hidden) show(); });
})();
