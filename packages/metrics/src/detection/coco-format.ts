/** An image of a COCO file. */
export interface CocoImage {
  readonly id: number;
  /** In pixels. Masks need both, boxes do without. */
  readonly width?: number | undefined;
  readonly height?: number | undefined;
  readonly file_name?: string | undefined;
  /** LVIS: where the image is from; its last part is the file's name. */
  readonly coco_url?: string | undefined;
  /** LVIS: categories that are known to be absent. */
  readonly neg_category_ids?: readonly number[] | undefined;
  /** LVIS: categories of which not every object is annotated. */
  readonly not_exhaustive_category_ids?: readonly number[] | undefined;
}

/** A category of a COCO file. */
export interface CocoCategory {
  readonly id: number;
  readonly name?: string | undefined;
  /** LVIS: in how many training images it is: rare (1–10), common (11–100), frequent. */
  readonly frequency?: "r" | "c" | "f" | undefined;
}

/** A box: x, y of the upper left corner, width, height, in pixels. */
export type CocoBox = readonly number[];

/** A mask: polygons (x, y, x, y, …), or run lengths, plain or as COCO's compressed text. */
export type CocoSegmentation =
  | readonly (readonly number[])[]
  | { readonly size: readonly number[]; readonly counts: string | readonly number[] };

/** A true object. */
export interface CocoAnnotation {
  readonly id: number;
  readonly image_id: number;
  readonly category_id: number;
  readonly bbox?: CocoBox | undefined;
  readonly segmentation?: CocoSegmentation | undefined;
  /** In square pixels; decides whether the object is small, medium or large. Computed where it is missing. */
  readonly area?: number | undefined;
  /** 1 for a crowd: a region of objects that are not told apart. Detections in it are neither right nor wrong. */
  readonly iscrowd?: 0 | 1 | boolean | undefined;
  /** LVIS: 1 where the object does not count. COCO's evaluation overrides it with `iscrowd`, as pycocotools does. */
  readonly ignore?: 0 | 1 | boolean | undefined;
}

/** The truth: a COCO or LVIS annotation file. */
export interface CocoDataset {
  readonly images: readonly CocoImage[];
  readonly annotations: readonly CocoAnnotation[];
  readonly categories: readonly CocoCategory[];
}

/** A detection: an entry of a COCO results file. */
export interface CocoDetection {
  readonly image_id: number;
  readonly category_id: number;
  readonly score: number;
  readonly bbox?: CocoBox | undefined;
  readonly segmentation?: CocoSegmentation | undefined;
}

/** What is compared: boxes or masks. */
export type IouType = "bbox" | "segm";

/** Something that is probably not meant, though numbers can be computed. */
export interface DetectionWarning {
  readonly code:
    | "BoxesLeaveImages"
    | "NoDetections"
    | "AnnotationIdZero"
    | "AreasComputed"
    | "UnknownCategories"
    | "NegativeSizes";
  /** One sentence: what is odd, and what to do. */
  readonly message: string;
}
