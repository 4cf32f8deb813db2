import * as tf from "@tensorflow/tfjs-core";

export class AdamW {
  learningRate: number;
  steps = 0;
  readonly mean = new Map<string, tf.Variable>();
  readonly meanSquare = new Map<string, tf.Variable>();
  constructor(
    readonly parameters: ReadonlyMap<string, tf.Variable>,
    readonly options: { learningRate: number; beta1: number; beta2: number; epsilon: number; weightDecay: number },
  ) {
    this.learningRate = options.learningRate;
    for (const [name, p] of parameters) {
      this.mean.set(
        name,
        tf.tidy(() => tf.variable(tf.zeros(p.shape), false)),
      );
      this.meanSquare.set(
        name,
        tf.tidy(() => tf.variable(tf.zeros(p.shape), false)),
      );
    }
  }
  step(grads: Record<string, tf.Tensor>): void {
    this.steps++;
    const { beta1, beta2, epsilon, weightDecay } = this.options;
    const c1 = 1 - beta1 ** this.steps;
    const c2 = 1 - beta2 ** this.steps;
    for (const [name, p] of this.parameters) {
      tf.tidy(() => {
        const g = grads[name]!;
        const m = this.mean.get(name)!;
        const v = this.meanSquare.get(name)!;
        m.assign(tf.add(tf.mul(m, beta1), tf.mul(g, 1 - beta1)));
        v.assign(tf.add(tf.mul(v, beta2), tf.mul(tf.square(g), 1 - beta2)));
        const update = tf.div(tf.div(m, c1), tf.add(tf.sqrt(tf.div(v, c2)), epsilon));
        p.assign(tf.sub(tf.mul(p, 1 - this.learningRate * weightDecay), tf.mul(update, this.learningRate)));
      });
    }
  }
  resume(
    states: readonly {
      steps: number;
      mean?: Record<string, Float32Array>;
      meanSquare?: Record<string, Float32Array>;
    }[],
  ): void {
    this.steps = states[0]!.steps;
    for (const [name, p] of this.parameters) {
      const join = (key: "mean" | "meanSquare") => {
        const out = new Float32Array(p.size);
        states.forEach((s, i) => {
          out.set(s[key]![name]!, (i * p.size) / states.length);
        });
        return tf.tensor(out, p.shape);
      };
      for (const key of ["mean", "meanSquare"] as const) {
        const t = join(key);
        this[key].get(name)!.assign(t);
        t.dispose();
      }
    }
  }
  dispose(): void {
    tf.dispose([...this.mean.values(), ...this.meanSquare.values()]);
  }
}
