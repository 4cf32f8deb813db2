import type { EvaluationTask, TaskFlag } from "./task.ts";

/** What every model needs. */
const model: readonly TaskFlag[] = ["dataDir", "checkpoint", "split", "weights", "regions"];

/** A task is its file and an entry here. */
export const tasks: readonly EvaluationTask[] = [
  {
    name: "detection",
    about: "COCO's twelve numbers or LVIS's thirteen: of a model that scores proposals, or of any detector's results",
    flags: ({ detections, truth }) => {
      const judged: readonly TaskFlag[] = ["truth", "protocol", "novel", "iouType"];
      if (detections !== undefined) return [...judged, "detections", "images", "unknownCategories"];
      const own: readonly TaskFlag[] = [...model, ...judged, "templates", "proposals", "nms", "temperature"];
      return truth === undefined ? [...own, "classes"] : own; // of the annotation file's categories
    },
    run: async (flags, context) =>
      flags.detections !== undefined
        ? (await import("./detection-files.ts")).detectionFiles(flags)
        : (await import("./detection-model.ts")).detectionModel(flags, context),
  },
  {
    name: "classification",
    about: "zero-shot classes of boxes or of images: top-1, top-5, mean per class, AUROC",
    flags: () => [...model, "classes", "templates", "of", "samples"],
    run: async (flags, context) => (await import("./classification.ts")).classification(flags, context),
  },
  {
    name: "fine-grained",
    about: "the true description among ones with an attribute swapped",
    flags: () => [...model, "negatives"],
    run: async (flags, context) => (await import("./fine-grained.ts")).fineGrained(flags, context),
  },
  {
    name: "grounding",
    about: "where a phrase is: recall, mean IoU, pointing game, contrast to noise",
    flags: () => [...model, "classes", "templates", "proposals"],
    run: async (flags, context) => (await import("./grounding.ts")).grounding(flags, context),
  },
  {
    name: "retrieval",
    about: "regions ↔ attributes (R-Precision, Precision@k, Recall@k), images ↔ texts (Recall@k)",
    flags: ({ checkpoint }) =>
      checkpoint === "embeddings" ? model.filter((name) => name !== "regions") : [...model, "shard", "merge"],
    run: async (flags, context) => (await import("./retrieval.ts")).retrieval(flags, context),
  },
];
