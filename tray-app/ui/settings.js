// The choices, and the connection.

import { html, nothing } from "./lit-html/lit-html.js";

export function settings(app, shown, kept) {
  const chosen = shown.settings;
  const change = (changes) => app.call("choose", { settings: { ...chosen, ...changes } });
  const notify = (key) => toggle(app.say(`notify_${key}`), chosen.notify[key], (on) => change({ notify: { ...chosen.notify, [key]: on } }));
  return html`
    <h1 class="summary" tabindex="-1">${app.say("settings")}</h1>
    <h2 class="lab">${app.say("notify_me")}</h2>
    <ul class="choices-list">
      ${notify("down")}
      ${shown.has_reservations ? notify("at_risk") : nothing}
      ${notify("forced_logoffs")} ${notify("recovered")}
    </ul>
    <p class="small dim">${app.say("notify_always")}</p>
    <h2 class="lab">${app.say("this_app")}</h2>
    <ul class="choices-list">
      ${toggle(app.say("starts_at_login"), chosen.starts_at_login, (on) => change({ starts_at_login: on }))}
      ${pick(app.say("language"), chosen.language, [["system", app.say("language_system")], ["en", "English"], ["es", "Español"]], (language) => change({ language }))}
      ${pick(app.say("icon"), chosen.icon, [["colour", app.say("icon_colour")], ["monochrome", app.say("icon_monochrome")]], (icon) => change({ icon }))}
    </ul>
    <h2 class="lab">${app.say("gateway")}</h2>
    ${shown.gateway ? connection(app, shown, kept) : html`<ul class="choices-list"><li><span>${app.say("not_connected")}</span>
      <button class="button small" @click=${() => app.go({ part: "pairing" })}>${app.say("connect")}</button></li></ul>`}
  `;
}

function toggle(text, on, change) {
  return html`<li><label><span>${text}</span><input type="checkbox" role="switch" .checked=${on} @change=${(event) => change(event.target.checked)}></label></li>`;
}

function pick(text, chosen, choices, change) {
  return html`<li><label><span>${text}</span><select @change=${(event) => change(event.target.value)}>
    ${choices.map(([value, name]) => html`<option value=${value} ?selected=${value === chosen}>${name}</option>`)}
  </select></label></li>`;
}

function connection(app, shown, kept) {
  const who = shown.name ? `${shown.name}, ${app.say(`role_${shown.role}`)}` : "";
  const ask = app.local.isAsking;
  return html`<ul class="choices-list"><li>
      <span><b>${shown.gateway}</b>${who ? html`<br><span class="small dim">${who}</span>` : nothing}</span>
      ${ask ? nothing : html`<button class="button small harm" @click=${() => app.set({ isAsking: true })}>${app.say("disconnect")}</button>`}
    </li></ul>
    ${kept ? html`<p class="small ${kept === "file" ? "strong" : "dim"}" data-kept=${kept}>${app.say(`kept_${kept}`)}</p>` : nothing}
    ${ask
      ? html`<section class="box warn" role="alertdialog" aria-labelledby="asks">
          <p id="asks" class="strong">${app.say("disconnect_ask", { gateway: shown.gateway })}</p>
          <div class="buttons">
            <button class="button grow" data-first @click=${() => app.set({ isAsking: false })}>${app.say("cancel")}</button>
            <button class="button harm grow" ?disabled=${app.isPending("disconnect")} @click=${() => app.call("disconnect")}>${app.say("disconnect_do")}</button>
          </div>
        </section>`
      : nothing}`;
}
