// The list: this PC first, then the laboratories.

import { html, nothing } from "./lit-html/lit-html.js";
import { repeat } from "./lit-html/directives/repeat.js";
import { icon, tone } from "./drawings.js";
import { own } from "./own.js";

export function list(app, shown) {
  const isOffline = Boolean(shown.header.banner);
  const first = shown.labs[0]?.rows[0]?.host;
  return html`
    <h1 class="summary ${isOffline ? "unseen" : ""}" tabindex="-1">${shown.summary}</h1>
    ${shown.own ? own(app, shown.own) : nothing}
    ${shown.labs.length === 0 && !isOffline ? html`<p class="muted empty">${app.say("no_stations_yet")}</p>` : nothing}
    ${repeat(
      shown.labs,
      (lab) => lab.name,
      (lab) => html`<section>
        <h2 class="lab">${lab.name}</h2>
        <ul class="stations ${isOffline ? "stale" : ""}">
          ${repeat(lab.rows, (row) => row.host, (row) => station(app, row, row.host === first))}
        </ul>
      </section>`,
    )}
    ${isOffline && shown.labs.length ? html`<p class="small dim">${app.say("offline_note")}</p>` : nothing}
  `;
}

function station(app, row, isFirst) {
  const said = [row.as_of, row.detail].filter(Boolean).join(" · ");
  return html`<li>
    <button class="station ${tone(row.state)}" data-row data-host=${row.host} data-state=${row.state}
      ?data-first=${isFirst} @click=${() => app.go({ part: "card", host: row.host, asks: null })}>
      ${icon(row.state)}
      <span class="name">${row.host}</span>
      <span class="time">${row.next?.time ?? nothing}</span>
      <span class="why"><b>${row.state_text}</b>${said ? html` · <span dir="auto">${said}</span>` : nothing}</span>
      <span class="relative">${row.next?.relative ?? nothing}</span>
    </button>
  </li>`;
}
