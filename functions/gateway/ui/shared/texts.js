// Sentences of the catalogue, with their values filled in. A value that contains braces stays as it is.

export function fill(template, values) {
  return template.replace(/\{(\w+)\}/g, (whole, name) => (Object.hasOwn(values, name) ? String(values[name]) : whole));
}

/** A function that says the sentences of a catalogue; one that is missing shows its key, which a test finds. */
export function speaker(catalogue) {
  return (key, values = {}) => fill(catalogue[key] ?? key, values);
}
