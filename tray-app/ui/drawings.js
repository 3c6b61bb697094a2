// Drawings: the shapes of the states, and the few signs of the window.

import { html, svg } from "./lit-html/lit-html.js";
import { SHAPES, TONES } from "./shapes.js";

const SIGNS = {
  gear: svg`<path fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round" d="M2.5 5h6M12 5h1.5M2.5 11H4M7.5 11h6M10.2 3.3a1.7 1.7 0 1 1 0 3.4 1.7 1.7 0 0 1 0-3.4ZM5.7 9.3a1.7 1.7 0 1 1 0 3.4 1.7 1.7 0 0 1 0-3.4Z"/>`,
  open: svg`<path fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round" d="M6.5 3.5h-3v9h9v-3M9 3h4v4M13 3 7.5 8.5"/>`,
  left: svg`<path fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round" d="M9.5 4.5 6 8l3.5 3.5"/>`,
};

/** A state's shape, or a sign. It says nothing that does not stand beside it in words. */
export function icon(name, large = false) {
  if (name === "logo") {
    return html`<svg class="sign" viewBox="0 0 22 22" aria-hidden="true"><circle cx="11" cy="11" r="8.4" fill="none" stroke="currentColor" stroke-width="2.2" stroke-dasharray="40 12.8" stroke-dashoffset="-4" stroke-linecap="round"></circle><circle cx="17.6" cy="5.6" r="2.6" fill="currentColor"></circle><rect x="7.6" y="7.9" width="6.8" height="5" rx="1" fill="currentColor"></rect><rect x="9.2" y="13.8" width="3.6" height="1.3" rx=".6" fill="currentColor"></rect></svg>`;
  }
  if (SIGNS[name]) return html`<svg class="sign" viewBox="0 0 16 16" aria-hidden="true">${SIGNS[name]}</svg>`;
  const shape = SHAPES[name] ?? SHAPES.unknown;
  const path = shape.line
    ? svg`<path fill="none" stroke="currentColor" stroke-width=${shape.line} stroke-linecap="round" d=${shape.d}/>`
    : svg`<path fill="currentColor" fill-rule="evenodd" d=${shape.d}/>`;
  return html`<svg class="shape ${large ? "large" : ""}" viewBox="0 0 16 16" aria-hidden="true">${path}</svg>`;
}

export function tone(state) {
  return TONES[state] ?? "off";
}
