// This PC, where it is a station.

import { html, nothing } from "./lit-html/lit-html.js";

export function own(app, shown) {
  const { countdown, leaving } = shown;
  const kind = countdown?.is_somebody_here ? "warn" : "off";
  return html`<section class="box own ${kind}" aria-label=${app.say("this_pc")}>
    <div class="between"><span class="tag">${app.say("this_pc")} · ${shown.host}</span></div>
    <p class="small ${shown.is_stale ? "stale-note" : "dim"}">${shown.status}</p>
    ${countdown
      ? html`<h2 class="countdown">${app.say("starts_in", { time: countdown.starts_in })}</h2>
          <p class="muted">${countdown.text}</p>
          ${countdown.is_somebody_here ? html`<p class="small strong">${app.say("leave_in", { time: countdown.leave_in })}</p>` : nothing}`
      : nothing}
    ${shown.left ? html`<p class="small strong" role="status">${shown.left}</p>` : nothing}
    <div class="buttons">
      ${leaving && !shown.left ? button(app, "leaving", leaving[0], leaving[1], "primary") : nothing}
      ${shown.more_time?.offer ? button(app, "more_time", shown.more_time.offer.command, shown.more_time.offer.off, "") : nothing}
    </div>
    ${shown.more_time ? moreTime(shown.more_time) : nothing}
    <dl class="facts">
      ${shown.facts.map(([name, value]) => html`<div><dt>${name}</dt><dd dir="auto">${value}</dd></div>`)}
    </dl>
    <p class="small dim">${app.say("own_file")}</p>
  </section>`;
}

function button(app, key, command, off, kind) {
  return html`<button class="button ${kind} grow" ?disabled=${Boolean(off) || app.isPending(command)} title=${off ?? nothing}
    @click=${() => app.act(command)}>${app.say(key)}</button>`;
}

function moreTime(shown) {
  const [kind, said] = Object.entries(shown)[0];
  return html`<p class="small ${kind === "offer" ? "dim" : "strong"}" role="status" data-more-time=${kind}>${kind === "offer" ? said.text : said}</p>`;
}
