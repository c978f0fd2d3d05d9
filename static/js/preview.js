// Actions: ask the server what would happen, show it beside the button, send it when confirmed.
(() => {
  "use strict";
  const farm = window.farm;
  const place = () => document.querySelector("#popover > *");
  let anchor = null;

  // What the button would act on: frames of the grid, the job of this page, the ticked rows, or the focused row.
  function asked(button) {
    if (button.dataset.scope === "work") return farm.grid.asked();
    if (button.dataset.scope === "host") return { hosts: hosts().join(",") };
    const job = document.querySelector("[data-job]");
    if (job) return { jobs: job.dataset.job, source: `job ${job.dataset.job}` };
    const ids = farm.selection.ids();
    const chosen = ids.length ? ids : [farm.table.current()].filter(Boolean);
    const filter = new URLSearchParams(location.search).get("q");
    return { jobs: chosen.join(","), source: filter ? `Jobs, filter ${filter}` : "Jobs" };
  }

  // The host of this page, the ticked ones, or the focused row.
  function hosts() {
    const host = document.querySelector("[data-host]");
    if (host) return [host.dataset.host];
    const ids = farm.selection.ids();
    return ids.length ? ids : [farm.table.current()].filter(Boolean);
  }

  function open(button) {
    if (button.getAttribute("aria-disabled") === "true") return;
    if (document.body.classList.contains("lost")) return;
    const values = asked(button);
    if (!values.jobs && !values.hosts) return;
    const menu = button.closest(".menu"); // closes now: the popover stays by what opened it
    const beside = menu ? document.querySelector(`[data-menu="${menu.id}"]`) : button;
    anchor = beside.offsetParent ? beside : farm.table.row() ?? document.querySelector("[data-menu^=more]") ?? button;
    farm.closeMenus();
    const base = values.hosts ? document.body.dataset.careUrl : document.body.dataset.actUrl;
    const address = base.replace("verb", button.dataset.act);
    htmx.ajax("POST", address, { target: "#popover", swap: "innerHTML", values: { scope: button.dataset.scope, ...values } });
  }

  function dismiss() {
    const shown = Boolean(place());
    document.getElementById("popover").replaceChildren();
    return shown;
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-act]");
    if (button) open(button);
    else if (place() && !event.target.closest("#popover, #toasts")) dismiss();
  });

  // After the first answer the popover takes its place and the focus; later ones keep both.
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target.id !== "popover" || !place()) return;
    const above = anchor && anchor.getBoundingClientRect().top > innerHeight / 2;
    if (anchor?.isConnected) farm.place(place(), anchor, above);
    if (place().contains(document.activeElement)) return;
    const first = place().querySelector("[autofocus], input[required], #typed") ?? place().querySelector("[name=go]:enabled");
    (first ?? place().querySelector("[data-do=dismiss]")).focus();
  });

  document.addEventListener("farm:started", () => { dismiss(); farm.selection.clear(); farm.grid?.clear(); });
  document.addEventListener("htmx:responseError", (event) => {
    if (event.detail.xhr.status >= 500) farm.toast("The farm could not do that", "It answered with an error; its log says which.");
  });
  document.addEventListener("htmx:sendError", () => farm.toast("No answer from the farm", "Nothing was sent. Try again."));

  farm.toast = (title, text) => {
    const note = document.createElement("div");
    note.className = "toast";
    note.setAttribute("role", "alert");
    const words = document.createElement("div"), name = document.createElement("b"), line = document.createElement("p");
    words.className = "text";
    name.textContent = title;
    line.textContent = text;
    words.append(name, line);
    note.append(words);
    document.getElementById("toasts").append(note);
    setTimeout(() => note.remove(), 8000);
  };
  farm.duty("dismiss", dismiss);
  farm.preview = { open, dismiss };
})();
