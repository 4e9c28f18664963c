// The page of the search: ranks the sections of the book for what was typed, and shows where and how they speak of it.
(() => {
  "use strict";

  const SHOWN = 20;
  const IDLE = new Set("why do does did how what which who when where can could you i me my we our it its has have had be been being there than from about".split(" "));
  const WEIGHT = { title: 8, bold: 3, page: 1.5, text: 1, within: 0.3 };  // within: the text of the sections inside of a section
  // What repeats or collects what a section of a chapter explains comes behind it.
  const REPEATS = /^[\d.]+ (Summary|Check yourself|Exercises|Where to read on|Where the book goes|The claim, in numbers)/;
  const BEHIND = { repeats: 0.6, elsewhere: 0.4 };
  const NAMED = 10;  // how much more a chapter is worth whose title is what is asked; in part where it only begins so
  const SATURATION = 1.2, LENGTH = 0.4;  // of BM25: how soon repetition stops to count, and how much long sections pay
  const INDEX = new URL("search/sections.js", document.currentScript.src).href;
  const form = () => document.querySelector("form.search-page");

  const WORD = /(?<![\p{L}\p{N}\p{M}])\p{L}-\p{L}[\p{L}\p{N}\p{M}]*|[\p{L}\p{N}\p{M}]+/gu;  // e-prop is one word, and eprop the same

  // BPTT and what it stands for are found by either.
  function split(text) {
    const plain = text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
    const words = plain.replaceAll("backpropagation through time", "bptt backpropagation").match(WORD) ?? [];
    return words.map(word => word.replace("-", ""));
  }

  // What is said of a word, in each section, from the fields of the index.
  function read({ pages, sections, stop }) {
    const stemmer = new Stemmer(), known = new Map(), skip = new Set(stop);
    const stem = word => {
      if (!known.has(word)) known.set(word, stemmer.stemWord(word));
      return known.get(word);
    };
    const terms = text => split(text).filter(word => !skip.has(word) && !IDLE.has(word)).map(stem);
    const found = new Map();  // term -> section -> weight
    const lengths = sections.map(() => 0), around = [];
    const count = (i, text, weight) => {
      for (const term of terms(text)) {
        if (!found.has(term)) found.set(term, new Map());
        const at = found.get(term);
        at.set(i, (at.get(i) ?? 0) + weight);
        lengths[i] += weight;
      }
    };
    sections.forEach(([page, depth, , title, bold, said], i) => {
      const fields = { title, bold, page: pages[page][1], text: said.join(" ") };
      for (const [field, text] of Object.entries(fields)) count(i, text, WEIGHT[field]);
      around.length = depth;
      around.forEach(outer => outer > 0 && count(outer, fields.text, WEIGHT.within));
      around[depth] = depth ? i : -1;  // the whole of a page is not said to be about everything on it
    });
    const mean = lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
    return { pages, sections, terms, stem, found, lengths, mean };
  }

  // Sections that have any of the words, best first: rare words count most, and sections that lack some pay for it.
  function rank({ found, lengths, mean, pages, sections, terms }, asked) {
    const score = new Map(), met = new Map(), together = ` ${asked.join(" ")} `;
    let all = 0;
    for (const term of new Set(asked)) {
      const at = found.get(term) ?? new Map(), rare = Math.log(1 + sections.length / (at.size + 0.5));
      all += rare;
      for (const [i, weight] of at) {
        const much = weight / (weight + SATURATION * (1 - LENGTH + LENGTH * lengths[i] / mean));
        score.set(i, (score.get(i) ?? 0) + rare * much);
        met.set(i, (met.get(i) ?? 0) + rare);
      }
    }
    const worth = i => {
      const [page, depth, , title, bold, said] = sections[i], has = text => ` ${terms(text).join(" ")} `.includes(together);
      const phrase = 1 + (has(title) ? 1 : 0) + (asked.length > 1 && (has(bold) || said.some(has)) ? 0.5 : 0);
      const name = depth === 0 ? terms(title.replace(/^[\d.]+ /, "")) : [];
      const named = 1 + (` ${name.join(" ")} `.startsWith(together) ? NAMED * asked.length / name.length : 0);
      const place = !pages[page][0].startsWith("chapters/") ? BEHIND.elsewhere : REPEATS.test(title) ? BEHIND.repeats : 1;
      return score.get(i) * (met.get(i) / all) ** 2 * phrase * named * place;
    };
    return [...score.keys()].map(i => [i, worth(i)]).sort((a, b) => b[1] - a[1] || a[0] - b[0]).map(([i]) => i);
  }

  // The sentence that has most of the words, with the words marked.
  function sentence(index, said, asked) {
    const wanted = new Set(asked);
    const sentences = said.flatMap(text => text.match(/.+?(?<!Fig)[.?!:](?=\s|$)|.+$/gu) ?? []);
    const worth = text => new Set(split(text).map(index.stem).filter(term => wanted.has(term))).size - (text.length < 40 || text.includes("…") ? 0.5 : 0);
    const best = sentences.reduce((best, text) => (worth(text) > worth(best) ? text : best), sentences[0] ?? "");
    const line = document.createElement("p");
    for (const piece of (best.length > 300 ? `${best.slice(0, 300)}…` : best).trim().split(new RegExp(`(${WORD.source})`, "u"))) {
      const marked = split(piece).some(word => wanted.has(index.stem(word)));
      line.append(marked ? Object.assign(document.createElement("mark"), { textContent: piece }) : piece);
    }
    return line;
  }

  function hit(index, i, asked) {
    const [page, , anchor, title, , said] = index.sections[i], [address, of] = index.pages[page];
    const item = document.createElement("li"), link = document.createElement("a"), where = document.createElement("p");
    link.href = `${address}#${anchor}`;
    link.textContent = title;
    where.className = "where";
    where.textContent = title === of ? "" : of;
    item.append(link, where, sentence(index, said, asked));
    return item;
  }

  function show(index, query) {
    const asked = index.terms(query), hits = rank(index, asked);
    const some = Math.min(hits.length, SHOWN), count = document.getElementById("search-count");
    document.getElementById("search-hits").replaceChildren(...hits.slice(0, SHOWN).map(i => hit(index, i, asked)));
    if (!query.trim()) count.textContent = "";
    else if (!hits.length) count.textContent = `No section speaks of \u201c${query.trim()}\u201d. The book has no word for it, or another one: the glossary may help.`;
    else count.textContent = hits.length > some ? `The first ${some} of ${hits.length} sections.` : `${some} section${some > 1 ? "s" : ""}.`;
  }

  function ready() {
    if (!form()) return;
    const field = form().elements.q, index = document.createElement("script");
    field.value = new URLSearchParams(location.search).get("q") ?? "";
    field.focus();
    index.src = INDEX;
    index.onload = () => {
      const made = read(window.searchIndex);
      let waiting;
      const now = () => {
        clearTimeout(waiting);  // hits that are shown do not move under the pointer
        history.replaceState(null, "", `?q=${encodeURIComponent(field.value)}`);
        show(made, field.value);
      };
      field.addEventListener("input", () => {
        clearTimeout(waiting);
        waiting = setTimeout(now, 150);
      });
      form().addEventListener("submit", event => {
        event.preventDefault();
        now();
      });
      show(made, field.value);
    };
    index.onerror = () => { document.getElementById("search-count").textContent = "The index of the book could not be read."; };
    document.head.append(index);
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", ready);
  else ready();
})();
