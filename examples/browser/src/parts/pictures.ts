import { useEffect, useState } from "preact/hooks";
import type { RemoteLaboratory } from "../laboratory/connect.ts";
import type { Picture } from "../laboratory/protocol.ts";

/** Several pages' worth: large pictures take 4 MB each. */
const mostKept = 100;

/** Pictures of one dataset that the page has asked for; the newest are kept. */
export class PictureStore {
  readonly #laboratory: RemoteLaboratory;
  readonly #report: (problem: string) => void;
  readonly #known = new Map<number, Promise<Picture | undefined>>();

  /** @param report told of pictures that cannot be read */
  constructor(laboratory: RemoteLaboratory, report: (problem: string) => void) {
    this.#laboratory = laboratory;
    this.#report = report;
  }

  get(images: readonly number[]): Promise<(Picture | undefined)[]> {
    const missing = images.filter((image) => !this.#known.has(image));
    if (missing.length > 0) {
      const loading = this.#load(missing);
      for (const image of missing) {
        this.#known.set(
          image,
          loading.then((all) => all.find((picture) => picture.image === image)),
        );
      }
    }
    const wanted = images.map((image) => this.#known.get(image)!);
    for (const image of [...this.#known.keys()].slice(0, -mostKept)) this.#known.delete(image);
    return Promise.all(wanted);
  }

  async #load(images: readonly number[]): Promise<readonly Picture[]> {
    const { pictures, problem } = await this.#laboratory.pictures(images);
    if (problem) this.#report(problem);
    return pictures;
  }
}

/** Pictures in the order asked for; the former ones stay until the new ones are there. */
export function usePictures(store: PictureStore, images: readonly number[]): readonly Picture[] {
  const [pictures, setPictures] = useState<readonly Picture[]>([]);
  const key = images.join();
  useEffect(() => {
    let current = true;
    store.get(images).then(
      (found) => current && setPictures(found.filter((picture) => picture !== undefined)),
      () => current && setPictures([]),
    );
    return () => {
      current = false;
    };
  }, [store, key]);
  return pictures;
}
