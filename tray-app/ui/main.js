// Draws what the app says and passes on what the person asks for. It decides nothing and makes no request of its own.

import { html, nothing, render } from "./lit-html/lit-html.js";
import { speaker } from "./texts.js";
import { icon } from "./drawings.js";
import { list } from "./list.js";
import { card, gone } from "./card.js";
import { upcoming } from "./upcoming.js";
import { settings } from "./settings.js";
import { pairing } from "./pairing.js";

const { invoke } = window.__TAURI__.core;
const { listen } = window.__TAURI__.event;

/** What the app said last. */
let view = null;
let say = speaker({});
let language = null;
/** What is being typed or asked, part by part: it is gone when another part is shown. */
let local = {};
/** Commands that are on their way. */
const pending = new Set();

const app = {
  say: (key, values) => say(key, values),
  get local() {
    return local;
  },
  /** Changes what is typed or asked, and draws it. */
  set(changes) {
    Object.assign(local, changes);
    draw();
    if ("isAsking" in changes) focusFirst();
  },
  isPending: (command) => pending.has(command),
  call,
  go: (route) => call("go", { route }),
  act: (command) => call("act", { command }, command),
};

/** Calls the app; what comes back is what is to be shown now. A second call of the same name waits for no answer: it is not made. */
async function call(name, values = {}, as = name) {
  if (pending.has(as)) return;
  pending.add(as);
  draw();
  try {
    const answer = await invoke(name, values);
    if (answer) await take(answer);
  } finally {
    pending.delete(as);
    draw();
  }
}

async function take(next) {
  if (next.language !== language) {
    say = speaker(await invoke("texts"));
    language = next.language;
    document.documentElement.lang = language;
  }
  const place = (one) => one && `${one.part.name}:${one.part.card?.row.host ?? ""}:${one.part.asks ?? ""}`;
  const moved = place(view) !== place(next);
  view = next;
  if (moved) local = {};
  draw();
  // A list that comes up empty has the keyboard as soon as there is something in it.
  if (moved || document.activeElement === document.querySelector("h1")) focusFirst();
}

/** The list has the keyboard when it is shown, and a question its harmless answer; other parts begin at their heading. */
function focusFirst() {
  const first = document.querySelector("[data-first]") ?? document.querySelector("h1");
  // What stands above the list is read first.
  first?.focus({ preventScroll: first.matches("[data-row]") });
}

function part() {
  const shown = view.part;
  switch (shown.name) {
    case "list":
      return list(app, shown.list);
    case "card":
      return card(app, shown.card, shown.asks);
    case "gone":
      return gone(app, shown.host);
    case "upcoming":
      return upcoming(app, shown.upcoming);
    case "settings":
      return settings(app, shown.view, shown.kept);
    case "pairing":
      return pairing(app, shown.pairing);
    default:
      return nothing;
  }
}

function banner() {
  const shown = view.header.banner;
  if (!shown || view.part.name === "pairing") return nothing;
  return html`<section class="box off banner" role="status">
    ${icon("unknown")}
    <div>
      <b>${shown.title}</b>
      ${shown.text ? html`<p class="muted">${shown.text}</p>` : nothing}
      ${shown.action ? html`<button class="button small" @click=${() => app.act(shown.action[0])}>${shown.action[1]}</button>` : nothing}
    </div>
  </section>`;
}

function trouble() {
  const shown = view.trouble;
  if (!shown) return nothing;
  return html`<section class="box down trouble" role="alert">
    ${icon("down")}
    <div>
      <p>${shown.text}</p>
      ${shown.request_id ? html`<p class="small dim"><code>${say("request", { id: shown.request_id })}</code></p>` : nothing}
    </div>
  </section>`;
}

function age() {
  const [kind, text] = Object.entries(view.header.age)[0];
  return html`<span class="age ${kind}"><i></i>${text}</span>`;
}

function foot() {
  const name = view.part.name;
  const tab = (to, key, sign) => html`<button class="button quiet small" aria-current=${name === to ? "page" : nothing}
    aria-label=${sign ? say(key) : nothing} title=${sign ? say(key) : nothing} data-tab=${to} @click=${() => app.go({ part: to })}>${sign ?? say(key)}</button>`;
  return html`<nav class="foot">
    ${tab("list", "stations")}
    ${view.has_upcoming ? tab("upcoming", "upcoming") : nothing}
    <span class="grow"></span>
    ${view.has_page
      ? html`<button class="button quiet small" @click=${() => app.act("lab-manager")}>${icon("open")}${say("lab_manager")}</button>`
      : nothing}
    ${tab("settings", "settings", icon("gear"))}
  </nav>`;
}

function draw() {
  if (!view) return;
  const had = document.activeElement;
  render(
    html`<header class="top">${icon("logo")}<b class="grow">Stationkeeper</b>${view.part.name === "pairing" ? nothing : age()}</header>
      <main>
        ${banner()} ${trouble()}
        ${view.header.limited ? html`<p class="small dim limited">${view.header.limited}</p>` : nothing}
        ${part()}
      </main>
      ${foot()}`,
    document.body,
  );
  // What had the keyboard is gone.
  if (had !== document.body && !had.isConnected) focusFirst();
}

addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    event.preventDefault();
    if (view?.part.name === "card" && view.part.asks) app.go({ part: "card", host: view.part.card.row.host, asks: null });
    else if (local.isAsking) app.set({ isAsking: false });
    else invoke("hide");
  }
  if ((event.key === "ArrowDown" || event.key === "ArrowUp") && event.target.matches("[data-row]")) {
    event.preventDefault();
    const rows = [...document.querySelectorAll("[data-row]")];
    rows[rows.indexOf(event.target) + (event.key === "ArrowDown" ? 1 : -1)]?.focus();
  }
});

await listen("view", (event) => take(event.payload));
await take(await invoke("view"));
