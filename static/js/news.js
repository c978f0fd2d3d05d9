// What live news leads to besides changed cells: new rows, panels to fetch again, toasts that have done their duty.
(() => {
  "use strict";
  const farm = window.farm;
  const idle = 2000; // nothing moves under the pointer: new rows wait until it rests
  let waiting = null;

  farm.news = (told) => {
    for (const [kind, { count, newest }] of Object.entries(told)) {
      const list = document.querySelector(`[data-newest^="${kind}:"]`);
      if (!list || count === 0) continue;
      if ("firstRun" in list.dataset) { location.reload(); return; }
      waiting = { list, count, newest, kind };
      take();
    }
  };

  function take() {
    if (!waiting) return;
    if (!waiting.list.isConnected) { waiting = null; return; }
    if (performance.now() - farm.moved < idle || document.querySelector("#popover > *")) { announce(); return; }
    waiting.list.dataset.newest = `${waiting.kind}:${waiting.newest}`;
    waiting = null;
    farm.table.reload();
  }

  function announce() {
    const { list, count } = waiting;
    const line = document.querySelector(".waiting-line") ?? document.createElement("button");
    line.className = "button small waiting-line";
    line.type = "button";
    line.dataset.do = "reload";
    line.textContent = `${farm.plural(count, `new ${list.dataset.unit}`)} waiting, press U`;
    (list.matches(".region") ? list : list.querySelector(".region")).prepend(line);
  }

  // Takes what waits at once; false when nothing does.
  farm.takeNews = () => {
    const had = waiting !== null;
    farm.moved = -idle;
    take();
    return had;
  };
  farm.duty("reload", farm.takeNews);
  setInterval(take, 500);

  // Panels that follow a cell: data-reload="head.status …" with data-reload-url and data-reload-target.
  const due = new Map();
  document.addEventListener("farm:patched", ({ detail }) => {
    if (detail.gone) {
      if (detail.kind === "head") farm.toast("This job was removed", "Its history and its attempts stay.");
      return;
    }
    const names = Object.keys(detail.cells).map((name) => `${detail.kind}.${name}`);
    for (const panel of document.querySelectorAll("[data-reload]")) {
      const follows = panel.dataset.reload.split(" ");
      if (!names.some((name) => follows.includes(name)) || due.has(panel)) continue;
      due.set(panel, setTimeout(() => { due.delete(panel); fetchAgain(panel); }, 1000));
    }
    if (detail.kind === "toast") settle(detail);
    if (detail.kind === "runhead" && "live" in detail.cells) {
      document.querySelectorAll("[data-while-live]").forEach((part) => { part.hidden = detail.cells.live === ""; });
    }
  });

  function fetchAgain(panel) {
    if (!panel.isConnected) return;
    const { reloadUrl, reloadTarget, reloadSelect } = panel.dataset;
    htmx.ajax("GET", reloadUrl, { target: reloadTarget, select: reloadSelect, swap: reloadSelect ? "outerHTML" : "innerHTML" });
  }

  // A toast whose run went well leaves after 8 s, unless somebody looks at it.
  function settle(patch) {
    if (patch.cells.state !== "done") return;
    const toast = document.querySelector(`[data-row="toast:${patch.id}"]`);
    if (toast) leave(toast);
  }

  function leave(toast) {
    setTimeout(() => { if (toast.matches(":hover, :focus-within")) leave(toast); else toast.remove(); }, 8000);
  }
})();
