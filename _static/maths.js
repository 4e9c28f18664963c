// MathJax as this book wants it: no stored setting may cost a reader the formulas, online or from a disk, and the keyboard
// passes the formulas by until the button "Explore formulas" hands them to MathJax's explorer.
(() => {
  "use strict";

  const SPEECH = new URL("mathjax/sre/", document.currentScript.src).href;

  // MathJax keeps its menu's settings for the whole host, where another site may have left what it cannot start with.
  const valid = {
    renderer: value => value === "CHTML" || value === "SVG",
    scale: value => parseFloat(value) > 0 && isFinite(value),
  };

  function dropInvalid(key) {
    try {
      const settings = Object.entries(JSON.parse(localStorage.getItem(key)) ?? {});
      const kept = settings.filter(([name, value]) => valid[name]?.(value) ?? true);
      if (kept.length < settings.length) localStorage.setItem(key, JSON.stringify(Object.fromEntries(kept)));
    } catch {}  // no storage, or no settings in it: MathJax starts without
  }

  // MathJax shows no formula while its menu waits for a part, which may never arrive; and what is typeset anew when one
  // has arrived can itself have to wait, for the rules of speech.
  function mendMenu() {
    const {Menu} = MathJax._.ui.menu.Menu, load = MathJax.loader.load, rerender = Menu.prototype.rerender;
    MathJax.loader.load = (...parts) => load(...parts).catch(error => {
      for (const part of parts) if (Menu.loadingPromises.delete(part)) Menu.loading -= 1;
      throw error;
    });
    Menu.prototype.rerender = function (start) {
      MathJax._.mathjax.mathjax.handleRetriesFor(() => rerender.call(this, start)).catch(console.error);
    };
  }

  // The rules by which the explorer speaks, one script a language: fetch does not work from a disk.
  function speechRules(language) {
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.onload = () => resolve(JSON.stringify(window.speechRules[language]));
      script.onerror = () => reject(new Error(`no speech rules for ${language}`));
      script.src = `${SPEECH}${language}.js`;
      document.head.append(script);
    });
  }

  // The explorer would put formulas before everything else on the page.
  function inReadingOrder() {
    const explorer = MathJax._.a11y.explorer.KeyExplorer.AbstractKeyExplorer.prototype;
    const attach = explorer.Attach;
    explorer.Attach = function () {
      attach.call(this);
      this.node.tabIndex = 0;
    };
  }

  // What is wide scrolls, so the keyboard must reach it. The theme does this for code.
  function reachWide(formulas) {
    for (const formula of formulas) {
      const scroller = formula.matches("div") ? formula.querySelector("mjx-container") : formula;
      if (scroller?.scrollWidth > scroller?.clientWidth) scroller.tabIndex = 0;
      else if (!scroller?.matches("[role=application]")) scroller?.removeAttribute("tabindex");
    }
  }

  function addButton() {
    const menu = MathJax.startup.document.menu, bar = document.querySelector(".article-header-buttons");
    if (!menu || !bar) return;
    const button = document.createElement("button");
    button.className = "btn btn-sm pst-navbar-icon explore-formulas";
    button.innerHTML = '<span aria-hidden="true">\u221ax</span><span class="visually-hidden">Explore formulas</span>';
    button.title = "Explore formulas: Tab goes to the next one, Enter into it, arrow keys about in it, Escape out of it";
    const show = on => button.setAttribute("aria-pressed", Boolean(on));
    const setExplorer = menu.setExplorer;
    menu.setExplorer = function (on) {
      setExplorer.call(this, on);
      show(on);
    };
    button.onclick = () => menu.menu.pool.lookup("explorer").setValue(!menu.settings.explorer);
    show(menu.settings.explorer);
    bar.prepend(button);
  }

  dropInvalid("MathJax-Menu-Settings");

  window.MathJax = {
    options: {
      ignoreHtmlClass: ".*",
      processHtmlClass: "math",
      menuOptions: {settings: {inTabOrder: false}},
    },
    loader: {
      "a11y/sre": {ready: () => { window.SREfeature.custom = speechRules; }},
      "a11y/explorer": {ready: inReadingOrder},
    },
    startup: {
      ready() {
        mendMenu();
        MathJax.startup.defaultReady();
        MathJax.startup.promise.then(() => {
          const formulas = document.querySelectorAll(".math");
          if (formulas.length === 0) return;
          addButton();
          const watch = new ResizeObserver(seen => reachWide(seen.map(({target}) => target)));
          formulas.forEach(formula => watch.observe(formula));
          document.fonts.addEventListener("loadingdone", () => reachWide(formulas));
        });
      },
    },
  };
})();
