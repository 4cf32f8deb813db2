/**
 * How far a backend's float32 results may be from the reference's, relative and absolute. CPU backends differ from PyTorch
 * by the order of summation; GPUs also by fast division and square roots.
 */
const tolerances: Readonly<Record<string, { rtol: number; atol: number }>> = {
  cpu: { rtol: 1e-5, atol: 2e-6 },
  native: { rtol: 1e-5, atol: 2e-6 },
  wasm: { rtol: 1e-5, atol: 2e-6 },
  cuda: { rtol: 1e-4, atol: 1e-5 },
  webgpu: { rtol: 1e-4, atol: 1e-5 },
  webgl: { rtol: 1e-4, atol: 1e-5 },
};

export function toleranceOf(backend: string): { rtol: number; atol: number } {
  return tolerances[backend]!;
}
