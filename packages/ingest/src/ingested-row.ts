import type { ImageAnnotation } from "@villa/data";
import type { ProposalRecall } from "./regions.ts";

interface Size {
  readonly width: number;
  readonly height: number;
}

/** An image as the dataset holds it. */
export interface StoredImage {
  /** What boxes count in. */
  readonly source: Size;
  readonly stored: Size;
  /** Relative to the dataset. */
  readonly path: string;
  /** Of DICOM: tells patients apart without naming them. */
  readonly patient?: string | undefined;
  /** Of DICOM: millimetres between rows and between columns of the picture before scaling. */
  readonly spacing?: readonly [row: number, column: number] | undefined;
}

/** A row that became an image of the dataset. */
export interface IngestedRow {
  readonly annotation: ImageAnnotation;
  /** Path as the table has it. */
  readonly source: string;
  readonly id?: string | undefined;
  readonly group?: string | undefined;
  /** Millimetres between rows and between columns of the stored picture, where its file says so. */
  readonly spacing?: readonly [row: number, column: number] | undefined;
  /** Of proposals against the boxes that the row has. */
  readonly recall?: ProposalRecall | undefined;
}

/** A row that cannot become one. */
export interface RowProblem {
  /** Counted from 0. */
  readonly row: number;
  readonly image?: string | undefined;
  /** A clause such as "its text is empty". */
  readonly problem: string;
  /** Set where only a box is left out, and the row is an image all the same. */
  readonly boxOnly?: true | undefined;
}

/** Some rows of a table, and what is wrong with others. */
export interface IngestedPart {
  readonly rows: readonly IngestedRow[];
  readonly problems: readonly RowProblem[];
}
