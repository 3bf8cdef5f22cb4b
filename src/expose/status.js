"use strict";
(() => {
  const REFRESH_MILLISECONDS = 10000;
  const SHOWN_FAILURES = 3;
  const at = (id) => document.getElementById(id);

  // Everything that comes from outside goes through here, as text.
  const make = (tag, attributes, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) element.setAttribute(name, value);
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  };
  const draw = (tag, attributes, ...children) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };

  const number = (n) => n.toLocaleString("en-US");
  const count = (n) => (n === null ? "–" : number(n));
  const many = (n, one, more) => `${number(n)} ${n === 1 ? one : more}`;
  const dollars = (n) => {
    if (n === null) return "–";
    if (n > 0 && n < 0.0001) return "< $0.0001";
    return "$" + n.toLocaleString("en-US", n !== 0 && n < 1
      ? { minimumFractionDigits: 2, maximumFractionDigits: 4 }
      : { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  };
  const span = (seconds) => {
    if (seconds < 1) return seconds === 0 ? "0 s" : `${Math.round(seconds * 1000)} ms`;
    if (seconds < 10) return `${seconds.toFixed(1)} s`;
    if (seconds < 60) return `${Math.floor(seconds)} s`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
    if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor(seconds % 3600 / 60)} min`;
    return `${Math.floor(seconds / 86400)} d ${Math.floor(seconds % 86400 / 3600)} h`;
  };
  // Where tenths of a second say nothing.
  const whole = (seconds) => (seconds < 60 ? `${Math.max(1, Math.round(seconds))} s` : span(seconds));
  const ago = (seconds) => (seconds === null ? "–" : seconds < 1 ? "now" : `${whole(seconds)} ago`);

  const sparkline = (name, values, step, isBad) => {
    const width = 100, height = 24;
    const top = Math.max(...values, 0);
    const label = values.length < 2 ? `${name}: no history yet`
      : `${name} in the last ${span(values.length * step)}: at most ${number(top)}`;
    const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": label, class: isBad && top > 0 ? "spark bad" : "spark" });
    svg.append(draw("title", {}, label));
    if (values.length < 2) return svg;
    const x = (i) => (i / (values.length - 1) * width).toFixed(2);
    const y = (value) => (height - 1 - (top > 0 ? value / top : 0) * (height - 4)).toFixed(2);
    const line = values.map((value, i) => `${i ? "L" : "M"}${x(i)} ${y(value)}`).join("");
    svg.append(draw("path", { d: `${line}L${width} ${height}L0 ${height}Z` }), draw("path", { d: line }));
    return svg;
  };
  const tile = (name, value, more, spark) =>
    make("div", { class: "tile" }, make("span", { class: "name" }, name), make("span", { class: "value" }, value), make("span", { class: "more" }, more), spark);

  const tiles = (s) => {
    const { history: h, cost, api } = s;
    const spark = (name, row, isBad) => sparkline(name, row, h.step_seconds, isBad);
    const failing = s.jobs.filter((job) => job.state === "failing").length;
    const sum = (row) => row.reduce((a, b) => a + b, 0);
    const month = cost.per_statistic.month_dollars;
    at("tiles").replaceChildren(
      tile("Series", number(s.series), `of ${many(s.resources, "resource", "resources")}`, spark("Series", h.series)),
      tile("Failing jobs", number(failing), h.failures.length ? `${many(sum(h.failures), "failure", "failures")} in ${span(h.failures.length * h.step_seconds)}` : `of ${number(s.jobs.length)}`, spark("Failures", h.failures, true)),
      tile("API calls", number(api.calls), `${number(api.failed_calls)} failed, ${number(api.retries)} retried`, spark("API calls", h.calls)),
      tile("Throttles", number(api.throttles), "attempts put off by a cloud", spark("Throttles", h.throttles, true)),
      tile("Spent today", dollars(cost.per_statistic.today_dollars), month === null ? "a month: not known yet" : `${dollars(month)} a month at this rate`, spark("Dollars", h.dollars)),
      tile("Running", span(s.uptime_seconds), s.resident_memory_bytes === null ? "" : `${number(Math.round(s.resident_memory_bytes / 1048576))} MiB of memory`, null),
    );
  };

  const verdict = (s) => {
    const of = (state) => s.jobs.filter((job) => job.state === state).length;
    const failing = of("failing"), waiting = of("waiting");
    const broken = s.agent && s.agent.failure;
    const [state, text] = failing ? ["failing", `${number(failing)} of ${many(s.jobs.length, "job fails", "jobs fail")}`]
      : broken ? ["failing", "The agent cannot send"]
      : waiting ? ["waiting", `${number(waiting)} of ${many(s.jobs.length, "job waits", "jobs wait")} for the first values`]
      : s.jobs.length ? ["good", s.jobs.length === 1 ? "The job is good" : `All ${number(s.jobs.length)} jobs are good`]
      : s.agent ? ["good", "The agent is good"] : ["waiting", s.is_ready ? "There are no jobs" : "The configuration is being applied"];
    const element = at("verdict");
    if (element.textContent !== text) element.textContent = text;
    element.className = state;
    document.title = state === "failing" ? `${text} – raingauge` : "raingauge";
  };

  const opened = new Set();
  const details = (key, summary, body) => {
    const element = make("details", {}, make("summary", { "data-key": key }, summary), body);
    element.open = opened.has(key);
    element.addEventListener("toggle", () => (element.open ? opened.add(key) : opened.delete(key)));
    return element;
  };

  const notes = (s) => {
    const { reload_error: refused, warnings } = s.configuration;
    const all = [];
    if (s.notice) all.push(make("div", { class: "note" }, s.notice));
    if (refused) all.push(make("div", { class: "note bad" }, `The configuration could not be loaded again; the old one goes on.\n${refused}`));
    if (warnings.length) {
      const list = make("ul", {}, ...warnings.map((warning) => make("li", {}, warning)));
      all.push(make("div", { class: "note wait" }, details("warnings", many(warnings.length, "warning", "warnings") + " about the configuration", list)));
    }
    at("notes").replaceChildren(...all);
  };

  const agent = (s) => {
    const a = s.agent;
    at("agent").hidden = !a;
    if (!a) return;
    at("agent-title").textContent = `This machine, pushed to CloudWatch as ${a.namespace}`;
    const bad = a.failure ? [make("div", { class: "note bad" }, `${a.failure.message}\n→ ${a.failure.fix}`)] : [];
    at("agent-notes").replaceChildren(...bad);
    at("agent-tiles").replaceChildren(
      tile("Metrics", number(a.metrics), `${dollars(a.dollars_per_month)} a month by list price`),
      tile("Data sent", number(a.sent_data), a.last_sent_age_seconds === null ? "nothing yet" : `last ${ago(a.last_sent_age_seconds)}`),
      tile("Data waiting", number(a.waiting_data), "to be sent"),
      tile("Data lost", number(a.lost_data), "since the start"),
    );
  };

  const failure = (f) => {
    const past = f.is_current ? "" : `${ago(f.age_seconds)}: `;
    const times = f.count > 1 ? ` (${number(f.count)} times)` : "";
    return make("li", f.is_current ? {} : { class: "past" }, `${past}${f.message}${times}`, make("span", { class: "fix" }, f.fix));
  };
  const failures = (key, job) => {
    const current = job.failures.filter((f) => f.is_current), past = job.failures.filter((f) => !f.is_current);
    const parts = [];
    const list = (some) => make("ul", { class: "failures" }, ...some.map(failure));
    if (current.length) parts.push(list(current.slice(0, SHOWN_FAILURES)));
    const rest = current.slice(SHOWN_FAILURES);
    if (rest.length) parts.push(details(`more ${key}`, many(rest.length, "more failure", "more failures"), list(rest)));
    if (past.length) parts.push(details(`past ${key}`, many(past.length, "failure", "failures") + " of earlier runs", list(past)));
    return parts;
  };

  const SIGNS = { good: "✓", failing: "✕", waiting: "…" };
  const CLOUDS = { aws: "CloudWatch", gcp: "Google Cloud Monitoring" };
  const row = (job) => {
    const key = `${job.cloud} ${job.kind} ${job.job} ${job.region} ${job.account}`;
    const cell = (label, text, kind) => make("td", { "data-label": label, ...(kind ? { class: kind } : {}) }, text);
    // Discoveries are rare: the fetch tells how the job is, once there was one.
    const run = job.fetch.last_run_age_seconds === null ? job.discover : job.fetch;
    const last = run.last_run_age_seconds === null ? "–" : `${ago(run.last_run_age_seconds)}, took ${span(run.last_run_duration_seconds)}`;
    const next = run.next_run_seconds === null || run.next_run_seconds === 0 ? "now" : `in ${whole(run.next_run_seconds)}`;
    const rows = [make("tr", { class: "job" },
      make("td", { class: `name ${job.state}` }, make("span", { class: "dot", role: "img", "aria-label": job.state, title: job.state }, SIGNS[job.state]), make("b", {}, job.job), make("small", {}, job.kind === job.cloud ? CLOUDS[job.cloud] : `${CLOUDS[job.cloud]}, ${job.kind}`)),
      cell("Region", job.region || "–"), cell("Account", job.account || "own"),
      cell("Series", count(job.series), "n"), cell("Resources", count(job.resources), "n"),
      cell("Last success", ago(run.last_success_age_seconds)), cell("Last run", last), cell("Next run", next))];
    const said = failures(key, job);
    if (job.note) said.push(make("p", { class: "remark" }, job.note));
    if (said.length) rows.push(make("tr", { class: "said" }, make("td", { colspan: "8" }, ...said)));
    return rows;
  };
  const RANKS = { failing: 0, waiting: 1, good: 2 };
  const jobs = (s) => {
    at("jobs").hidden = !s.jobs.length;
    const wanted = at("find").value.toLowerCase().split(/\s+/).filter(Boolean), which = at("which").value;
    const text = (job) => [job.job, job.kind, job.region, job.account, job.cloud, ...job.failures.map((f) => f.message)].join(" ").toLowerCase();
    const shown = s.jobs.filter((job) => (!which || job.state === which) && (!wanted.length || wanted.every((word) => text(job).includes(word))));
    shown.sort((a, b) => RANKS[a.state] - RANKS[b.state]);
    const counted = shown.length === s.jobs.length ? number(s.jobs.length) : `${number(shown.length)} of ${number(s.jobs.length)}`;
    if (at("shown").textContent !== counted) at("shown").textContent = counted;
    at("rows").replaceChildren(...shown.flatMap(row));
  };

  const bars = (title, entries, format) => {
    const top = entries.length ? entries[0][1] : 0;
    const line = ([name, value]) => {
      const bar = make("div", {});
      bar.style.width = `${top > 0 ? value / top * 100 : 0}%`;
      return make("tr", {}, make("td", { class: "name" }, name), make("td", { class: "bars" }, bar), make("td", { class: "n" }, format(value)));
    };
    return make("section", { class: "panel" }, make("h3", {}, title), make("table", {}, make("tbody", {}, ...entries.map(line))));
  };
  const highest = (s, value) => s.jobs.map((job) => [[job.job, job.region, job.account].filter(Boolean).join(" · "), value(job)])
    .filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1]).slice(0, 6);
  const operations = (s) => {
    const head = ["Operation", "Calls", "Failed", "Retried", "Throttled", "Dollars"];
    const line = (o) => make("tr", {}, make("td", { class: "name" }, o.operation, make("small", {}, o.service)),
      ...[o.calls, o.failed_calls, o.retries, o.throttles].map((n) => make("td", { class: "n" }, number(n))), make("td", { class: "n" }, dollars(o.dollars)));
    return make("section", { class: "panel wide" }, make("h3", {}, "API calls since the start"), make("table", {},
      make("thead", {}, make("tr", {}, ...head.map((name, i) => make("th", { scope: "col", class: i ? "n" : "" }, name)))),
      make("tbody", {}, ...s.api.operations.map(line))));
  };
  const panels = (s) => {
    const ranked = [["Slowest jobs", (job) => job.fetch.last_run_duration_seconds, span], ["Most series", (job) => job.series, number], ["Largest inventories", (job) => job.resources, number]];
    const some = ranked.map(([title, value, format]) => [title, highest(s, (job) => value(job) || 0), format]).filter(([, entries]) => entries.length);
    at("panels").replaceChildren(...some.map((one) => bars(...one)), ...(s.api.operations.length ? [operations(s)] : []));
  };

  const about = (s) => {
    const { since_start_dollars: most } = s.cost.per_statistic, { since_start_dollars: least } = s.cost.per_block;
    at("about").textContent = `raingauge ${s.version}, from ${s.source}. ${dollars(most)} since the start by list price, free tiers not taken off`
      + (least < most ? `; ${dollars(least)} if up to five statistics of a metric are billed as one.` : ".");
  };

  let newest = JSON.parse(at("data").textContent), isPaused = false, isAsking = false;
  const show = (s) => {
    newest = s;
    // What had the focus is drawn anew, and gets it back.
    const focused = document.activeElement && document.activeElement.dataset.key;
    [verdict, notes, tiles, agent, jobs, panels, about].forEach((part) => part(s));
    const again = focused && [...document.querySelectorAll("summary")].find((summary) => summary.dataset.key === focused);
    if (again) again.focus({ preventScroll: true });
  };
  const lost = (why) => {
    const time = new Date(newest.now_timestamp_seconds * 1000).toLocaleTimeString();
    notes(newest);
    at("notes").prepend(make("div", { class: "note bad" }, `raingauge does not answer (${why}). This is what it said at ${time}.`));
  };
  const refresh = async () => {
    if (isPaused || isAsking || document.hidden) return;
    isAsking = true;
    try {
      const answer = await fetch(document.body.dataset.api, { cache: "no-store" });
      if (!answer.ok) throw new Error(`${answer.status}`);
      show(await answer.json());
    } catch (error) {
      lost(error.message);
    } finally {
      isAsking = false;
    }
  };
  at("find").addEventListener("input", () => jobs(newest));
  at("which").addEventListener("change", () => jobs(newest));
  at("pause").addEventListener("click", () => {
    isPaused = !isPaused;
    at("pause").setAttribute("aria-pressed", String(isPaused));
    at("pause").textContent = isPaused ? "Go on" : "Pause";
    refresh();
  });
  at("explain").addEventListener("submit", async (event) => {
    event.preventDefault();
    const said = (text) => {
      at("explanation").hidden = false;
      at("explanation").textContent = text;
    };
    at("ask").disabled = true;
    said("Asking the clouds …");
    try {
      const body = JSON.stringify({ metric: at("metric").value });
      const answer = await fetch(document.body.dataset.explain, { method: "POST", headers: { "Content-Type": "application/json" }, body });
      said(await answer.text());
    } catch (error) {
      said(`raingauge does not answer (${error.message}).`);
    } finally {
      at("ask").disabled = false;
    }
  });
  document.addEventListener("visibilitychange", refresh);
  show(newest);
  setInterval(refresh, REFRESH_MILLISECONDS);
})();
