import { Option } from "commander";

/**
 * One line about masks that were not looked at, or no line where there are none. @param how the setting that uses them
 */
export function unusedMasksNote(count: number, how: string): string[] {
  if (count === 0) return [];
  const whose = count === 1 ? "1 of them has" : `${count} of them have`;
  return [`Regions are their boxes here, though ${whose} a mask; ${how} uses masks, with a vision transformer.`];
}

/**
 * `--regions` of commands that embed regions. Not given, a checkpoint of Stage 2 embeds them as it was trained to, and any
 * other encoder by RoIAlign.
 */
export function regionsOption(about: string): Option {
  return new Option(
    "--regions <how>",
    `${about}: roi-align cuts boxes from the feature map, crop from the picture, mask averages the patches of masks (default: as the checkpoint was trained, else roi-align)`,
  ).choices(["roi-align", "crop", "mask"]);
}

/** `--storage` of commands that open an encoder which is not trained. */
export function storageOption(): Option {
  return new Option(
    "--storage <type>",
    "how the encoder's weights lie on the device: float16 takes half of the memory, on webgpu, and changes features in the fourth digit",
  )
    .choices(["float32", "float16"])
    .default("float32");
}
