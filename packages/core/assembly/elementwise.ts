// One pass over memory, four lanes at a time, with scalar tails so that no byte outside of a run is touched.
import { BinaryOp, CompareOp, ParametricOp, UnaryOp } from "./codes";
import * as m from "./math";

// @ts-ignore: decorator
@inline
function unaryLoop(op: i32, y: usize, x: usize, n: i32, p: f32, q: f32): void {
  const pv = f32x4.splat(p);
  const qv = f32x4.splat(q);
  let i = 0;
  for (; i + 8 <= n; i += 8) {
    v128.store(y, m.unary(op, v128.load(x), pv, qv));
    v128.store(y, m.unary(op, v128.load(x, 16), pv, qv), 16);
    x += 32;
    y += 32;
  }
  for (; i + 4 <= n; i += 4) {
    v128.store(y, m.unary(op, v128.load(x), pv, qv));
    x += 16;
    y += 16;
  }
  if (i < n) m.storeTail(y, m.unary(op, m.loadTail(x, n - i), pv, qv), n - i);
}

/** y[i] = op(x[i]) for n floats; y may be x. */
export function unary(op: i32, y: usize, x: usize, n: i32, p: f32, q: f32): void {
  if (op == UnaryOp.Relu) unaryLoop(UnaryOp.Relu, y, x, n, p, q);
  else if (op == UnaryOp.Neg) unaryLoop(UnaryOp.Neg, y, x, n, p, q);
  else if (op == UnaryOp.Abs) unaryLoop(UnaryOp.Abs, y, x, n, p, q);
  else if (op == UnaryOp.Square) unaryLoop(UnaryOp.Square, y, x, n, p, q);
  else if (op == UnaryOp.Sqrt) unaryLoop(UnaryOp.Sqrt, y, x, n, p, q);
  else if (op == UnaryOp.Rsqrt) unaryLoop(UnaryOp.Rsqrt, y, x, n, p, q);
  else if (op == UnaryOp.Exp) unaryLoop(UnaryOp.Exp, y, x, n, p, q);
  else if (op == UnaryOp.Sigmoid) unaryLoop(UnaryOp.Sigmoid, y, x, n, p, q);
  else if (op == UnaryOp.Reciprocal) unaryLoop(UnaryOp.Reciprocal, y, x, n, p, q);
  else if (op == ParametricOp.ClipByValue) unaryLoop(ParametricOp.ClipByValue, y, x, n, p, q);
  else if (op == ParametricOp.Step) unaryLoop(ParametricOp.Step, y, x, n, p, q);
  else if (op == ParametricOp.LeakyRelu) unaryLoop(ParametricOp.LeakyRelu, y, x, n, p, q);
  else unaryLoop(ParametricOp.Copy, y, x, n, p, q);
}

// @ts-ignore: decorator
@inline
function binaryLoop(op: i32, y: usize, a: usize, b: usize, n: i32): void {
  let i = 0;
  for (; i + 8 <= n; i += 8) {
    v128.store(y, m.binary(op, v128.load(a), v128.load(b)));
    v128.store(y, m.binary(op, v128.load(a, 16), v128.load(b, 16)), 16);
    a += 32;
    b += 32;
    y += 32;
  }
  for (; i + 4 <= n; i += 4) {
    v128.store(y, m.binary(op, v128.load(a), v128.load(b)));
    a += 16;
    b += 16;
    y += 16;
  }
  if (i < n) m.storeTail(y, m.binary(op, m.loadTail(a, n - i), m.loadTail(b, n - i)), n - i);
}

// @ts-ignore: decorator
@inline
function scalarRightLoop(op: i32, y: usize, a: usize, b: usize, n: i32): void {
  const bv = v128.load32_splat(b);
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    v128.store(y, m.binary(op, v128.load(a), bv));
    a += 16;
    y += 16;
  }
  if (i < n) m.storeTail(y, m.binary(op, m.loadTail(a, n - i), bv), n - i);
}

// @ts-ignore: decorator
@inline
function scalarLeftLoop(op: i32, y: usize, a: usize, b: usize, n: i32): void {
  const av = v128.load32_splat(a);
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    v128.store(y, m.binary(op, av, v128.load(b)));
    b += 16;
    y += 16;
  }
  if (i < n) m.storeTail(y, m.binary(op, av, m.loadTail(b, n - i)), n - i);
}

// @ts-ignore: decorator
@inline
function broadcastLoops(
  op: i32, y: usize, a: usize, b: usize, n0: i32, n1: i32, n: i32,
  a0: usize, a1: usize, aStep: i32, b0: usize, b1: usize, bStep: i32,
): void {
  for (let i = 0; i < n0; i++) {
    let ra = a;
    let rb = b;
    for (let j = 0; j < n1; j++) {
      if (aStep == 0) scalarLeftLoop(op, y, ra, rb, n);
      else if (bStep == 0) scalarRightLoop(op, y, ra, rb, n);
      else binaryLoop(op, y, ra, rb, n);
      y += (<usize>n) << 2;
      ra += a1 << 2;
      rb += b1 << 2;
    }
    a += a0 << 2;
    b += b0 << 2;
  }
}

/**
 * y[i,j,k] = op(a, b) for contiguous y [n0, n1, n]. Operands step by their own strides (in floats); the innermost step is
 * 1 or 0, never 0 for both.
 */
export function binary(
  op: i32, y: usize, a: usize, b: usize, n0: i32, n1: i32, n: i32,
  a0: usize, a1: usize, aStep: i32, b0: usize, b1: usize, bStep: i32,
): void {
  if (op == BinaryOp.Add) broadcastLoops(BinaryOp.Add, y, a, b, n0, n1, n, a0, a1, aStep, b0, b1, bStep);
  else if (op == BinaryOp.Sub) broadcastLoops(BinaryOp.Sub, y, a, b, n0, n1, n, a0, a1, aStep, b0, b1, bStep);
  else if (op == BinaryOp.Multiply) broadcastLoops(BinaryOp.Multiply, y, a, b, n0, n1, n, a0, a1, aStep, b0, b1, bStep);
  else if (op == BinaryOp.RealDiv) broadcastLoops(BinaryOp.RealDiv, y, a, b, n0, n1, n, a0, a1, aStep, b0, b1, bStep);
  else if (op == BinaryOp.Maximum) broadcastLoops(BinaryOp.Maximum, y, a, b, n0, n1, n, a0, a1, aStep, b0, b1, bStep);
  else if (op == BinaryOp.Minimum) broadcastLoops(BinaryOp.Minimum, y, a, b, n0, n1, n, a0, a1, aStep, b0, b1, bStep);
  else broadcastLoops(BinaryOp.SquaredDifference, y, a, b, n0, n1, n, a0, a1, aStep, b0, b1, bStep);
}

/** y[i] = value. */
export function fill(y: usize, n: i32, value: f32): void {
  const v = f32x4.splat(value);
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    v128.store(y, v);
    y += 16;
  }
  if (i < n) m.storeTail(y, v, n - i);
}

/** y[i] = condition[i] ? a[i] : b[i]; condition holds n bytes. */
export function select(y: usize, condition: usize, a: usize, b: usize, n: i32): void {
  for (let i = 0; i < n; i++) {
    const o = (<usize>i) << 2;
    store<f32>(y + o, load<u8>(condition + i) ? load<f32>(a + o) : load<f32>(b + o));
  }
}

// @ts-ignore: decorator
@inline
function compareLoop(op: i32, y: usize, a: usize, b: usize, n: i32, aStep: i32, bStep: i32): void {
  for (let i = 0; i < n; i++) {
    const p = load<f32>(a);
    const q = load<f32>(b);
    let holds: bool;
    if (op == CompareOp.Equal) holds = p == q;
    else if (op == CompareOp.NotEqual) holds = p != q;
    else if (op == CompareOp.Greater) holds = p > q;
    else if (op == CompareOp.GreaterEqual) holds = p >= q;
    else if (op == CompareOp.Less) holds = p < q;
    else holds = p <= q;
    store<u8>(y + i, <u8>holds);
    a += aStep << 2;
    b += bStep << 2;
  }
}

/** Bytes y[i, j, k] = a ? b, with the operands' strides as in `binary`. */
export function compare(
  op: i32, y: usize, a: usize, b: usize, n0: i32, n1: i32, n: i32,
  a0: usize, a1: usize, aStep: i32, b0: usize, b1: usize, bStep: i32,
): void {
  for (let i: usize = 0; i < <usize>n0; i++) {
    for (let j: usize = 0; j < <usize>n1; j++) {
      const ra = a + ((i * a0 + j * a1) << 2);
      const rb = b + ((i * b0 + j * b1) << 2);
      if (op == CompareOp.Equal) compareLoop(CompareOp.Equal, y, ra, rb, n, aStep, bStep);
      else if (op == CompareOp.NotEqual) compareLoop(CompareOp.NotEqual, y, ra, rb, n, aStep, bStep);
      else if (op == CompareOp.Greater) compareLoop(CompareOp.Greater, y, ra, rb, n, aStep, bStep);
      else if (op == CompareOp.GreaterEqual) compareLoop(CompareOp.GreaterEqual, y, ra, rb, n, aStep, bStep);
      else if (op == CompareOp.Less) compareLoop(CompareOp.Less, y, ra, rb, n, aStep, bStep);
      else compareLoop(CompareOp.LessEqual, y, ra, rb, n, aStep, bStep);
      y += n;
    }
  }
}
