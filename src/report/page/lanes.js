// The incident at a glance: faults, alerts and actions as bars over the time of the run.
(() => {
  const { hotfire } = globalThis;
  const { el } = hotfire;

  /** More lanes than this are no glance. */
  const LANES_MAX = 24;

  const percent = (ms) =>
    hotfire.data.virtualMs > 0 ? Math.min(100, Math.max(0, (ms / hotfire.data.virtualMs) * 100)) : 0;

  const bar = (fromMs, toMs, tone, title) => {
    const left = percent(fromMs);
    const style = `left:${left}%;width:max(3px,${percent(toMs) - left}%)`;
    return el('button', {
      type: 'button',
      class: `span ${tone}`,
      style,
      title,
      'aria-label': title,
      onclick: () => hotfire.showMoment(fromMs),
    });
  };

  const mark = (ms, tone, title) =>
    el('button', {
      type: 'button',
      class: `mark ${tone}`,
      style: `left:${percent(ms)}%`,
      title,
      'aria-label': title,
      onclick: () => hotfire.showMoment(ms),
    });

  const lane = (name, kind, items) =>
    el(
      'div',
      { class: 'lane' },
      el('div', { class: 'lane-name', title: name }, el('span', { class: 'lane-kind' }, kind), name),
      el('div', { class: 'lane-track' }, items),
    );

  const groupBy = (items, key) => {
    const groups = new Map();
    for (const item of items) groups.set(key(item), [...(groups.get(key(item)) ?? []), item]);
    return [...groups];
  };

  const ticks = () => {
    const { virtualMs } = hotfire.data;
    const steps = [1, 5, 10, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 14_400, 43_200, 86_400];
    const step = (steps.find((seconds) => virtualMs / (seconds * 1_000) <= 9) ?? 604_800) * 1_000;
    const moments = [];
    for (let ms = 0; ms <= virtualMs; ms += step) moments.push(ms);
    return el(
      'div',
      { class: 'lane axis' },
      el('div', { class: 'lane-name' }),
      el(
        'div',
        { class: 'lane-track' },
        moments.map((ms) =>
          el(
            'span',
            { class: percent(ms) > 96 ? 'tick last' : 'tick', style: `left:${percent(ms)}%` },
            hotfire.clock(ms),
          ),
        ),
      ),
    );
  };

  /** The lanes of the run, or nothing when nothing happened. */
  hotfire.lanes = () => {
    const { faults, alerts, timeline, virtualMs } = hotfire.data;
    const marks = (kinds, tone) =>
      timeline
        .filter(([, kind]) => kinds.includes(kind))
        .slice(0, 200)
        .map(([ms, , , text]) => mark(ms, tone, `${hotfire.clock(ms, true)} ${text}`));
    const faultLanes = groupBy(faults, (fault) => fault.name).map(([name, group]) =>
      lane(
        name,
        'fault',
        group.map((fault) =>
          bar(fault.startMs, hotfire.faultEnd(fault), 'fault', `${hotfire.clock(fault.startMs, true)} ${fault.text}`),
        ),
      ),
    );
    const firedFirst = [...alerts].sort((a, b) => (a.firingMs ?? Number.MAX_VALUE) - (b.firingMs ?? Number.MAX_VALUE));
    const alertLanes = groupBy(firedFirst, (alert) => alert.name).map(([name, group]) =>
      lane(
        name,
        'alert',
        group.flatMap((alert) => {
          const end = alert.resolvedMs ?? virtualMs;
          const pending = bar(
            alert.pendingMs,
            alert.firingMs ?? end,
            'pending',
            `${name} pending from ${hotfire.clock(alert.pendingMs, true)}`,
          );
          if (alert.firingMs === undefined) return [pending];
          return [
            pending,
            bar(alert.firingMs, end, 'firing', `${name} fires from ${hotfire.clock(alert.firingMs, true)}`),
          ];
        }),
      ),
    );
    const operator = marks(['operator'], 'operator');
    const processes = marks(['crash', 'exit'], 'crash');
    const starts = marks(['start'], 'start');
    const load = marks(['load'], 'load');
    const violations = hotfire.data.violations
      .slice(0, 200)
      .map((violation) => mark(violation.atMs ?? virtualMs, 'crash', `${violation.check}: ${violation.message}`));
    const all = [
      load.length > 0 ? lane('changes', 'load', load) : undefined,
      ...faultLanes,
      ...alertLanes,
      operator.length > 0 ? lane('commands', 'operator', operator) : undefined,
      processes.length > 0 ? lane('crashes, exits, starts', 'process', [...starts, ...processes]) : undefined,
      violations.length > 0 ? lane('violations', 'check', violations) : undefined,
    ].filter((one) => one !== undefined);
    if (all.length === 0) return undefined;
    const more =
      all.length > LANES_MAX
        ? el('p', { class: 'help' }, `${all.length - LANES_MAX} more lanes are not shown.`)
        : undefined;
    return el('div', { class: 'card lanes' }, all.slice(0, LANES_MAX), ticks(), more);
  };
})();
