import type { InputFile } from "../laboratory/protocol.ts";
import { pickedFiles } from "./input-files.ts";

interface FileButtonProps {
  readonly label: string;
  readonly accept?: string | undefined;
  readonly multiple?: boolean | undefined;
  readonly directory?: boolean | undefined;
  readonly disabled: boolean;
  readonly take: (files: readonly InputFile[]) => void;
}

export function FileButton({ label, accept, multiple, directory, disabled, take }: FileButtonProps) {
  return (
    <label class={disabled ? "button disabled" : "button"}>
      {label}
      <input
        accept={accept}
        multiple={multiple}
        disabled={disabled}
        {...{ webkitdirectory: directory }}
        class="unseen"
        type="file"
        onChange={({ currentTarget }) => {
          take(pickedFiles(currentTarget.files));
          // The same file may be chosen again.
          currentTarget.value = "";
        }}
      />
    </label>
  );
}
