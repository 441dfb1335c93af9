// What must hold of a report in a browser; evaluated in the page, gives the list of what does not.
(async () => {
  const faults = [];
  const hold = (condition, what) => condition || faults.push(what);
  const visible = (element) => element.getClientRects().length > 0;
  const frame = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));

  // Nothing is wider than the page.
  const width = document.documentElement.clientWidth;
  hold(document.documentElement.scrollWidth <= width, `scrolls sideways: ${document.documentElement.scrollWidth} > ${width}`);
  for (const element of document.querySelectorAll("main *:not(.scroll *, pre *, svg *)")) {
    const right = element.getBoundingClientRect().right;
    if (visible(element) && right > width + 1) {
      hold(false, `<${element.localName} class="${element.className}"> ends at ${right} of ${width}`);
      break;
    }
  }

  // Every picture's text lies inside it, and is not tiny.
  for (const text of document.querySelectorAll("figure svg text")) {
    if (!visible(text)) continue;
    const box = text.getBoundingClientRect();
    const frame = text.ownerSVGElement.getBoundingClientRect();
    const inside = box.left >= frame.left - 1 && box.right <= frame.right + 1 && box.top >= frame.top - 1 && box.bottom <= frame.bottom + 1;
    hold(inside, `text out of its picture: "${text.textContent}" in ${text.closest("figure").id}`);
    hold(box.height >= 8, `text too small: "${text.textContent}" in ${text.closest("figure").id}, ${box.height} px`);
  }
  for (const figure of document.querySelectorAll("figure.chart, .data-paths figure")) {
    const shown = [...figure.querySelectorAll(":scope > svg")].filter(visible);
    hold(shown.length === 1, `${figure.id} shows ${shown.length} drawings`);
  }

  // Anchors lead somewhere, and ids are unique.
  for (const link of document.querySelectorAll('a[href^="#"]')) {
    hold(document.getElementById(link.getAttribute("href").slice(1)), `no target: ${link.getAttribute("href")}`);
  }
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  for (const id of new Set(ids)) hold(ids.indexOf(id) === ids.lastIndexOf(id), `id twice: ${id}`);

  // The table sorts, absent figures last.
  const table = document.querySelector("table.cells");
  const rows = [...table.tBodies[0].rows];
  const headings = [...table.tHead.rows[0].cells];
  for (const [column, heading] of headings.entries()) {
    const values = () =>
      [...table.tBodies[0].rows]
        .map((row) => row.cells[column].dataset.value)
        .filter((value) => value !== undefined)
        .map(Number);
    for (const [way, sign] of [["ascending", 1], ["descending", -1]]) {
      heading.querySelector("button").click();
      hold(heading.getAttribute("aria-sort") === way, `"${heading.textContent}" does not sort ${way}`);
      const sorted = values();
      hold(sorted.every((value, at) => at === 0 || sign * (value - sorted[at - 1]) >= 0), `"${heading.textContent}" is not ${way}`);
    }
  }

  // The table filters.
  table.tBodies[0].append(...rows);
  for (const heading of headings) heading.removeAttribute("aria-sort");
  const input = document.querySelector(".filter input");
  const filter = (words) => {
    input.value = words;
    input.dispatchEvent(new Event("input"));
    return rows.filter((row) => !row.hidden);
  };
  const [path] = rows[0].cells[0].textContent.split(" ");
  const left = filter(path);
  hold(left.length > 0 && left.every((row) => row.textContent.includes(path)), `filter "${path}" leaves ${left.length}`);
  hold(filter("no such row").length === 0, "a filter for nothing leaves rows");
  hold(filter("").length === rows.length, "an empty filter hides rows");

  // The theme turns, and turns back.
  const paper = () => getComputedStyle(document.body).backgroundColor;
  const before = paper();
  document.querySelector(".theme").click();
  hold(paper() !== before, "the theme does not turn");
  document.querySelector(".theme").click();
  hold(paper() === before, "the theme does not turn back");
  delete document.documentElement.dataset.theme;
  try { localStorage.clear(); } catch {}

  // Series hide and come back.
  for (const button of document.querySelectorAll(".shown-series button")) {
    const groups = [...button.closest("figure").querySelectorAll(".series[data-series]")].filter((group) => group.dataset.series === button.textContent);
    button.click();
    hold(groups.length > 0 && groups.every((group) => !visible(group)), `series ${button.textContent} does not hide`);
    button.click();
    hold(groups.some(visible), `series ${button.textContent} does not come back`);
  }

  // Values under the pointer.
  const titles = [...document.querySelectorAll("figure.chart svg * > title")].filter((title) => visible(title.parentElement));
  if (titles.length > 0) {
    const [title] = titles;
    const says = title.textContent;
    title.parentElement.dispatchEvent(new PointerEvent("pointerover", { bubbles: true }));
    const tip = document.querySelector(".tip");
    hold(!tip.hidden && tip.textContent === says, "no value under the pointer");
    document.body.dispatchEvent(new PointerEvent("pointerover", { bubbles: true }));
    hold(tip.hidden && title.textContent === says, "the value stays when the pointer goes");
  }
  scrollTo(0, 0);
  await frame();
  return {
    faults,
    height: document.documentElement.scrollHeight,
    seen: { rows: rows.length, columns: headings.length, figures: document.querySelectorAll("figure").length, series: document.querySelectorAll(".shown-series button").length, titles: titles.length },
  };
})()
