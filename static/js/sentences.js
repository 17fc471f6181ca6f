// What scripts say, in the language of the page: templates/_sentences.html holds the sentences, this fills their gaps.
const kept = document.getElementById("sentences")?.dataset ?? {};

/** The sentence of that name, `{gap}` filled with `values.gap`. */
export const say = (name, values = {}) => kept[name].replace(/\{(\w+)\}/g, (_, gap) => values[gap]);

/** A number as the language of the page writes it. */
export const figure = (number, digits = 0) =>
  number.toLocaleString(document.documentElement.lang, { minimumFractionDigits: digits, maximumFractionDigits: digits });
