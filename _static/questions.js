// Self-checks: an answer is compared on the page, and what is said of it, which is on the page already, is shown.
(() => {
  "use strict";

  // A number as people write it: 0.5, 0,5, 1/2, 2e-3, −1; NaN for anything else.
  function parsed(text) {
    const [top, bottom = "1", ...more] = text.trim().replaceAll("−", "-").replaceAll(",", ".").split("/");
    const number = part => (part.trim() === "" ? NaN : Number(part));
    return more.length ? NaN : number(top) / number(bottom);
  }

  function near(number, value, within) {
    return Math.abs(number - value) <= within * (Math.abs(value) || 1) * (1 + 1e-9);
  }

  function verdict(form) {
    if (!form.dataset.answer) {
      const chosen = form.querySelector("input:checked");
      return !chosen ? "other" : chosen.dataset.right ? "right" : chosen.value;
    }
    const number = parsed(form.querySelector("input").value), within = Number(form.dataset.within);
    if (!Number.isFinite(number)) return "none";
    if (near(number, Number(form.dataset.answer), within)) return "right";
    const values = [...form.querySelectorAll(".verdict")].map(said => said.dataset.for);
    return values.find(value => Number.isFinite(Number(value)) && near(number, Number(value), within)) ?? "other";
  }

  function ready() {
    for (const form of document.querySelectorAll("form.question")) {
      form.querySelector("button").hidden = false;
      form.addEventListener("submit", event => {
        event.preventDefault();
        const said = verdict(form);
        for (const line of form.querySelectorAll(".verdict")) line.hidden = line.dataset.for !== said;
        if (said === "right") form.parentElement.querySelector("details.answer").open = true;
      });
      form.addEventListener("input", () => form.querySelectorAll(".verdict").forEach(line => { line.hidden = true; }));
    }
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", ready);
  else ready();
})();
