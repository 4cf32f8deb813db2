// The vector kernels of the heap backends, native and wasm. `pnpm build:wasm` compiles them into src/backend/heap/simd-module.ts.
export { binary, compare, fill, select, unary } from "./elementwise";
export { adamStep, affine, averagePool, batchNormInputGrad, batchNormSums, moments } from "./layers";
export { col2im, gatherRows, im2col, scatterAddRows, stridedCopy } from "./layout";
export { accumulate, extremeColumns, extremeRows, softmax, sumColumns, sumRows } from "./reduce";
export { geluSlope, layerNormGrad } from "./transformer";
export { winogradPoints, winogradResults } from "./winograd";
export { packPart, productPart } from "./product";
