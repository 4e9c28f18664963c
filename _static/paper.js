// On paper everything is open, and answers and solutions come after everything else.
(() => {
  "use strict";

  const LAST = { Answers: ".self-check details.answer", Solutions: "div.solution" };
  let undo = [];

  function open(fold) {
    fold.open = true;
    undo.push(() => { fold.open = false; });
  }

  function putLast(article, title, found) {
    const end = document.createElement("section"), heading = document.createElement("h2");
    heading.textContent = title;
    end.append(heading);
    for (const node of found) {
      const place = document.createComment("");
      node.replaceWith(place);
      end.append(node);
      undo.push(() => place.replaceWith(node));
    }
    article.append(end);
    undo.push(() => end.remove());
  }

  addEventListener("beforeprint", () => {
    const article = document.querySelector("article.bd-article");
    if (!article || undo.length) return;
    article.querySelectorAll("details:not([open])").forEach(open);
    for (const [title, what] of Object.entries(LAST)) {
      const found = article.querySelectorAll(what);
      if (found.length) putLast(article, title, found);
    }
  });
  addEventListener("afterprint", () => {
    undo.forEach(step => step());
    undo = [];
  });
})();
