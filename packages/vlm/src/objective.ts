import * as tf from "@tensorflow/tfjs-core";
import { infoNCE, sigmoidLoss } from "@villa/core";
import { checkArgument } from "@villa/data";

/** How region-text pairs are scored against each other; settings of the same names are in `stage2Schema`. */
export interface ObjectiveOptions {
  /** `infonce` (the paper's) or SigLIP's `sigmoid`. Default `infonce`. */
  readonly loss?: "infonce" | "sigmoid" | undefined;
  /** τ; where training starts when it is learned. */
  readonly temperature: number;
  /** Learn τ, and the sigmoid loss's bias. Default false. */
  readonly learnTemperature?: boolean | undefined;
  /** b of the sigmoid loss; where training starts when it is learned. Default -10. */
  readonly bias?: number | undefined;
}

/** The loss of Stage 2 with what it learns itself. The caller disposes it. */
export interface ContrastiveObjective {
  /** `logit_scale` (log 1/τ) and `logit_bias`, as open_clip names them; empty where nothing is learned. */
  readonly parameters: ReadonlyMap<string, tf.Variable>;
  /** @param images [R, d] L2-normalised; row i belongs to text row i @param texts [R, d] @returns scalar */
  loss(images: tf.Tensor2D, texts: tf.Tensor2D): tf.Scalar;
  /** Keeps a learned 1/τ within 1 … 100, as CLIP and open_clip do around each step. */
  clamp(): void;
  /** Frees the parameters. */
  dispose(): void;
}

/** Makes the loss of Stage 2. @see ViLLA paper, section 3.3, for `infonce` */
export function contrastiveObjective(options: ObjectiveOptions): ContrastiveObjective {
  checkArgument("options", options, {
    "loss?": "'infonce' | 'sigmoid'",
    temperature: "number",
    "learnTemperature?": "boolean",
    "bias?": "number",
  });
  const { loss = "infonce", temperature, learnTemperature = false, bias = -10 } = options;

  const parameters = new Map<string, tf.Variable>();
  const learned = (value: number) => tf.tidy(() => tf.variable(tf.scalar(value)) as tf.Variable);
  if (learnTemperature) {
    parameters.set("logit_scale", learned(-Math.log(temperature)));
    if (loss === "sigmoid") parameters.set("logit_bias", learned(bias));
  }
  const scale = parameters.get("logit_scale");
  const learnedBias = parameters.get("logit_bias");
  return {
    parameters,
    loss(images, texts) {
      const tau = scale ? (tf.exp(tf.neg(scale)) as tf.Scalar) : temperature;
      if (loss === "infonce") return infoNCE(images, texts, { temperature: tau });
      return sigmoidLoss(images, texts, { temperature: tau, bias: (learnedBias as tf.Scalar | undefined) ?? bias });
    },
    clamp() {
      tf.tidy(() => scale?.assign(tf.clipByValue(scale, 0, Math.log(100))));
    },
    dispose: () => tf.dispose([...parameters.values()]),
  };
}
