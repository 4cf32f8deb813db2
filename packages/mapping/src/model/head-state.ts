import { EarlyStopping } from "@villa/core";
import type { MappingCounts } from "@villa/metrics";
import { type HeadWeights, initialHead } from "./heads.ts";

/** How good one head is on the validation split. */
export interface HeadValidation {
  /** Its share of the loss, mean over the batches. */
  readonly loss: number;
  /** Its assignments at ε; absent without truth. */
  readonly counts?: MappingCounts | undefined;
}

/** The best epoch of a head by its own validation. */
export interface BestEpoch {
  /** From 1. */
  readonly epoch: number;
  /** Validation loss, or minus F1: lower is better. */
  readonly score: number;
  readonly weights: HeadWeights;
}

/** Everything needed to go on training one head as if it had never stopped. */
export interface HeadState {
  readonly head: number;
  /** Epochs finished. */
  readonly epoch: number;
  /** Optimiser steps taken. */
  readonly steps: number;
  readonly weights: HeadWeights;
  /** AdamW's running means of the gradient and of its square; absent before the first step or when not kept. */
  readonly mean?: HeadWeights | undefined;
  readonly meanSquare?: HeadWeights | undefined;
  /** Mean share of the training loss in each finished epoch. */
  readonly losses: readonly number[];
  /** Judgement after each epoch, where there is a validation split. */
  readonly validation: readonly HeadValidation[];
  /** With early stopping only. */
  readonly best?: BestEpoch | undefined;
}

/** State of a head before its first step. */
export function newHeadState(head: number, options: { readonly dimension: number; readonly seed: number }): HeadState {
  return { head, epoch: 0, steps: 0, weights: initialHead(head, options), losses: [], validation: [] };
}

/** When to stop training a head, and which of its epochs to use. Heads are independent, so each stops for itself. */
export interface EarlyStoppingOptions {
  /** "loss" needs no ground truth; "f1" does. */
  readonly metric: "loss" | "f1";
  /** Epochs without improvement after which a head stops. */
  readonly patience: number;
}

/** A head's early stopping as its state leaves it. */
export function earlyStoppingOf(
  { epoch, best }: { readonly epoch: number; readonly best?: Omit<BestEpoch, "weights"> | undefined },
  { patience }: Pick<EarlyStoppingOptions, "patience">,
): EarlyStopping {
  const stopping = new EarlyStopping(patience);
  if (best) stopping.loadState({ best: best.score, bestEpoch: best.epoch, badEpochs: epoch - best.epoch });
  return stopping;
}

/** What early stopping minimises. */
export function validationScore({ loss, counts }: HeadValidation, { metric }: EarlyStoppingOptions): number {
  if (metric === "loss" || !counts) return loss;
  const pairs = counts.assigned + counts.truth;
  return pairs === 0 ? 0 : (-2 * counts.correct) / pairs;
}
