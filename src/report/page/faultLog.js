// Every fault that was injected: to whom, with which parameters, from when to when.
(() => {
  const { hotfire } = globalThis;
  const { el, table, moment, heading } = hotfire;

  /** More faults than this are opened on demand: a run of chaos has hundreds. */
  const SHOWN = 40;

  const row = (fault) => [
    String(fault.id),
    el('strong', {}, fault.name),
    fault.nodes.join(', ') || '–',
    el('div', {}, fault.text, el('div', {}, el('code', { class: 'muted' }, hotfire.shortFields(fault.parameters)))),
    moment(fault.startMs),
    fault.endMs === undefined
      ? el('span', { class: 'muted' }, hotfire.isMomentary(fault) ? 'at once' : 'not healed')
      : moment(fault.endMs),
    fault.endMs === undefined ? '–' : el('span', { class: 'nowrap' }, hotfire.span(fault.endMs - fault.startMs)),
    el(
      'button',
      {
        type: 'button',
        class: 'moment',
        'aria-label': `Show fault ${fault.id} in the diagram`,
        onclick: () => hotfire.showItem({ kind: 'fault', fault }),
      },
      'diagram',
    ),
  ];

  hotfire.renderFaultLog = (section) => {
    const { faults } = hotfire.data;
    const heads = ['id', 'fault', 'nodes', 'what it did', 'begins', 'ends', 'for', ''];
    section.append(
      ...heading(
        `Faults (${hotfire.count(faults.length)})`,
        'Everything that was injected, in order, with its parameters.',
      ),
      table(heads, faults.slice(0, SHOWN).map(row)),
    );
    if (faults.length > SHOWN)
      section.append(
        el(
          'details',
          { class: 'more' },
          el('summary', {}, `${hotfire.count(faults.length - SHOWN)} more faults`),
          table(heads, faults.slice(SHOWN).map(row)),
        ),
      );
  };
})();
