import { VillaError } from "@villa/data";
import { errorLine, type ProgramOptions, runProgram } from "./process.ts";

/** What a compiled binding says about itself. */
export interface BindingReport {
  /** TensorFlow's version. */
  readonly version: string;
  /** TensorFlow sees a CUDA device. */
  readonly gpu: boolean;
}

/** Loads the binding and multiplies two matrices with it. */
const script = `
const binding = require(process.argv[1]);
const a = binding.createTensor([2, 2], binding.TF_FLOAT, Float32Array.of(1, 2, 3, 4));
const flags = ["transpose_a", "transpose_b"].map((name) => ({ name, type: binding.TF_ATTR_BOOL, value: false }));
const attributes = [{ name: "T", type: binding.TF_ATTR_TYPE, value: binding.TF_FLOAT }, ...flags];
const [{ id }] = binding.executeOp("MatMul", attributes, [a, a], 1);
const product = binding.tensorDataSync(id).join();
console.log(JSON.stringify({ version: binding.TF_Version, gpu: binding.isUsingGpuDevice(), product }));
`;

/**
 * Tries a binding in a process of its own: one that this processor or system cannot run would take ours down.
 *
 * @throws VillaError `BackendUnavailable` when it does not load or computes something else
 */
export async function checkBinding(binding: string, options: ProgramOptions = {}): Promise<BindingReport> {
  const env = { TF_CPP_MIN_LOG_LEVEL: "3", ...options.env };
  const result = await runProgram(process.execPath, ["--eval", script, binding], { ...options, env });
  const fail = (reason: string) =>
    new VillaError("BackendUnavailable", `TensorFlow was set up but does not run here: ${reason}.`);
  if (result?.status !== 0) throw fail(errorLine(result?.stderr ?? "Node does not start"));
  const { version, gpu, product } = JSON.parse(result.stdout.trim().split("\n").at(-1)!) as BindingReport & {
    product: string;
  };
  if (product !== "7,10,15,22") throw fail(`a product of two matrices came out as ${product}`);
  return { version, gpu };
}
