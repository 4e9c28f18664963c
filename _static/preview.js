// Where the pointer or the keyboard rests on a reference to a theorem, an exercise, a figure, a formula or a work cited, a card shows it.
(() => {
  "use strict";

  const FOLDER = new URL("previews/", document.currentScript.src).href;
  const ROOT = new URL("../", document.currentScript.src).href;
  const REST = 150, LEAVE = 250;  // milliseconds
  const loading = new Map();
  let card, shown, timer;

  // The pieces of a page, or nothing if it has none.
  function pieces(page) {
    if (!loading.has(page)) {
      loading.set(page, new Promise(resolve => {
        const script = document.createElement("script");
        script.src = `${FOLDER}${page.replaceAll("/", ".")}.js`;
        script.onload = () => resolve(window.previews?.[page] ?? {});
        script.onerror = () => resolve({});
        document.head.append(script);
      }));
    }
    return loading.get(page);
  }

  function reference(node) {
    const link = node.closest?.("article a.reference.internal[href*='#']");
    return link && !link.closest(".toctree-wrapper, .preview-card") ? link : null;
  }

  function place(link) {
    card.style.maxHeight = "";
    const at = link.getClientRects()[0], high = card.offsetHeight, under = innerHeight - at.bottom - 16;
    const below = high <= under || under > at.top - 16;
    card.style.maxHeight = `${Math.min(high, below ? under : at.top - 16)}px`;
    card.classList.toggle("goes-on", card.scrollHeight > card.clientHeight + 1);  // the rest is where the link leads
    card.style.left = `${scrollX + Math.max(8, Math.min(at.left, document.documentElement.clientWidth - card.offsetWidth - 8))}px`;
    card.style.top = `${scrollY + (below ? at.bottom + 6 : at.top - card.offsetHeight - 6)}px`;
  }

  async function show(link) {
    const [page, anchor] = link.href.slice(ROOT.length).split("#").map(decodeURIComponent);
    if (!link.href.startsWith(ROOT)) return;
    shown = link;
    const html = (await pieces(page))[anchor];
    if (!html || shown !== link) return;
    card.innerHTML = html;
    for (const image of card.querySelectorAll("img")) image.src = ROOT + image.getAttribute("src");
    card.hidden = false;
    link.setAttribute("aria-describedby", card.id);
    await window.MathJax?.typesetPromise?.([card]);
    if (shown === link) place(link);
  }

  function hide() {
    clearTimeout(timer);
    shown?.removeAttribute("aria-describedby");
    shown = null;
    card.hidden = true;
  }

  function soon(link) {
    clearTimeout(timer);
    if (link === shown) return;
    timer = setTimeout(() => {
      hide();
      show(link);
    }, REST);
  }

  function later() {
    clearTimeout(timer);
    timer = setTimeout(hide, LEAVE);
  }

  function ready() {
    if (!document.querySelector("article.bd-article")) return;
    card = document.createElement("div");
    card.id = card.className = "preview-card";
    card.setAttribute("role", "tooltip");
    card.hidden = true;
    document.body.append(card);
    document.addEventListener("pointerover", event => {
      if (event.pointerType === "touch") return;
      const link = reference(event.target);
      if (link) soon(link);
      else if (card.contains(event.target)) clearTimeout(timer);
    });
    document.addEventListener("pointerout", event => { if (reference(event.target) || card.contains(event.target)) later(); });
    document.addEventListener("focusin", event => {
      const link = reference(event.target);
      if (link?.matches(":focus-visible")) soon(link);
    });
    document.addEventListener("focusout", event => { if (reference(event.target)) later(); });
    document.addEventListener("keydown", event => { if (event.key === "Escape") hide(); });
    document.addEventListener("click", event => { if (!card.contains(event.target)) hide(); });
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", ready);
  else ready();
})();
