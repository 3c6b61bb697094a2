// What is reserved today.

import { html, nothing } from "./lit-html/lit-html.js";
import { repeat } from "./lit-html/directives/repeat.js";
import { icon, tone } from "./drawings.js";

export function upcoming(app, shown) {
  return html`
    <h1 class="summary" tabindex="-1">${app.say("upcoming")}</h1>
    ${shown?.empty ? html`<p class="muted empty">${shown.empty}</p>` : nothing}
    <ul class="stations">
      ${repeat(shown?.rows ?? [], (row) => row.id, (row, index) => html`<li>
        <button class="station ${tone(row.state)}" data-row ?data-first=${index === 0} @click=${() => app.go({ part: "card", host: row.host, asks: null })}>
          ${icon(row.state)}
          <span class="name">${row.start} – ${row.end}</span>
          <span class="time">${row.runs ? app.say("running") : row.relative}</span>
          <span class="why">${row.host} · ${row.id}</span>
          <span></span>
        </button>
      </li>`)}
    </ul>
  `;
}
