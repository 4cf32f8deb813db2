import { type CommonFlags, present, type RegisterCommand, withCommonFlags } from "@villa/command-kit";

interface TensorFlowFlags extends CommonFlags {
  readonly python?: string | undefined;
  readonly wheel?: string | undefined;
  readonly cuda?: true | undefined;
  readonly remove?: true | undefined;
}

/** `villa setup tensorflow`: makes a library ready that is too large, or too particular, to come with the package. */
export const registerSetup: RegisterCommand = (program, context) => {
  const command = program
    .command("setup")
    .description("make an optional library ready")
    .command("tensorflow")
    .description("TensorFlow's C library for the cuda backend: from a Python, from a wheel, or fetched with pip")
    .option("--python <path>", "the Python whose TensorFlow is used, or whose pip fetches one (default: python3)")
    .option("--wheel <file>", "a wheel of tensorflow or tensorflow-cpu to use")
    .option("--cuda", "fetch the build for CUDA; it is fetched anyway where an NVIDIA driver is found")
    .option("--remove", "remove what an earlier setup made")
    .addHelpText(
      "after",
      `
Needs Linux, a C++ compiler and a Python with pip. Everything goes into villa's cache.

Examples:
  villa setup tensorflow
  villa setup tensorflow --python venv/bin/python
  villa setup tensorflow --wheel tensorflow_cpu-2.21.0-cp312-cp312-manylinux_2_27_x86_64.whl
  villa setup tensorflow --remove`,
    );
  withCommonFlags(command).action(async ({ python, wheel, cuda, remove, ...flags }: TensorFlowFlags) => {
    const { removeTensorFlow, setupTensorFlow } = await import("@villa/backend-node");
    if (remove) {
      const text = (folder: string, removed: boolean) =>
        removed ? `Removed ${folder}.` : `Nothing to remove: ${folder}.`;
      return present(
        context,
        flags,
        () => removeTensorFlow(),
        ({ folder, removed }) => text(folder, removed),
      );
    }
    return present(
      context,
      flags,
      (onProgress) => setupTensorFlow({ python, wheel, cuda, onProgress, signal: context.signal }),
      ({ version, cuda: built, gpu, folder }) => {
        const build = built ? `CUDA ${built}` : "built for CPUs";
        const use = gpu
          ? "It sees a CUDA device: the cuda backend is preferred from now on."
          : built
            ? "It sees no CUDA device now; VILLA_BACKEND=cuda runs it on the CPU."
            : "VILLA_BACKEND=cuda runs it on the CPU.";
        return `TensorFlow ${version}, ${build}, is ready in ${folder}.\n${use}`;
      },
    );
  });
};
