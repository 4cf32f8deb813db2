import { useEffect, useState } from "preact/hooks";
import type { RemoteLaboratory } from "../laboratory/connect.ts";
import type { Picture } from "../laboratory/protocol.ts";

/** Pictures of one dataset that the page has asked for. */
export class PictureStore {
  readonly #laboratory: RemoteLaboratory;
  readonly #known = new Map<number, Promise<Picture | undefined>>();

  constructor(laboratory: RemoteLaboratory) {
    this.#laboratory = laboratory;
  }

  get(images: readonly number[]): Promise<(Picture | undefined)[]> {
    const missing = images.filter((image) => !this.#known.has(image));
    if (missing.length > 0) {
      const loading = this.#laboratory.pictures(missing);
      for (const image of missing) {
        this.#known.set(
          image,
          loading.then((all) => all.find((picture) => picture.image === image)),
        );
      }
    }
    return Promise.all(images.map((image) => this.#known.get(image)!));
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
