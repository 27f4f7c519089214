// Everything that is a table: expectations, violations, alerts, faults, operations.
(() => {
  const { hotfire } = globalThis;
  const { el, table, moment, heading } = hotfire;

  const json = (value) => el('pre', { class: 'evidence', tabindex: '0' }, JSON.stringify(value, null, 2));

  /** Violations of one check that are shown at once; the others open on demand. */
  const SHOWN = 3;
  /** Operations of one violation that are linked. */
  const LINKS_MAX = 50;

  /** How much is shown before and after a violation. */
  const AROUND_MS = 100;

  const around = (ms) =>
    el(
      'button',
      { type: 'button', class: 'moment', onclick: () => hotfire.showStretch(ms - AROUND_MS, ms + AROUND_MS) },
      'diagram',
    );

  const article = (violation) => {
    const { operations = [], evidence, atMs } = violation;
    const ids = operations.slice(0, LINKS_MAX).flatMap((id) => [hotfire.operationLink(id), ' ']);
    return el(
      'article',
      { class: 'card breach' },
      el(
        'h3',
        {},
        violation.check,
        atMs === undefined ? undefined : el('span', {}, ' ', moment(atMs), ' ', around(atMs)),
      ),
      el('p', {}, violation.message),
      operations.length > 0
        ? el('p', { class: 'help' }, 'Operations of the history: ', ids, operations.length > LINKS_MAX ? '…' : '')
        : undefined,
      hotfire.linearization(violation),
      evidence === undefined ? undefined : el('details', {}, el('summary', {}, 'Evidence'), json(evidence)),
    );
  };

  hotfire.renderViolations = (section) => {
    const { violations, violationCount, leftOut } = hotfire.data;
    if (violations.length === 0) return;
    section.hidden = false;
    section.append(...heading(`Violations (${violationCount})`, 'What must hold at any time, and did not.'));
    const checks = new Set(violations.map(({ check }) => check));
    for (const check of checks) {
      const all = violations.filter((violation) => violation.check === check);
      const rest = all.slice(SHOWN);
      section.append(...all.slice(0, SHOWN).map(article));
      if (rest.length > 0)
        section.append(
          el(
            'details',
            { class: 'more' },
            el('summary', {}, `${hotfire.count(rest.length)} more of ${check}`),
            rest.map(article),
          ),
        );
      const more = leftOut.violations[check] ?? 0;
      if (more > 0)
        section.append(el('p', { class: 'help' }, `${hotfire.count(more)} more of ${check} are in report.json.`));
    }
  };

  hotfire.renderExpectations = (section) => {
    const order = ['violated', 'undecided', 'held'];
    const sorted = [...hotfire.data.expectations].sort((a, b) => order.indexOf(a.outcome) - order.indexOf(b.outcome));
    const rows = sorted.map(({ outcome, text, detail }) => [
      hotfire.verdict(outcome),
      text,
      el('span', { class: 'muted' }, detail),
    ]);
    section.append(
      ...heading(
        'Expectations',
        'What the scenario and the checks demand, and what was seen. What did not come true stands first.',
      ),
      table(['outcome', 'expected', 'seen'], rows),
    );
  };

  hotfire.renderAlerts = (section) => {
    const { alerts } = hotfire.data;
    const at = (ms) => (ms === undefined ? '–' : moment(ms));
    const alertRows = alerts.map((alert) => [
      el('div', {}, el('strong', {}, alert.name), el('div', { class: 'muted' }, alert.annotations.summary ?? '')),
      hotfire.badge(alert.severity, { critical: 'bad', warning: 'warn' }[alert.severity] ?? ''),
      el('span', { class: 'nowrap' }, (alert.labels.instance ?? '').replace(/:\d+$/, '')),
      at(alert.pendingMs),
      at(alert.firingMs),
      at(alert.resolvedMs),
      el('code', {}, alert.expr),
    ]);
    section.append(
      ...heading(
        'Alerts',
        'The alert rules are Prometheus rules, evaluated on what was scraped every 15 s of virtual time.',
      ),
      table(['alert', 'severity', 'node', 'pending', 'fires', 'resolved', 'rule'], alertRows),
    );
  };

  const card = (value, label, tone = '') =>
    el('div', { class: `card number ${tone}` }, el('b', {}, value), el('span', {}, label));

  hotfire.renderOperations = (section) => {
    const { operations } = hotfire.data;
    const latency = (ms) => (Number.isFinite(ms) ? hotfire.span(ms) : '–');
    const rows = Object.entries(operations.byName).map(([name, { ok, fail, info, latency: summary }]) => [
      el('strong', {}, name),
      ...[ok, fail, info].map(hotfire.count),
      latency(summary.p50Ms),
      latency(summary.p99Ms),
      latency(summary.maxMs),
    ]);
    const errors = Object.entries(operations.errors)
      .sort(([, a], [, b]) => b - a)
      .map(([code, count]) => [el('code', {}, code), hotfire.count(count)]);
    section.append(
      ...heading(
        'Operations of the clients',
        'Each client sends one operation at a time; times are from its call to its answer.',
      ),
      el(
        'div',
        { class: 'numbers' },
        card(hotfire.count(operations.total), 'sent'),
        card(hotfire.count(operations.ok), 'ok', 'good'),
        card(hotfire.count(operations.fail), 'refused', operations.fail > 0 ? 'warn' : ''),
        card(hotfire.count(operations.info), 'unknown', operations.info > 0 ? 'warn' : ''),
      ),
      table(['operation', 'ok', 'fail', 'info', 'p50', 'p99', 'max'], rows, 'numeric'),
      ...(errors.length > 0
        ? [el('h3', {}, 'Errors as the clients saw them'), table(['code', 'times'], errors, 'numeric')]
        : []),
    );
  };
})();
