"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const root = document.documentElement;

  // Theme: colours are CSS variables, charts included, so nothing is drawn again.
  const dark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  $("theme").addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    try { localStorage.setItem("tenant-harness-theme", root.dataset.theme); } catch (refused) { /* only this page then */ }
  });

  const unpack = async (id) => {
    const bytes = Uint8Array.from(atob($(id).textContent), (letter) => letter.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  };

  // Charts share one window of time and one step; each is drawn when it comes near the screen.
  const charts = new Map();
  let data, shown, step;

  const draw = async (plot) => {
    const id = plot.dataset.chart;
    if (charts.has(id)) return;
    charts.set(id, null);
    const { spec, uses } = data.charts[id];
    const datasets = Object.fromEntries(uses.map((name) => [name, data.datasets[name] || []]));
    const { view } = await window.vegaEmbed(plot, { ...spec, datasets }, { renderer: "svg", actions: false, config: data.config, tooltip: { theme: "page", disableDefaultStyle: true }, logLevel: 1 }); // errors only: a window without data is no matter for the console
    charts.set(id, { view, onTime: data.charts[id].on_time });
    plot.querySelector("svg").setAttribute("aria-hidden", "true"); // the figure has a label, and a table beside it
    follow(view, id);
    await apply(id);
    plot.dataset.drawn = "yes";
  };

  const apply = async (id) => {
    const chart = charts.get(id);
    if (!chart) return;
    if (chart.onTime) chart.view.signal("t_from", shown[0]).signal("t_to", shown[1]);
    if (step !== undefined && /^(latency|distribution)-/.test(id)) chart.view.signal("step", step);
    await chart.view.runAsync();
  };
  const applyAll = () => Promise.all([...charts.keys()].map(apply));

  const follow = (view, id) => {
    view.addEventListener("click", (event, item) => {
      const tenant = item && item.datum && item.datum.tenant;
      if (tenant && data.byTenant.has(tenant)) location.hash = "tenant=" + encodeURIComponent(tenant);
    });
    if (!data.charts[id].on_time) return;
    let brushed = null;
    view.addSignalListener("brush", (name, value) => { brushed = Object.values(value || {})[0] || null; });
    view.addEventListener("pointerup", () => {
      if (!brushed) return;
      const [from, to] = brushed;
      brushed = null;
      view.signal("brush_x", [0, 0]);
      if (to - from > 1e-3) choose(from, to);
    });
    view.addEventListener("dblclick", () => choose(...data.window.load));
  };

  const choose = (from, to) => {
    const [, end] = data.window.all;
    const width = Math.max(to - from, 1e-3);
    from = Math.max(0, Math.min(from, end - width));
    shown = [from, Math.min(from + width, end)];
    $("window").textContent = `${shown[0].toFixed(1)} to ${shown[1].toFixed(1)} s`;
    return applyAll();
  };
  const moves = {
    earlier: ([a, b]) => [a - (b - a) / 3, b - (b - a) / 3],
    later: ([a, b]) => [a + (b - a) / 3, b + (b - a) / 3],
    in: ([a, b]) => [a + (b - a) / 4, b - (b - a) / 4],
    out: ([a, b]) => [a - (b - a) / 2, b + (b - a) / 2],
    load: () => data.window.load,
    all: () => data.window.all,
  };
  document.querySelectorAll("[data-window]").forEach((button) =>
    button.addEventListener("click", () => data && choose(...moves[button.dataset.window](shown))));
  if ($("step")) $("step").addEventListener("change", (event) => { step = event.target.value; applyAll(); });

  const drawAll = () => {
    const plots = [...document.querySelectorAll("[data-chart]")];
    const near = new IntersectionObserver((entries) => entries.forEach((entry) => {
      if (entry.isIntersecting) { near.unobserve(entry.target); draw(entry.target); }
    }), { rootMargin: "400px" });
    plots.forEach((plot) => near.observe(plot));
    // The rest in quiet moments, so that printing and searching find them drawn.
    const idle = window.requestIdleCallback || ((work) => setTimeout(work, 200));
    const next = () => { const plot = plots.shift(); if (plot) draw(plot).then(() => idle(next)); else root.dataset.ready = "yes"; };
    idle(next);
  };

  // Tenants. Everything is set as text, never as markup.
  const el = (name, text, attributes) => {
    const made = document.createElement(name);
    if (text !== undefined && text !== null) made.textContent = text;
    return Object.assign(made, attributes || {});
  };
  const ms = (value) => (value === null || value === undefined ? "–" : value.toLocaleString("en", { maximumFractionDigits: value < 100 ? 2 : 0 }));
  const LISTED = 200;

  const list = () => {
    const wanted = $("find").value.trim().toLowerCase();
    const found = data.tenants.filter((t) => !wanted || [t.tenant, t.id, t.database, t.outcome, ...t.faults].some((text) => text.toLowerCase().includes(wanted)));
    $("found").textContent = found.length > LISTED ? `${LISTED} of ${found.length.toLocaleString("en")} shown` : `${found.length} tenants`;
    $("tenant-list").tBodies[0].replaceChildren(...found.slice(0, LISTED).map((t) => {
      const line = el("tr");
      const head = el("th", null, { scope: "row" });
      const open = el("button", t.tenant, { type: "button", className: "tenant" });
      open.addEventListener("click", () => { location.hash = "tenant=" + encodeURIComponent(t.tenant); });
      head.append(open);
      line.append(head, el("td", t.outcome));
      for (const value of [t.took_ms, t.total, t.slowest_ms]) line.append(el("td", ms(value), { className: "num" }));
      line.dataset.tenant = t.tenant;
      return line;
    }));
  };

  const table = (label, columns, rows) => {
    const made = el("table"), head = el("tr"), box = el("div", null, { className: "scroll", tabIndex: 0 });
    columns.forEach((name) => head.append(el("th", name, { scope: "col" })));
    made.append(el("thead"), el("tbody"));
    made.tHead.append(head);
    rows.forEach((row) => { const line = el("tr"); row.forEach((value) => line.append(el("td", value, { className: typeof value === "number" ? "num" : "" }))); made.tBodies[0].append(line); });
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", label);
    box.append(made);
    return box;
  };

  const show = (name) => {
    const t = data.byTenant.get(name);
    if (!t) return;
    const facts = el("dl");
    const fact = (key, value) => { if (value) facts.append(el("dt", key), el("dd", value)); };
    fact("registration", t.n === null ? "" : String(t.n));
    fact("outcome", t.took_ms === null ? t.outcome : `${t.outcome} in ${ms(t.took_ms)} ms`);
    fact("id at the target", t.id);
    fact("database", t.database);
    fact("faults it met", t.faults.join(", ") || "none");
    const parts = [el("h3", t.tenant), facts, el("h4", `Requests (${t.requests.length === t.total ? t.total : `${t.requests.length} of ${t.total.toLocaleString("en")}: the first, the slowest, those not ok`})`)];
    parts.push(table("requests of " + t.tenant, ["step", "at, s", "response, ms", "service, ms", "outcome", "status", "error"], t.requests.map((r) => [...r.slice(0, 5), r[5] === null ? "–" : r[5], r[6] || "–"])));
    parts.push(el("h4", "Connections by ledger"));
    const changes = Object.entries(t.connections).flatMap(([ledger, steps]) => steps.map(([at, count]) => [at, ledger, count])).sort((a, b) => a[0] - b[0]);
    parts.push(changes.length ? table("connections of " + t.tenant, ["at, s", "ledger", "connections from then on"], changes) : el("p", "No ledger names this tenant.", { className: "note" }));
    if (t.final.length) { const items = el("ul"); t.final.forEach((text) => items.append(el("li", text))); parts.push(el("h4", "Final read"), items); }
    parts.push(el("h4", "Log lines"));
    if (t.log.length) { const log = el("pre", null, { className: "log", tabIndex: 0 }); t.log.forEach(([file, line, text]) => log.append(el("span", `${file}:${line}`, { className: "where" }), ` ${text}\n`)); parts.push(log); }
    else parts.push(el("p", "No log line names this tenant.", { className: "note" }));
    $("tenant").replaceChildren(...parts);
    document.querySelectorAll("#tenant-list tr").forEach((line) => line.setAttribute("aria-selected", String(line.dataset.tenant === name)));
    $("tenants").scrollIntoView();
    $("tenant").focus({ preventScroll: true });
  };

  // Links: #tenant=t00001 opens a tenant, #at=12.3 shows a moment in the charts.
  const go = () => {
    const [key, value] = decodeURIComponent(location.hash.slice(1)).split("=");
    if (key === "tenant") show(value);
    if (key === "at" && Number.isFinite(Number(value))) { choose(Number(value) - 1, Number(value) + 1); $("glance").scrollIntoView(); }
  };

  const start = async () => {
    try {
      data = JSON.parse(await unpack("packed-data"));
    } catch (trouble) {
      document.querySelectorAll("[data-chart]").forEach((plot) => plot.replaceChildren(el("p", "Charts need a browser of 2023 or newer; the tables have every number.")));
      throw trouble;
    }
    data.byTenant = new Map(data.tenants.map((t) => [t.tenant, t]));
    shown = data.window.load;
    list();
    $("find").addEventListener("input", list);
    addEventListener("hashchange", go);
    go();
    const url = URL.createObjectURL(new Blob([await unpack("packed-runtime")], { type: "text/javascript" }));
    await import(url);
    URL.revokeObjectURL(url);
    drawAll();
  };
  // After the first paint: the verdict is on the screen before a chart is thought of.
  requestAnimationFrame(() => setTimeout(start, 0));

  const marks = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
  const seen = new IntersectionObserver((entries) => entries.forEach((entry) => {
    if (!entry.isIntersecting) return;
    marks.forEach((link) => link.removeAttribute("aria-current"));
    marks.get(entry.target.id)?.setAttribute("aria-current", "true");
  }), { rootMargin: "-20% 0px -70% 0px" });
  document.querySelectorAll("main > section").forEach((section) => seen.observe(section));
  addEventListener("beforeprint", () => document.querySelectorAll("details.evidence").forEach((item) => { item.open = true; }));
})();
