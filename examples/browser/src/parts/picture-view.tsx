import type { Box } from "@villa/data";
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { Picture } from "../laboratory/protocol.ts";

interface PictureViewProps {
  readonly picture: Picture;
  /** What a reader who does not see it is told. */
  readonly label: string;
  /** Show this region only. */
  readonly crop?: Box | undefined;
  /** How regions are drawn. */
  readonly boxes?: "none" | "outlines" | "numbers" | undefined;
  /** SVG in pixels of the image, drawn over it. */
  readonly children?: ComponentChildren | undefined;
}

/** An image with its regions, as large as its container. */
export function PictureView({ picture, label, crop, boxes = "outlines", children }: PictureViewProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { reduction } = picture;
  const [x0, y0, x1, y1] = crop ?? [0, 0, picture.width, picture.height];
  const [width, height] = [Math.max(1, Math.round(x1 - x0)), Math.max(1, Math.round(y1 - y0))];
  useLayoutEffect(() => {
    const context = canvas.current?.getContext("2d");
    const pixels = new ImageData(picture.rgba, Math.ceil(picture.width / reduction));
    context?.putImageData(pixels, -Math.round(x0 / reduction), -Math.round(y0 / reduction));
  }, [picture, x0, y0]);
  return (
    <div class="picture" role="img" aria-label={label}>
      <canvas
        ref={canvas}
        width={Math.ceil(width / reduction)}
        height={Math.ceil(height / reduction)}
        class={width <= 256 ? "pixels" : ""}
      />
      {/* Letters are as large on every image, whatever its pixels. */}
      <svg viewBox={`${x0} ${y0} ${width} ${height}`} aria-hidden="true" style={{ fontSize: `${width * 0.045}px` }}>
        {boxes === "outlines" && picture.boxes.map((box) => <BoxOutline key={box.join()} box={box} />)}
        {boxes === "numbers" &&
          picture.boxes.map((box, region) => (
            <RegionMark key={box.join()} {...{ box, region }} side={Math.max(picture.width, picture.height)} />
          ))}
        {children}
      </svg>
    </div>
  );
}

export function BoxOutline({
  box: [x0, y0, x1, y1],
  ...rest
}: {
  readonly box: Box;
  readonly class?: string | undefined;
}) {
  return (
    <rect
      class="outline"
      x={x0 + 0.5}
      y={y0 + 0.5}
      width={Math.max(0, x1 - x0 - 1)}
      height={Math.max(0, y1 - y0 - 1)}
      {...rest}
    />
  );
}

/** Colours of regions in the style sheet, as in the reports: `.region0` … */
const regionColors = 6;

/** A region's box with its number, small enough for the margin that digits have. Drawn in pixels of the image. */
export function RegionMark({
  box: [x0, y0, x1, y1],
  region,
  side,
  hasBox = true,
}: {
  readonly box: Box;
  readonly region: number;
  /** Of the picture: numbers are as large on every image, whatever its pixels. */
  readonly side: number;
  readonly hasBox?: boolean | undefined;
}) {
  const size = side / 22;
  const label = String(region + 1);
  const width = size * (0.45 + 0.62 * label.length);
  return (
    <g class={`mark region${region % regionColors}`}>
      {hasBox && <rect class="edge" x={x0} y={y0} width={x1 - x0} height={y1 - y0} />}
      <rect class="label" x={x0} y={y0} {...{ width }} height={1.15 * size} />
      <text x={x0 + width / 2} y={y0 + 0.93 * size} font-size={size}>
        {label}
      </text>
    </g>
  );
}

/** The image in words: its number and what its regions are. */
export function describePicture({ image, truth, boxes }: Picture): string {
  const regions = truth ? truth.map((attributes) => attributes.join(" ")).join("; ") : `${boxes.length} regions`;
  return `Image ${image}: ${regions}`;
}
