"use strict";
(() => {
  const root = document.documentElement;
  const find = (id) => document.getElementById(id);
  root.classList.remove("no-js");

  // Light and dark.
  const theme = find("theme");
  const prefersDark = window.matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme || (prefersDark.matches ? "dark" : "light")) === "dark";
  const showTheme = () => theme.setAttribute("aria-pressed", String(isDark()));
  theme.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    showTheme();
  });
  prefersDark.addEventListener("change", showTheme);
  showTheme();

  // Text to copy. Where the clipboard cannot be written to, the text is selected instead.
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", async () => {
      const source = find(button.dataset.copy);
      try {
        await navigator.clipboard.writeText(source.textContent);
        button.textContent = "Copied";
      } catch {
        window.getSelection().selectAllChildren(source);
        button.textContent = "Selected";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
  }

  // On paper some of what is folded is shown.
  const folded = Array.from(document.querySelectorAll("details.paper-too"));
  let closed = [];
  window.addEventListener("beforeprint", () => {
    closed = folded.filter((one) => !one.open);
    for (const one of closed) one.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const one of closed) one.open = false;
  });

  // The table of layers: sorting and filtering.
  const table = find("rows");
  const body = table.tBodies[0];
  const original = Array.from(body.rows);
  const texts = original.map((row) => Array.from(row.cells, (cell) => cell.textContent).join(" ").toLowerCase());
  const filter = find("filter");
  const costly = find("costly");
  const count = find("count");
  const group = (number) => number.toLocaleString("en-US");
  const showRows = () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    let weight = 0;
    original.forEach((row, index) => {
      const own = Number(row.dataset.w);
      const visible = words.every((word) => texts[index].includes(word)) && (!costly.checked || own > 0);
      row.hidden = !visible;
      shown += visible ? 1 : 0;
      weight += visible ? own : 0;
    });
    const all = shown === original.length;
    table.classList.toggle("filtered", words.length > 0);
    const share = `${(100 * weight).toFixed(1)}% of the ${table.dataset.what}`;
    count.textContent = all
      ? `${group(shown)} ${shown === 1 ? table.dataset.noun.replace(/s$/, "") : table.dataset.noun}`
      : `${group(shown)} of ${group(original.length)} ${table.dataset.noun}, ${share}`;
  };
  filter.addEventListener("input", showRows);
  costly.addEventListener("change", showRows);

  const valueOf = (row, column, numeric) => {
    const cell = row.cells[column];
    if (!numeric) return cell.textContent;
    const text = cell.dataset.v || cell.textContent.replace(/[,%]/g, "");
    return text === "" ? -Infinity : Number(text);
  };
  const names = new Intl.Collator("en", { numeric: true });
  const heads = Array.from(table.tHead.rows[0].cells);
  heads.forEach((head, column) => {
    const button = head.firstElementChild;
    const numeric = "numeric" in button.dataset;
    const order = numeric ? ["descending", "ascending", "none"] : ["ascending", "descending", "none"];
    button.addEventListener("click", () => {
      const next = order[(order.indexOf(head.getAttribute("aria-sort")) + 1) % 3];
      for (const other of heads) other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", next);
      let rows = original;
      if (next !== "none") {
        const sign = next === "ascending" ? 1 : -1;
        const keyed = original.map((row) => [valueOf(row, column, numeric), row]);
        keyed.sort((a, b) => sign * (numeric ? (a[0] > b[0]) - (a[0] < b[0]) : names.compare(a[0], b[0])));
        rows = keyed.map((pair) => pair[1]);
      }
      body.append(...rows);
    });
  });

  // The picture of the tree: a box can be enlarged until it fills the picture.
  const tree = find("tree");
  if (!tree) return;
  const percent = (box, name) => parseFloat(box.getAttribute(name));
  const boxes = Array.from(tree.querySelectorAll(".b"), (box, index) => ({
    box, index, level: Number(box.dataset.l), top: percent(box, "y"), height: percent(box, "height"),
    text: box.querySelector("text"), title: box.querySelector("title").textContent, name: box.dataset.n,
  }));
  const ends = boxes.map(() => boxes.length);
  const parents = boxes.map(() => -1);
  const open = [];
  boxes.forEach((one, index) => {
    while (open.length && boxes[open[open.length - 1]].level >= one.level) ends[open.pop()] = index;
    if (open.length) parents[index] = open[open.length - 1];
    open.push(index);
  });
  const isLeaf = (index) => ends[index] === index + 1;
  const path = find("tree-path");
  const about = find("tree-about");
  let zoomed = 0;
  let current = 0;

  const draw = () => {
    const from = boxes[zoomed];
    const inside = boxes.slice(zoomed, ends[zoomed]);
    const columns = 1 + Math.max(...inside.map((one) => one.level)) - from.level;
    const pixels = tree.clientHeight || Number(tree.getAttribute("height"));
    boxes.forEach((one, index) => {
      const visible = index >= zoomed && index < ends[zoomed];
      one.box.classList.toggle("hidden", !visible);
      if (!visible) return;
      const level = one.level - from.level;
      const height = (100 * one.height) / from.height;
      const width = isLeaf(index) ? columns - level : 1;
      one.box.setAttribute("x", `${(100 * level) / columns}%`);
      one.box.setAttribute("width", `${(100 * width) / columns}%`);
      one.box.setAttribute("y", `${(100 * (one.top - from.top)) / from.height}%`);
      one.box.setAttribute("height", `${height}%`);
      one.box.classList.toggle("thin", height * pixels < 200);
      one.text.classList.toggle("hidden", height * pixels < 1200);
    });
    const above = [];
    for (let index = zoomed; index >= 0; index = parents[index]) above.unshift(index);
    path.replaceChildren(...above.map((index) => {
      const step = document.createElement("button");
      step.type = "button";
      step.textContent = index === 0 ? boxes[0].name : boxes[index].name.slice(Math.max(0, boxes[parents[index]].level && boxes[parents[index]].name.length + 1));
      step.disabled = index === zoomed;
      step.addEventListener("click", () => { zoom(index); mark(index, true); });
      return step;
    }));
  };
  const mark = (index, focus) => {
    boxes[current].box.setAttribute("tabindex", "-1");
    boxes[current].box.setAttribute("aria-selected", "false");
    boxes[current].box.classList.remove("on");
    current = index;
    const one = boxes[index];
    one.box.setAttribute("tabindex", "0");
    one.box.setAttribute("aria-selected", "true");
    one.box.classList.add("on");
    about.textContent = one.title;
    if (focus) one.box.focus({ preventScroll: true });
  };
  const zoom = (index) => {
    zoomed = isLeaf(index) && parents[index] >= 0 ? parents[index] : index;
    draw();
  };
  tree.setAttribute("role", "tree");
  tree.setAttribute("aria-describedby", "tree-help");
  boxes.forEach((one, index) => {
    one.box.setAttribute("role", "treeitem");
    one.box.setAttribute("aria-level", String(one.level + 1));
    one.box.setAttribute("aria-label", one.title);
    one.box.setAttribute("aria-selected", String(index === 0));
    one.box.setAttribute("tabindex", index ? "-1" : "0");
    one.box.addEventListener("click", () => {
      // A second click on the box that fills the picture goes back.
      zoom(index === zoomed && parents[index] >= 0 ? parents[index] : index);
      mark(index, true);
    });
    one.box.addEventListener("mouseenter", () => { about.textContent = one.title; });
    one.box.addEventListener("mouseleave", () => { about.textContent = boxes[current].title; });
  });
  tree.addEventListener("keydown", (event) => {
    const last = ends[zoomed] - 1;
    const moves = {
      ArrowDown: Math.min(current + 1, last), ArrowUp: Math.max(current - 1, zoomed),
      ArrowRight: isLeaf(current) ? current : current + 1, ArrowLeft: Math.max(parents[current], zoomed),
      Home: zoomed, End: last,
    };
    if (event.key in moves) {
      mark(moves[event.key], true);
    } else if (event.key === "Enter" || event.key === " ") {
      zoom(current);
    } else if (event.key === "Escape" && parents[zoomed] >= 0) {
      const before = zoomed;
      zoom(parents[zoomed]);
      mark(before, true);
    } else {
      return;
    }
    event.preventDefault();
  });
  find("tree-table").addEventListener("click", () => {
    const name = boxes[current].name;
    filter.value = current === 0 ? "" : isLeaf(current) ? name.replace(/\.\(own\)$/, "") : `${name}.`;
    showRows();
    find("layers").scrollIntoView();
    filter.focus({ preventScroll: true });
  });
  draw();
})();
