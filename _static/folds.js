// Starred sections and long proofs are folded; one button opens them all, here and on every page from then on.
(() => {
  "use strict";

  const KEY = "lrnnbook-open";
  const folds = () => [...document.querySelectorAll("details:is(.starred, .in-full)")];

  function stored() {
    try { return localStorage.getItem(KEY) === "yes"; } catch { return false; }
  }

  function store(open) {
    try { localStorage.setItem(KEY, open ? "yes" : "no"); } catch {}  // without storage it holds for this page
  }

  function addButton() {
    const box = document.querySelector(".aims");
    if (!box || folds().length === 0) return;
    const button = document.createElement("button");
    button.className = "btn btn-sm open-folds";
    let open;
    const set = now => {
      open = now;
      folds().forEach(fold => { fold.open = open; });
      button.textContent = `${open ? "Close" : "Open"} all proofs and starred sections`;
    };
    button.onclick = () => {
      set(!open);
      store(open);
    };
    set(stored());
    box.append(button);
  }

  // A link into a fold, or to a section that is folded, opens it; not all browsers do the first by themselves.
  function openTarget() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    let fold = (target?.querySelector(":scope > details.starred") ?? target)?.closest("details:not([open])");
    if (!fold) return;
    for (; fold; fold = fold.parentElement?.closest("details:not([open])")) fold.open = true;
    target.scrollIntoView();
  }

  function ready() {
    addButton();
    openTarget();
    addEventListener("hashchange", openTarget);
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", ready);
  else ready();
})();
