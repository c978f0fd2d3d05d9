// The files of the chosen frame, and the strip of the newest pictures: a click leads to the frame of one.
(() => {
  "use strict";
  const farm = window.farm;
  const box = document.querySelector("[data-outputs]"), live = document.querySelector("[data-log-row]");
  if (!box) return;

  function element(name, css, text) {
    const made = document.createElement(name);
    made.className = css;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function line(one) {
    const row = element("li", one.missing ? "bad" : "");
    const name = element("span", "mono cut grow", one.name);
    name.title = one.path;
    const copy = element("button", "button small quiet", "Copy path");
    copy.type = "button";
    copy.dataset.do = "copy-path";
    copy.dataset.path = one.path;
    row.append(name, element("span", "hint", one.missing ? "no file" : one.size ?? ""), copy);
    return row;
  }

  function picture(one) {
    const made = element("img", "");
    made.src = one.picture;
    made.alt = one.name;
    return made;
  }

  // What is told of a frame; null clears it.
  function show(told) {
    const found = told?.outputs ?? [];
    box.hidden = !found.length;
    const list = element("ul", "files");
    list.append(...found.map(line));
    box.replaceChildren(...found.filter((one) => one.picture).slice(0, 1).map(picture), list);
    follow(told);
  }

  // How far it is comes as a cell of the frame's row, which the live connection writes.
  function follow(told) {
    const row = told && `frame:${farm.frames.job}.${told.pos}`;
    if (live.dataset.row === (row || undefined)) return;
    live.firstElementChild.replaceChildren();
    live.dataset.v = "";
    if (row) live.dataset.row = row; else delete live.dataset.row;
    farm.live.watch();
  }

  document.addEventListener("farm:told", (event) => show(event.detail));
  document.addEventListener("farm:patched", (event) => {
    const { kind, id } = event.detail;
    if (kind === "outputs" && live.dataset.row) document.dispatchEvent(new CustomEvent("farm:pictures", { detail: id }));
  });

  farm.duty("to-frame", (button) => {
    const pos = Number(button.dataset.pos);
    if (pos < 0 || !farm.grid) return;
    farm.grid.focusOn(pos);
    document.dispatchEvent(new CustomEvent("farm:frame", { detail: pos }));
  });

  farm.duty("copy-path", async (button) => {
    try { await navigator.clipboard.writeText(button.dataset.path); button.textContent = "Copied"; }
    catch { getSelection().selectAllChildren(button.parentElement.firstElementChild); }
  });
})();
