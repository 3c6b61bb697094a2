// One station.

import { html, nothing } from "./lit-html/lit-html.js";
import { icon, tone } from "./drawings.js";

/** How a step of a wake is drawn. */
const STEPS = {
  done: ["ready", "ready"],
  running: ["waking", "busy"],
  to_come: ["to_come", "off"],
  failed: ["down", "down"],
};

export function card(app, shown, asks) {
  const { row } = shown;
  const place = [shown.lab, row.as_of].filter(Boolean).join(" · ");
  const asked = asks && shown.hold?.choices.find((choice) => choice.command === asks);
  return html`
    ${back(app)}
    <div class="head ${tone(row.state)}">
      ${icon(row.state, true)}
      <div>
        <h1 tabindex="-1">${row.host}</h1>
        <p class="why" data-state=${row.state}><b class="word">${row.state_text}</b>${row.detail ? html` · <span dir="auto">${row.detail}</span>` : nothing}</p>
        ${place ? html`<p class="small dim">${place}</p>` : nothing}
      </div>
    </div>
    ${shown.wake ? wake(app, shown.wake) : nothing}
    ${asked ? sheet(app, row.host, asked) : shown.hold ? hold(app, shown.hold) : nothing}
    ${shown.is_read_only ? html`<p class="small dim">${app.say("read_only")}</p>` : nothing}
    ${shown.issues.length
      ? html`<section class="box"><h2>${app.say("issues")}</h2><ul class="issues">${shown.issues.map((issue) => html`<li dir="auto">${issue}</li>`)}</ul></section>`
      : nothing}
    <dl class="facts">
      ${shown.header.limited ? nothing : fact(app, "next_booking", shown.next)}
      ${fact(app, "last_forced_logoff", shown.last_forced_logoff && [shown.last_forced_logoff.time, shown.last_forced_logoff.user])}
      ${fact(app, "last_prepared", shown.last_prepare && [shown.last_prepare.time, shown.last_prepare.duration, shown.last_prepare.success === false && app.say("prepare_failed")])}
    </dl>
  `;
}

export function gone(app, host) {
  return html`${back(app)}<h1 tabindex="-1">${host}</h1><p class="muted">${app.say("gone", { host })}</p>`;
}

function back(app) {
  return html`<button class="button quiet small back" @click=${() => app.go({ part: "list" })}>${icon("left")}${app.say("stations")}</button>`;
}

function fact(app, key, value) {
  const said = [value ?? app.say("none")].flat().filter(Boolean).join(", ");
  return html`<div><dt>${app.say(key)}</dt><dd dir="auto">${said}</dd></div>`;
}

function wake(app, shown) {
  if (shown.steps) return steps(app, shown.steps);
  const { command, off, last } = shown.offer;
  return html`
    <button class="button primary wide" data-command=${command} ?disabled=${Boolean(off) || app.isPending(command)}
      @click=${() => app.act(command)}>${app.say("wake")}${off ? html` <span class="small">(${off})</span>` : nothing}</button>
    ${last ? steps(app, last) : nothing}
  `;
}

function steps(app, shown) {
  return html`<section class="box busy" data-wake>
    <div class="between"><h2>${app.say(shown.runs ? "waking" : "last_wake")}</h2><span class="small dim numbers">${shown.elapsed}</span></div>
    ${shown.runs ? html`<progress max="1000" value=${shown.permille} aria-label=${app.say("wake_progress")}></progress>` : nothing}
    <ol class="steps">
      ${shown.steps.map((step) => {
        const [shape, kind] = STEPS[step.state];
        return html`<li class=${kind} data-step=${step.state}>${icon(shape)}<span>${step.text}</span><span class="small dim numbers">${step.at ?? nothing}</span></li>`;
      })}
    </ol>
    ${shown.problem ? html`<p class="small strong" dir="auto">${shown.problem}</p>` : nothing}
    ${shown.stop
      ? html`<button class="button small" data-command=${shown.stop} ?disabled=${app.isPending(shown.stop)} @click=${() => app.act(shown.stop)}>${app.say("stop_wake")}</button>`
      : nothing}
  </section>`;
}

function hold(app, shown) {
  const choice = (one) => html`<button class="button small" data-command=${one.command}
    ?disabled=${Boolean(shown.off) || app.isPending(one.command)} title=${shown.off ?? nothing} @click=${() => app.act(one.command)}>${one.text}</button>`;
  return html`<section class="box" data-hold>
    <h2>${app.say("hold")}</h2>
    ${shown.held ? html`<p class="small strong">${shown.held}</p>` : html`<p class="small dim">${app.say("hold_note")}</p>`}
    ${shown.off ? html`<p class="small dim">${shown.off}</p>` : nothing}
    ${shown.choices.length ? html`<div class="choices" role="group" aria-label=${app.say("hold_length")}>${shown.choices.map(choice)}</div>` : nothing}
  </section>`;
}

/** Asked before it is done: whom it hits, and why it is needed. The focus is on what changes nothing. */
function sheet(app, host, choice) {
  const reason = app.local.reason ?? "";
  const cancel = () => app.go({ part: "card", host, asks: null });
  const hold = (event) => {
    event.preventDefault();
    app.call("hold_over", { command: choice.command, reason: reason.trim(), reservations: choice.blocks.map((one) => one.reservation_id) });
  };
  return html`<section class="box warn" role="alertdialog" aria-labelledby="asks" aria-describedby="blocks"><form @submit=${hold}>
    <h2 id="asks">${app.say("hold_ask", { host })}</h2>
    <div id="blocks">${choice.blocks.map((one) => html`<p class="strong">${one.text}</p>`)}</div>
    <label class="field"><span>${app.say("hold_why")}</span>
      <input name="reason" required maxlength="500" autocomplete="off" .value=${reason} @input=${(event) => app.set({ reason: event.target.value })}></label>
    <div class="buttons">
      <button type="button" class="button grow" data-first @click=${cancel}>${app.say("cancel")}</button>
      <button class="button harm grow" ?disabled=${!reason.trim() || app.isPending("hold_over")}>${app.say("hold_do", { host })}</button>
    </div>
  </form></section>`;
}
