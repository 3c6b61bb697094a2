// Connecting to a laboratory: by a code that is typed, or by a link that the person agrees to.

import { html, nothing } from "./lit-html/lit-html.js";
import { own } from "./own.js";

/** After the last letter of an address; nobody is asked for every one. */
const PAUSE = 400;
let timer = 0;

export function pairing(app, shown) {
  return html`
    ${shown.own ? own(app, shown.own) : nothing}
    ${shown.offered ? offer(app, shown) : form(app, shown)}
  `;
}

function offer(app, shown) {
  const gateway = shown.offered;
  return html`<section class="center">
    <h1 tabindex="-1">${app.say("offer_title", { gateway })}</h1>
    <p class="muted">${app.say("offer_text")}</p>
    <div class="buttons">
      <button class="button grow" data-first @click=${() => app.go({ part: shown.is_connected ? "list" : "pairing" })}>${app.say("cancel")}</button>
      <button class="button primary grow" ?disabled=${app.isPending("connect")} @click=${() => app.call("connect")}>${app.say("connect")}</button>
    </div>
  </section>`;
}

function form(app, shown) {
  const { local } = app;
  const gateway = local.gateway ?? shown.gateway;
  if (gateway && local.gateway === undefined) {
    local.gateway = gateway;
    look(app);
  }
  const isOlder = local.looked?.mode === "limited";
  const isReady = local.looked?.mode && (isOlder || (local.code ?? "").replace(/[\s-]/g, "").length === 8);
  const submit = (event) => {
    event.preventDefault();
    app.call("connect", { gateway, code: isOlder ? null : local.code, token: isOlder ? local.token ?? "" : null, certificate: local.certificate ?? null });
  };
  return html`<form class="center" @submit=${submit}>
    <h1 tabindex="-1">${app.say("connect_title")}</h1>
    <p class="muted">${app.say("connect_text")}</p>
    <label class="field"><span>${app.say("gateway")}</span>
      <input name="gateway" ?data-first=${!shown.gateway} type="url" spellcheck="false" autocomplete="off" placeholder="https://" .value=${gateway} aria-describedby="looked"
        @input=${(event) => typed(app, event.target.value)}></label>
    <p id="looked" class="small looked ${local.looked?.mode ? "ready" : "down"}" role="status">${local.isLooking ? app.say("looking") : local.looked?.text ?? nothing}</p>
    ${local.looked?.certificate
      ? html`<label class="field agree"><input type="checkbox" @change=${(event) => agreed(app, event.target.checked)}><span>${app.say("fingerprint_same")}</span></label>`
      : nothing}
    ${isOlder
      ? html`<label class="field"><span>${app.say("older_token")}</span>
          <input name="token" data-first type="password" autocomplete="off" @input=${(event) => app.set({ token: event.target.value })}></label>`
      : html`<label class="field"><span>${app.say("code")}</span>
          <input name="code" class="code" ?data-first=${Boolean(shown.gateway)} spellcheck="false" autocomplete="off" autocapitalize="characters" maxlength="9" placeholder="K7M4-Q2XX"
            .value=${local.code ?? ""} @input=${(event) => app.set({ code: event.target.value.toUpperCase() })}></label>`}
    <button class="button primary wide" ?disabled=${!isReady || app.isPending("connect")}>${app.say("connect")}</button>
    <p class="small dim">${app.say("token_place")}</p>
  </form>`;
}

function typed(app, gateway) {
  app.set({ gateway, looked: null, certificate: null });
  clearTimeout(timer);
  timer = setTimeout(() => look(app), PAUSE);
}

/** The person compared the fingerprint: the address is looked at again, with that certificate and no other. */
function agreed(app, on) {
  if (!on) return;
  app.set({ certificate: app.local.looked.certificate });
  look(app);
}

async function look(app) {
  const { gateway, certificate } = app.local;
  if (!gateway) return;
  queueMicrotask(() => app.set({ isLooking: true }));
  const looked = await window.__TAURI__.core.invoke("look_at", { gateway, certificate: certificate ?? null });
  // Another one was typed meanwhile.
  if (app.local.gateway === gateway) app.set({ looked, isLooking: false });
}
