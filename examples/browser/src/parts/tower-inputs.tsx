import type { Box } from "@villa/data";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { Picture } from "../laboratory/protocol.ts";
import { storySentences } from "../story/sentences.ts";
import { type MapPanelProps, useMapping } from "./map-panel.tsx";
import { usePictures } from "./pictures.ts";

/** Pixels across and down that a tower sees. */
const side = 32;
/** More would push the chart out of sight. */
const regionsShown = 6;

/** What each kind of tower gets of the selected image: as few pixels for all of it as for one region. */
export function TowerInputs({
  laboratory,
  training,
  pictures,
  image,
  epsilon,
}: Pick<MapPanelProps, "laboratory" | "training" | "pictures" | "image" | "epsilon">) {
  const [picture] = usePictures(pictures, [image]);
  const mapping = useMapping({ laboratory, training, image, epsilon });
  if (!picture) return null;
  const whole: Box = [0, 0, picture.width, picture.height];
  const regions = picture.boxes.slice(0, regionsShown);
  return (
    <div class="inputs">
      <p class="soft">What each of them sees of image {image}, and the words that come with it:</p>
      <figure>
        <figcaption class="whole">whole images</figcaption>
        <div class="pairs">
          <TowerPair
            {...{ picture, box: whole, label: `Image ${image} as a tower sees it` }}
            texts={storySentences(picture).map(({ sentence, attribute }) => attribute ?? sentence)}
          />
        </div>
      </figure>
      <figure>
        <figcaption class="mapped">mapped regions</figcaption>
        <div class="pairs">
          {regions.map((box, region) => (
            <TowerPair
              key={box.join()}
              {...{ picture, box, label: `Region ${region + 1} as a tower sees it` }}
              texts={mapping?.assigned[region] ?? []}
            />
          ))}
        </div>
      </figure>
    </div>
  );
}

function TowerPair({
  picture,
  box,
  label,
  texts,
}: {
  readonly picture: Picture;
  readonly box: Box;
  readonly label: string;
  readonly texts: readonly string[];
}) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => drawShrunk(canvas.current!, picture, box), [picture, box]);
  return (
    <div>
      <canvas ref={canvas} role="img" aria-label={label} width={side} height={side} />
      <p class="soft">{texts.join(", ")}</p>
    </div>
  );
}

function drawShrunk(canvas: HTMLCanvasElement, { rgba, width, reduction }: Picture, box: Box): void {
  const columns = Math.ceil(width / reduction);
  const source = Object.assign(document.createElement("canvas"), { width: columns, height: rgba.length / 4 / columns });
  source.getContext("2d")!.putImageData(new ImageData(rgba, columns), 0, 0);
  const [x0, y0, x1, y1] = box.map((edge) => edge / reduction) as unknown as Box;
  const context = canvas.getContext("2d")!;
  // Pixels are averaged, as for the tower, rather than left out.
  context.imageSmoothingQuality = "high";
  context.drawImage(source, x0, y0, x1 - x0, y1 - y0, 0, 0, side, side);
}
