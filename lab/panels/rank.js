/* Twelve units learn in the page. Under RFLO the change of their recurrent weights has no more directions than there are outputs. */

(() => {
  "use strict";

  const UNITS = 12, OUTPUTS = 2, STEPS = 600, EVERY = 5, LEAST = 1e-10;
  const TEACHER = lab.network([[1, 0.5, -0.5], [-0.5, 1, 0.5]], lab.diagonal([0.8, 0.5, -0.6]), [[1, 0], [0, 1], [0.7, -0.7]]);
  const VARIANTS = {
    "BPTT": () => lab.rules.BPTT(),
    "one-step tBPTT": () => lab.rules.TruncatedBPTT(),
    "e-prop": ({ R }) => lab.rules.EProp(R),
    "RFLO": ({ R }) => lab.rules.RFLO(R, 0.5),
    "RFLO, each unit with its own decay": ({ R, decays }) => lab.rules.PerUnitRFLO(R, decays),
    "RFLO whose feedback learns": ({ R }) => lab.rules.KolenPollack(R, 0.5, 0.05),
  };
  const colourOf = rule => (rule.startsWith("RFLO") ? "RFLO" : rule);

  function solve({ rule, adam, decay, seed }) {
    const draw = lab.random(seed), small = (rows, columns) => lab.scaled(0.5 / Math.sqrt(UNITS), draw.normals(rows, columns));
    const net = lab.network(small(OUTPUTS, UNITS), small(UNITS, UNITS), small(UNITS, 2));
    const R = lab.scaled(1 / Math.sqrt(UNITS), draw.normals(OUTPUTS, UNITS)), decays = net.B.map((_, i) => -0.8 + (1.6 * i) / (UNITS - 1));
    const options = { rate: adam ? 0.005 : 0.02, adam, weightDecay: decay ? 0.02 : 0 };
    return { start: net, R, decays, options, at: { net, rule: VARIANTS[rule]({ R, decays }) }, step: 0, seen: [noted(net, net)] };
  }

  function noted(net, start) {
    const change = lab.minus(net.W, start.W);
    return { net, change, values: lab.singularValues(change), loss: lab.loss(net, TEACHER) };
  }

  function grow(run, time, go) {
    while (run.at && run.step < Math.min(time, STEPS)) {
      if (!go()) return false;
      run.at = lab.trainingStep(run.at, TEACHER, run.options);
      run.step++;
      if (run.at && run.step % EVERY === 0) run.seen.push(noted(run.at.net, run.start));
    }
    return true;
  }

  /* The cosine between the changes of what two units receive: which unit follows which. */
  function cosines(change) {
    const length = change.map(row => Math.hypot(...row));
    return change.map((row, i) => change.map((other, j) => (length[i] && length[j] ? row.reduce((sum, x, k) => sum + x * other[k], 0) / (length[i] * length[j]) : 0)));
  }

  /* How many singular values are more than a millionth of the largest. */
  const rank = values => values.filter(value => value > 1e-6 * values[0]).length;

  const shown = ({ time }, { seen }) => seen.slice(0, 1 + Math.min(seen.length - 1, Math.floor(time / EVERY)));

  lab.panel("rank", {
    title: "Rank, live",
    controls: [
      lab.choice("rule", "rule", Object.fromEntries(Object.keys(VARIANTS).map(name => [name, name])), "RFLO"),
      lab.toggle("adam", "with Adam"),
      lab.toggle("decay", "with weight decay"),
      lab.hidden("seed", 1, [1, 1e6]),
      lab.button("Draw another start", ({ seed }) => ({ seed: seed + 1, time: 0 })),
    ],
    time: { until: STEPS, seconds: 8, start: STEPS, label: "step" },
    views: {
      values: { label: "Singular values of the change of W, each divided by the largest, over the steps", width: 320 },
      loss: { label: "Loss over the steps", width: 320 },
      change: { label: "The change of W, as an image", width: 320, height: 300 },
      follows: { label: "Which unit follows which: cosines between the rows of the change", width: 320, height: 300 },
    },
    solve,
    grow,

    draw({ values, loss, change, follows }, state, run) {
      const seen = shown(state, run), last = seen.at(-1), rule = colourOf(state.rule);
      values.axes({ x: [0, STEPS], y: [LEAST, 1.5], ylog: true, xlabel: "step", ylabel: "σᵢ / σ₁ of W − W₀" });
      for (let i = 0; i < UNITS; i++) {
        values.line(seen.map(({ values: s }, t) => (s[0] > 0 ? [t * EVERY, Math.max(s[i] / s[0], LEAST / 10)] : null)), { rule: i ? undefined : rule, kind: i ? "thin" : "", label: i ? "singular values" : undefined, at: -1 });
      }
      loss.axes({ x: [0, STEPS], y: [1e-5, 10], ylog: true, xlabel: "step", ylabel: "loss" });
      loss.line(seen.map(({ loss: value }, t) => [t * EVERY, value === null ? NaN : Math.max(value, 1e-12)]), { rule, label: state.rule });
      for (const [view, matrix, xlabel] of [[change, last.change, "W − W₀"], [follows, cosines(last.change), "who follows whom"]]) {
        view.axes({ x: [0, UNITS], y: [0, UNITS], bare: true, equal: true, xlabel });
        view.image(matrix);
      }
    },

    say(state, run) {
      const seen = shown(state, run), { values, loss, change } = seen.at(-1);
      const gone = !run.at && state.time >= run.step ? ` Training diverged at step ${run.step}.` : "";
      if (values[0] === 0) return `At step 0 nothing has changed yet; the loss is ${lab.number(loss)}.`;
      return `At step ${(seen.length - 1) * EVERY} the loss is ${lab.number(loss)}. The change of W has ${rank(values)} singular values above a millionth of the largest; its effective rank is ${lab.number(lab.effectiveRank(change))}.${gone}`;
    },

    table: (state, run) => ({ head: ["number", "singular value of W − W₀"], rows: shown(state, run).at(-1).values.map((value, i) => [i + 1, value]) }),
  });
})();
