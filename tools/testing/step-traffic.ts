/** What a piece of work asked of the current backend besides computing. */
export interface StepTraffic {
  /** For every read of a tensor's values that was waited for: how many values. */
  readonly reads: number[];
  /** Reads that block until the device is done. */
  readonly blockingReads: number[];
  /** Compute pipelines that were compiled; always 0 where the backend is not WebGPU. */
  pipelines: number;
}

const hostMemory = new Set(["native", "wasm", "cpu"]);

type Device = Pick<GPUDevice, "createComputePipeline" | "createComputePipelineAsync">;

interface Reader {
  read(dataId: object): Promise<ArrayLike<unknown>>;
  readSync(dataId: object): ArrayLike<unknown>;
}

/** The part of `tf.engine()` that is used here; TF.js itself is not a dependency of this folder. */
interface Engine extends Reader {
  readonly backendName: string;
  readonly backend: object;
}

/** Runs `work` and counts what it reads back from the current backend and what that compiles for it. */
export async function stepTraffic(engine: Engine, work: () => Promise<void>): Promise<StepTraffic> {
  const backend = engine.backend as Reader & { device?: Device | undefined };
  const traffic: StepTraffic = { reads: [], blockingReads: [], pipelines: 0 };
  let isNested = false; // one way of reading may call the other
  const counted =
    (counts: number[], read: (dataId: object) => unknown) =>
    (dataId: object): unknown => {
      if (isNested) return read(dataId);
      const count = (values: ArrayLike<unknown>) => {
        counts.push(values.length);
        return values;
      };
      isNested = true;
      try {
        const values = read(dataId) as ArrayLike<unknown> | Promise<ArrayLike<unknown>>;
        return values instanceof Promise ? values.then(count) : count(values);
      } finally {
        isNested = false;
      }
    };
  // Kernels whose tensors lie in this process's memory look at them as they like; there only the callers are counted.
  const reader = hostMemory.has(engine.backendName) ? engine : backend;
  const undo = [
    replace(reader, "read", counted(traffic.reads, reader.read.bind(reader))),
    replace(reader, "readSync", counted(traffic.blockingReads, reader.readSync.bind(reader))),
  ];
  const { device } = backend;
  if (device) {
    for (const name of ["createComputePipeline", "createComputePipelineAsync"] as const) {
      const create = device[name].bind(device) as (descriptor: GPUComputePipelineDescriptor) => unknown;
      const counting = (descriptor: GPUComputePipelineDescriptor) => {
        traffic.pipelines++;
        return create(descriptor);
      };
      undo.push(replace(device, name, counting));
    }
  }
  try {
    await work();
  } finally {
    for (const restore of undo) restore();
  }
  return traffic;
}

/** Shadows a method on one object. @returns takes the shadow away again */
function replace(target: object, name: string, value: unknown): () => void {
  const own = Object.getOwnPropertyDescriptor(target, name); // absent where the method is the prototype's
  Object.defineProperty(target, name, { value, configurable: true, writable: true });
  return () => (own ? Object.defineProperty(target, name, own) : Reflect.deleteProperty(target, name));
}
