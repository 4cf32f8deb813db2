import type { EvaluationTask } from "./task.ts";

/** A task is its file and a line here. */
export const tasks: readonly EvaluationTask[] = [
  {
    name: "detection",
    about: "COCO's twelve numbers: of a model that scores proposals, or of any detector's results",
    run: async (flags, context) =>
      flags.truth !== undefined || flags.detections !== undefined
        ? (await import("./detection-files.ts")).detectionFiles(flags)
        : (await import("./detection-model.ts")).detectionModel(flags, context),
  },
  {
    name: "classification",
    about: "zero-shot classes of boxes or of images: top-1, top-5, mean per class, AUROC",
    run: async (flags, context) => (await import("./classification.ts")).classification(flags, context),
  },
  {
    name: "fine-grained",
    about: "the true description among ones with an attribute swapped",
    run: async (flags, context) => (await import("./fine-grained.ts")).fineGrained(flags, context),
  },
  {
    name: "grounding",
    about: "where a phrase is: recall, mean IoU, pointing game, contrast to noise",
    run: async (flags, context) => (await import("./grounding.ts")).grounding(flags, context),
  },
  {
    name: "retrieval",
    about: "regions ↔ attributes (R-Precision, Precision@k, Recall@k), images ↔ texts (Recall@k)",
    run: async (flags, context) => (await import("./retrieval.ts")).retrieval(flags, context),
  },
];
