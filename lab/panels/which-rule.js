/* A student learned by a rule that is not named. What each rule conserves, fitted to snapshots of its weights, tells which. */

(() => {
  "use strict";

  const UNITS = 6, STEPS = 500, EVERY = 50, DECAY = 0.6;
  const NAMES = ["BPTT", "one-step tBPTT", "e-prop", "RFLO"];
  const sum = values => values.reduce((total, x) => total + x, 0), squares = values => sum(values.map(x => x * x));

  function solve({ seed }) {
    const draw = lab.random(seed), normals = (rows, columns, size) => lab.scaled(size, draw.normals(rows, columns));
    const hidden = NAMES[Math.floor(4 * draw.uniform())];
    const teacher = lab.network([[1, -0.7]], lab.diagonal([0.3 + 0.5 * draw.uniform(), -0.2 - 0.5 * draw.uniform()]), [[1, 0.3], [-0.4, 1]]);
    const net = lab.network(normals(1, UNITS, 0.4), normals(UNITS, UNITS, 0.3 / Math.sqrt(UNITS)), normals(UNITS, 2, 0.4)), R = normals(1, UNITS, 0.8);
    const rule = { "BPTT": lab.rules.BPTT, "one-step tBPTT": lab.rules.TruncatedBPTT, "e-prop": () => lab.rules.EProp(R), "RFLO": () => lab.rules.RFLO(R, DECAY) }[hidden]();
    const shaken = Array.from({ length: STEPS / EVERY + 1 }, () => ({ A: draw.normals(1, UNITS), W: draw.normals(UNITS, UNITS), B: draw.normals(UNITS, 2) }));
    return { hidden, teacher, at: { net, rule }, step: 0, R, snapshots: [net], losses: [lab.loss(net, teacher)], shaken };
  }

  function grow(run, time, go) {
    while (run.at && run.step < Math.min(time, STEPS)) {
      if (!go()) return false;
      run.at = lab.trainingStep(run.at, run.teacher, { rate: 0.02 });
      run.step++;
      if (run.at && run.step % EVERY === 0) {
        run.snapshots.push(run.at.net);
        run.losses.push(lab.loss(run.at.net, run.teacher));
      }
    }
    return true;
  }

  /* Snapshots with noise, of a given share of the root mean square change of each matrix. */
  function measured({ snapshots, shaken }, noise) {
    if (!noise) return snapshots;
    const size = name => {
      const change = lab.minus(snapshots.at(-1)[name], snapshots[0][name]).flat();
      return noise * Math.sqrt(squares(change) / change.length);
    };
    const sizes = { A: size("A"), W: size("W"), B: size("B") };
    return snapshots.map((net, k) => Object.fromEntries(["A", "W", "B"].map(name => [name, lab.plus(net[name], lab.scaled(sizes[name], shaken[k][name]))])));
  }

  /* The upper triangle of a symmetric matrix, weighted so that its squares add up to those of all entries. */
  const packed = X => X.flatMap((row, i) => row.slice(i).map((x, j) => (j ? Math.SQRT2 * x : x)));
  const gram = X => lab.product(X, lab.transpose(X));

  /* [time][equation] around its mean over the times, in one list. */
  function aroundMean(rows) {
    const mean = rows[0].map((_, j) => sum(rows.map(row => row[j])) / rows.length);
    return rows.flatMap(row => row.map((x, j) => x - mean[j]));
  }

  /* What least squares leaves of values, with factors [time][equation][unknown]: {left, rank}. */
  function fit(values, factors) {
    const y = aroundMean(values), unknowns = factors?.[0][0].length ?? 0;
    if (!unknowns) return { left: squares(y), rank: 0 };
    const columns = Array.from({ length: unknowns }, (_, u) => aroundMean(factors.map(rows => rows.map(row => row[u]))));
    const { U, s } = lab.svd(lab.transpose(columns)), kept = s.map((value, i) => i).filter(i => s[i] > 1e-9 * s[0]);
    return { left: Math.max(0, squares(y) - sum(kept.map(i => sum(U.map((row, e) => row[i] * y[e])) ** 2))), rank: kept.length };
  }

  /* How many snapshots there are beyond the first, without those within a hundredth of the whole change of an earlier one. */
  function stepsOf(nets) {
    const flat = nets.map(({ A, W, B }) => [A, W, B].flat(2)), gap = (x, y) => Math.hypot(...x.map((value, i) => value - y[i]));
    const whole = Math.max(...flat.flatMap(x => flat.map(y => gap(x, y))));
    return flat.slice(1).filter((x, k) => Math.min(...flat.slice(0, k + 1).map(y => gap(x, y))) > 0.01 * whole).length;
  }

  /* What is left of each law, relative to the change of the weights; null where it would fit any weights. */
  function residuals(nets, exchanged = false) {
    const steps = stepsOf(nets), heard = nets.map(({ W, B }) => lab.plus(gram(W), gram(B)));
    const sent = nets.map(({ A }) => gram(lab.transpose(A))), passed = nets.map(({ W }) => gram(lab.transpose(W)));
    const moved = squares(aroundMean(heard.map(packed))), equations = steps * (UNITS * (UNITS + 1)) / 2;
    const relative = ({ left, rank }, changed, equations) => (equations > rank && changed > 0 ? Math.sqrt(left / (equations - rank) / (changed / equations)) : null);
    const single = (A, k) => lab.zeros(UNITS).map((row, i) => row.map((_, j) => (i === k ? A[0][j] : 0) + (j === k ? A[0][i] : 0)));
    const forRFLO = nets.map(({ A, W }) => {
      const columns = [...Array.from({ length: UNITS }, (_, k) => packed(single(A, k))), packed(lab.plus(W, lab.transpose(W)))];
      return lab.transpose(columns);
    });
    const own = nets.map(({ W, B }) => W.map((row, i) => squares(row) + squares(B[i]) - row[i] ** 2));
    const units = own[0].map((_, i) => {
      const values = own.map(row => [row[i]]), from = exchanged ? (i + UNITS - 1) % UNITS : i;
      return { ...fit(values, nets.map(({ A }) => [[2 * A[0][from]]])), changed: squares(aroundMean(values)) };
    });
    const all = { left: sum(units.map(unit => unit.left)), rank: sum(units.map(unit => unit.rank)) };
    return {
      "BPTT": relative(fit(heard.map((X, k) => packed(lab.minus(lab.minus(X, passed[k]), sent[k])))), moved, equations),
      "one-step tBPTT": relative(fit(heard.map((X, k) => packed(lab.minus(X, sent[k])))), moved, equations),
      "e-prop": relative(all, sum(units.map(unit => unit.changed)), steps * UNITS),
      "RFLO": relative(fit(heard.map(packed), forRFLO), moved, equations),
    };
  }

  /* The name, by the thresholds of lb.identify_rule. */
  function named(nets) {
    const left = residuals(nets), known = NAMES.filter(name => left[name] !== null).sort((x, y) => left[x] - left[y]);
    const [best, second] = known;
    const sure = left[best] < 0.5 * left[second] && left[best] < (known.length < NAMES.length ? 0.005 : 0.2)
      && (best !== "RFLO" || left["one-step tBPTT"] > 0.1) && (best !== "e-prop" || left[best] < 0.5 * residuals(nets, true)["e-prop"]);
    return { left, name: sure ? best : "cannot tell" };
  }

  const seen = ({ time }, { snapshots }) => Math.min(snapshots.length, 1 + Math.floor(time / EVERY));

  function verdict(state, run) {
    const count = seen(state, run);
    return count < 2 ? null : named(measured(run, state.noise / 100).slice(0, count));
  }

  lab.panel("which-rule", {
    title: "Which rule?",
    controls: [
      lab.choice("guess", "your guess", { none: "not yet", ...Object.fromEntries(NAMES.map(name => [name, name])) }),
      lab.slider("noise", "noise, per cent of the change", 0, 10, 0, { step: 0.5 }),
      lab.toggle("told", "tell me which it was"),
      lab.hidden("seed", 1, [1, 1e6]),
      lab.button("Another student", ({ seed }) => ({ seed: seed + 1, time: 0, told: false, guess: "none" })),
    ],
    time: { until: STEPS, seconds: 8, label: "step" },
    still: { time: 200 },
    views: {
      laws: { label: "What is left of each rule's law", width: 320 },
      loss: { label: "Loss of the student, and the snapshots that you have", width: 320 },
    },
    solve: ({ seed }) => solve({ seed }),
    grow,
    verdict,

    draw({ laws, loss }, state, run) {
      const found = verdict(state, run), count = seen(state, run), low = 1e-5;
      laws.axes({ x: [-0.6, 3.6], y: [low, 3], ylog: true, xticks: [], xlabel: "the four laws", ylabel: "left of it, relative" });
      NAMES.forEach((name, i) => {
        laws.noted({ rule: name, label: name });
        const left = found?.left[name] ?? null;
        if (left !== null) laws.bars(NAMES.map((_, j) => (i === j ? Math.max(left, 1.2 * low) : low)), { rule: name });
        else laws.text(i, 2e-5, found ? "untested" : "", { anchor: "middle" });
      });
      loss.axes({ x: [0, STEPS], y: [1e-4, 10], ylog: true, xlabel: "step", ylabel: "loss" });
      loss.line(run.losses.slice(0, count).map((value, k) => [k * EVERY, value ?? NaN]), { kind: "thin" });
      loss.dots(run.losses.slice(0, count).map((value, k) => [k * EVERY, value ?? NaN]), { label: "snapshots" });
    },

    say(state, run) {
      const found = verdict(state, run), count = seen(state, run);
      const told = state.told ? ` It was ${run.hidden}${state.guess === "none" ? "" : state.guess === run.hidden ? ", as you guessed" : `, and not ${state.guess}`}.` : "";
      if (!found) return `One snapshot shows no change, and nothing can be said.${told}`;
      const words = NAMES.map(name => `${name} ${found.left[name] === null ? "not tested" : lab.number(found.left[name], 2)}`).join(", ");
      return `From ${count} snapshots the laws leave: ${words}. Verdict: ${found.name}.${told}`;
    },

    table(state, run) {
      const found = verdict(state, run);
      return { head: ["law of", "left, relative to the change"], rows: NAMES.map(name => [name, found?.left[name] ?? "not tested"]) };
    },
  });
})();
