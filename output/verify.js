// SPDX-License-Identifier: Apache-2.0
// Filters statements by verdict and by text. Without it everything is shown.
"use strict";
(function () {
  const controls = document.getElementById("controls");
  if (!controls) return;
  const statements = Array.from(document.querySelectorAll("tbody[data-verdict]"));
  const kinds = Array.from(document.querySelectorAll("section.kind"));
  const boxes = Array.from(controls.querySelectorAll("input[type=checkbox]"));
  const search = document.getElementById("search");
  const shown = document.getElementById("shown");
  const texts = new Map();

  function textOf(statement) {
    let text = texts.get(statement);
    if (text === undefined) {
      text = statement.textContent.toLowerCase();
      texts.set(statement, text);
    }
    return text;
  }

  function apply() {
    const verdicts = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    const wanted = search.value.trim().toLowerCase();
    let n = 0;
    for (const statement of statements) {
      const fits = verdicts.has(statement.dataset.verdict) && textOf(statement).includes(wanted);
      statement.hidden = !fits;
      if (fits) n++;
    }
    for (const kind of kinds) {
      kind.hidden = !kind.querySelector("tbody[data-verdict]:not([hidden])");
    }
    const whole = n === statements.length;
    shown.textContent = whole ? n + " statements listed" : n + " of " + statements.length + " listed statements shown";
    document.body.classList.toggle("filtered", !whole);
  }

  controls.hidden = false;
  controls.addEventListener("input", apply);
  controls.addEventListener("submit", (event) => event.preventDefault());
  apply();
})();
