// @villa/cli: the `villa` command from a program: same arguments, an exit code instead of a process.
import { runVilla } from "@villa/cli";

const dataset = "data/docmnist_400_15.7";
const budgets = "--attribute-budget 400 --val-attribute-budget 100 --target-sample-complexity 16";
const steps = [
  `docmnist generate ${budgets} --digits glyphs`,
  `preprocess --data-dir ${dataset} --encoder pixels --dimension 64`,
  `stage1 data_dir=${dataset} epochs=2 batch_size=8 mapping.epsilon=auto`,
];
for (const step of steps) {
  const exitCode = await runVilla(step.split(" "));
  if (exitCode !== 0) process.exit(exitCode); // 1: failed, 2: called wrongly; the reason has been printed
}
