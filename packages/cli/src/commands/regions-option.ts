import { Option } from "commander";

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
