import type { Box } from "@villa/data";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { InputFile, OwnImage, Picture } from "../laboratory/protocol.ts";
import { NumberField } from "./fields.tsx";
import { BoxOutline, PictureView } from "./picture-view.tsx";
import { problemOf } from "./problem.ts";

interface OwnImageDialogProps {
  readonly file: InputFile;
  readonly add: (image: OwnImage) => Promise<void>;
  readonly close: () => void;
}

/** Larger pictures are made smaller: regions are resampled to 28 × 28 pixels anyway. */
const longestSide = 1024;
const sides = ["left", "top", "right", "bottom"] as const;

/** Boxes and sentences for a picture: drawn with the pointer, or typed. */
export function OwnImageDialog({ file, add, close }: OwnImageDialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const textId = useId();
  const [pixels, setPixels] = useState<ImageData>();
  const [boxes, setBoxes] = useState<readonly Box[]>([]);
  const [text, setText] = useState("");
  const [problem, setProblem] = useState("");

  useEffect(() => dialog.current?.showModal(), []);
  useEffect(() => {
    decode(file.contents).then(setPixels, () =>
      setProblem(`${file.path} is not a picture that this browser can read.`),
    );
  }, [file]);

  const submit = async (): Promise<void> => {
    if (!pixels) return;
    const { width, height, data } = pixels;
    try {
      const rgba = new Uint8ClampedArray(data);
      await add({ name: file.path, width, height, rgba, boxes, text: text.trim() });
    } catch (error) {
      setProblem(problemOf(error));
    }
  };

  return (
    <dialog ref={dialog} onClose={close} aria-labelledby={`${textId}-title`}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <h2 id={`${textId}-title`}>Boxes for {file.path.split("/").at(-1)}</h2>
        {pixels && <BoxCanvas {...{ pixels, boxes, setBoxes }} />}
        {pixels && (
          <button type="button" onClick={() => setBoxes([...boxes, middle(pixels)])}>
            Add a box
          </button>
        )}
        <ol class="boxes">
          {boxes.map((box, i) => (
            <li key={i}>
              {sides.map((side, k) => (
                <NumberField
                  key={side}
                  label={side}
                  {...{ value: Math.round(box[k]!), min: 0, max: k % 2 ? pixels!.height : pixels!.width }}
                  change={(value) => setBoxes(boxes.map((each, j) => (j === i ? ordered(each.with(k, value)) : each)))}
                />
              ))}
              <button
                type="button"
                aria-label={`Remove box ${i + 1}`}
                onClick={() => setBoxes(boxes.filter((_, j) => j !== i))}
              >
                ×
              </button>
            </li>
          ))}
        </ol>
        <div class="field">
          <label for={textId}>Sentences, if you like, divided by “&nbsp;.&nbsp;”</label>
          <textarea
            id={textId}
            rows={3}
            value={text}
            placeholder="the number is a seven . the color is red"
            onInput={({ currentTarget }) => setText(currentTarget.value)}
          />
        </div>
        <p role="alert" class="problem">
          {problem}
        </p>
        <div class="buttons">
          <button type="submit" class="primary" disabled={boxes.length === 0}>
            Add to the dataset
          </button>
          <button type="button" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
        </div>
      </form>
    </dialog>
  );
}

interface BoxCanvasProps {
  readonly pixels: ImageData;
  readonly boxes: readonly Box[];
  readonly setBoxes: (boxes: readonly Box[]) => void;
}

/** The picture; dragging over it makes a box. */
function BoxCanvas({ pixels, boxes, setBoxes }: BoxCanvasProps) {
  const [drawn, setDrawn] = useState<Box>();
  const { width, height } = pixels;
  const picture: Picture = {
    image: 0,
    split: "own",
    width,
    height,
    boxes,
    text: "",
    attributes: [],
    rgba: pixels.data as Uint8ClampedArray<ArrayBuffer>,
    reduction: 1,
  };
  const at = (event: PointerEvent): [number, number] => {
    const { left, top, width: w, height: h } = (event.currentTarget as Element).getBoundingClientRect();
    const inside = (value: number, size: number): number => Math.round(Math.min(size, Math.max(0, value)));
    return [inside(((event.clientX - left) * width) / w, width), inside(((event.clientY - top) * height) / h, height)];
  };
  const finish = (): void => {
    if (drawn) {
      const box = ordered(drawn);
      // A click without a drag is not a box.
      if (box[2] - box[0] >= 4 && box[3] - box[1] >= 4) setBoxes([...boxes, box]);
    }
    setDrawn(undefined);
  };
  return (
    <div
      class="drawing"
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        const [x, y] = at(event);
        setDrawn([x, y, x, y]);
      }}
      onPointerMove={(event) => {
        const [x, y] = at(event);
        if (drawn) setDrawn([drawn[0], drawn[1], x, y]);
      }}
      onPointerUp={finish}
      onPointerCancel={() => setDrawn(undefined)}
    >
      <PictureView picture={picture} label={`The picture with ${boxes.length} boxes; drag over it to add one.`}>
        {drawn && <BoxOutline box={ordered(drawn)} class="outline chosen" />}
      </PictureView>
    </div>
  );
}

async function decode(file: Blob): Promise<ImageData> {
  const bitmap = await createImageBitmap(file);
  const scale = Math.min(1, longestSide / Math.max(bitmap.width, bitmap.height));
  const [width, height] = [
    Math.max(1, Math.round(bitmap.width * scale)),
    Math.max(1, Math.round(bitmap.height * scale)),
  ];
  const context = new OffscreenCanvas(width, height).getContext("2d")!;
  // Transparency becomes white, as on a page.
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  return context.getImageData(0, 0, width, height);
}

function middle({ width, height }: ImageData): Box {
  return [width / 4, height / 4, (3 * width) / 4, (3 * height) / 4].map(Math.round) as unknown as Box;
}

/** The box with its corners in order. */
function ordered([x0, y0, x1, y1]: readonly number[]): Box {
  return [Math.min(x0!, x1!), Math.min(y0!, y1!), Math.max(x0!, x1!), Math.max(y0!, y1!)];
}
