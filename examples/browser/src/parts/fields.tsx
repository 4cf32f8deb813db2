import type { ComponentProps } from "preact";
import { useId, useState } from "preact/hooks";

interface SliderProps {
  readonly label: string;
  readonly value: number;
  readonly min: number;
  readonly max: number;
  readonly step: number;
  readonly disabled?: boolean | undefined;
  readonly hint?: string | undefined;
  readonly format?: ((value: number) => string) | undefined;
  readonly change: (value: number) => void;
}

export function Slider({ label, value, min, max, step, disabled, hint, format = String, change }: SliderProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>
        {label} <output for={id}>{format(value)}</output>
      </label>
      <input
        {...{ id, min, max, step, value, disabled }}
        type="range"
        aria-describedby={hint ? `${id}-hint` : undefined}
        onInput={({ currentTarget }) => change(currentTarget.valueAsNumber)}
      />
      {hint && (
        <small id={`${id}-hint`} class="soft">
          {hint}
        </small>
      )}
    </div>
  );
}

type ButtonProps = ComponentProps<"button"> & { readonly disabled: boolean };

/** A button that keeps the keyboard's focus while it is off: what starts some work is off until the work is done. */
export function Button({ disabled, onClick, type = "button", ...rest }: ButtonProps) {
  return (
    <button
      {...rest}
      type={type}
      aria-disabled={disabled}
      onClick={(event) => {
        if (disabled) event.preventDefault();
        else onClick?.(event);
      }}
    />
  );
}

interface NumberFieldProps {
  readonly label: string;
  readonly value: number;
  readonly min: number;
  readonly max: number;
  readonly step?: number | undefined;
  readonly disabled?: boolean | undefined;
  readonly hint?: string | undefined;
  readonly change: (value: number) => void;
}

/** A whole number. What does not fit stays in the field, with a sentence about it, and is not used. */
export function NumberField({ label, value, min, max, step = 1, disabled, hint, change }: NumberFieldProps) {
  const id = useId();
  // What is being typed survives a new drawing of the page.
  const [draft, setDraft] = useState<string>();
  const [isInvalid, setInvalid] = useState(false);
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        {...{ id, min, max, step, disabled }}
        value={draft ?? value}
        type="number"
        inputMode="numeric"
        aria-invalid={isInvalid}
        aria-describedby={hint ? `${id}-hint ${id}-invalid` : `${id}-invalid`}
        onInput={({ currentTarget }) => setDraft(currentTarget.value)}
        onChange={({ currentTarget }) => {
          const given = currentTarget.valueAsNumber;
          const fits = Number.isInteger(given) && given >= min && given <= max;
          setInvalid(!fits);
          if (!fits) return;
          setDraft(undefined);
          change(given);
        }}
      />
      {hint && (
        <small id={`${id}-hint`} class="soft">
          {hint}
        </small>
      )}
      <small id={`${id}-invalid`} class="invalid" role="status">
        {isInvalid && `${label}: a whole number from ${min} to ${max.toLocaleString("en")}.`}
      </small>
    </div>
  );
}

interface SelectProps<T extends string | number> {
  readonly label: string;
  readonly value: T;
  readonly options: readonly T[];
  readonly disabled?: boolean | undefined;
  readonly change: (value: T) => void;
}

export function Select<T extends string | number>({ label, value, options, disabled, change }: SelectProps<T>) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select
        {...{ id, disabled }}
        value={String(value)}
        onChange={({ currentTarget }) => change(options[currentTarget.selectedIndex]!)}
      >
        {options.map((option) => (
          <option key={option} value={String(option)}>
            {option}
          </option>
        ))}
      </select>
    </div>
  );
}

interface ChoicesProps {
  readonly legend: string;
  readonly options: readonly string[];
  readonly chosen: readonly string[];
  readonly disabled?: boolean | undefined;
  /** Colour of an option's dot. */
  readonly dot?: ((option: string) => string | undefined) | undefined;
  readonly change: (chosen: string[]) => void;
}

/** Check boxes of which one at least stays checked. */
export function Choices({ legend, options, chosen, disabled, dot, change }: ChoicesProps) {
  return (
    <fieldset class="field chips" disabled={disabled}>
      <legend>{legend}</legend>
      {options.map((option) => (
        <label key={option} class="chip">
          <input
            type="checkbox"
            checked={chosen.includes(option)}
            onChange={({ currentTarget }) => {
              const next = options.filter((each) => (each === option ? currentTarget.checked : chosen.includes(each)));
              currentTarget.checked = next.length === 0 || next.includes(option);
              if (next.length > 0) change(next);
            }}
          />
          {dot?.(option) && <i class="dot" style={{ background: dot(option) }} />}
          {option}
        </label>
      ))}
    </fieldset>
  );
}

interface RadioChipsProps {
  readonly legend: string;
  readonly options: readonly string[];
  readonly chosen: string;
  readonly change: (chosen: string) => void;
}

export function RadioChips({ legend, options, chosen, change }: RadioChipsProps) {
  const name = useId();
  return (
    <fieldset class="field chips">
      <legend>{legend}</legend>
      {options.map((option) => (
        <label key={option} class="chip">
          <input {...{ name }} type="radio" checked={option === chosen} onChange={() => change(option)} />
          {option}
        </label>
      ))}
    </fieldset>
  );
}
