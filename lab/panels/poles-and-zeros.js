/* A student with one input and one output learns a teacher of three poles. Its plateaus, next to the best fits with fewer poles. */

(() => {
  "use strict";

  const STEPS = 3000, EVERY = 15, POLES = [0.8, -0.7, 0.2], GAINS = [1, 1, 0.5], DECAY = 0.2;
  const TEACHER = lab.network([GAINS], lab.diagonal(POLES), [[1], [1], [1]]);
  const SILENCE = lab.loss(lab.network([[0]], [[0]], [[0]]), TEACHER);
  const RULES = { "BPTT": () => lab.rules.BPTT(), "one-step tBPTT": () => lab.rules.TruncatedBPTT(), "e-prop": R => lab.rules.EProp(R), "RFLO": R => lab.rules.RFLO(R, DECAY) };

  /* The loss that is left with the given real poles and the gains that suit them best. */
  function left(poles) {
    const gram = poles.map(w => poles.map(v => 1 / (1 - w * v))), heard = poles.map(w => [POLES.reduce((sum, v, j) => sum + GAINS[j] / (1 - w * v), 0)]);
    const gains = lab.solve(gram, heard);
    return gains ? SILENCE - gains.reduce((sum, [g], i) => sum + g * heard[i][0], 0) / 2 : Infinity;
  }

  /* The best fit: the best point of a grid, then steps along each axis that halve when they no longer help. */
  function bestFit(count) {
    const grid = Array.from({ length: 37 }, (_, i) => -0.9 + i / 20);
    let starts = grid.map(w => [w]);
    if (count === 2) starts = grid.flatMap(w => grid.filter(v => v < w - 0.01).map(v => [w, v]));
    let best = starts.reduce((best, poles) => (left(poles) < left(best) ? poles : best));
    for (let step = 0.05; step > 1e-9; step /= 2) {
      for (let better = true; better; ) {
        better = false;
        for (let i = 0; i < count; i++) for (const sign of [1, -1]) {
          const moved = best.map((w, j) => (i === j ? lab.clamp(w + sign * step, -0.999, 0.999) : w));
          if (left(moved) < left(best)) [best, better] = [moved, true];
        }
      }
    }
    return { poles: best, loss: left(best) };
  }

  const FITS = [bestFit(1), bestFit(2)];

  /* Zeros of A (lambda - W)^{-1} B: eigenvalues of (I - B A / (A B)) W but for the one at 0 that the projection adds. */
  function zerosOf({ A, W, B }) {
    const first = lab.product(A, B)[0][0];
    if (W.length < 2 || Math.abs(first) < 1e-12) return [];
    const found = lab.eigenvalues(lab.product(lab.minus(lab.eye(W.length), lab.scaled(1 / first, lab.product(B, A))), W));
    return found ? found.slice(0, -1) : [];
  }

  function solve({ units, rule, size, seed }) {
    const draw = lab.random(seed), normals = (rows, columns, size) => lab.scaled(size, draw.normals(rows, columns));
    const net = lab.network(normals(1, units, size), normals(units, units, size), normals(units, 1, size)), R = normals(1, units, 0.5);
    return { at: { net, rule: RULES[rule](R) }, R, step: 0, seen: [noted(net)], fits: FITS, silence: SILENCE };
  }

  const noted = net => ({ net, loss: lab.loss(net, TEACHER), poles: lab.eigenvalues(net.W), zeros: zerosOf(net) });

  function grow(run, time, go) {
    while (run.at && run.step < Math.min(time, STEPS)) {
      if (!go()) return false;
      run.at = lab.trainingStep(run.at, TEACHER, { rate: 0.02 });
      run.step++;
      if (run.at && run.step % EVERY === 0) run.seen.push(noted(run.at.net));
    }
    return true;
  }

  const shown = ({ time }, { seen }) => seen.slice(0, 1 + Math.min(seen.length - 1, Math.floor(time / EVERY)));
  const circle = Array.from({ length: 97 }, (_, i) => [Math.cos((i * Math.PI) / 48), Math.sin((i * Math.PI) / 48)]);

  lab.panel("poles-and-zeros", {
    title: "Poles and zeros",
    controls: [
      lab.choice("rule", "rule", Object.fromEntries(Object.keys(RULES).map(name => [name, name]))),
      lab.slider("units", "hidden units of the student", 1, 4, 3, { step: 1 }),
      lab.slider("size", "size of the start", 1e-5, 0.3, 1e-3, { log: true }),
      lab.hidden("seed", 1, [1, 1e6]),
      lab.button("Draw another start", ({ seed }) => ({ seed: seed + 1 })),
    ],
    time: { until: STEPS, seconds: 12, label: "step" },
    still: { time: 1500 },
    views: {
      loss: { label: "Loss over the steps, with the losses of the best fits with one and two poles", width: 340, height: 280 },
      disc: { label: "Poles and zeros of the student on the unit disc", width: 300, height: 280 },
    },
    solve,
    grow,

    draw({ loss, disc }, state, run) {
      const seen = shown(state, run), last = seen.at(-1);
      loss.axes({ x: [0, STEPS], y: [1e-4, 20], ylog: true, xlabel: "step", ylabel: "loss" });
      [SILENCE, ...FITS.map(fit => fit.loss)].forEach((value, i) => {
        loss.line([[0, value], [STEPS, value]], { kind: "target" });
        loss.text(STEPS * 0.98, value * 1.12, ["silence", "best with one pole", "best with two"][i], { anchor: "end" });
      });
      loss.line(seen.map(({ loss: value }, t) => [t * EVERY, value === null ? NaN : Math.max(value, 1e-12)]), state.rule);
      disc.axes({ x: [-1.1, 1.1], y: [-1.1, 1.1], equal: true, xlabel: "real part", ylabel: "imaginary part" });
      disc.line(circle, { kind: "thin" });
      for (let i = 0; i < state.units; i++) disc.line(seen.map(({ poles }) => poles?.[i] ?? null), { kind: "faint" });
      disc.dots(last.zeros.filter(([re, im]) => Math.hypot(re, im) < 3), { kind: "hollow", label: "zeros of the student (rings)" }, 6);
      disc.crosses(POLES.map(w => [w, 0]), { label: "poles of the teacher (crosses)" }, 6);
      disc.dots(last.poles ?? [], { rule: state.rule, label: "poles of the student" });
    },

    say(state, run) {
      const seen = shown(state, run), { loss, poles } = seen.at(-1);
      const gone = !run.at && state.time >= run.step ? ` Training diverged at step ${run.step}.` : "";
      const words = poles.map(([re, im]) => (Math.abs(im) > 1e-9 ? `${lab.number(re, 2)} ${im > 0 ? "+" : "−"} ${lab.number(Math.abs(im), 2)}i` : lab.number(re, 2))).join(", ");
      return `Step ${(seen.length - 1) * EVERY}: loss ${lab.number(loss)}; silence has ${lab.number(SILENCE)}, the best fit with one pole ${lab.number(FITS[0].loss)}, with two ${lab.number(FITS[1].loss)}. Poles of the student: ${words}.${gone}`;
    },

    table(state, run) {
      const { loss, poles, zeros } = shown(state, run).at(-1), say = list => list.map(([re, im]) => `${lab.number(re)} ${im < 0 ? "−" : "+"} ${lab.number(Math.abs(im))}i`).join("; ");
      return { head: ["", "loss", "poles", "zeros"], rows: [["student", loss, say(poles ?? []), say(zeros)], ["best with one pole", FITS[0].loss, lab.number(FITS[0].poles[0]), ""], ["best with two", FITS[1].loss, FITS[1].poles.map(w => lab.number(w)).join("; "), ""], ["teacher", 0, POLES.map(w => lab.number(w)).join("; "), ""]] };
    },
  });
})();
