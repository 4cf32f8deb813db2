import type { EncoderTrial } from "../laboratory/protocol.ts";
import { FileButton } from "./file-button.tsx";
import { duration } from "./numbers.ts";
import { Panel } from "./panel.tsx";
import type { OwnEncoder } from "./use-encoder.ts";

interface EncoderPanelProps {
  readonly encoder: OwnEncoder;
  /** A training is running. */
  readonly running: boolean;
}

/** Weights of the visitor's own: what embeds regions and sentences. */
export function EncoderPanel({ encoder, running }: EncoderPanelProps) {
  const { state, take, forget } = encoder;
  const disabled = running || state.busy !== undefined;
  return (
    <Panel
      id="encoder"
      title="Bring your own encoder"
      folded="Weights such as CLIP’s"
      isNeeded={state.busy !== undefined || state.summary !== undefined || state.problem !== undefined}
      controls={
        <>
          <div class="buttons column">
            <FileButton
              label="Choose weights"
              accept=".pt,.pth,.bin,.safetensors,.onnx,.onnx_data,.json,.txt"
              multiple
              {...{ disabled, take }}
            />
            <FileButton label="Choose a model’s folder" directory {...{ disabled, take }} />
            {state.summary && (
              <button type="button" disabled={disabled} onClick={forget}>
                Forget it
              </button>
            )}
          </div>
          <p class="soft">Or drop them anywhere on this page. Weights stay on this computer.</p>
        </>
      }
    >
      <p>
        An <dfn>encoder</dfn> turns a region, and a sentence, into a vector: the <dfn>embeddings</dfn> that the mapping
        model compares. This page comes with a stand-in, a fixed random projection of pixels, and learns all else from
        the sentences. A real one, such as CLIP, knows images and words already, photographs too.
      </p>
      <p class="soft">
        The page reads OpenAI’s <code>RN50.pt</code>, safetensors of CLIP, and folders of CLIP, SigLIP or DINOv2 as
        Hugging Face or OpenCLIP lay them out (<code>config.json</code>, <code>model.safetensors</code>,{" "}
        <code>tokenizer.json</code>), or transformers.js with ONNX models (<code>onnx/vision_model.onnx</code>,{" "}
        <code>onnx/text_model.onnx</code>), which ONNX Runtime computes in this page.
      </p>
      <div role="status" data-test="encoder">
        {state.busy === "reading" && <p>Reading the files.</p>}
        {state.summary && (
          <p>
            <b>{state.summary.family}</b>, {state.summary.file}, {size(state.summary.megabytes)}. Sentences are embedded
            by {state.summary.hasText ? "its own text encoder" : "hashed words: the files have no text encoder"}.
          </p>
        )}
        {state.busy === "trying" && <p>Loading it, and embedding one image to tell how long all of them take.</p>}
        {state.trial && <p>{timeFor(state.trial)} The next training uses it: press “Train” above, then map and ask.</p>}
      </div>
      {state.problem && (
        <p role="alert" class="problem">
          {state.problem}
        </p>
      )}
    </Panel>
  );
}

function size(megabytes: number): string {
  return megabytes < 1 ? `${(1000 * megabytes).toFixed(0)} kB` : `${megabytes.toFixed(0)} MB`;
}

function timeFor({ dimension, loadSeconds, secondsPerImage, images, crops, canKeep, kept }: EncoderTrial): string {
  const cut = crops
    ? " It gives one vector of an image and none of its parts, so each region is cut out and embedded as an image of its own, which takes longer."
    : "";
  const vectors = `Vectors of ${dimension} numbers.${cut}`;
  if (kept) return `${vectors} The embeddings of these data are kept from before: nothing has to be computed.`;
  const all = `${images} image${images === 1 ? "" : "s"}`;
  const time = `It loads in ${duration(loadSeconds)}; the ${all} of these data take about ${duration(images * secondsPerImage)}`;
  return canKeep
    ? `${vectors} ${time}, once: their embeddings are kept in this browser.`
    : `${vectors} ${time}, in every training: this browser lets the page keep no files (some do not in private windows), so the embeddings are not kept.`;
}
