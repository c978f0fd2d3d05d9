// The one global's base: duties of buttons (data-do), menus, dialogs, copying. Other files add their own duties.
(() => {
  "use strict";
  const farm = window.farm;
  farm.duties = {};
  farm.duty = (name, work) => { farm.duties[name] = work; };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-do]");
    if (button && farm.duties[button.dataset.do]) farm.duties[button.dataset.do](button, event);
    if (!event.target.closest(".menu, [data-menu]") || button) closeMenus();
    const opener = event.target.closest("[data-menu]");
    if (opener) openMenu(opener);
  });

  // Places a floating box beside what opened it, inside the window.
  farm.place = (box, anchor, above) => {
    const at = anchor.getBoundingClientRect(), size = box.getBoundingClientRect();
    const left = Math.max(8, Math.min(at.left, innerWidth - size.width - 8));
    const over = above ? at.top - size.height - 8 : at.bottom + 6;
    const top = Math.max(8, Math.min(over, innerHeight - size.height - 8));
    box.style.left = `${left}px`;
    box.style.top = `${top}px`;
  };

  function openMenu(opener) {
    const menu = document.getElementById(opener.dataset.menu);
    const wasOpen = !menu.hidden;
    closeMenus();
    if (wasOpen) return;
    menu.hidden = false;
    farm.place(menu, opener, opener.getBoundingClientRect().top > innerHeight / 2);
    menu.querySelector("button, a").focus();
  }

  function closeMenus() {
    const open = [...document.querySelectorAll(".menu:not([hidden])")];
    open.forEach((menu) => { menu.hidden = true; });
    return open.length > 0;
  }

  farm.closeMenus = closeMenus;
  farm.duty("theme", () => farm.theme.next());
  farm.duty("keys", () => document.getElementById("keys").showModal());
  farm.duty("close", (button) => button.closest(".toast").remove());

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const source = document.getElementById(button.dataset.copy);
    const lines = [...source.children].map((line) => line.textContent);
    const text = lines.length > 1 ? lines.join("\n") + "\n" : lines[0];
    try { await navigator.clipboard.writeText(text); } catch { select(source); return; }
    button.lastChild.textContent = "Copied";
  });

  // Without a clipboard (plain http on a network name) the text is at least selected.
  function select(source) {
    const range = document.createRange();
    range.selectNodeContents(source);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
  }

  farm.count = (number) => number.toLocaleString("en-US");
  farm.plural = (number, unit) => `${farm.count(number)} ${unit}${number === 1 ? "" : "s"}`;
  farm.moved = performance.now();
  ["pointermove", "keydown", "wheel", "pointerdown"].forEach((name) => {
    document.addEventListener(name, () => { farm.moved = performance.now(); }, { passive: true });
  });
})();
