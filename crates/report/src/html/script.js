// Comforts of the page; without this file everything is there to be read.
"use strict";
(() => {
  const make = (name, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...children);
    return element;
  };

  // Light or dark: the system's choice until somebody turns it.
  const root = document.documentElement;
  const stored = () => {
    try {
      return localStorage.getItem("copycost-theme");
    } catch {
      return null; // Some browsers keep nothing for local files.
    }
  };
  const systemDark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ?? (systemDark.matches ? "dark" : "light")) === "dark";
  const themeButton = make("button", { type: "button", className: "theme" });
  const showTheme = () => {
    themeButton.textContent = isDark() ? "Light" : "Dark";
    themeButton.title = isDark() ? "Show the page in light colours" : "Show the page in dark colours";
  };
  if (["light", "dark"].includes(stored())) root.dataset.theme = stored();
  themeButton.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try {
      localStorage.setItem("copycost-theme", root.dataset.theme);
    } catch {
      // Then it lasts as long as the page.
    }
    showTheme();
  });
  systemDark.addEventListener("change", showTheme);
  document.querySelector("header").prepend(themeButton);
  showTheme();

  // Values and reasons under the pointer: what a mark's <title> or a table's title attribute says, at once and on touch too.
  const tip = make("div", { className: "tip", hidden: true });
  tip.setAttribute("role", "tooltip");
  document.body.append(tip);
  const titled = (target) => {
    if (!(target instanceof SVGElement)) return target.closest?.("td[title], tr[title]") ?? null;
    return target.closest("svg *:has(> title)")?.querySelector(":scope > title") ?? null;
  };
  const textOf = (node) => (node instanceof SVGElement ? node.textContent : node.title);
  const setText = (node, text) => {
    if (node instanceof SVGElement) node.textContent = text;
    else node.title = text;
  };
  let silenced = null;
  const speakAgain = () => {
    // The browser's own tip would come a second later, over this one.
    if (silenced) setText(silenced.node, silenced.text);
    silenced = null;
    tip.hidden = true;
  };
  document.addEventListener("pointerover", (event) => {
    const title = titled(event.target);
    if (silenced && title === silenced.node) return;
    speakAgain();
    const text = title ? textOf(title) : "";
    if (!text) return;
    silenced = { node: title, text };
    tip.textContent = text;
    setText(title, "");
    tip.hidden = false;
  });
  document.addEventListener("pointermove", (event) => {
    if (tip.hidden) return;
    const margin = 12;
    const right = document.documentElement.clientWidth - tip.offsetWidth - margin;
    const above = event.clientY - tip.offsetHeight - margin;
    tip.style.left = `${Math.max(margin, Math.min(event.clientX + margin, right))}px`;
    tip.style.top = `${above > margin ? above : event.clientY + 2 * margin}px`;
  });
  document.addEventListener("scroll", speakAgain, { passive: true });

  // Series that can be hidden.
  for (const figure of document.querySelectorAll("figure.chart")) {
    const series = new Map();
    for (const group of figure.querySelectorAll("[data-series]")) {
      const name = group.dataset.series;
      series.set(name, [...(series.get(name) ?? []), group]);
    }
    if (series.size < 2) continue;
    const bar = make("div", { className: "shown-series" }, "Show ");
    for (const [name, groups] of series) {
      const button = make("button", { type: "button", textContent: name });
      button.setAttribute("aria-pressed", "true");
      button.addEventListener("click", () => {
        const shown = button.getAttribute("aria-pressed") !== "true";
        button.setAttribute("aria-pressed", String(shown));
        for (const group of groups) group.classList.toggle("off", !shown);
      });
      bar.append(button);
    }
    figure.querySelector("svg").before(bar);
  }

  // Tables that sort. A cell's data-value is its figure with all digits; absent figures come last either way.
  const keyOf = (row, column) => {
    const cell = row.cells[column];
    const text = cell.dataset.value ?? cell.textContent.trim();
    if (text === "" || text.startsWith("–")) return null;
    const number = Number(text);
    return Number.isNaN(number) ? text : number;
  };
  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number"
      ? a - b
      : String(a).localeCompare(String(b), "en", { numeric: true });
  const sortBy = (table, column, heading) => {
    const up = heading.getAttribute("aria-sort") !== "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", up ? "ascending" : "descending");
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [keyOf(row, column), row]);
    rows.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null);
      return up ? compare(a, b) : compare(b, a);
    });
    body.append(...rows.map(([, row]) => row));
  };
  const sortButtons = [];
  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((heading, column) => {
      const button = make("button", { type: "button", textContent: heading.textContent });
      button.addEventListener("click", () => sortBy(table, column, heading));
      heading.replaceChildren(button);
      sortButtons.push([heading, button]);
    });
  }

  // Tables that filter: every word must stand in the row, and one such as nodelay=on in its cell's id.
  for (const table of document.querySelectorAll("table.filterable")) {
    const rows = [...table.tBodies[0].rows];
    const input = make("input", { type: "search", placeholder: "for example: sendmsg 64 KiB" });
    const count = make("span", { className: "note" });
    count.setAttribute("aria-live", "polite");
    const apply = () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        const text = [...row.cells].map((cell) => cell.textContent).join(" ").toLowerCase();
        const id = (row.dataset.cell ?? "").toLowerCase();
        row.hidden = !words.every((word) => (word.includes("=") ? id : text).includes(word));
        shown += row.hidden ? 0 : 1;
      }
      count.textContent = `${shown} of ${rows.length} rows`;
    };
    input.addEventListener("input", apply);
    apply();
    const label = make("label", {}, "Filter ", input);
    table.closest(".scroll").before(make("p", { className: "filter" }, label, " ", count));
  }

  // On paper evidence is not folded away, but for what fills pages and is a file of its own. A table's head is repeated on
  // each page as text alone: browsers leave buttons out of it.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open], .bulk)")];
    for (const details of folded) details.open = true;
    for (const [heading, button] of sortButtons) heading.textContent = button.textContent;
  });
  addEventListener("afterprint", () => {
    for (const details of folded) details.open = false;
    for (const [heading, button] of sortButtons) heading.replaceChildren(button);
  });
})();
