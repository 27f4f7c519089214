// The logs of the nodes, line by line.
(() => {
  const { hotfire } = globalThis;
  const { el } = hotfire;

  const TONES = { warn: 'warn', error: 'bad' };
  const LEVELS = ['debug', 'info', 'warn', 'error'];

  hotfire.renderLogs = (section) => {
    const { logs } = hotfire.observed;
    if (logs.length === 0) return;
    section.hidden = false;
    hotfire.byId('logs-link').hidden = false;
    const levels = LEVELS.filter((level) => logs.some((line) => line.level === level));
    const list = hotfire.explorer({
      id: 'logs',
      label: 'Logs',
      noun: 'lines',
      className: 'log',
      searchHint: 'Search in messages and fields',
      hint: 'Choose a line to see its fields. Arrow keys move.',
      count: logs.length,
      text: (index) =>
        `${logs[index].node} ${logs[index].message} ${hotfire.shortFields(logs[index].fields)}`.toLowerCase(),
      cells: (index) => {
        const { atMs, node, level, message, fields } = logs[index];
        return [
          el('span', { class: 'row-time' }, hotfire.fineClock(atMs, 1_000)),
          el('span', { class: `badge ${TONES[level] ?? ''}` }, level),
          el('span', { class: 'row-node' }, node),
          el(
            'span',
            { class: 'row-text' },
            message,
            el('span', { class: 'muted' }, `  ${hotfire.shortFields(fields)}`),
          ),
        ];
      },
      detail: (index) => [
        ...hotfire.diagram.detailOf(hotfire.diagram.logItem(index)),
        hotfire.inDiagram(hotfire.diagram.logItem(index)),
      ],
      fromMs: (index) => logs[index].atMs,
      toMs: (index) => logs[index].atMs,
      chips: { names: levels, tone: (level) => TONES[level] ?? '', of: (index) => logs[index].level },
      choices: [
        {
          label: 'Node',
          any: 'every node',
          values: [...new Set(logs.map(({ node }) => node))].sort(),
          of: (index) => logs[index].node,
        },
      ],
    });
    const { leftOut } = hotfire.data;
    section.append(
      ...hotfire.heading(
        'Logs',
        `What the processes logged.${leftOut.logs > 0 ? ` ${hotfire.count(leftOut.logs)} more lines are not on this page.` : ''}`,
      ),
      ...list.elements,
    );
  };
})();
