import * as tf from "@tensorflow/tfjs-core";
import { checkArgument, isVillaError, throwIfAborted, VillaError } from "@villa/data";
import { EarlyStopping } from "../run/early-stopping.ts";
import { epochBatches, stepsPerEpoch } from "./batches.ts";
import type { EpochResult, TrainOptions, TrainResult } from "./options.ts";
import { Breather, Pace } from "./pace.ts";
import { captureRun, optimizerRule, type RunParts, type RunPosition, restoreRun } from "./state.ts";

/**
 * Trains: for each epoch draw an order, step through it, validate, schedule, save, and stop when it no longer improves.
 * A run that was interrupted and resumed ends exactly where an uninterrupted one does.
 *
 * @throws VillaError `NotFinite` when a training or validation loss is NaN or infinite (nothing is saved then), `Aborted` when the signal fired
 *   (a checkpoint of this very step has been saved), `InvalidArgument` for settings that make no step, `Mismatch` when the
 *   checkpoint to resume from belongs to another run
 */
export async function trainLoop(options: TrainOptions): Promise<TrainResult> {
  checkArgument("options", options, {
    examples: "number",
    batchSize: "count",
    epochs: "count",
    "dropLast?": "boolean",
    "shuffle?": "boolean",
    "stepsPerEpoch?": "number",
    random: { getState: "function", setState: "function" },
    optimizer: optimizerRule,
    variables: "Map",
    step: "function",
    "validate?": "function",
    "scheduler?": { "beforeStep?": "function", "step?": "function", "state?": "function", "loadState?": "function" },
    "patience?": "number",
    "checkpoints?": { saveLast: "function", markBest: "function", loadLast: "function" },
    "checkpointEverySteps?": "number",
    "resume?": "boolean",
    "extra?": "object",
    "metrics?": { write: "function", "rewind?": "function" },
    "onProgress?": "function",
    "signal?": "object",
  });

  const { optimizer, random, epochs, scheduler, checkpoints, metrics, signal } = options;
  const perEpoch = stepsPerEpoch(options);
  const stopping = new EarlyStopping(options.patience);
  const parts: RunParts = { variables: options.variables, optimizer, scheduler, stopping, random };
  const start = options.resume ? await resume(options, parts) : undefined;
  if (start && start.step > perEpoch) throw otherRun(start.step, perEpoch);
  await metrics?.rewind?.(start?.epoch ?? 0);

  const history: EpochResult[] = [];
  const pace = new Pace();
  const breather = new Breather();
  let stoppedEarly = start?.stoppedEarly ?? false;

  for (let finished = start?.epoch ?? 0; finished < epochs && !stoppedEarly; finished++) {
    const epoch = finished + 1;
    const interrupted = finished === start?.epoch ? start : undefined;
    const epochRandom = interrupted?.epochRandom ?? random.getState();
    const batches = drawBatches(options, interrupted);
    let lossSum = interrupted?.lossSum ?? 0;
    const save = (step: number) =>
      saveLast(options, parts, { epoch: finished, step, lossSum, epochRandom, stoppedEarly });

    for (let step = interrupted?.step ?? 0; step < perEpoch; step++) {
      if (signal?.aborted) {
        await save(step);
        throwIfAborted(signal, "Training was stopped; the same run goes on from here.");
      }
      scheduler?.beforeStep?.(finished * perEpoch + step);
      const { loss, gradients } = await options.step(batches[step]!, { epoch, step });
      requireFinite(loss, gradients, epoch, step);
      optimizer.step(gradients);
      tf.dispose(gradients);
      lossSum += loss;

      pace.count(batches[step]!.length);
      const done = finished * perEpoch + step + 1;
      const figures = { loss, learningRate: optimizer.learningRate, rate: pace.rate };
      const secondsLeft = pace.secondsLeft(epochs * perEpoch - done);
      const task = `epoch ${epoch} of ${epochs}`;
      options.onProgress?.({
        task,
        done: step + 1,
        total: perEpoch,
        unit: "steps",
        metrics: { ...figures, secondsLeft },
      });
      const { checkpointEverySteps: every = 0 } = options;
      if (every > 0 && done % every === 0 && step + 1 < perEpoch) await save(step + 1);
      await breather.breathe();
    }

    const loss = lossSum / perEpoch;
    const validationLoss = await validated(options, epoch, () => save(perEpoch));
    const improved = stopping.step(validationLoss ?? loss, epoch);
    scheduler?.step?.(validationLoss ?? loss);
    stoppedEarly = stopping.stopped;
    const learningRate = optimizer.learningRate;
    const result = { epoch, loss, learningRate, improved, validationLoss };
    history.push(result);
    await metrics?.write({ kind: "epoch", step: epoch * perEpoch, rate: pace.rate, ...result });
    const next = { epoch, step: 0, lossSum: 0, epochRandom: random.getState(), stoppedEarly };
    await saveLast(options, parts, next);
    if (improved) await checkpoints?.markBest();
  }
  const { best, bestEpoch } = stopping.state();
  return { history, bestEpoch, bestLoss: best, stoppedEarly };
}

/** Puts the run back to the store's latest checkpoint, if it has one. */
async function resume({ checkpoints }: TrainOptions, parts: RunParts): Promise<RunPosition | undefined> {
  const checkpoint = await checkpoints?.loadLast();
  if (!checkpoint) return undefined;
  restoreRun(parts, checkpoint);
  const { epoch, step, stopping } = checkpoint.position;
  // The process may have died between saving an epoch that improved and marking it as the best.
  if (step === 0 && stopping.bestEpoch === epoch) await checkpoints?.markBest();
  return checkpoint.position;
}

/** The epoch's batches. In an interrupted epoch they are drawn again from the generator's state at its beginning. */
function drawBatches(options: TrainOptions, interrupted: RunPosition | undefined): Int32Array[] {
  if (!interrupted) return epochBatches(options);
  options.random.setState(interrupted.epochRandom);
  const batches = epochBatches(options);
  if (interrupted.step > 0) options.random.setState(interrupted.random); // steps may have drawn more than the order
  return batches;
}

/** Validation loss; when validation is cancelled the finished steps are saved first. */
async function validated(options: TrainOptions, epoch: number, save: () => Promise<void>): Promise<number | undefined> {
  try {
    const loss = await options.validate?.(epoch);
    if (loss === undefined || Number.isFinite(loss)) return loss;
  } catch (error) {
    if (isVillaError(error, "Aborted")) await save();
    throw error;
  }
  const advice = "lower the learning rate or check the validation data";
  throw new VillaError("NotFinite", `The validation loss after epoch ${epoch} is not finite; ${advice}.`);
}

async function saveLast(
  { checkpoints, extra }: TrainOptions,
  parts: RunParts,
  at: Parameters<typeof captureRun>[1],
): Promise<void> {
  if (checkpoints) await checkpoints.saveLast(await captureRun(parts, at, { extra }));
}

function requireFinite(loss: number, gradients: Record<string, tf.Tensor>, epoch: number, step: number): void {
  if (Number.isFinite(loss)) return;
  tf.dispose(gradients);
  const where = `step ${step + 1} of epoch ${epoch}`;
  throw new VillaError("NotFinite", `The loss became ${loss} in ${where}; lower the learning rate or check the data.`);
}

function otherRun(step: number, perEpoch: number): VillaError {
  const found = `The checkpoint is at step ${step} of an epoch, but this run's epochs have ${perEpoch} steps`;
  return new VillaError("Mismatch", `${found}; resume with the data and batch size it was made with.`);
}
