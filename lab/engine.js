/* The mathematics of the panels, in the shape of the package: a rule is two matrices, and all else follows.

   Matrices are arrays of rows. A trailing underscore is the teacher's star. Horizons are infinite and inputs white. What does
   not converge, because a network is unstable, is null. */

(() => {
  "use strict";

  /* Matrices */

  const zeros = (rows, columns = rows) => Array.from({ length: rows }, () => new Array(columns).fill(0));
  const eye = n => diagonal(new Array(n).fill(1));
  const diagonal = values => values.map((value, i) => values.map((_, j) => (i === j ? value : 0)));
  const transpose = X => X[0].map((_, j) => X.map(row => row[j]));
  const each = (f, X, ...more) => X.map((row, i) => row.map((x, j) => f(x, ...more.map(Y => Y[i][j]))));
  const plus = (X, Y) => each((x, y) => x + y, X, Y);
  const minus = (X, Y) => each((x, y) => x - y, X, Y);
  const scaled = (c, X) => each(x => c * x, X);
  const largest = X => X.reduce((most, row) => row.reduce((most, x) => (Math.abs(x) > most ? Math.abs(x) : most), most), 0);
  const isFinite = X => X.every(row => row.every(Number.isFinite));

  function product(X, Y, ...more) {
    const columns = Y[0].length;
    const XY = X.map(row => {
      const sum = new Array(columns).fill(0);
      for (let k = 0; k < row.length; k++) {
        const x = row[k], other = Y[k];
        if (x !== 0) for (let j = 0; j < columns; j++) sum[j] += x * other[j];
      }
      return sum;
    });
    return more.length ? product(XY, ...more) : XY;
  }

  /* X with A X = B, by elimination with pivots; null where A is singular. */
  function solve(A, B) {
    const n = A.length, rows = A.map((row, i) => [...row, ...B[i]]);
    for (let k = 0; k < n; k++) {
      let pivot = k;
      for (let i = k + 1; i < n; i++) if (Math.abs(rows[i][k]) > Math.abs(rows[pivot][k])) pivot = i;
      [rows[k], rows[pivot]] = [rows[pivot], rows[k]];
      if (!rows[k][k]) return null;
      for (let i = 0; i < n; i++) {
        if (i === k) continue;
        const factor = rows[i][k] / rows[k][k];
        if (factor !== 0) for (let j = k; j < rows[i].length; j++) rows[i][j] -= factor * rows[k][j];
      }
    }
    return rows.map((row, i) => row.slice(n).map(x => x / row[i]));
  }

  /* X = U diag(s) V^T by one-sided Jacobi rotations, singular values falling. A zero one has a zero column in U. */
  function svd(X) {
    if (X.length < X[0].length) {
      const { U, s, V } = svd(transpose(X));
      return { U: V, s, V: U };
    }
    const columns = transpose(X).map(column => column.slice()), V = eye(columns.length);  // rows of V are its columns
    const dot = (x, y) => x.reduce((sum, value, i) => sum + value * y[i], 0);
    for (let sweep = 0, turned = true; turned && sweep < 60; sweep++) {
      turned = false;
      for (let p = 0; p < columns.length; p++) {
        for (let q = p + 1; q < columns.length; q++) {
          const x = columns[p], y = columns[q], xx = dot(x, x), yy = dot(y, y), xy = dot(x, y);
          if (Math.abs(xy) <= 1e-15 * Math.sqrt(xx * yy) || xy === 0) continue;
          turned = true;
          const z = (yy - xx) / (2 * xy), t = (z < 0 ? -1 : 1) / (Math.abs(z) + Math.hypot(1, z)), c = 1 / Math.hypot(1, t);
          for (const [u, v] of [[x, y], [V[p], V[q]]]) {
            for (let i = 0; i < u.length; i++) [u[i], v[i]] = [c * (u[i] - t * v[i]), c * (v[i] + t * u[i])];
          }
        }
      }
    }
    const s = columns.map(column => Math.hypot(...column)), order = s.map((_, i) => i).sort((i, j) => s[j] - s[i]);
    return {
      U: transpose(order.map(i => columns[i].map(x => (s[i] > 0 ? x / s[i] : 0)))),
      s: order.map(i => s[i]),
      V: transpose(order.map(i => V[i])),
    };
  }

  const singularValues = X => svd(X).s;

  /* exp of the entropy of the singular values, each divided by their sum. */
  function effectiveRank(X) {
    const s = singularValues(X), total = s.reduce((sum, x) => sum + x, 0);
    return total === 0 ? 0 : Math.exp(-s.reduce((sum, x) => sum + (x > 0 ? (x / total) * Math.log(x / total) : 0), 0));
  }

  /* Complex numbers are pairs [re, im]. */
  const C = {
    add: ([a, b], [c, d]) => [a + c, b + d],
    sub: ([a, b], [c, d]) => [a - c, b - d],
    mul: ([a, b], [c, d]) => [a * c - b * d, a * d + b * c],
    div: ([a, b], [c, d]) => { const r = c * c + d * d; return [(a * c + b * d) / r, (b * c - a * d) / r]; },
    conj: ([a, b]) => [a, -b],
    abs: ([a, b]) => Math.hypot(a, b),
    sqrt: ([a, b]) => {
      const r = Math.hypot(a, b), re = Math.sqrt((r + Math.abs(a)) / 2);
      if (re === 0) return [0, 0];
      return a >= 0 ? [re, b / (2 * re)] : [Math.abs(b) / (2 * re), b < 0 ? -re : re];
    },
  };

  /* Eigenvalues as pairs [re, im], the largest modulus first: QR steps with Wilkinson's shift on a complex Hessenberg matrix. */
  function eigenvalues(X) {
    const H = hessenberg(X).map(row => row.map(x => [x, 0]));
    const found = [];
    for (let n = H.length, rounds = 0; n > 0; ) {
      const size = i => C.abs(H[i][i]) + C.abs(H[i - 1][i - 1]);
      let low = n - 1;
      while (low > 0 && C.abs(H[low][low - 1]) > 1e-16 * (size(low) || 1)) low--;
      if (low === n - 1) {
        found.push(H[n - 1][n - 1]);
        n--;
        rounds = 0;
        continue;
      }
      if (++rounds > 300) return null;
      qrStep(H, low, n, rounds % 11 === 10 ? [C.abs(H[n - 1][n - 2]), 0] : wilkinson(H, n));
    }
    const real = 1e-12 * (1 + largest(X));
    return found.map(([re, im]) => [re, Math.abs(im) < real ? 0 : im]).sort((x, y) => C.abs(y) - C.abs(x) || y[1] - x[1]);
  }

  function hessenberg(X) {
    const n = X.length, H = X.map(row => row.slice());
    for (let k = 0; k < n - 2; k++) {
      const v = H.slice(k + 1).map(row => row[k]), length = Math.hypot(...v);
      if (length === 0) continue;
      v[0] += v[0] < 0 ? -length : length;
      const vv = v.reduce((sum, x) => sum + x * x, 0);
      for (let j = 0; j < n; j++) {
        const c = (2 * v.reduce((sum, x, i) => sum + x * H[k + 1 + i][j], 0)) / vv;
        v.forEach((x, i) => { H[k + 1 + i][j] -= c * x; });
      }
      for (let i = 0; i < n; i++) {
        const c = (2 * v.reduce((sum, x, j) => sum + x * H[i][k + 1 + j], 0)) / vv;
        v.forEach((x, j) => { H[i][k + 1 + j] -= c * x; });
      }
      for (let i = k + 2; i < n; i++) H[i][k] = 0;
    }
    return H;
  }

  /* The eigenvalue of the last two by two block that is closer to its corner. */
  function wilkinson(H, n) {
    const a = H[n - 2][n - 2], d = H[n - 1][n - 1], bc = C.mul(H[n - 2][n - 1], H[n - 1][n - 2]);
    const half = C.mul([0.5, 0], C.sub(a, d)), root = C.sqrt(C.add(C.mul(half, half), bc));
    const away = C.abs(C.add(half, root)) > C.abs(C.sub(half, root)) ? C.add(half, root) : C.sub(half, root);
    return C.abs(away) === 0 ? d : C.sub(d, C.div(bc, away));
  }

  function qrStep(H, low, n, shift) {
    for (let i = low; i < n; i++) H[i][i] = C.sub(H[i][i], shift);
    const turns = [];
    for (let k = low; k < n - 1; k++) {
      const x = H[k][k], y = H[k + 1][k], length = Math.hypot(C.abs(x), C.abs(y)) || 1;
      const c = C.div(x, [length, 0]), s = C.div(y, [length, 0]);
      turns.push([c, s]);
      for (let j = k; j < n; j++) {
        const u = H[k][j], v = H[k + 1][j];
        H[k][j] = C.add(C.mul(C.conj(c), u), C.mul(C.conj(s), v));
        H[k + 1][j] = C.sub(C.mul(c, v), C.mul(s, u));
      }
    }
    turns.forEach(([c, s], at) => {
      const k = low + at;
      for (let i = low; i < Math.min(n, k + 3); i++) {
        const u = H[i][k], v = H[i][k + 1];
        H[i][k] = C.add(C.mul(u, c), C.mul(v, s));
        H[i][k + 1] = C.sub(C.mul(v, C.conj(c)), C.mul(u, C.conj(s)));
      }
    });
    for (let i = low; i < n; i++) H[i][i] = C.add(H[i][i], shift);
  }

  /* Numbers drawn from a seed: the same in every browser. */
  function random(seed) {
    let state = seed >>> 0;
    const uniform = () => {
      state = (state + 0x6d2b79f5) >>> 0;
      let z = state;
      z = Math.imul(z ^ (z >>> 15), z | 1);
      z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
      return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
    };
    const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
    return { uniform, normal, normals: (rows, columns) => zeros(rows, columns).map(row => row.map(normal)) };
  }

  /* Networks h' = W h + B x, y = A h */

  const network = (A, W, B) => ({ A, W, B });
  const spectralRadius = W => { const found = eigenvalues(W); return found ? C.abs(found[0]) : Infinity; };

  /* [A W^k B], k = 0 .. lags - 1 */
  function impulseResponse({ A, W, B }, lags) {
    const response = [];
    for (let k = 0, h = B; k < lags; k++, h = product(W, h)) response.push(product(A, h));
    return response;
  }

  /* Half the mean squared error: sum over k of |A W^k B - A_ W_^k B_|^2 / 2. */
  function loss(student, teacher) {
    let h = student.B, h_ = teacher.B, total = 0;
    for (let k = 0; k < 20000; k++) {
      const e = minus(product(student.A, h), product(teacher.A, h_));
      total += e.reduce((sum, row) => row.reduce((sum, x) => sum + x * x, sum), 0) / 2;
      if (!(total < 1e12)) return null;
      h = product(student.W, h);
      h_ = product(teacher.W, h_);
      if (largest(h) < 1e-12 && largest(h_) < 1e-12) return total;
    }
    return null;
  }

  /* The sum over l of G^l X W^l, to infinity by doubling or of the first `lags` terms; null if it does not converge. */
  function stein(G, X, W, lags = Infinity) {
    let sum = X;
    if (lags < Infinity) {
      for (let l = 1, term = X; l < lags; l++) sum = plus(sum, (term = product(G, term, W)));
      return isFinite(sum) ? sum : null;
    }
    for (let round = 0; round < 40; round++) {
      const more = product(G, sum, W);
      sum = plus(sum, more);
      if (!isFinite(sum)) return null;
      if (largest(more) <= 1e-16 * largest(sum)) return sum;
      G = product(G, G);
      W = product(W, W);
    }
    return null;
  }

  /* Rules: what is sent back over l steps is G^l F, for l < steps. `next` is the rule at the next step. */

  function rule(name, sent, more = {}) {
    return { name, sent, steps: Infinity, addition: () => null, next() { return this; }, ...more };
  }

  const rules = {
    BPTT: () => rule("BPTT", ({ A, W }) => [transpose(A), transpose(W)]),
    TruncatedBPTT: (steps = 1) =>
      rule(steps === 1 ? "one-step tBPTT" : `${steps}-step tBPTT`, ({ A, W }) => [transpose(A), transpose(W)], { steps }),
    RFLO: (R, decay) => rule("RFLO", ({ W }) => [transpose(R), scaled(decay, eye(W.length))]),
    EProp: R => rule("e-prop", ({ W }) => [transpose(R), diagonal(W.map((row, i) => row[i]))]),
    /* RFLO in which every unit has a decay of its own. */
    PerUnitRFLO: (R, decays) => rule("RFLO with own decays", () => [transpose(R), diagonal(decays)]),
    /* RFLO whose feedback learns: A - R shrinks by 1 - rate * weightDecay a step. */
    KolenPollack: (R, decay, weightDecay) => rule("Kolen–Pollack", ({ W }) => [transpose(R), scaled(decay, eye(W.length))], {
      addition: ({ A }) => scaled(weightDecay, A),
      next: ({ A }, update, rate) =>
        rules.KolenPollack(minus(R, scaled(rate, plus(update.A, scaled(weightDecay, minus(R, A))))), decay, weightDecay),
    }),
  };

  /* The expected update {A, W, B} of a rule; null if a sum does not converge. */
  function update(rule, student, teacher) {
    const { A, W, B } = student, { A: A_, W: W_, B: B_ } = teacher, [F, G] = rule.sent(student), WT = transpose(W);
    const P = stein(W, product(B, transpose(B)), WT), P_ = stein(W_, product(B_, transpose(B)), WT);
    const Y = stein(G, product(F, A), W, rule.steps), Y_ = stein(G, product(F, A_), W_, rule.steps);
    if (!P || !P_ || !Y || !Y_) return null;
    const delta = {
      A: minus(product(A, P), product(A_, P_)),
      W: minus(product(Y, W, P), product(Y_, W_, P_)),
      B: minus(product(Y, B), product(Y_, B_)),
    };
    const more = rule.addition(student);
    if (more) delta.A = plus(delta.A, more);
    return delta;
  }

  /* One step of training, {net, rule, memory} to the next; null once it has diverged. Options: rate, weightDecay, and adam. */
  function trainingStep({ net, rule, memory }, teacher, { rate, weightDecay = 0, adam = false }) {
    const delta = update(rule, net, teacher);
    if (!delta) return null;
    const next = {}, kept = { t: (memory?.t ?? 0) + 1 };
    for (const name of ["A", "W", "B"]) {
      let change = delta[name];
      if (adam) {
        const was = memory?.[name] ?? { m: scaled(0, change), v: scaled(0, change) };
        const m = each((m, g) => 0.9 * m + 0.1 * g, was.m, change), v = each((v, g) => 0.999 * v + 0.001 * g * g, was.v, change);
        kept[name] = { m, v };
        change = each((m, v) => m / (1 - 0.9 ** kept.t) / (Math.sqrt(v / (1 - 0.999 ** kept.t)) + 1e-8), m, v);
      }
      next[name] = each((x, d) => x - rate * (d + weightDecay * x), net[name], change);
      if (!isFinite(next[name])) return null;
    }
    return { net: next, rule: rule.next(net, delta, rate), memory: kept };
  }

  /* Modes: networks of one unit, [a, b, w] */

  const unit = ([a, b, w]) => network([[a]], [[w]], [[b]]);

  /* The sum of z^l over l below `lags`. */
  const geometric = (z, lags = Infinity) => (lags === Infinity ? 1 / (1 - z) : powers(z, lags).reduce((sum, power) => sum + power, 0));
  const geometricSlope = (z, lags = Infinity) =>
    lags === Infinity ? 1 / (1 - z) ** 2 : powers(z, lags).reduce((sum, power, l) => sum + (l + 1 < lags ? (l + 1) * power : 0), 0);
  const powers = (z, lags) => Array.from({ length: lags }, (_, l) => z ** l);

  /* What a rule sends back in a mode, f and g. */
  function modeSent(rule, mode) {
    const [F, G] = rule.sent(unit(mode));
    return [F[0][0], G[0][0]];
  }

  function modeUpdate(rule, [a, b, w], [a_, b_, w_]) {
    const [f, g] = modeSent(rule, [a, b, w]), p = a * b, p_ = a_ * b_;
    const phi = 1 / (1 - w * w), phi_ = 1 / (1 - w * w_), psi = geometric(g * w, rule.steps), psi_ = geometric(g * w_, rule.steps);
    return [
      b * (p * phi - p_ * phi_),
      f * (p * psi - p_ * psi_),
      f * b * (p * w * phi * psi - p_ * w_ * phi_ * psi_),
    ];
  }

  function modeLoss([a, b, w], [a_, b_, w_]) {
    const p_ = a_ * b_, own = 1 - w * w, mixed = 1 - w * w_;
    const memory = (p_ * (w - w_)) ** 2 / ((1 - w_ ** 2) * mixed ** 2);
    return ((a * b - (p_ * own) / mixed) ** 2 / own + memory) / 2;
  }

  /* The Jacobian of the flow d(a, b, w)/dt = -update. What a rule sends is linear in the weights, so that its slopes are differences. */
  function jacobian(rule, mode, [a_, b_, w_]) {
    const [a, b, w] = mode, [f, g] = modeSent(rule, mode), parts = [[a * b, w, 1], [-a_ * b_, w_, 0]];
    return transpose([0, 1, 2].map(i => {
      const moved = mode.map((x, j) => x + (i === j)), [fi, gi] = modeSent(rule, moved).map((x, j) => x - [f, g][j]);
      const pi = [b, a, 0][i], bi = i === 1 ? 1 : 0, wi = i === 2 ? 1 : 0;
      let da = 0, db = 0, dw = 0, sumA = 0, sumB = 0, sumW = 0;
      for (const [p, v, own] of parts) {
        const vi = own * wi, dp = own * pi, phi = 1 / (1 - w * v), dphi = phi * phi * (wi * v + w * vi);
        const psi = geometric(g * v, rule.steps), dpsi = geometricSlope(g * v, rule.steps) * (gi * v + g * vi);
        sumA += p * phi;
        sumB += p * psi;
        sumW += p * v * phi * psi;
        da += dp * phi + p * dphi;
        db += dp * psi + p * dpsi;
        dw += dp * v * phi * psi + p * vi * phi * psi + p * v * (dphi * psi + phi * dpsi);
      }
      return [-(bi * sumA + b * da), -(fi * sumB + f * db), -((fi * b + f * bi) * sumW + f * b * dw)];
    }));
  }

  /* Dormand and Prince's fifth-order step, and its error as the fourth-order one sees it. */
  const NODES = [
    [1 / 5], [3 / 40, 9 / 40], [44 / 45, -56 / 15, 32 / 9], [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729],
    [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656], [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84],
  ];
  const ERROR = [71 / 57600, 0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40];

  function runge(velocity, y, first, h) {
    const k = [first];
    let end = y;
    for (const row of NODES) {
      end = y.map((value, i) => value + h * row.reduce((sum, c, s) => sum + c * k[s][i], 0));
      k.push(velocity(end));
    }
    return { end, last: k[6], error: y.map((_, i) => h * ERROR.reduce((sum, c, s) => sum + c * k[s][i], 0)) };
  }

  /* The flow d(a, b, w)/dt = -update from a start: states at the given times, null after |w| has reached 1, and when it did.
     Where rates are so large that `most` steps are not enough, states are null from there on and `lost` is the time. */
  function flow(rule, start, target, times, tolerance = 1e-10, most = 20000) {
    const velocity = mode => modeUpdate(rule, mode, target).map(x => -x), states = [];
    let y = start.slice(), v = velocity(y), t = 0, h = 1e-3, exit = Infinity, lost = Infinity, count = 0;
    for (const time of times) {
      if (exit === Infinity && v.every(x => Math.abs(x) < 1e-13)) t = time;  // at rest
      while (exit === Infinity && lost === Infinity && time - t > 1e-13) {
        const size = Math.min(h, time - t), { end, last, error } = runge(velocity, y, v, size);
        const miss = Math.max(...error.map((e, i) => Math.abs(e) / (1 + Math.abs(end[i]))));
        if (miss < tolerance && Math.abs(end[2]) < 1) {
          y = end;
          v = last;
          t += size;
        }
        const grow = Number.isFinite(miss) ? 0.9 * (tolerance / Math.max(miss, 1e-20)) ** 0.2 : 0.2;
        if (size === h || grow < 1) h = size * Math.min(4, Math.max(0.1, Math.abs(end[2]) < 1 ? grow : Math.min(grow, 0.5)));
        const room = 1 - Math.abs(y[2]), outward = v[2] * Math.sign(y[2]);
        if (room < 1e-4 && outward > 0 && room / outward < 1e-6) exit = t + room / (2 * outward);  // the square-root law
        if (++count > most || h < 1e-14) lost = t;
      }
      states.push(t >= time - 1e-13 && exit === Infinity ? y.slice() : null);
    }
    return { states, exit, lost, end: y };
  }

  globalThis.lab = Object.assign(globalThis.lab ?? {}, {
    zeros, eye, diagonal, transpose, each, plus, minus, scaled, largest, product, solve, svd, singularValues, effectiveRank, C, eigenvalues,
    random, network, spectralRadius, impulseResponse, loss, stein, rules, update, trainingStep,
    unit, geometric, modeSent, modeUpdate, modeLoss, jacobian, flow,
  });
})();
