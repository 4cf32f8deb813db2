import shipped from "../model/default.safetensors?url";
import { type KeptModel, parseModel } from "./model-file.ts";

/** The model that comes with the page; `scripts/default-model.ts` makes it. */
export async function shippedModel(): Promise<KeptModel> {
  const response = await fetch(shipped);
  return parseModel(new Uint8Array(await response.arrayBuffer()));
}
