import { html, type Markup } from "@villa/command-kit";

export { asProse, html, Markup, selfContainedPage, trusted } from "@villa/command-kit";

/** A table with a head; columns of words to the left, of numbers to the right. Keys reach it, to scroll it on a phone. */
export function dataTable(head: readonly string[], rows: readonly (readonly (string | number | Markup)[])[]): Markup {
  const side = head.map((_, column) => (column > 0 && rows.every((row) => isNumeric(row[column])) ? "" : "text"));
  return html`<div class="scroll" tabindex="0"><table><thead><tr>${head.map((cell, i) => (cell === "" ? html`<td></td>` : html`<th scope="col" class="${side[i]!}">${cell}</th>`))}</tr></thead>
<tbody>${rows.map((row) => html`<tr>${row.map((cell, i) => (i === 0 ? html`<th scope="row">${cell}</th>` : html`<td class="${side[i]!}">${cell}</td>`))}</tr>`)}</tbody></table></div>`;
}

const isNumeric = (cell: string | number | Markup | undefined): boolean =>
  typeof cell === "number" || (typeof cell === "string" && /^[-+−\d.,%±\s–]*$/.test(cell));

/** "2026-11-24T03:45:10.123Z" → "2026-11-24 03:45" */
export function minute(time: string): string {
  return time.slice(0, 16).replace("T", " ");
}
