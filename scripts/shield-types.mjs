// After the build of a package: its types name tensors as `@villa/core/tensors` has them instead of importing
// TensorFlow.js's declarations, which compile in few projects without `skipLibCheck`; `@villa/core/kernels`, for authors of
// backends, keeps them. Runs in the package's folder.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const { name } = JSON.parse(readFileSync("package.json", "utf8"));
for (const file of readdirSync("dist").filter((each) => /^(?!(?:tensorflow|kernels)\.).*\.d\.c?ts$/.test(each))) {
  const path = join("dist", file);
  const own = file.endsWith(".d.cts") ? "./tensors.cjs" : "./tensors.js";
  const text = readFileSync(path, "utf8")
    .replace(
      /^import \* as tf from (['"])@tensorflow\/tfjs-core\1;$/m,
      `import * as tf from '${name === "@villa/core" ? own : "@villa/core/tensors"}';`,
    )
    .replace(/^import (['"])@tensorflow\/[\w-]+\1;\n/gm, "");
  const left = /^(?:import|export) .*['"]@tensorflow\/.*$/m.exec(text);
  if (left) throw new Error(`${name}/${path} still imports TensorFlow.js's types: ${left[0]}`);
  writeFileSync(path, text);
}
