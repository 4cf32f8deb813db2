import * as tf from "@tensorflow/tfjs-core";
import { checkArgument } from "@villa/data";
import { releaseTapeInBackwardPass } from "./release.ts";

/** A loss and the gradients by parameter name. The receiver disposes the gradients. */
export interface LossAndGradients {
  readonly loss: number;
  readonly gradients: Record<string, tf.Tensor>;
}

/**
 * Value and gradients of a scalar objective, named as in `parameters` (TF.js names them after its own variables).
 * Parameters that the objective does not reach are left out, as torch leaves their `grad` at None.
 *
 * @param objective returns a scalar; intermediate tensors are freed
 */
export async function lossAndGradients(
  objective: () => tf.Tensor,
  parameters: ReadonlyMap<string, tf.Variable>,
): Promise<LossAndGradients> {
  checkArgument("objective", objective, "function");
  checkArgument("parameters", parameters, "Map");

  const { value, gradients } = parameterGradients(objective, parameters);
  const loss = (await value.data())[0]!;
  value.dispose();
  return { loss, gradients };
}

/** The same without reading the value back: a tensor that the receiver disposes too. */
export function parameterGradients(
  objective: () => tf.Tensor,
  parameters: ReadonlyMap<string, tf.Variable>,
): { readonly value: tf.Scalar; readonly gradients: Record<string, tf.Tensor> } {
  checkArgument("objective", objective, "function");
  checkArgument("parameters", parameters, "Map");

  const recorded = () => {
    const value = objective() as tf.Scalar;
    releaseTapeInBackwardPass();
    return value;
  };
  const { value, grads } = tf.variableGrads(recorded, [...parameters.values()]);
  const gradients: Record<string, tf.Tensor> = {};
  for (const [name, variable] of parameters) {
    const gradient = grads[variable.name];
    if (gradient) gradients[name] = gradient;
  }
  return { value, gradients };
}
