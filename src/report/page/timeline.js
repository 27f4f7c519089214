// The timeline: every line of the run.
(() => {
  const { hotfire } = globalThis;
  const { el } = hotfire;

  /** How much is shown before and after a line in the diagram. */
  const AROUND_MS = 100;

  const TONES = {
    'fault-start': 'fault',
    'fault-end': 'good',
    'alert-pending': 'warn',
    'alert-firing': 'bad',
    'alert-resolved': 'good',
    operator: 'act',
    crash: 'bad',
    exit: 'bad',
    violation: 'bad',
  };

  const shortValue = (value) => {
    if (typeof value === 'object') return JSON.stringify(value);
    return typeof value === 'number' && !Number.isInteger(value) ? String(Number(value.toPrecision(4))) : String(value);
  };

  /** The fields of a log line, short: `durationMs=141 bytes=8192`. */
  hotfire.shortFields = (data) => {
    if (data === null || data === undefined || typeof data !== 'object') return '';
    return Object.entries(data)
      .map(([name, value]) => `${name}=${shortValue(value)}`)
      .join(' ');
  };

  const fieldsOf = ([, kind, , , data]) => (kind === 'log' ? hotfire.shortFields(data) : '');

  const cells = (line) => {
    const [ms, kind, node, text] = line;
    return [
      el('span', { class: 'row-time' }, hotfire.clock(ms, true)),
      el('span', { class: `badge ${TONES[kind] ?? ''}` }, kind),
      el('span', { class: 'row-node' }, node),
      el('span', { class: 'row-text' }, text, el('span', { class: 'muted' }, fieldsOf(line) && `  ${fieldsOf(line)}`)),
    ];
  };

  const detail = ([ms, kind, node, text, data]) => [
    el('p', {}, el('strong', {}, hotfire.clock(ms, true)), ` ${kind}${node ? ` on ${node}` : ''}`),
    el('p', { class: 'detail-text' }, text),
    data === undefined ? undefined : el('pre', { tabindex: '0' }, JSON.stringify(data, null, 2)),
    el(
      'button',
      { type: 'button', class: 'to-it', onclick: () => hotfire.showStretch(ms - AROUND_MS, ms + AROUND_MS) },
      'Show in the diagram',
    ),
  ];

  hotfire.renderTimeline = (section) => {
    const all = hotfire.data.timeline;
    const unique = (place) => [...new Set(all.map((line) => line[place]))].filter((value) => value !== '');
    const list = hotfire.explorer({
      id: 'timeline',
      label: 'Timeline',
      noun: 'lines',
      className: '',
      searchHint: 'Search in text and node',
      hint: 'Choose a line to see all of it. Arrow keys move.',
      count: all.length,
      text: (index) => `${all[index][2]} ${all[index][3]} ${fieldsOf(all[index])}`.toLowerCase(),
      cells: (index) => cells(all[index]),
      detail: (index) => detail(all[index]),
      fromMs: (index) => all[index][0],
      toMs: (index) => all[index][0],
      chips: { names: unique(1), tone: (kind) => TONES[kind] ?? '', of: (index) => all[index][1] },
      choices: [{ label: 'Node', any: 'every node', values: unique(2).sort(), of: (index) => all[index][2] }],
    });
    const { timeline: more } = hotfire.data.leftOut;
    const help = `Everything that was noted, in virtual time.${more > 0 ? ` ${hotfire.count(more)} more lines, far from faults, alerts and violations, are in report.json.` : ''}`;
    section.append(...hotfire.heading('Timeline', help), ...list.elements);

    /** Leads to the first line at or after a moment. */
    hotfire.showMoment = (ms) => {
      section.scrollIntoView({ block: 'start' });
      list.reveal(ms, (index) => all[index][0] >= ms - 0.5);
    };
  };
})();
