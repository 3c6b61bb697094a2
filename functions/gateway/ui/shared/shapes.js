// The shapes of the states: never colour alone. Each fits 16 by 16; `line` is drawn with a stroke, everything else is filled.

export const SHAPES = {
  ready: { d: "M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1Zm-3.95 7.15 3.1 3.1 5-5-1.4-1.4-3.6 3.6-1.7-1.7-1.4 1.4Z" },
  attention: { d: "M9.05 1.6 15.6 13a1.2 1.2 0 0 1-1.05 1.8H1.45A1.2 1.2 0 0 1 .4 13L6.95 1.6a1.2 1.2 0 0 1 2.1 0ZM7 5.4V10h2V5.4H7ZM7 11v2h2v-2H7Z" },
  down: { d: "M5 1h6l4 4v6l-4 4H5l-4-4V5l4-4Zm0 2.9L3.9 5l3 3-3 3L5 12.1l3-3 3 3 1.1-1.1-3-3 3-3L11 3.9l-3 3-3-3Z" },
  busy: { d: "M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1ZM4.6 6.9a1.1 1.1 0 1 0 0 2.2 1.1 1.1 0 0 0 0-2.2Zm3.4 0a1.1 1.1 0 1 0 0 2.2 1.1 1.1 0 0 0 0-2.2Zm3.4 0a1.1 1.1 0 1 0 0 2.2 1.1 1.1 0 0 0 0-2.2Z" },
  held: { d: "M4 1h8a3 3 0 0 1 3 3v8a3 3 0 0 1-3 3H4a3 3 0 0 1-3-3V4a3 3 0 0 1 3-3Zm1 3.5v7h2v-7H5Zm4 0v7h2v-7H9Z" },
  off: { d: "M4.6 4a5.6 5.6 0 1 0 6.8 0M8 1.8V7", line: 2 },
  late: { d: "M8 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2ZM8 4.6V8l2.4 1.6", line: 2 },
  unknown: { d: "M8.9 1.06A7 7 0 0 1 14.94 7.1h-2.02A5 5 0 0 0 8.9 3.08V1.06ZM14.94 8.9A7 7 0 0 1 8.9 14.94v-2.02A5 5 0 0 0 12.92 8.9h2.02ZM7.1 14.94A7 7 0 0 1 1.06 8.9h2.02A5 5 0 0 0 7.1 12.92v2.02ZM1.06 7.1A7 7 0 0 1 7.1 1.06v2.02A5 5 0 0 0 3.08 7.1H1.06ZM7 7h2v2H7V7Z" },
  waking: { d: "M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1Zm0 2.8L4.2 7.6l1.3 1.3L7.1 7.3v5h1.8v-5l1.6 1.6 1.3-1.3L8 3.8Z" },
  to_come: { d: "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11Z", line: 1.5 },
};

/** Which colours go with a state: a class of tones.css. */
export const TONES = {
  ready: "ready",
  attention: "warn",
  down: "down",
  busy: "busy",
  waking: "busy",
  held: "held",
  off: "off",
  late: "off",
  unknown: "off",
};
